"""A recognizer as a registered model version: one folder, loaded by `mlflow.pyfunc.load_model` or `Recognizer.load`."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import secrets
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import AnyType

import landmark
from landmark.errors import LandmarkError
from landmark.recognition.recognizer_file import MANIFEST
from landmark.registry.connection import UPLOAD, patience
from landmark.registry.download import INSIDE, cached, damage, fill, local_path, touch
from landmark.registry.promotion import model_lock
from landmark.registry.versions import (
    ATTEMPT_TAG,
    BYTES_TAG,
    CHALLENGER,
    DAMAGED_TAG,
    DIGEST_TAG,
    LOGGED_TAG,
    MANIFEST_TAG,
    by_number,
    versions,
)
from landmark.storage import sha256_file

log = logging.getLogger(__name__)

REQUIREMENTS = (
    "mlflow",
    "torch",
    "torchvision",
    "timm",
    "numpy",
    "pandas",
    "pyarrow",
    "pydantic",
    "pyyaml",
    "rich",
    "pillow",
    "pillow-heif",
    "imagehash",
    "safetensors",
    "scipy",
    "scikit-learn",
    "fastcluster",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "boto3",
    "filelock",
    "faiss-cpu",
    "faiss-gpu",
)
SIGNATURE = ModelSignature(
    inputs=Schema([ColSpec(AnyType(), "photo")]),  # type: ignore[no-untyped-call]
    outputs=Schema(
        [
            ColSpec("string", "photo"),
            ColSpec("string", "landmark"),
            ColSpec("string", "name"),
            ColSpec("double", "confidence"),
            ColSpec("double", "similarity"),
            ColSpec("string", "candidates"),
            ColSpec("string", "reason"),
        ]
    ),
)


def requirements() -> list[str]:
    """The packages that the model needs, at the versions installed here."""
    found = []
    for name in REQUIREMENTS:
        try:
            found.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


@dataclass(frozen=True)
class Candidate:
    """What is to be registered.

    Attributes:
        folder: the recognizer's.
        digest: sha256 of its content.
        tags: what it was made from; see `versions`.
        figures: of the evaluation.
        example: an image file, kept as the input example.
    """

    folder: Path
    digest: str
    tags: Mapping[str, str]
    figures: Mapping[str, float]
    example: bytes


@dataclass(frozen=True)
class Registered:
    """A version, MLflow's id of its logged model (None: unknown), and whether it was made now."""

    version: str
    model_id: str | None
    new: bool


def register(client: MlflowClient, home: Path, run_id: str, model: str, candidate: Candidate) -> Registered:
    """Register a recognizer as a version of a model, unless a version of the same content exists; it becomes `challenger`.

    A version that the store does not hold as it was registered is no such version; it is marked as damaged.
    What was uploaded is downloaded again, as a client would, and every file compared, before there is a version of it. What
    a killed upload leaves behind is no version, and nothing refers to it.

    Args:
        client: from `connect`.
        home: whose lock is held meanwhile.
        run_id: MLflow run that made it.
        model: name of the registered model.
        candidate: what is registered.

    Raises:
        LandmarkError: what arrived is not what was sent.
    """
    with model_lock(home, model):
        known = _known(client, home, model, candidate.digest)
        if known is not None:
            found = Registered(str(known.version), known.tags.get(LOGGED_TAG), False)
        else:
            found = _register(client, home, run_id, model, candidate)
        client.set_registered_model_alias(model, CHALLENGER, found.version)
        return found


def _known(client: MlflowClient, home: Path, model: str, digest: str) -> Any | None:
    """The first whole version of a content."""
    for version in versions(client, model):
        if version.tags.get(DIGEST_TAG) != digest or DAMAGED_TAG in version.tags:
            continue
        problem = damage(client, model, version, home)
        if problem is None:
            return version
        log.warning("%s; registering it again", problem)
        row = {"when": datetime.now(UTC).isoformat(timespec="seconds"), "why": problem[:1000]}
        client.set_model_version_tag(model, str(version.version), DAMAGED_TAG, json.dumps(row))
    return None


def _register(client: MlflowClient, home: Path, run_id: str, model: str, candidate: Candidate) -> Registered:
    incoming = home.resolve() / "models" / f".incoming-{secrets.token_hex(8)}"
    incoming.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tempfile.TemporaryDirectory() as folder:
            # The package travels with the model, without what Python compiled here.
            code = Path(folder) / "landmark"
            shutil.copytree(Path(landmark.__file__).parent, code, ignore=shutil.ignore_patterns("__pycache__"))
            model_uri, model_id = _upload(run_id, candidate, code)
            place = local_path(str(client.get_logged_model(model_id).artifact_location))
            if place is None:
                incoming.mkdir()
                fill(model_uri, incoming)
            arrived = place or incoming
            _compare(candidate.folder, arrived / INSIDE, model_uri)
            _compare(code, arrived / "code" / "landmark", model_uri)
        version = _create(client, model, model_uri, run_id, model_id, candidate)
        if place is None:
            kept = cached(home, model, by_number(client, model, version))
            if not kept.exists():
                (incoming / INSIDE).rename(kept)
                touch(kept)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    return Registered(version, model_id, True)


def _upload(run_id: str, candidate: Candidate, code: Path) -> tuple[str, str]:
    """URI and id of the logged model."""
    with patience(UPLOAD), mlflow.start_run(run_id=run_id):
        logged = mlflow.pyfunc.log_model(
            name="recognizer",
            python_model=str(Path(__file__).with_name("served.py")),
            artifacts={"recognizer": str(candidate.folder.resolve())},
            code_paths=[str(code)],
            signature=SIGNATURE,
            input_example=pd.DataFrame({"photo": [candidate.example]}),
            pip_requirements=requirements(),
            params={key: value for key, value in candidate.tags.items() if value},
            tags={DIGEST_TAG: candidate.digest},
        )
    return str(logged.model_uri), str(logged.model_id)


def _compare(sent: Path, arrived: Path, uri: str) -> None:
    """Refuse an upload of which a file is missing or differs."""
    for file in sorted(sent.rglob("*")):
        name = file.relative_to(sent)
        if file.is_file() and not ((arrived / name).is_file() and sha256_file(arrived / name) == sha256_file(file)):
            raise LandmarkError(
                f"{uri}: {name} did not arrive as it was sent; no version was made of it: is the artefact store full or "
                "broken? Give the same command again"
            )


def _create(client: MlflowClient, model: str, uri: str, run_id: str, model_id: str, candidate: Candidate) -> str:
    attempt = secrets.token_hex(8)
    size = sum(file.stat().st_size for file in candidate.folder.rglob("*") if file.is_file())
    tags = {
        **{key: value for key, value in candidate.tags.items() if value},
        **{name: f"{value:.6g}" for name, value in candidate.figures.items()},
        DIGEST_TAG: candidate.digest,
        MANIFEST_TAG: sha256_file(candidate.folder / MANIFEST),
        BYTES_TAG: str(size),
        ATTEMPT_TAG: attempt,
        LOGGED_TAG: model_id,
    }
    if not client.search_registered_models(f"name = '{model}'"):
        try:
            client.create_registered_model(model, description="Recognises landmarks in photos")
        except MlflowException as error:  # another home's process was quicker, or the answer to a first try was lost
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
    client.create_model_version(model, uri, run_id=run_id, model_id=model_id, tags=tags)
    # A request whose answer was lost is sent twice, and makes two.
    made = [version for version in versions(client, model) if version.tags.get(ATTEMPT_TAG) == attempt]
    for double in made[1:]:
        client.delete_model_version(model, str(double.version))
    return str(made[0].version)
