"""How MLflow is spoken to: quick to give up on a server that was never there, patient with one that went away.

MLflow reads its retries from the environment at each request, so they are switched there; what the user has set stays.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping

# Before mlflow is imported: it reads them then.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
# Artefacts that lie in S3 itself, not behind the server: about 1.5 minutes of tries.
os.environ.setdefault("AWS_RETRY_MODE", "standard")
os.environ.setdefault("AWS_MAX_ATTEMPTS", "12")

import logging
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from landmark.cache import locked
from landmark.config import RegistryConfig, public_uri
from landmark.errors import LandmarkError
from landmark.home import SQLITE, store_uri

EXPERIMENT = "landmark"

RETRIES, FACTOR, TIMEOUT = (
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR",
    "MLFLOW_HTTP_REQUEST_TIMEOUT",
)
QUICK = {RETRIES: "2", FACTOR: "1", TIMEOUT: "15"}
"""For the first word with a server: 2 seconds where nothing listens, a minute where nothing answers."""
PATIENT = {RETRIES: "8", FACTOR: "1", TIMEOUT: "120"}
"""For a server that has answered: waits of 0, 2, 4, ... 64, 120 seconds, 4 minutes in all."""
UPLOAD = {**PATIENT, TIMEOUT: "900"}
"""For big files: a server answers only when it has passed the whole of one on to its own store."""
_OWN = frozenset(name for name in PATIENT if os.environ.get(name) in (None, QUICK[name], PATIENT[name], UPLOAD[name]))
"""Which of them the user has not set: a process inherits from its parent what that has set here."""

_REACHED: set[str] = set()

log = logging.getLogger(__name__)


@contextlib.contextmanager
def patience(settings: Mapping[str, str]) -> Iterator[None]:
    """Speak to MLflow with these retries for a while."""
    before = {name: os.environ.get(name) for name in _OWN}
    os.environ.update({name: value for name, value in settings.items() if name in _OWN})
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def connect(home: Path, registry: RegistryConfig | None = None) -> MlflowClient:
    """A client of the project's MLflow; makes or migrates the SQLite file where it is one.

    A server that does not answer now is given up in seconds. One that has answered is waited for, for minutes, by whatever
    is asked of it later in this process.

    Raises:
        LandmarkError: the store cannot be reached or written.
    """
    uri = store_uri(home, registry)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    _use(uri)
    try:
        if not uri.startswith(SQLITE):
            with patience(PATIENT if uri in _REACHED else QUICK):
                client = MlflowClient(uri)
                client.get_experiment_by_name(EXPERIMENT)
            _REACHED.add(uri)
            os.environ.update({name: value for name, value in PATIENT.items() if name in _OWN})
            return client
        # Two processes that make a fresh SQLite store at once corrupt it.
        with locked(home / "locks" / "mlflow.lock", wait="MLflow: another process is making the store; waiting for it"):
            Path(uri.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)
            client = MlflowClient(uri)
            client.get_experiment_by_name(EXPERIMENT)
            return client
    except (MlflowException, OSError) as error:
        raise LandmarkError(
            f"MLflow at {public_uri(uri)}: {one_line(error, uri)}; check registry.tracking_uri (and MLFLOW_TRACKING_USERNAME, "
            "MLFLOW_TRACKING_PASSWORD where it asks for a log-in), or switch it off with registry.enabled=false"
        ) from error


def _use(uri: str) -> None:
    # MLflow puts the address into the environment as well, where it would be taken for the user's own wish.
    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    if before is None:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    else:
        os.environ["MLFLOW_TRACKING_URI"] = before


def one_line(error: BaseException, uri: str = "") -> str:
    """An error's text as one line, without the store's password."""
    text = " ".join(str(error).split())
    return (text.replace(uri, public_uri(uri)) if uri else text)[:300]


@contextlib.contextmanager
def asking(home: Path) -> Iterator[MlflowClient]:
    """A client for one command: what MLflow itself raises becomes one line.

    Raises:
        LandmarkError: the registry cannot be reached, or refuses.
    """
    client = connect(home)
    uri = store_uri(home)
    try:
        yield client
    except MlflowException as error:
        raise LandmarkError(f"MLflow at {public_uri(uri)}: {one_line(error, uri)}") from error
