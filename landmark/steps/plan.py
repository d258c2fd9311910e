"""The steps of a retrain in order: what each depends on. Light to import: the step functions are named, not imported."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from landmark.config import RunConfig, Settings
from landmark.errors import UsageError
from landmark.run import Step, fingerprint
from landmark.storage import sha256_file

ARTEFACTS = {
    "metrics.json": "evaluate/metrics.json",
    "report.html": "evaluate/report.html",
    "curves.jsonl": "train/curves.jsonl",
    "recognizer": "recognizer/recognizer",
}
"""Name in the run's folder -> where it lies in a step's output."""


def plan(config: RunConfig) -> list[Step]:
    """The steps that a config asks for, each after those it depends on."""
    steps = []
    if generated(config):
        steps.append(Step("world", "1", "landmark.steps.photos:world", _world))
    steps += [
        Step("catalog", "2", "landmark.steps.photos:catalog", _catalog, ("world",) if steps else ()),
        Step("train", "1", "landmark.steps.training:train", _train, ("catalog.training",), resumes=True),
        Step("embed", "1", "landmark.steps.embedding:embed", _nothing, ("catalog", "train")),
        Step("centroids", "1", "landmark.steps.recognition:centroids", _centroids, ("catalog", "embed")),
        Step("index", "1", "landmark.steps.recognition:index", _index, ("catalog", "embed")),
        Step("calibrate", "1", "landmark.steps.recognition:calibrate", _calibrate, ("catalog", "embed", "centroids")),
        Step(
            "recognizer",
            "1",
            "landmark.steps.recognition:recognizer",
            _metadata,
            ("catalog", "train", "embed", "centroids", "index", "calibrate"),
        ),
    ]
    reported = ["catalog", "train", "embed", "recognizer"]
    if config.evaluation.baselines:
        steps.append(Step("baselines", "1", "landmark.steps.evaluation:baselines", _baselines, ("catalog", "embed")))
        reported.append("baselines")
    if config.evaluation.leave_out:
        steps += [
            Step(
                "train_left_out",
                "1",
                "landmark.steps.training:train_left_out",
                _train_left_out,
                ("catalog.training",),
                resumes=True,
            ),
            Step("left_out", "1", "landmark.steps.evaluation:left_out", _left_out, ("catalog", "train_left_out")),
        ]
        reported.append("left_out")
    steps.append(Step("evaluate", "1", "landmark.steps.evaluation:evaluate", _evaluate, tuple(reported)))
    return steps


def generated(config: RunConfig) -> bool:
    """Whether the run makes its own photos."""
    return config.data.format == "world" and config.data.source is None


def data_of(config: RunConfig) -> Mapping[str, str | None]:
    """Config key -> place, of all places that photos and tables come from."""
    places = ("source", "others", "unknown", "images", "landmarks", "splits")
    return {f"data.{name}": getattr(config.data, name) for name in places}


def _dump(settings: Settings, *leave: str) -> dict[str, Any]:
    return settings.model_dump(mode="json", exclude=set(leave))


def _nothing(config: RunConfig) -> dict[str, Any]:
    return {}


def _world(config: RunConfig) -> dict[str, Any]:
    return _dump(config.data.world)


def _catalog(config: RunConfig) -> dict[str, Any]:
    return {"data": _dump(config.data, "world"), "seed": config.seed, "photos": fingerprint(data_of(config))}


def _network(config: RunConfig, *leave: str) -> dict[str, Any]:
    settings = _dump(config.network, *leave)
    if (source := config.network.pretrained) not in ("package", "hub", "none"):
        if not Path(source).is_file():
            raise UsageError(
                f"network.pretrained: no file {source}; give 'package', 'hub', 'none' or the path of a weights file"
            )
        settings["pretrained"] = sha256_file(source)
    return settings


def _train(config: RunConfig) -> dict[str, Any]:
    # How many processes share the work, and what they keep in memory, leaves the network as it is.
    return {
        "network": _network(config),
        "training": _dump(config.training, "workers", "devices", "cache_bytes"),
        "centroids": _dump(config.centroids),
        "seed": config.seed,
    }


def _train_left_out(config: RunConfig) -> dict[str, Any]:
    return {**_train(config), "leave_out": config.evaluation.leave_out}


def _centroids(config: RunConfig) -> dict[str, Any]:
    return {"centroids": _dump(config.centroids), "seed": config.seed}


def _index(config: RunConfig) -> dict[str, Any]:
    return {"index": _dump(config.index), "seed": config.seed}


def _calibrate(config: RunConfig) -> dict[str, Any]:
    return {"calibration": _dump(config.calibration), "seed": config.seed}


def _metadata(config: RunConfig) -> dict[str, Any]:
    return {"metadata": _dump(config.metadata)}


def _baselines(config: RunConfig) -> dict[str, Any]:
    return {"network": _network(config, "dim", "keep_pretrained"), **_centroids(config), **_calibrate(config)}


def _left_out(config: RunConfig) -> dict[str, Any]:
    return {"leave_out": config.evaluation.leave_out, **_baselines(config)}


def _evaluate(config: RunConfig) -> dict[str, Any]:
    # The report prints all settings; where things lie and how many threads there are is no matter of it.
    return {"settings": config.model_dump(mode="json", exclude={"home", "threads", "registry"})}
