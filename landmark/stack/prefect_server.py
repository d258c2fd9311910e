"""Prefect's server and worker on loopback. Their programs are child processes: nothing of Prefect is imported here."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import landmark
from landmark.stack import keys
from landmark.stack.service import Service, answers

USER = "landmark"
POOL = "landmark"
HEARTBEAT_SECONDS = 30
"""Prefect's shortest."""

SILENCE_SECONDS = 240
"""A flow run whose heartbeats stop for so long is marked Crashed. A server that is away for less costs no run."""

QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_CLI_COLORS": "false",
    "PREFECT_CLI_PROMPT": "false",
}
ROOT = Path(landmark.__file__).resolve().parents[1]
DEPLOYMENTS = ROOT / "infra" / "prefect.yaml"
"""The project's own deployments, where the package lies in its repository."""


def services(
    folder: Path,
    port: int,
    environment: Mapping[str, str],
    database: Mapping[str, str],
    client: Mapping[str, str],
    worker: Mapping[str, str],
    silence: int = SILENCE_SECONDS,
    deployments: Path | None = None,
    config: str | None = None,
) -> list[Service]:
    """Prefect's server, its settings and deployments, and the worker.

    Args:
        folder: Prefect's home folder.
        port: the server's port.
        environment: what each program gets.
        database: what only the server needs to reach its database; empty: SQLite in `folder`.
        client: what a client needs (`client_variables`).
        worker: what the worker and its flow runs need besides.
        silence: seconds without heartbeat after which a flow run is marked Crashed.
        deployments: file of deployments; None: the project's own, where `config` is given.
        config: YAML file of the run that the deployments make.
    """
    keys.private_folder(folder)
    url = f"http://127.0.0.1:{port}"
    home = {**environment, **QUIET, "PREFECT_HOME": str(folder)}
    own = {
        **home,
        **client,
        **database,
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_API_AUTH_STRING": client["PREFECT_API_AUTH_STRING"],
        # By default any web page that the user looks at may call the server, which has code run.
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"{url},http://localhost:{port}",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
        "PREFECT_SERVER_UI_ENABLED": "true",
        # Kept in memory by default: a server that is started anew would never free the slots of runs that are dead.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
    }
    prefect = (sys.executable, "-m", "prefect")
    notify = {name: value for name, value in os.environ.items() if name == "LANDMARK_NOTIFY"}
    setting_up = {**home, **client, **notify, "LANDMARK_SILENCE_SECONDS": str(silence)}
    made = [
        Service(
            "prefect",
            (*prefect, "server", "start"),
            own,
            folder,
            ready=lambda: answers(f"{url}/api/health"),
            needs=("postgres",) if database else (),
            url=url,
        ),
        Service(
            "prefect-settings",
            (sys.executable, "-m", "flows.automations"),
            setting_up,
            folder,
            needs=("prefect",),
            once=True,
        ),
    ]
    file = deployments or (DEPLOYMENTS if config else None)
    if file is not None:
        apply = (*prefect, "--no-prompt", "deploy", "--all", "--prefect-file", str(file))
        made.append(
            Service(
                "deployments",
                apply,
                {**setting_up, "LANDMARK_CONFIG": config or ""},
                ROOT if deployments is None else file.parent,
                needs=("prefect-settings",),
                once=True,
            )
        )
    flows = {
        **worker,
        **home,
        **client,
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_SECONDS),
        "PREFECT_WORKER_QUERY_SECONDS": "5",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_CLIENT_RETRY_EXTRA_CODES": "500,504",  # what the server answers while its database is away
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
        "PREFECT_LOGGING_EXTRA_LOGGERS": "landmark",
    }
    command = (*prefect, "worker", "start", "--pool", POOL, "--type", "process", "--name", "landmark")
    needs = tuple(one.name for one in made[1:])
    made.append(Service("worker", command, flows, folder, needs=needs, keeps_children=True, stop_seconds=30))
    return made


def client_variables(port: int, password: str) -> dict[str, str]:
    """What a client of the server needs in its environment."""
    return {"PREFECT_API_URL": f"http://127.0.0.1:{port}/api", "PREFECT_API_AUTH_STRING": f"{USER}:{password}"}


def database_variables(port: int, password: str) -> dict[str, str]:
    """What the server needs to reach its Postgres database."""
    url = f"postgresql+asyncpg://prefect@127.0.0.1:{port}/prefect"
    return {"PREFECT_SERVER_DATABASE_CONNECTION_URL": url, "PGPASSWORD": password}
