"""A version's recognizer on this machine: downloaded once, verified, and kept under the home folder."""

from __future__ import annotations

import contextlib
import logging
import os
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

from landmark.cache import locked
from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.recognition.recognizer_file import MANIFEST, read_manifest
from landmark.registry.connection import UPLOAD, one_line, patience
from landmark.registry.versions import DAMAGED_TAG, MANIFEST_TAG, SHA256, content_of, file_name, versions
from landmark.storage import atomic_folder, sha256_file

log = logging.getLogger(__name__)

INSIDE = "artifacts/recognizer"
"""Where the recognizer lies in a version's artefacts."""
MLMODEL = "MLmodel"
"""MLflow's own description of a model, without which it does not load one."""
TRIES = 4
MENDS = "`landmark models rollback` goes back to the champion before, `landmark retrain CONFIG name=NEW` registers it anew"
"""Under a new name the step that registers is done again, and all others are not."""


class NotWhole(LandmarkError):
    """The store answers, and does not hold what was registered."""


def fetch_version(client: MlflowClient, model: str, version: Any, home: Path) -> Path:
    """The folder of a version's recognizer: as it lies in a local store, else downloaded to `<home>/models`.

    Where it is damaged, and the same content was registered anew, that is given.

    Raises:
        LandmarkError: it cannot be had, or is not what was registered.
    """
    try:
        return _fetch(client, model, version, home)
    except NotWhole as error:
        for other in reversed(versions(client, model)):
            if other.version != version.version and _same(other, version):
                log.warning("%s; version %s holds the same and is taken instead", error, other.version)
                return _fetch(client, model, other, home)
        raise


def _same(other: Any, version: Any) -> bool:
    """Whether another version is whole, as far as is known, and of the same files."""
    manifest = version.tags.get(MANIFEST_TAG, "")
    return bool(SHA256.fullmatch(manifest)) and other.tags.get(MANIFEST_TAG) == manifest and DAMAGED_TAG not in other.tags


def _fetch(client: MlflowClient, model: str, version: Any, home: Path) -> Path:
    local = local_source(client, model, version)
    if local is not None:
        check(local / INSIDE, version.tags, model, str(version.version))
        return local / INSIDE
    folder = cached(home, model, version)
    with locked(home.resolve() / "locks" / f"{folder.name}.lock", wait=f"{folder.name}: another process downloads it; waiting"):
        if folder.is_dir() and _whole(folder, version, model):
            touch(folder)
            return folder
        with atomic_folder(folder) as target:
            fill(f"models:/{model}/{version.version}/{INSIDE}", target)
            check(target, version.tags, model, str(version.version))
    return folder


def cached(home: Path, model: str, version: Any) -> Path:
    """Where a version is kept; no name or tag of the registry leads out of `<home>/models`.

    Raises:
        LandmarkError: the version's number is none.
    """
    number = str(version.version)
    if not re.fullmatch(r"[0-9]{1,19}", number):
        raise LandmarkError(f"models:/{shown(model)}/{shown(number)[:80]}: the registry gives no number of a version")
    return home.resolve() / "models" / f"{file_name(model)}-{number}-{content_of(version)[:16]}"


def touch(folder: Path) -> None:
    """Note that a download is in use: what was not used for long is deleted, see `landmark.prune`."""
    with contextlib.suppress(OSError):  # a home that can only be read
        os.utime(folder)


def damage(client: MlflowClient, model: str, version: Any, home: Path) -> str | None:
    """Why the store does not hold a version as it was registered, asked as a client would; None: it does.

    Raises:
        LandmarkError: the store does not answer.
    """
    try:
        local = local_source(client, model, version)
        if local is not None:
            check(local / INSIDE, version.tags, model, str(version.version))
            return None if (local / MLMODEL).is_file() else f"{MLMODEL} is missing"
        incoming = home.resolve() / "models"
        incoming.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=incoming, prefix=".incoming-") as folder:
            fill(f"models:/{model}/{version.version}", Path(folder) / "whole")
            check(Path(folder) / "whole" / INSIDE, version.tags, model, str(version.version))
            return None if (Path(folder) / "whole" / MLMODEL).is_file() else f"{MLMODEL} is missing"
    except NotWhole as error:
        return str(error)


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
        NotWhole: they are not there.
        LandmarkError: the store does not answer for minutes.
    """
    for attempt in range(TRIES):
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".download-") as folder:
            try:
                with patience(UPLOAD):
                    found = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder))
                shutil.copytree(found, target, dirs_exist_ok=True, copy_function=shutil.move)
                return
            except Exception as error:  # boto3's, requests' and urllib3's own errors come through, by the kind of store
                if _is_absent(error):
                    raise NotWhole(f"{shown(uri)}: not in its store ({one_line(error)}); {MENDS}") from error
                if attempt == TRIES - 1:
                    raise LandmarkError(
                        f"{shown(uri)}: cannot be downloaded ({one_line(error)}); is its store there?"
                    ) from error
                log.warning("%s: download broke off (%s); trying again", shown(uri), one_line(error))
        time.sleep(2.0**attempt)


def check(folder: Path, tags: Mapping[str, str], model: str, version: str) -> None:
    """Compare every file of a recognizer with the manifest, and the manifest with what was registered.

    Raises:
        NotWhole: it is not what was registered.
    """
    what = f"models:/{shown(model)}/{version}"
    try:
        read_manifest(folder, set())
    except LandmarkError as error:
        raise NotWhole(f"{what}: not whole in its store ({error}); {MENDS}") from error
    wanted = tags.get(MANIFEST_TAG)
    if wanted is not None and sha256_file(folder / MANIFEST) != wanted:
        raise NotWhole(f"{what}: another recognizer lies in its place in the store; {MENDS}")


def _whole(folder: Path, version: Any, model: str) -> bool:
    try:
        check(folder, version.tags, model, str(version.version))
    except LandmarkError as error:
        log.warning("%s; downloading it again", error)
        return False
    return True


def _is_absent(error: Exception) -> bool:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return True
    return isinstance(error, MlflowException) and error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
