"""MLflow's server on loopback. Its program is a child process: nothing of MLflow is imported here."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from pathlib import Path

from landmark.errors import LandmarkError
from landmark.stack import keys
from landmark.stack.service import Service, answers

USER = "landmark"
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # judges of language models; they would be ten processes more
}


def light(home: Path, port: int, environment: Mapping[str, str]) -> list[Service]:
    """MLflow on the home's own SQLite file and folder, which commands without a server use as well."""
    folder = home.resolve() / "mlflow"
    folder.mkdir(parents=True, exist_ok=True)
    store = {"MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder / 'mlflow.db'}"}
    lock = home.resolve() / "locks" / "mlflow.lock"
    options = ("--artifacts-destination", str(folder / "artifacts"))
    return _services(folder, port, {**environment, **QUIET, **store}, options, lock, ())


def full(
    folder: Path, port: int, environment: Mapping[str, str], database: int, artefacts: str, secrets: Mapping[str, str]
) -> list[Service]:
    """MLflow on Postgres, artefacts by way of the server in S3, with a log-in.

    Args:
        folder: its own folder.
        port: its port.
        environment: what it gets, the S3 account for its artefacts among it.
        database: Postgres's port.
        artefacts: s3:// address.
        secrets: `pg-mlflow`, `mlflow-admin` and `mlflow-cookie`.

    Raises:
        LandmarkError: a package is missing.
    """
    if importlib.util.find_spec("flask_wtf") is None:
        raise LandmarkError("up --full: Flask-WTF, for MLflow's log-in, is missing: pip install 'landmark[stack]'")
    keys.private_folder(folder)
    address = f"postgresql+psycopg2://mlflow@127.0.0.1:{database}"
    config = folder / "basic_auth.ini"
    lines = [
        "[mlflow]",
        "default_permission = NO_PERMISSIONS",
        f"database_uri = {address}/mlflow_auth",
        f"admin_username = {USER}",
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth",
        "auth_cache_ttl_seconds = 60",
    ]
    keys.write_private(config, "\n".join(lines) + "\n")
    own = {
        "MLFLOW_BACKEND_STORE_URI": f"{address}/mlflow",
        "PGPASSWORD": secrets["pg-mlflow"],  # so that no address has it, and no error message that shows one
        "MLFLOW_AUTH_CONFIG_PATH": str(config),
        "MLFLOW_AUTH_ADMIN_USERNAME": USER,
        "MLFLOW_AUTH_ADMIN_PASSWORD": secrets["mlflow-admin"],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets["mlflow-cookie"],
    }
    options = ("--app-name", "basic-auth", "--artifacts-destination", artefacts)
    return _services(folder, port, {**environment, **QUIET, **own}, options, folder / "upgrade.lock", ("postgres", "s3"))


def _services(
    folder: Path, port: int, environment: Mapping[str, str], options: tuple[str, ...], lock: Path, needs: tuple[str, ...]
) -> list[Service]:
    url = f"http://127.0.0.1:{port}"
    hosts = f"127.0.0.1:{port},localhost:{port}"
    upgrade = Service(
        "mlflow-upgrade",
        (sys.executable, "-m", "landmark.stack.mlflow_upgrade", str(lock)),
        environment,
        folder,
        needs=needs,
        once=True,
    )
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--allowed-hosts", hosts, "--cors-allowed-origins", f"{url},http://localhost:{port}"]
    # A line for each request would be most of the log.
    command += ["--uvicorn-opts", "--log-level warning", *options]
    server = Service(
        "mlflow",
        tuple(command),
        environment,
        folder,
        ready=lambda: answers(f"{url}/health"),
        needs=(*needs, "mlflow-upgrade"),
        url=url,
    )
    return [upgrade, server]


def variables(url: str, password: str | None) -> dict[str, str]:
    """What a client of the server needs in its environment."""
    if password is None:
        return {"MLFLOW_TRACKING_URI": url}
    return {"MLFLOW_TRACKING_URI": url, "MLFLOW_TRACKING_USERNAME": USER, "MLFLOW_TRACKING_PASSWORD": password}
