"""The step of a retrain that tells MLflow what was made and measured, and makes the recognizer a model version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from landmark.recognition.recognizer_file import MANIFEST
from landmark.registry.package import Candidate
from landmark.registry.package import register as register_version
from landmark.registry.retention import prune_quietly
from landmark.registry.splits import write_splits
from landmark.registry.tracking import Tracker, config_digest, source_tags
from landmark.registry.versions import CATALOG_TAG, CONFIG_TAG, NETWORK_TAG, SPLITS_TAG, check_model
from landmark.run import Work
from landmark.steps.photos import CATALOG
from landmark.storage import read_bytes, read_json, write_json


def register(work: Work) -> Mapping[str, Any]:
    """Log the run's curves, data set, figures and report, and register the recognizer, as `challenger`.

    Returns:
        facts: run (MLflow's id), model, version.
    """
    config, catalog = work.config, work.inputs["catalog"]
    check_model(config.registry.model)
    tracker = Tracker(config)
    for step, prefix in (("train", "train"), ("train_left_out", "left_out")):
        if step in work.inputs and work.file(step, "curves.jsonl").exists():
            lines = work.file(step, "curves.jsonl").read_text(encoding="utf-8").splitlines()
            tracker.curves(map(json.loads, lines), prefix)
    data = tracker.data(catalog.facts["content"], config.data.source or "generated world", catalog.facts["photos"])
    figures: dict[str, float] = read_json(work.file("evaluate", "metrics.json"))
    tracker.artefacts([work.file("evaluate", name) for name in ("metrics.json", "report.html")])
    folder = work.file("recognizer", "recognizer")
    network = str(read_json(folder / MANIFEST).get("fingerprint") or "")
    photos = pd.read_parquet(work.file("catalog", CATALOG), columns=["sha256", "split"])
    splits = write_splits(tracker, config.registry.model, network, photos, work.home)
    candidate = Candidate(
        folder=folder,
        digest=work.inputs["recognizer"].digest,
        tags={
            **source_tags(),
            CATALOG_TAG: catalog.facts["content"],
            CONFIG_TAG: config_digest(config),
            NETWORK_TAG: network,
            SPLITS_TAG: splits,
        },
        figures=figures,
        example=_example(work),
    )
    made = register_version(tracker.client, work.home, tracker.run_id, config.registry.model, candidate)
    tracker.figures(figures, data, made.model_id)
    tracker.tags({"landmark.model": f"models:/{config.registry.model}/{made.version}"})
    tracker.end("FINISHED")
    prune_quietly(tracker.client, config.registry.model, work.home, config.registry.keep_versions)
    facts = {"run": tracker.run_id, "model": config.registry.model, "version": made.version}
    write_json(work.out / "registered.json", facts)
    return facts


def _example(work: Work) -> bytes:
    photos = pd.read_parquet(work.file("catalog", CATALOG), columns=["photo", "split", "landmark"])
    shown = photos[(photos["split"] == "test") & (photos["landmark"] != "")]["photo"]
    return read_bytes(shown.iloc[0])
