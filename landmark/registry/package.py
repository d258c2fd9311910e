"""A recognizer as a registered model version: one folder, loaded by `mlflow.pyfunc.load_model` or `Recognizer.load`."""

from __future__ import annotations

import importlib.metadata
import logging
import shutil
import tempfile
from pathlib import Path

import mlflow
import pandas as pd
from mlflow import MlflowClient
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, Schema
from mlflow.types.schema import AnyType

import landmark
from landmark.registry.models import CHALLENGER, CHAMPION, DIGEST_TAG, aliases, versions

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


def register(
    client: MlflowClient, run_id: str, recognizer: Path, digest: str, model: str, figures: dict[str, float], example: bytes
) -> str:
    """Register a recognizer's folder as a version of a model, unless a version of the same content exists.

    The version gets the alias `challenger`; it becomes `champion` only if the model has none yet. Nothing compares the two:
    `landmark models promote` is what puts a version in the champion's place.

    Args:
        client: from `tracking.connect`.
        run_id: MLflow run that made it.
        recognizer: its folder.
        digest: sha256 of the folder's content.
        model: name of the registered model.
        figures: of the evaluation, kept with the version.
        example: an image file, kept as the input example.

    Returns:
        The version.
    """
    known = [version for version in versions(client, model) if version.tags.get(DIGEST_TAG) == digest]
    version = known[-1].version if known else _register(client, run_id, recognizer, digest, model, figures, example)
    client.set_registered_model_alias(model, CHALLENGER, version)
    if CHAMPION not in aliases(client, model):
        client.set_registered_model_alias(model, CHAMPION, version)
    return str(version)


def _register(
    client: MlflowClient, run_id: str, recognizer: Path, digest: str, model: str, figures: dict[str, float], example: bytes
) -> str:
    with mlflow.start_run(run_id=run_id), tempfile.TemporaryDirectory() as folder:
        # The package travels with the model, without what Python compiled here.
        code = Path(folder) / "landmark"
        shutil.copytree(Path(landmark.__file__).parent, code, ignore=shutil.ignore_patterns("__pycache__"))
        logged = mlflow.pyfunc.log_model(
            name="recognizer",
            python_model=str(Path(__file__).with_name("served.py")),
            artifacts={"recognizer": str(recognizer)},
            code_paths=[str(code)],
            signature=SIGNATURE,
            input_example=pd.DataFrame({"photo": [example]}),
            pip_requirements=requirements(),
        )
    if not client.search_registered_models(f"name = '{model}'"):
        client.create_registered_model(model, description="Recognises landmarks in photos")
    tags = {DIGEST_TAG: digest, **{name: f"{value:.6g}" for name, value in figures.items()}}
    made = client.create_model_version(model, logged.model_uri, run_id=run_id, model_id=logged.model_id, tags=tags)
    return str(made.version)
