"""Which servers there are: `light` for one person's machine, `full` with Postgres, S3 and log-ins."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from landmark.errors import LandmarkError, UsageError
from landmark.stack import found, keys, mlflow_server, object_store, ports, postgres, prefect_server
from landmark.stack.service import Service

LIGHT, FULL = "light", "full"
DEPLOYMENTS, CONFIG, SILENCE = "LANDMARK_DEPLOYMENTS", "LANDMARK_CONFIG", "LANDMARK_SILENCE_SECONDS"
OWN = ("PREFECT_", "MLFLOW_", "AWS_", "PG", "WEED_")
"""Settings of the user's other servers, which these must not take for theirs."""

BASIC = ("PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV")
SECRETS = ("prefect", "mlflow-admin", "mlflow-cookie", "pg-postgres", "pg-prefect", "pg-mlflow", "s3-jwt")
FULL_ONLY = {"asyncpg": "asyncpg", "psycopg2": "psycopg2", "flask_wtf": "Flask-WTF"}


def services(home: Path, profile: str) -> list[Service]:
    """The services of a profile, with ports chosen, secrets made and the client's file written.

    Raises:
        LandmarkError: a package is missing or a folder cannot be written.
    """
    check(profile)
    home = home.resolve()
    folder = keys.private_folder(found.folder_of(home), 0o711)
    try:
        return (_full if profile == FULL else _light)(home, folder)
    except OSError as error:
        raise LandmarkError(
            f"{error.filename or folder}: cannot be written ({error.strerror}); free some space, mend the permissions "
            "or choose another --home"
        ) from error


def check(profile: str) -> None:
    """See that everything a profile needs is installed.

    Raises:
        LandmarkError: something is not.
    """
    if profile == FULL:
        missing = [name for module, name in FULL_ONLY.items() if importlib.util.find_spec(module) is None]
        if missing:
            raise LandmarkError(f"up --full: {', '.join(missing)} missing: pip install 'landmark[stack]'")


def _light(home: Path, folder: Path) -> list[Service]:
    port = ports.choose(folder, ("prefect", "mlflow"))
    secrets = keys.keep(folder, ("prefect",))
    client = prefect_server.client_variables(port["prefect"], secrets["prefect"])
    keys.write_env(folder, {**client, "LANDMARK_HOME": str(home)})
    # Flows of the worker write to MLflow's files as commands without a server do: one address, one store.
    worker = _worker_environment(home, ("PREFECT_", "MLFLOW_TRACKING_", "MLFLOW_REGISTRY_"))
    prefect = prefect_server.services(home / "prefect", port["prefect"], basic(), {}, client, worker, **_settings())
    return [*prefect, *mlflow_server.light(home, port["mlflow"], basic())]


def _full(home: Path, folder: Path) -> list[Service]:
    names = ("prefect", "mlflow", "postgres", *object_store.PORTS, *object_store.TWINS)
    port = ports.choose(folder, names, object_store.TWINS)
    accounts = [f"s3-{account}-{part}" for account in object_store.RIGHTS for part in ("key", "secret")]
    secrets = keys.keep(folder, (*SECRETS, *accounts))
    passwords = {name: secrets[f"pg-{name}"] for name in ("postgres", *postgres.DATABASES)}
    environment = basic()
    database = postgres.service(folder / "postgres", port["postgres"], environment, passwords)
    objects = object_store.service(folder / "s3", port, environment, secrets)
    assert objects.url is not None
    tracking = mlflow_server.full(
        folder / "mlflow",
        port["mlflow"],
        {**environment, **object_store.variables(objects.url, "mlflow", secrets)},
        port["postgres"],
        f"s3://{object_store.ARTEFACTS}/mlflow",
        secrets,
    )
    client = prefect_server.client_variables(port["prefect"], secrets["prefect"])
    others = {
        **mlflow_server.variables(f"http://127.0.0.1:{port['mlflow']}", secrets["mlflow-admin"]),
        **object_store.variables(objects.url, "landmark", secrets),
    }
    keys.write_env(folder, {**client, **others, "LANDMARK_HOME": str(home)})
    worker = {**_worker_environment(home, OWN), **others}
    prefect = prefect_server.services(
        folder / "prefect",
        port["prefect"],
        environment,
        prefect_server.database_variables(port["postgres"], passwords["prefect"]),
        client,
        worker,
        **_settings(),
    )
    return [database, objects, *prefect[:1], *tracking, *prefect[1:]]


def _settings() -> dict[str, Any]:
    """What the one who starts the servers may set otherwise."""
    file = os.environ.get(DEPLOYMENTS)
    return {
        "silence": int(os.environ.get(SILENCE, prefect_server.SILENCE_SECONDS)),
        "deployments": Path(file).resolve() if file else None,
        "config": os.environ.get(CONFIG),
    }


def basic() -> dict[str, str]:
    """What any program needs of the user's environment."""
    return {name: os.environ[name] for name in BASIC if name in os.environ} | {"PYTHONUNBUFFERED": "1"}


def _worker_environment(home: Path, without: tuple[str, ...]) -> Mapping[str, str]:
    """The user's environment (devices, threads, proxies, ...) but for other servers' settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(without)}
    return {**kept, "LANDMARK_HOME": str(home), "LANDMARK_CACHE": str(home / "embeddings")}


def use_deployments(file: str | None, config: str | None) -> None:
    """Have the supervisor that this process starts apply deployments.

    Args:
        file: of deployments; None: the project's own, where `config` is given.
        config: YAML file of the run that they make.

    Raises:
        UsageError: there is no such file.
    """
    for option, name, path in (("--deployments", DEPLOYMENTS, file), ("--config", CONFIG, config)):
        if path is not None:
            if not Path(path).is_file():
                raise UsageError(f"{option} {path}: no such file")
            os.environ[name] = str(Path(path).resolve())
    if config is not None and file is None and not prefect_server.DEPLOYMENTS.is_file():
        raise UsageError(f"--config {config}: {prefect_server.DEPLOYMENTS} is not there; name one by --deployments")
