"""The home folder, and where MLflow's store is. Light to import: no MLflow."""

from __future__ import annotations

import os
from pathlib import Path

from landmark.config import RegistryConfig, public_uri

SQLITE = "sqlite:///"


def default_home() -> Path:
    """The home folder where no config says it: LANDMARK_HOME, else `.landmark` in the working folder."""
    return Path(os.environ.get("LANDMARK_HOME", ".landmark")).resolve()


def store_uri(home: Path, registry: RegistryConfig | None = None) -> str:
    """MLflow's address: the config's, else MLFLOW_TRACKING_URI, else SQLite under the home folder."""
    wanted = registry.tracking_uri if registry is not None else None
    return wanted or os.environ.get("MLFLOW_TRACKING_URI") or f"{SQLITE}{home.resolve() / 'mlflow' / 'mlflow.db'}"


def store_identity(home: Path, registry: RegistryConfig) -> str:
    """Tells one store from another, and a SQLite file from one that took its place; holds no password."""
    uri = store_uri(home, registry)
    file = Path(uri.removeprefix(SQLITE))
    return f"{uri}#{file.stat().st_ino}" if uri.startswith(SQLITE) and file.exists() else public_uri(uri)
