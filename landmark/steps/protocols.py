"""The field's further figures of a recognizer: breakdowns, prevalence, verification, MAP@5 with a "new" class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.evaluation.breakdown import breakdown_figures, by_aspect, by_training_photos
from landmark.evaluation.galleries import Gallery
from landmark.evaluation.new_class import Ranked
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.prevalence import at_prevalence, prevalence_figures
from landmark.evaluation.reliability import Reliability, reliability
from landmark.evaluation.verification import Pairs, make_pairs
from landmark.recognition.centroids import Centroids
from landmark.recognition.recognizer import Recognizer
from landmark.steps.embedding import Vectors

REFERENCES = 20
"""Training photos of a landmark that verification compares a photo with, at most [count]."""


@dataclass(frozen=True, eq=False)
class Protocols:
    """What they found on the test split.

    Attributes:
        sizes: as `by_training_photos` gives it.
        aspects: as `by_aspect` gives it.
        prevalence: as `at_prevalence` gives it.
        reliability: whether confidence is a probability.
        verification: pairs of test photos and training photos, by what is made of several distances; empty where there are
            too few training photos.
        metrics: figures under their fixed names.
    """

    sizes: pd.DataFrame
    aspects: pd.DataFrame
    prevalence: pd.DataFrame
    reliability: Reliability
    verification: Mapping[str, Pairs] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)


def protocols(
    recognizer: Recognizer,
    table: pd.DataFrame,
    vectors: Vectors,
    scored: pd.DataFrame,
    open_set: OpenSet,
    photos: Mapping[str, int],
) -> Protocols:
    """Measure.

    Args:
        recognizer: what is measured.
        table: a catalog's table: the test split, and, where they are there, calibrate split and references.
        vectors: unit vectors [n, d] by the recognizer's network, aligned with the table.
        scored: the test photos as `Recognizer.score` gives them.
        open_set: the same beside the truth.
        photos: landmark -> training photos [count].
    """
    threshold = recognizer.calibration.threshold
    shown = np.asarray(vectors[np.asarray(table["split"] == "test")], np.float32)
    sizes = by_training_photos(open_set, threshold, photos)
    aspects = by_aspect(open_set, threshold, nearest_own(recognizer.centroids, shown, open_set.truth), recognizer.centroids)
    prevalence = at_prevalence(open_set, threshold)
    calibration = recognizer.calibration
    confidence = np.where(open_set.predicted == "", 0.0, calibration.confidence(open_set.score))
    reliable = reliability(open_set, confidence, open_set.accepted(threshold), calibration.prior)
    verification = _verification(table, vectors, shown, open_set)
    metrics = {**breakdown_figures(sizes, aspects), **prevalence_figures(prevalence), **reliable.figures}
    for over, pairs in verification.items():
        metrics |= pairs.figures("verification" if over == "minimum" else f"verification_{over}")
    metrics |= _new_class(recognizer, table, vectors, scored, open_set)
    return Protocols(sizes, aspects, prevalence, reliable, verification, metrics)


def references(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Rows [n] of a catalog's table that verification compares with: the first `REFERENCES` of a landmark by sha256."""
    train = table[(table["split"] == "train") & (table["landmark"] != "")].sort_values("sha256", kind="stable")
    chosen = train.index[train.groupby("landmark").cumcount() < REFERENCES]
    return np.asarray(table.index.isin(chosen), bool)


def training_photos(table: pd.DataFrame, centroids: Centroids) -> dict[str, int]:
    """Landmark -> training photos [count] of the catalog; of one that it has none of, the photos behind its centroids."""
    behind = centroids.summary()["photos"].to_dict()
    train = table[(table["split"] == "train") & (table["landmark"] != "")]
    return {str(name): int(count) for name, count in {**behind, **train["landmark"].value_counts()}.items()}


def nearest_own(centroids: Centroids, vectors: Vectors, landmark: NDArray[np.str_]) -> NDArray[np.int64]:
    """Row [n] of the nearest centroid of each photo's landmark; -1 for a photo without one, or of one without centroids."""
    names = np.asarray(centroids.landmark, dtype=str)
    rows = np.full(len(vectors), -1, np.int64)
    for name in np.intersect1d(landmark[landmark != ""], names):
        own, photos = np.flatnonzero(names == name), np.flatnonzero(landmark == name)
        rows[photos] = own[Gallery(centroids.vectors[own], names[own]).nearest(vectors[photos])[1]]
    return rows


def _verification(table: pd.DataFrame, vectors: Vectors, shown: Vectors, open_set: OpenSet) -> dict[str, Pairs]:
    chosen = references(table)
    names = np.asarray(table["landmark"], dtype=str)[chosen]
    photos = np.isin(open_set.truth, names)  # "" is no landmark of a reference
    if len(np.unique(names)) < 2 or not photos.any():
        return {}
    stored = np.asarray(vectors[chosen], np.float32)
    return {over: make_pairs(shown[photos], open_set.truth[photos], stored, names, over) for over in ("minimum", "mean")}


def _new_class(
    recognizer: Recognizer, table: pd.DataFrame, vectors: Vectors, scored: pd.DataFrame, open_set: OpenSet
) -> dict[str, float]:
    """MAP@5 on test, by the best threshold on calibrate; by the recognizer's own where that split has no landmark photos."""
    calibrate = np.asarray(table["split"] == "calibrate")
    truth = np.asarray(table["landmark"], dtype=str)[calibrate]
    threshold = recognizer.calibration.threshold
    if (truth != "").any() and (truth == "").any():
        threshold = _ranked(recognizer.score(np.asarray(vectors[calibrate], np.float32)), truth).best_threshold()
    figure = _ranked(scored, open_set.truth).map_at_5(threshold)
    return {"map_at_5_with_new": figure, "map_at_5_threshold": threshold}


def _ranked(scored: pd.DataFrame, truth: NDArray[np.str_]) -> Ranked:
    # Re-scoring subtracts the same from all candidates of a photo.
    subtracted = (scored["similarity"] - scored["score"]).to_numpy()[:, None]
    candidates = scored["candidates"].tolist()
    width = max((len(row) for row in candidates), default=0)
    similarity = np.array([[*(c["similarity"] for c in row), *[-np.inf] * (width - len(row))] for row in candidates])
    names = np.array([[*(c["landmark"] for c in row), *[""] * (width - len(row))] for row in candidates], dtype=str)
    return Ranked(similarity - subtracted, names, truth)
