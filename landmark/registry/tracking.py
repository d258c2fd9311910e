"""What MLflow keeps of a run: settings, curves, data sets, figures, report.

Without a server: SQLite and plain files under `<home>/mlflow`. A run is found again by its tags, so one that was killed
goes on in the same MLflow run, and one that will never go on is marked KILLED.
"""

from __future__ import annotations

import os

# Before mlflow is imported: it reads them then.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("DO_NOT_TRACK", "1")
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # MLflow's own seven take minutes where there is no network
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")

import importlib.metadata
import json
import logging
import platform
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.entities import DatasetInput, InputTag, Metric, Param, RunTag
from mlflow.exceptions import MlflowException

import landmark
from landmark.cache import content_key, locked
from landmark.config import RegistryConfig, RunConfig
from landmark.errors import LandmarkError
from landmark.home import SQLITE, store_uri

log = logging.getLogger(__name__)

EXPERIMENT = "landmark"
RUN_TAG = "landmark.run"
CONFIG_TAG = "landmark.config"
BATCH = 500  # MLflow refuses more than 1000 metrics at a time
VERSIONS = ("torch", "timm", "numpy", "faiss-cpu", "onnxruntime", "mlflow", "prefect")


def connect(home: Path, registry: RegistryConfig | None = None) -> MlflowClient:
    """A client of the project's MLflow; makes or migrates the SQLite file where it is one.

    Raises:
        LandmarkError: the store cannot be reached or written.
    """
    uri = store_uri(home, registry)
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    _use(uri)
    try:
        if not uri.startswith(SQLITE):
            client = MlflowClient(uri)
            client.get_experiment_by_name(EXPERIMENT)
            return client
        # Two processes that make a fresh SQLite store at once corrupt it.
        with locked(home / "locks" / "mlflow.lock", wait="MLflow: another process is making the store; waiting for it"):
            Path(uri.removeprefix(SQLITE)).parent.mkdir(parents=True, exist_ok=True)
            client = MlflowClient(uri)
            client.get_experiment_by_name(EXPERIMENT)
            return client
    except (MlflowException, OSError) as error:
        raise LandmarkError(
            f"MLflow at {uri}: {_one_line(error)}; check registry.tracking_uri, or switch it off with registry.enabled=false"
        ) from error


def _use(uri: str) -> None:
    # MLflow puts the address into the environment as well, where it would be taken for the user's own wish.
    before = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    if before is None:
        os.environ.pop("MLFLOW_TRACKING_URI", None)
    else:
        os.environ["MLFLOW_TRACKING_URI"] = before


def config_digest(config: RunConfig) -> str:
    """The sha256 of all settings."""
    return content_key(config.model_dump(mode="json"))


class Tracker:
    """The MLflow run that belongs to one run of the project. Make it while holding the run's lock."""

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.home = Path(config.home).resolve()
        self.client = connect(self.home, config.registry)
        self.experiment = self._experiment()
        self.run_id = self._open()
        self._last = {metric: self._last_step(metric) for metric in ("train.loss", "left_out.loss")}

    def _experiment(self) -> str:
        found = self.client.get_experiment_by_name(EXPERIMENT)
        if found is not None:
            return str(found.experiment_id)
        local = store_uri(self.home, self.config.registry).startswith(SQLITE)
        artifacts = (self.home / "mlflow" / "artifacts").as_uri() if local else None
        return str(self.client.create_experiment(EXPERIMENT, artifact_location=artifacts))

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

    def data(self, digest: str, source: str, counts: Mapping[str, int]) -> None:
        """Link the run with its data set: digest of the catalog, where it came from, photos by split."""
        entity = mlflow.entities.Dataset(
            name="catalog",
            digest=digest[:36],  # MLflow's limit; the whole one is a tag
            source_type="local",
            source=json.dumps({"uri": source}),
            profile=json.dumps(dict(counts)),
        )
        context = [InputTag("mlflow.data.context", "training")]
        self.client.log_inputs(self.run_id, [DatasetInput(entity, context)])
        self.tags({"landmark.catalog": digest})

    def tags(self, tags: Mapping[str, str]) -> None:
        """Set tags of the run."""
        self.client.log_batch(self.run_id, tags=[RunTag(key, value) for key, value in tags.items()])

    def figures(self, figures: Mapping[str, float]) -> None:
        """Log the run's final figures."""
        now = int(time.time() * 1000)
        points = [Metric(name, float(value), now, 0) for name, value in figures.items() if isinstance(value, int | float)]
        self.client.log_batch(self.run_id, metrics=points)

    def artefacts(self, files: Sequence[Path]) -> None:
        """Keep files with the run."""
        for file in files:
            if file.exists():
                self.client.log_artifact(self.run_id, str(file))

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


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
