"""The last step of a retrain: what was made and measured goes into MLflow, the recognizer becomes a model version."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd

from landmark.registry.package import register as register_version
from landmark.registry.tracking import Tracker
from landmark.run import Work
from landmark.storage import read_bytes, read_json, write_json


def register(work: Work) -> Mapping[str, Any]:
    """Log the run's curves, data set, figures and report, and register the recognizer.

    Returns:
        facts: run (MLflow's id), model, version.
    """
    config, catalog = work.config, work.inputs["catalog"]
    tracker = Tracker(config)
    for step, prefix in (("train", "train"), ("train_left_out", "left_out")):
        if step in work.inputs:
            lines = work.file(step, "curves.jsonl").read_text(encoding="utf-8").splitlines()
            tracker.curves(map(json.loads, lines), prefix)
    tracker.data(catalog.facts["content"], config.data.source or "generated world", catalog.facts["photos"])
    figures: dict[str, float] = read_json(work.file("evaluate", "metrics.json"))
    tracker.figures(figures)
    tracker.artefacts([work.file("evaluate", name) for name in ("metrics.json", "report.html")])
    version = register_version(
        tracker.client,
        tracker.run_id,
        recognizer=work.file("recognizer", "recognizer"),
        digest=work.inputs["recognizer"].digest,
        model=config.registry.model,
        figures=figures,
        example=_example(work),
    )
    tracker.tags({"landmark.model": f"models:/{config.registry.model}/{version}"})
    tracker.end("FINISHED")
    facts = {"run": tracker.run_id, "model": config.registry.model, "version": version}
    write_json(work.out / "registered.json", facts)
    return facts


def _example(work: Work) -> bytes:
    photos = pd.read_parquet(work.file("catalog", "catalog.parquet"), columns=["photo", "split", "landmark"])
    shown = photos[(photos["split"] == "test") & (photos["landmark"] != "")]["photo"]
    return read_bytes(shown.iloc[0])
