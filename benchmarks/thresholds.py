"""Thresholds by landmark against one for all, on a finished run's photos, over many draws of the calibration photos.

    landmark bench thresholds [--run photos] [--draws 40] [--out benchmarks/results]

Each draw takes 80 % of the groups of non-landmark photos of the calibrate split, calibrates on them as a release does, and is
measured on the whole test split: sensitivity, specificity, share of right tags at 2 % prevalence. All ways see the same draws,
the same re-scoring and the same centroids. Writes results/thresholds.{json,md}.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.machine import machine
from benchmarks.photos import markdown
from landmark.cache import StepCache
from landmark.config import CalibrationConfig, CentroidsConfig
from landmark.errors import UsageError
from landmark.evaluation.galleries import Gallery, Split, truth_of
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.prevalence import at_prevalence
from landmark.photos.catalog import Catalog
from landmark.recognition.calibration import Calibration, Scored, bank_similarity, calibrate, chooses
from landmark.recognition.centroids import held_out
from landmark.recognition.conformal import needed, own_thresholds
from landmark.recognition.recognizer import Recognizer
from landmark.steps.embedding import embed_catalog
from landmark.storage import read_json, write_bytes, write_json

ROOT = Path(__file__).parent
TARGETS = (0.9, 0.95, 0.99)
WAYS = {
    "one for all": None,
    "by landmark": 1,
    "by landmark, 2 times as many photos": 2,
    "by landmark, 4 times as many photos": 4,
}
"""Photos for a threshold of its own, in multiples of what the target needs."""
NOTE = """`own`: landmarks with a threshold of their own (mean). ±: standard deviation over draws. Gained: against one for all
on the same draw. One for all at that specificity: sensitivity of one threshold, moved until its specificity on test is
the same."""
SHARE = 0.8
PREVALENCE = 0.02


class Photos:
    """The run's photos as calibration and measurement see them."""

    def __init__(self, recognizer: Recognizer, table: pd.DataFrame, vectors: np.ndarray, neighbours: int, seed: int) -> None:
        split, centroids = Split.of(table), recognizer.centroids
        self._gallery = Gallery(centroids.vectors, np.asarray(centroids.landmark, dtype=str))
        self._bank, self._neighbours = np.asarray(vectors[split.bank], np.float32), neighbours
        rows = {name: np.asarray(vectors[getattr(split, name)], np.float32) for name in ("calibrate", "train", "test")}
        ids = np.asarray(table["landmark"], dtype=str)
        self.others, self.test = self._scored(rows["calibrate"]), self._scored(rows["test"])
        self.bank = self._scored(self._bank, itself=True)
        # The recognizer's landmark photos that placed no centroid, as calibration takes them.
        groups = np.asarray(table["group"])
        similarity, right = held_out(rows["train"], ids[split.train], centroids, CentroidsConfig(), groups[split.train], seed)
        near = bank_similarity(rows["train"], self._bank, neighbours)
        self.landmarks = Scored(similarity, near, right)
        self.sha256 = np.asarray(table["sha256"], dtype=str)[split.calibrate]
        self.groups = groups[split.calibrate]
        self.truth = truth_of(table, split.test)

    def _scored(self, rows: np.ndarray, itself: bool = False) -> Scored:
        similarity, nearest = self._gallery.nearest(rows)
        bank = bank_similarity(rows, self._bank, self._neighbours, itself)
        return Scored(similarity, bank, np.zeros(len(rows), bool), self._gallery.landmark[nearest])

    def drawn(self, random: np.random.Generator) -> np.ndarray:
        """A draw of calibration photos, as a mask."""
        groups = np.unique(self.groups)
        return np.isin(self.groups, random.choice(groups, round(SHARE * len(groups)), replace=False))

    def calibrations(self, mask: np.ndarray, target: float) -> Iterator[tuple[str, Calibration]]:
        """One calibration a way, all with the same re-scoring."""
        others, sha256 = self.others.only(mask), self.sha256[mask].tolist()
        base = calibrate(others, sha256, self.landmarks, CalibrationConfig(specificity=target, per_landmark="never"), self.bank)
        setting = others.only(~chooses(sha256)) if base.n_choose else others
        assert setting.landmark is not None
        for way, times in WAYS.items():
            if times is None:
                yield way, base
                continue
            scores = setting.score(base.rescore_weight)
            threshold, own = own_thresholds(scores, setting.landmark, target, times * needed(target))
            yield way, replace(base, threshold=threshold, own_thresholds=own)

    def figures(self, made: Calibration) -> dict[str, float]:
        """On the test split."""
        assert self.test.landmark is not None
        open_set = OpenSet(made.of(self.test), self.test.landmark, *self.truth)
        figures = open_set.figures(made.threshold)
        right = at_prevalence(open_set, made.threshold, (PREVALENCE,)).iloc[0]["tags_right"]
        keys = ("sensitivity", "macro_sensitivity", "specificity")
        return {**{key: figures[key] for key in keys}, "precision": float(right), "own": len(made.own_thresholds)}

    def matched(self, made: Calibration, figures: dict[str, float]) -> float:
        """Sensitivity of one threshold for all, put where its specificity on the test split is at least the same."""
        assert self.test.landmark is not None
        open_set = OpenSet(replace(made, own_thresholds={}).of(self.test), self.test.landmark, *self.truth)
        false = np.sort(open_set.score[open_set.other_photo])
        threshold = false[round(figures["specificity"] * len(false)) - 1]
        return float(open_set.figures(threshold)["sensitivity"])


