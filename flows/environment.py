"""What must stand in the environment before Prefect is imported: its home, no telemetry, patience with its own server."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from landmark.errors import LandmarkError

OWNER = "LANDMARK_FLOW_PROCESS"
"""Which process a Prefect server was started for; its id, as text."""


def prepare(home: Path, *, verbose: bool = False) -> None:
    """Point Prefect at the project's own folder. A server that is configured (PREFECT_API_URL) is used.

    Args:
        home: the project's home folder.
        verbose: show Prefect's own log lines.

    Raises:
        LandmarkError: the folder cannot be written.
    """
    folder = home.resolve() / "prefect"
    try:
        # Prefect makes no parents, and its server that cannot write there is started again and again for minutes.
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise LandmarkError(
            f"{folder}: cannot be written ({error.strerror}); mend the permissions or choose another home"
        ) from error
    settings = {
        "PREFECT_HOME": str(folder),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",  # the default of 20 s is too short for a fresh home
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        # An error is one line of ours; Prefect's page of traceback goes to its server, and to the console with --debug.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "landmark",
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    os.environ[OWNER] = str(os.getpid())


def end_orphaned_servers(home: Path) -> int:
    """End Prefect servers of this home whose process was killed and could not end them itself; returns how many."""
    import psutil

    ended = 0
    for process in psutil.process_iter(["cmdline"]):
        try:
            if "prefect.server.api.server:create_app" not in (process.info["cmdline"] or []):
                continue
            environment = process.environ()
            owner = int(environment.get(OWNER, "0"))
            if environment.get("PREFECT_HOME") != str(home.resolve() / "prefect") or owner == 0:
                continue
            # An id that is in use again belongs to a process that is younger than the server.
            if psutil.pid_exists(owner) and psutil.Process(owner).create_time() <= process.create_time():
                continue
            process.terminate()
            ended += 1
        except psutil.Error:
            continue
    return ended
