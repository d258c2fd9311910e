"""What MLflow keeps of a run: settings, curves, data sets, figures, report.

Without a server: SQLite and plain files under `<home>/mlflow`. A run is found again by its tags, so one that was killed
goes on in the same MLflow run, and one that will never go on is marked KILLED.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import math
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import landmark
from landmark.cache import content_key
from landmark.config import RegistryConfig, RunConfig
from landmark.home import SQLITE, store_uri
from landmark.registry.connection import EXPERIMENT as EXPERIMENT
from landmark.registry.connection import UPLOAD, patience
from landmark.registry.connection import connect as connect

# After `connection`, which says what must stand in the environment before.
from mlflow import MlflowClient  # isort: skip
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag  # isort: skip
from mlflow.exceptions import MlflowException  # isort: skip

log = logging.getLogger(__name__)

RUN_TAG = "landmark.run"
CONFIG_TAG = "landmark.config"
BATCH = 500  # MLflow refuses more than 1000 metrics at a time
VERSIONS = ("torch", "timm", "numpy", "faiss-cpu", "onnxruntime", "mlflow", "prefect")


def experiment_of(client: MlflowClient, home: Path, registry: RegistryConfig | None = None) -> str:
    """The id of the project's experiment, which is made where there is none."""
    found = client.get_experiment_by_name(EXPERIMENT)
    if found is not None:
        return str(found.experiment_id)
    local = store_uri(home, registry).startswith(SQLITE)
    artifacts = (home.resolve() / "mlflow" / "artifacts").as_uri() if local else None
    try:
        return str(client.create_experiment(EXPERIMENT, artifact_location=artifacts))
    except MlflowException:  # another process was quicker, or the answer to a first try was lost
        found = client.get_experiment_by_name(EXPERIMENT)
        if found is None:
            raise
        return str(found.experiment_id)


def config_digest(config: RunConfig) -> str:
    """The sha256 of all settings."""
    return content_key(config.model_dump(mode="json"))


class Tracker:
    """The MLflow run that belongs to one run of the project. Make it while holding the run's lock."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.home = Path(config.home).resolve()
        self.client = connect(self.home, config.registry)
        self.experiment = experiment_of(self.client, self.home, config.registry)
        self.run_id = self._open()
        self._last = {metric: self._last_step(metric) for metric in ("train.loss", "left_out.loss")}

    def _open(self) -> str:
        """Go on with the MLflow run of an interrupted attempt with these settings, or begin one; mark others KILLED."""
        digest = config_digest(self.config)
        running = self.client.search_runs(
            [self.experiment],
            f"tags.\"{RUN_TAG}\" = '{self.config.name}' and attributes.status = 'RUNNING'",
            order_by=["attributes.start_time DESC"],
        )
        same = [run for run in running if run.data.tags.get(CONFIG_TAG) == digest]
        for run in running:
            if run not in same[:1]:
                self.client.set_terminated(run.info.run_id, status="KILLED")
        if same:
            return str(same[0].info.run_id)
        tags = {RUN_TAG: self.config.name, CONFIG_TAG: digest, **source_tags()}
        run = self.client.create_run(self.experiment, run_name=self.config.name, tags=tags)
        parameters = [Param(key, value) for key, value in flat(self.config.model_dump(mode="json"))]
        for start in range(0, len(parameters), 100):
            self.client.log_batch(run.info.run_id, params=parameters[start : start + 100])
        return str(run.info.run_id)

    def _last_step(self, metric: str) -> int:
        history = self.client.get_metric_history(self.run_id, metric)
        return max((point.step for point in history), default=-1)

    def curves(self, rows: Iterable[Mapping[str, Any]], prefix: str = "train") -> None:
        """Log training figures, in batches; steps that are logged already are passed over.

        Args:
            rows: figures of a step, with its number under `step`; what is no number is left out.
            prefix: `train` or `left_out`.
        """
        last = self._last[f"{prefix}.loss"]
        now = int(time.time() * 1000)
        points = []
        for row in rows:
            step = int(row["step"])
            if step > last:
                self._last[f"{prefix}.loss"] = max(step, self._last[f"{prefix}.loss"])
                points += [
                    Metric(f"{prefix}.{name}", float(value), now, step)
                    for name, value in row.items()
                    if name != "step" and isinstance(value, int | float)
                ]
        for start in range(0, len(points), BATCH):
            self.client.log_batch(self.run_id, metrics=points[start : start + BATCH])

    def data(self, digest: str, source: str, counts: Mapping[str, int]) -> Dataset:
        """Link the run with its data set: digest of the catalog, where it came from, photos by split."""
        entity = Dataset(
            name="catalog",
            digest=digest[:36],  # MLflow's limit; the whole one is a tag
            source_type="local",
            source=json.dumps({"uri": source}),
            profile=json.dumps(dict(counts)),
        )
        context = [InputTag("mlflow.data.context", "training")]
        self.client.log_inputs(self.run_id, [DatasetInput(entity, context)])
        self.tags({"landmark.catalog": digest})
        return entity

    def tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run."""
        self.client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def figures(self, figures: Mapping[str, float], data: Dataset | None = None, model_id: str | None = None) -> None:
        """Log the run's final figures.

        Args:
            figures: by name; what is no number is left out.
            data: data set they were measured on.
            model_id: MLflow's id of the model that was measured.
        """
        now = int(time.time() * 1000)
        of = {"model_id": model_id}
        of |= {} if data is None else {"dataset_name": data.name, "dataset_digest": data.digest}
        numbers = {name: float(value) for name, value in figures.items() if isinstance(value, int | float)}
        points = [Metric(name, value, now, 0, **of) for name, value in numbers.items() if math.isfinite(value)]
        for start in range(0, len(points), BATCH):
            self.client.log_batch(self.run_id, metrics=points[start : start + BATCH])

    def artefacts(self, files: Sequence[Path], folder: str | None = None) -> None:
        """Keep files with the run, in one of its folders."""
        with patience(UPLOAD):
            for file in files:
                if file.exists():
                    self.client.log_artifact(self.run_id, str(file), folder)

    def end(self, status: str) -> None:
        """Close the run: FINISHED, FAILED or KILLED."""
        self.client.set_terminated(self.run_id, status=status)


def flat(settings: Any, prefix: str = "") -> list[tuple[str, str]]:
    """Settings as dotted keys with values as text.

    >>> flat({"a": {"b": 1}, "c": [{"d": None}]})
    [('a.b', '1'), ('c.0.d', 'None')]
    """
    if isinstance(settings, Mapping):
        items: Iterable[tuple[Any, Any]] = settings.items()
    elif isinstance(settings, list) and any(isinstance(item, Mapping) for item in settings):
        items = enumerate(settings)
    else:
        return [(prefix, str(settings)[:6000])]
    return [pair for key, value in items for pair in flat(value, f"{prefix}.{key}" if prefix else str(key))]


def source_tags() -> dict[str, str]:
    """What the figures were made with: versions, and the git commit where the code lies in a repository."""
    tags = {"landmark.version": landmark.__version__, "python": platform.python_version()}
    for name in VERSIONS:
        try:
            tags[f"version.{name}"] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags["git.commit"] = commit
        tags["git.changed"] = str(bool(_git("status", "--porcelain", "--untracked-files=no"))).lower()
    return tags


def _git(*arguments: str) -> str | None:
    folder = Path(landmark.__file__).resolve().parents[1]
    if not (folder / ".git").exists():  # installed as a package: the repository around it, if any, is not this project's
        return None
    try:
        done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
