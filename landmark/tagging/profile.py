"""What a drift check keeps of a set of tagged photos: counts and histograms, of a size that does not grow with it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import ArrayLike, NDArray

from landmark.errors import LandmarkError
from landmark.names import shown

Counts = NDArray[np.int64]

LOW, HIGH, STEP = -2.0, 2.0, 0.001
"""Scores and similarities lie between; fine enough that a histogram stands for the values."""
CELLS = round((HIGH - LOW) / STEP)


def histogram(values: ArrayLike) -> Counts:
    """Counts of values in `CELLS` cells of width `STEP` from `LOW` on; values beyond go to the ends."""
    cells = np.floor((np.asarray(values, np.float64) - LOW) / STEP + 1e-6).astype(np.int64)
    return np.bincount(np.clip(cells, 0, CELLS - 1), minlength=CELLS).astype(np.int64)


def _empty() -> Counts:
    return np.zeros(CELLS, np.int64)


@dataclass
class Profile:
    """Photos as a drift check sees them.

    Attributes:
        photos: how many.
        landmarks: photos with each landmark.
        scores: histogram of all photos' scores.
        similarities: histogram of all photos' similarities to the nearest centroid.
        tagged: the same of photos that have a landmark.
        sums: sum and sum of squares of the similarity of photos that have a landmark.
    """

    photos: int = 0
    landmarks: Counter[str] = field(default_factory=Counter)
    scores: Counts = field(default_factory=_empty)
    similarities: Counts = field(default_factory=_empty)
    tagged: Counts = field(default_factory=_empty)
    sums: tuple[float, float] = (0.0, 0.0)

    @property
    def tags(self) -> int:
        """Photos that have a landmark."""
        return sum(self.landmarks.values())

    def add(self, landmark: list[str], similarity: ArrayLike, score: ArrayLike) -> None:
        """Take in photos [n]: landmark ("": none), similarity, score."""
        similarities = np.asarray(similarity, np.float64)
        given = np.array([bool(name) for name in landmark], bool)
        own = similarities[given]
        self.photos += len(landmark)
        self.landmarks.update(name for name in landmark if name)
        self.scores = self.scores + histogram(score)
        self.similarities = self.similarities + histogram(similarities)
        self.tagged = self.tagged + histogram(own)
        self.sums = (self.sums[0] + float(own.sum()), self.sums[1] + float((own**2).sum()))

    def moments(self) -> tuple[float, float]:
        """Mean and standard deviation of the similarity of tagged photos; NaN where there are too few."""
        count = self.tags
        mean = self.sums[0] / count if count else float("nan")
        variance = (self.sums[1] - count * mean**2) / (count - 1) if count > 1 else float("nan")
        return mean, float(np.sqrt(max(variance, 0.0))) if variance == variance else variance

    def to_json(self) -> dict[str, Any]:
        """As a JSON object; of histograms, cells that are not empty."""
        return {
            "photos": self.photos,
            "landmarks": dict(sorted(self.landmarks.items())),
            **{name: _sparse(getattr(self, name)) for name in _HISTOGRAMS},
            "sums": list(self.sums),
        }

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """From a JSON object.

        Raises:
            LandmarkError: it isn't one of a profile.
        """
        try:
            counts = {name: _dense(values[name]) for name in _HISTOGRAMS}
            first, second = map(float, values["sums"])
            landmarks = Counter({str(key): int(count) for key, count in values["landmarks"].items()})
            return cls(int(values["photos"]), landmarks, **counts, sums=(first, second))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise LandmarkError(
                f"drift: a kept reference is damaged ({error}); delete it, and the next check makes another"
            ) from error


_HISTOGRAMS = ("scores", "similarities", "tagged")


def _sparse(counts: Counts) -> dict[str, int]:
    return {str(cell): int(counts[cell]) for cell in np.flatnonzero(counts)}


def _dense(cells: dict[str, int]) -> Counts:
    counts = _empty()
    for cell, count in cells.items():
        counts[int(cell)] = int(count)
    return counts


def read_profile(file: Path, after: datetime | None = None, threshold: float | None = None) -> tuple[Profile, datetime | None]:
    """The profile of a `tags.parquet`, read in pieces: what the model says of each photo alone.

    Args:
        file: the table.
        after: only photos that were added later.
        threshold: the model's; None: landmarks count as they stand, whoever gave them.

    Returns:
        The profile, and when the last of these photos was added (None: there is none).

    Raises:
        LandmarkError: not there, or not such a table.
    """
    profile, last = Profile(), after
    for batch in _batches(file):
        if after is not None:
            batch = batch.filter(pc.greater(batch["added"], pa.scalar(after, batch.schema.field("added").type)))
        if not len(batch):
            continue
        score = batch["score"].to_numpy()
        landmarks = batch["landmark"].to_pylist() if threshold is None else _alone(batch, score > threshold)
        profile.add(landmarks, batch["similarity"].to_numpy(), score)
        newest = pc.max(batch["added"]).as_py()
        last = newest if last is None else max(last, newest)
    return profile, last


def _alone(batch: pa.RecordBatch, given: NDArray[np.bool_]) -> list[str]:
    """Landmarks [n] before context, people and a smallest confidence: what was taken away is the first runner-up."""
    landmarks: list[str] = batch["landmark"].to_pylist()
    others = np.array(batch["decided_by"].to_pylist(), object) != "model"
    for row in np.flatnonzero(others | (given & (np.array(landmarks, object) == ""))).tolist():
        runners = batch["runners_up"][row].as_py()
        kept = landmarks[row] and batch["reason"][row].as_py().startswith("confirmed")
        landmarks[row] = "" if not given[row] else landmarks[row] if kept or not runners else runners[0]["landmark"]
    return landmarks


def _batches(file: Path) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(file) as table:
            yield from table.iter_batches(
                columns=["landmark", "similarity", "score", "added", "decided_by", "runners_up", "reason"]
            )
    except FileNotFoundError as error:
        raise LandmarkError(f"{shown(file)}: not there; give the --out folder of a finished `landmark tag`") from error
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:200]
        raise LandmarkError(f"{shown(file)}: not a table of tags ({reason}); run `landmark tag` again") from error
