"""What must stand in the environment before Prefect is imported: its home, no telemetry, few words."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from landmark.errors import LandmarkError
from landmark.stack import found


def prepare(home: Path, *, verbose: bool = False) -> None:
    """Point Prefect at the project's own folder. A server that is configured (PREFECT_API_URL) is used, else that of
    `landmark up`, if it runs for this home.

    Args:
        home: the project's home folder.
        verbose: show Prefect's own log lines.

    Raises:
        LandmarkError: the folder cannot be written.
    """
    folder = home.resolve() / "prefect"
    try:
        # Prefect makes no parents, and a server that cannot write there is waited for in vain.
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise LandmarkError(
            f"{folder}: cannot be written ({error.strerror}); mend the permissions or choose another home"
        ) from error
    found.use(home)
    settings = {
        "PREFECT_HOME": str(folder),
        "LANDMARK_CACHE": str(home.resolve() / "embeddings"),
        # Where `flows.server` is not used (a flow called from Python): the default of 20 s is too short for a fresh home.
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        # An error is one line of ours; Prefect's page of traceback goes to its server, and to the console with --debug.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "landmark",
    }
    if os.environ.get("PREFECT_API_URL"):
        # A server answers with 500 while its database is away: ask again for a minute. One's own has a full disk then.
        settings["PREFECT_CLIENT_RETRY_EXTRA_CODES"] = "500,504"
    for name, value in settings.items():
        os.environ.setdefault(name, value)
