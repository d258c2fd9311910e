"""A recognizer measured on test photos whose embeddings are there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.evaluation.galleries import truth_of
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.search import recall_at_1
from landmark.recognition.recognizer import Recognizer
from landmark.steps.embedding import Vectors
from landmark.steps.protocols import Protocols, nearest_own, protocols, training_photos

TIMED_PHOTOS = 256
"""Photos whose recognition is timed, from file to answer."""


@dataclass(frozen=True, eq=False)
class Measured:
    """The test split as the recognizer sees it.

    Attributes:
        table: the catalog's rows of the test split [n].
        vectors: their embeddings, unit vectors [n, d].
        open_set: scores, predictions and truth [n].
        nearest: row of the centroid behind each prediction [n]; -1 for none.
        protocols: breakdowns, prevalence, verification.
        metrics: figures under their fixed names.
    """

    table: pd.DataFrame
    vectors: Vectors
    open_set: OpenSet
    nearest: NDArray[np.int64]
    protocols: Protocols
    metrics: dict[str, float]


def measure(
    recognizer: Recognizer, table: pd.DataFrame, vectors: Vectors, seed: int, photos: Mapping[str, int] | None = None
) -> Measured:
    """Measure on the rows of a catalog's table that are of the test split.

    Args:
        recognizer: what is measured.
        table: a catalog's table; rows of other splits serve calibration and verification and may be missing.
        vectors: unit vectors [n, d] by the recognizer's network, aligned with the table.
        seed: of the sample of photos that is timed.
        photos: landmark -> training photos [count]; None: as the table has them.
    """
    train = np.asarray((table["split"] == "train") & (table["landmark"] != ""))
    test = np.asarray(table["split"] == "test")
    shown, rows = np.asarray(vectors[test], np.float32), table[test].reset_index(drop=True)
    scored = recognizer.score(shown, lat=rows["lat"].to_numpy(), lon=rows["lon"].to_numpy())
    truth, known = truth_of(table, test)
    open_set = OpenSet(scored["score"].to_numpy(), scored["landmark"].to_numpy().astype(str), truth, known)
    centroids = recognizer.centroids
    further = protocols(recognizer, table, vectors, scored, open_set, photos or training_photos(table, centroids))
    metrics = {
        **open_set.figures(recognizer.calibration.threshold),
        **further.metrics,
        "centroids_per_landmark": len(centroids.vectors) / len(set(centroids.landmark)),
        "photos_per_second": photos_per_second(recognizer, rows["photo"].tolist(), seed),
    }
    if recognizer.gallery is not None and len(recognizer.gallery) == train.sum() and (truth != "").any():
        metrics["index_recall_at_1"] = recall_at_1(recognizer.gallery, vectors[train], shown[truth != ""])
    return Measured(rows, shown, open_set, nearest_own(centroids, shown, open_set.predicted), further, metrics)


def photos_per_second(recognizer: Recognizer, photos: Sequence[str], seed: int) -> float:
    """Photos recognised a second, from file to answer, after a first few that warm everything up."""
    chosen = np.random.default_rng(seed).permutation(len(photos))[:TIMED_PHOTOS]
    timed = [photos[row] for row in chosen]
    recognizer.recognize(timed[:8])
    begin = time.perf_counter()
    recognizer.recognize(timed)
    return len(timed) / (time.perf_counter() - begin)
