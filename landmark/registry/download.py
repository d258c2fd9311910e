"""A version's recognizer on this machine: downloaded once, verified, and kept under the home folder."""

from __future__ import annotations

import logging
import re
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from landmark.cache import content_key, locked
from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.recognition.recognizer_file import MANIFEST, read_manifest
from landmark.registry.connection import UPLOAD, one_line, patience
from landmark.registry.versions import DIGEST_TAG, MANIFEST_TAG
from landmark.storage import atomic_folder, sha256_file

log = logging.getLogger(__name__)

INSIDE = "artifacts/recognizer"
"""Where the recognizer lies in a version's artefacts."""
TRIES = 4


def fetch_version(client: MlflowClient, model: str, version: Any, home: Path) -> Path:
    """The folder of a version's recognizer: as it lies in a local store, else downloaded to `<home>/models`.

    Raises:
        LandmarkError: it cannot be had, or is not what was registered.
    """
    digest = str(version.tags.get(DIGEST_TAG) or content_key({"source": version.source}))
    local = local_source(client, model, version)
    if local is not None:
        check(local / INSIDE, version.tags, model, str(version.version))
        return local / INSIDE
    folder = cached(home, model, str(version.version), digest)
    with locked(home.resolve() / "locks" / f"{folder.name}.lock", wait=f"{folder.name}: another process downloads it; waiting"):
        if folder.is_dir() and _whole(folder, version, model):
            return folder
        with atomic_folder(folder) as target:
            fill(f"models:/{model}/{version.version}/{INSIDE}", target)
            check(target, version.tags, model, str(version.version))
    return folder


def cached(home: Path, model: str, version: str, digest: str) -> Path:
    """Where a version is kept."""
    safe = model if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", model) else content_key({"model": model})[:16]
    return home.resolve() / "models" / f"{safe}-{version}-{digest[:16]}"


def local_source(client: MlflowClient, model: str, version: Any) -> Path | None:
    """The folder of a version's artefacts, where the store keeps them as plain files of this machine."""
    uri = str(client.get_model_version_download_uri(model, str(version.version)))
    if uri.startswith("models:/"):  # a logged model, named by its id
        uri = str(client.get_logged_model(uri.removeprefix("models:/")).artifact_location)
    return local_path(uri)


def local_path(uri: str) -> Path | None:
    """The folder that a URI of artefacts names, where it is one of this machine."""
    path = Path(url2pathname(urlsplit(uri).path)) if uri.startswith(("file:", "/")) else None
    return path if path is not None and path.is_dir() else None


def fill(uri: str, target: Path) -> None:
    """Download artefacts into a folder; an attempt that breaks off begins anew.

    Raises:
        LandmarkError: they are not there, or the store does not answer for minutes.
    """
    for attempt in range(TRIES):
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as folder:
            try:
                with patience(UPLOAD):
                    found = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder))
                shutil.copytree(found, target, dirs_exist_ok=True, copy_function=shutil.move)
                return
            except Exception as error:  # boto3's, requests' and urllib3's own errors come through, by the kind of store
                if attempt == TRIES - 1 or _is_absent(error):
                    raise LandmarkError(
                        f"{shown(uri)}: cannot be downloaded ({one_line(error)}); is its store there?"
                    ) from error
                log.warning("%s: download broke off (%s); trying again", shown(uri), one_line(error))
        time.sleep(2.0**attempt)


def check(folder: Path, tags: Mapping[str, str], model: str, version: str) -> None:
    """Compare every file of a recognizer with the manifest, and the manifest with what was registered.

    Raises:
        LandmarkError: it is not what was registered.
    """
    what = f"models:/{shown(model)}/{version}"
    try:
        read_manifest(folder, set())
    except LandmarkError as error:
        raise LandmarkError(f"{what}: not whole in its store ({error}); register it again, or roll back") from error
    wanted = tags.get(MANIFEST_TAG)
    if wanted is not None and sha256_file(folder / MANIFEST) != wanted:
        raise LandmarkError(f"{what}: another recognizer lies in its place in the store; register it again, or roll back")


def _whole(folder: Path, version: Any, model: str) -> bool:
    try:
        check(folder, version.tags, model, str(version.version))
    except LandmarkError as error:
        log.warning("%s; downloading it again", error)
        return False
    return True


def _is_absent(error: Exception) -> bool:
    return isinstance(error, MlflowException) and error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