def measured(photos: Photos, draws: int, seed: int) -> pd.DataFrame:
    """A row a draw, target and way."""
    rows = []
    for draw in range(draws):
        mask = photos.drawn(np.random.default_rng([seed, draw]))
        for target in TARGETS:
            for way, made in photos.calibrations(mask, target):
                figures = photos.figures(made)
                rows.append({"target": target, "way": way, "draw": draw, **figures, "matched": photos.matched(made, figures)})
    return pd.DataFrame(rows)


def summary(raw: pd.DataFrame) -> pd.DataFrame:
    """Means over draws with their spread, and the paired difference from one threshold for all (mean, in how many draws up)."""
    keys = ["sensitivity", "macro_sensitivity", "specificity", "precision"]
    rows = []
    for (target, way), part in raw.groupby(["target", "way"], sort=False):
        base = raw[(raw["target"] == target) & (raw["way"] == "one for all")]
        row: dict[str, Any] = {"target": target, "way": way, "own": round(float(part["own"].mean()), 1)}
        for key in keys:
            row[key] = f"{part[key].mean():.4f} ± {part[key].std():.4f}"
        row["one for all at that specificity"] = f"{part['matched'].mean():.4f}"
        for key in ("sensitivity", "precision"):
            gain = part[key].to_numpy() - base[key].to_numpy()
            row[f"{key} gained"] = f"{gain.mean():+.4f} (up in {(gain > 0).sum()}, down in {(gain < 0).sum()})"
        rows.append(row)
    return pd.DataFrame(rows)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="landmark bench thresholds", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--run", default="photos", help="name of a finished run")
    parser.add_argument("--home", type=Path, default=Path(".landmark"), help="the home folder")
    parser.add_argument("--draws", type=int, default=40, help="draws of the calibration photos [count]")
    parser.add_argument("--seed", type=int, default=0, help="of the draws")
    parser.add_argument("--out", type=Path, default=ROOT / "results", help="folder of the results")
    arguments = parser.parse_args()
    folder = arguments.home / "runs" / arguments.run
    if not (folder / "run.json").is_file():
        raise UsageError(f"bench thresholds: no finished run {folder}; first: landmark retrain configs/photos.yaml")
    key = read_json(folder / "run.json")["steps"]["catalog"]["key"]
    catalog = Catalog.load(StepCache(arguments.home).folder("catalog", key) / "catalog.parquet")
    recognizer = Recognizer.load(folder / "recognizer")
    vectors = np.asarray(embed_catalog(recognizer.network, catalog, arguments.home).vectors)
    photos = Photos(recognizer, catalog.table, vectors, recognizer.calibration.neighbours, arguments.seed)
    raw = measured(photos, arguments.draws, arguments.seed)
    table = summary(raw)
    header = f"Thresholds by landmark: {arguments.run}, {len(photos.others)} calibration photos, {len(photos.test)} test photos"
    header += f", {arguments.draws} draws of {SHARE:.0%} of the calibration groups, prevalence {PREVALENCE:.0%}"
    found = {"what": header, "machine": machine(), "seed": arguments.seed, "rows": table.to_dict("records")}
    write_json(arguments.out / "thresholds.json", {**found, "each": raw.to_dict("records")})
    command = f"landmark bench thresholds --run {arguments.run} --draws {arguments.draws} --seed {arguments.seed}"
    text = f"# {header}\n\n`{command}`\n\n{markdown(table)}\n\n{NOTE}\n"
    write_bytes(arguments.out / "thresholds.md", text.encode())
    print(table.to_string(index=False))


if __name__ == "__main__":
    main()
