"""A run whose steps are done but for the registry's: painted photos, a catalog, a recognizer of their stripes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from landmark.cache import Output, StepCache, content_key
from landmark.config import RunConfig
from landmark.photos.catalog import Catalog
from landmark.recognition.recognizer import Recognizer
from landmark.run import Work
from landmark.storage import sha256_file, write_json
from tests.recognition.striped import IDS, paint, striped
from tests.registry.conftest import run_config

PHOTOS, OTHERS = 6, 12


def write_catalog(folder: Path) -> Catalog:
    """Six test photos of each landmark, twelve others."""
    folder.mkdir(parents=True)
    rows = []
    for kind, landmark in enumerate([*IDS, ""]):
        for number in range(PHOTOS if landmark else OTHERS):
            file = folder / f"{landmark or 'other'}_{number}.png"
            Image.fromarray(paint(kind, 100 + number)).save(file)
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            rows.append((str(file), landmark, "test", "", digest, 48, 48, len(rows)))
    columns = ["photo", "landmark", "split", "region", "sha256", "width", "height", "group"]
    table = pd.DataFrame(rows, columns=columns).assign(taken_at=pd.NaT, lat=np.nan, lon=np.nan, known=True)
    landmarks = pd.DataFrame({"landmark": IDS, "name": ["The Arch", "<b>Bell</b>", ""], "region": ""})
    landmarks = landmarks.assign(city="", country="", lat=np.nan, lon=np.nan, names="{}")
    return Catalog(table, landmarks, pd.DataFrame({"photo": [], "reason": []}, dtype=str))


def variants(folder: Path) -> dict[str, Path]:
    """Recognizers of one network, by threshold: `good` and `same` tell all apart, `deaf` gives nothing, `loose` everything."""
    made = striped()
    threshold = made.calibration.threshold
    thresholds = {"good": threshold, "same": threshold - 1e-9, "deaf": 2.0, "loose": -2.0}
    for name, value in thresholds.items():
        parts: dict[str, Any] = {
            part: getattr(made, part) for part in ("network", "centroids", "bank", "gallery", "landmarks", "metadata")
        }
        Recognizer(**parts, calibration=replace(made.calibration, threshold=value)).save(folder / name / "recognizer")
    return {name: folder / name for name in thresholds}


class Sample:
    """The steps `register` and `gate` of runs of one home, each of a recognizer."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder, self.home = folder, home
        self.cache = StepCache(home)

    def config(self, name: str = "r", **gate: Any) -> RunConfig:
        small = {"timed_photos": 4, "timed_rounds": 2, "specificity_photos": OTHERS, "target_tolerance": None}
        return run_config(self.home, name=name, threads=1, registry={"gate": {**small, **gate}})

    def register(self, variant: str, config: RunConfig | None = None) -> Output:
        return self._step("register", "landmark.registry.register", config or self.config(), self._inputs(variant))

    def gate(self, variant: str, config: RunConfig | None = None) -> dict[str, Any]:
        """Facts of the step, of which `register` is done first if need be."""
        settings = config or self.config()
        inputs = {**self._inputs(variant), "register": self.register(variant, settings)}
        return self._step("gate", "landmark.registry.judge", settings, inputs).facts

    def key(self, step: str, config: RunConfig, inputs: Mapping[str, Output]) -> str:
        """As in `flows.plan`."""
        from flows.plan import plan

        (found,) = [one for one in plan(config) if one.name == step]
        return found.key(config, inputs)

    def _step(self, name: str, module: str, config: RunConfig, inputs: Mapping[str, Output]) -> Output:
        import importlib

        function = getattr(importlib.import_module(module), name)
        key = self.key(name, config, inputs)
        return self.cache.make(name, key, lambda out: function(Work(config, inputs, out, self.home)))

    def _inputs(self, variant: str) -> dict[str, Output]:
        catalog = Catalog.load(self.folder / "catalog" / "catalog.parquet")
        facts = {"content": catalog.digest, "photos": {"test": len(catalog)}, "training": "x"}
        place = self.folder / "variants" / variant
        recognizer = place / "recognizer"
        files = {str(file.relative_to(recognizer)): sha256_file(file) for file in recognizer.rglob("*") if file.is_file()}
        return {
            "catalog": self._output("catalog", self.folder / "catalog", catalog.digest, facts),
            "recognizer": self._output("recognizer", place, content_key(files), {}),
            "evaluate": self._output("evaluate", self.folder / "evaluate", variant, {}),
            "train": self._output("train", self.folder / "train", "t", {}),
        }

    @staticmethod
    def _output(step: str, folder: Path, digest: str, facts: dict[str, Any]) -> Output:
        return Output(folder, step, "0" * 64, digest, facts, 0.0, "2026-01-01T00:00:00+00:00")


def write_sample(folder: Path) -> None:
    """What the runs share."""
    (folder / "catalog").mkdir(parents=True)
    write_catalog(folder / "photos").save(folder / "catalog" / "catalog.parquet")
    variants(folder / "variants")
    for name in ("evaluate", "train"):
        (folder / name).mkdir()
    write_json(folder / "evaluate" / "metrics.json", {"sensitivity": 0.5, "specificity": 0.75, "threshold": float(1)})
    (folder / "evaluate" / "report.html").write_text("<p>report")
    (folder / "train" / "curves.jsonl").write_text('{"step": 1, "loss": 2.0}\n')
