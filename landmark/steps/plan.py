"""The steps of a retrain in order: what each depends on. Light to import: the step functions are named, not imported."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from landmark.config import RunConfig, Settings
from landmark.errors import UsageError
from landmark.photos.said import said_key
from landmark.run import Step, fingerprint
from landmark.storage import exists, join, read_bytes, read_json, sha256_file

ARTEFACTS = {
    "metrics.json": "evaluate/metrics.json",
    "report.html": "evaluate/report.html",
    "curves.jsonl": "train/curves.jsonl",
    "recognizer": "recognizer/recognizer",
}
"""Name in the run's folder -> where it lies in a step's output."""

MANIFEST = "recognizer.json"
"""What stands in a recognizer's folder of its network, among other things."""
NO_MATTER: dict[str, Any] = {
    **dict.fromkeys(("home", "threads", "registry", "base", "publish", "retention_days"), True),
    "data": {"max_shrink": True},
}
"""Settings that say where things lie and how they are made, not what comes out."""

RAW_CATALOG = "raw_catalog"
"""The catalog as it was read, where the catalog that everything else sees is a cleaned one."""


def artefacts(config: RunConfig) -> dict[str, str]:
    """`ARTEFACTS`, and what a run with cleaning has besides."""
    cleaning = {name: f"catalog/{name}" for name in ("cleaning.parquet", "cleaning.html")}
    return {**ARTEFACTS, **(cleaning if config.cleaning.rounds else {})}


def plan(config: RunConfig) -> list[Step]:
    """The steps that a config asks for, each after those it depends on."""
    steps = []
    if generated(config):
        steps.append(Step("world", "1", "landmark.steps.photos:world", _world))
    read = Step("catalog", "2", "landmark.steps.photos:catalog", _catalog, ("world",) if steps else ())
    steps += _cleaning(config, read) if config.cleaning.rounds else [read]
    steps += [
        _network_step(config),
        Step("embed", "1", "landmark.steps.embedding:embed", _nothing, ("catalog", "train")),
        Step("centroids", "2", "landmark.steps.recognition:centroids", _centroids, ("catalog", "embed")),
        Step("index", "2", "landmark.steps.recognition:index", _index, ("catalog", "embed")),
        Step("calibrate", "2", "landmark.steps.recognition:calibrate", _calibrate, ("catalog", "embed", "centroids")),
        Step(
            "recognizer",
            "2",
            "landmark.steps.recognition:recognizer",
            _metadata,
            ("catalog", "train", "embed", "centroids", "index", "calibrate"),
        ),
    ]
    reported = ["catalog", "train", "embed", "recognizer"]
    if config.evaluation.baselines:
        steps.append(Step("baselines", "2", "landmark.steps.evaluation:baselines", _baselines, ("catalog", "embed")))
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
            Step("left_out", "2", "landmark.steps.evaluation:left_out", _left_out, ("catalog", "train_left_out")),
        ]
        reported.append("left_out")
    steps.append(Step("evaluate", "3", "landmark.steps.evaluation:evaluate", _evaluate, tuple(reported)))
    return steps


def _network_step(config: RunConfig) -> Step:
    """The step that everything after it takes its network from: training, or taking over the network of `config.base`."""
    if config.base is not None:
        return Step("train", "1", "landmark.steps.training:adopt", _adopt)
    return Step("train", "1", "landmark.steps.training:train", _train, ("catalog.training",), resumes=True)


def _cleaning(config: RunConfig, read: Step) -> list[Step]:
    """The rounds: each cleans the catalog as it was read, by a network trained on what the round before kept of it."""
    steps = [replace(read, name=RAW_CATALOG)]
    for number in range(1, config.cleaning.rounds + 1):
        inputs: tuple[str, ...] = (RAW_CATALOG,)
        if number > 1:
            kept = clean_step(number - 1)
            network = Step(
                train_step(number - 1),
                "1",
                "landmark.steps.training:train_round",
                _train,
                (f"{kept}.training",),
                resumes=True,
            )
            steps.append(network)
            inputs += (kept, network.name)
        steps.append(Step(clean_step(number), "1", "landmark.steps.cleaning:clean_round", _clean, inputs))
    last = clean_step(config.cleaning.rounds)
    return [*steps, Step("catalog", "1", "landmark.steps.cleaning:cleaned_catalog", _nothing, (last,))]


def clean_step(number: int) -> str:
    """Name of the step that is a round of cleaning."""
    return f"clean_{number}"


def train_step(number: int) -> str:
    """Name of the step that trains on what a round of cleaning kept, for the next one."""
    return f"train_{number}"


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
    said = {"corrections": said_key(config.data.corrections)} if config.data.corrections else {}
    return {
        "data": _dump(config.data, "world", "references", "max_shrink", "corrections"),
        "seed": config.seed,
        "photos": fingerprint(data_of(config)),
        **said,
    }


def _clean(config: RunConfig) -> dict[str, Any]:
    # With or without further rounds, one round comes out the same.
    settings = _dump(config.cleaning, "rounds")
    if (references := config.data.references) is not None:
        if not exists(references):
            raise UsageError(f"data.references: {references} does not exist; paths in a config are relative to its folder")
        settings["references"] = hashlib.sha256(read_bytes(references)).hexdigest()
    return {"cleaning": settings, "network": _network(config, "dim", "keep_pretrained"), "seed": config.seed}


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
        "method": asdict(config.training.method),
        "centroids": _dump(config.centroids),
        "seed": config.seed,
    }


def _adopt(config: RunConfig) -> dict[str, Any]:
    # What is taken over is known by its content, wherever it lies.
    assert config.base is not None
    return {"adopted": read_json(join(config.base, MANIFEST))["fingerprint"]}


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
    # The report prints all settings but these.
    return {"settings": config.model_dump(mode="json", exclude=NO_MATTER)}
