"""Ways to represent landmarks, compared on the same embeddings: one mean, several centroids, every photo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.config import CalibrationConfig, CentroidsConfig
from landmark.errors import LandmarkError
from landmark.evaluation.open_set import OpenSet
from landmark.recognition.calibration import bank_similarity, conformal_threshold
from landmark.recognition.centroids import Centroids, build_centroids

Vectors = NDArray[np.float32]
Bools = NDArray[np.bool_]

ONE_MEAN = "one mean per landmark"
FIXED_CUT = "several centroids (fixed cut)"
EARNED = "earned centroids (ours)"
ALL_PHOTOS = "nearest of all training photos"
METHODS = (ONE_MEAN, FIXED_CUT, EARNED, ALL_PHOTOS)
_SIMILARITIES = 1 << 24  # at once: 64 MB, however large the gallery is
# Unit vectors are never farther apart, so that this cut leaves one cluster.
_WHOLE = 2.0


@dataclass(frozen=True, eq=False)
class Gallery:
    """Vectors that photos are compared with: unit vectors [v, d] and the landmark of each [v]."""

    vectors: Vectors
    landmark: NDArray[np.str_]

    def nearest(self, embeddings: Vectors) -> tuple[Vectors, NDArray[np.int64]]:
        """Similarity [n] to the nearest vector and its row [n], for unit vectors [n, d]."""
        similarity = np.empty(len(embeddings), np.float32)
        rows = np.empty(len(embeddings), np.int64)
        chunk = max(1, _SIMILARITIES // len(self.vectors))
        for start in range(0, len(embeddings), chunk):
            block = np.asarray(embeddings[start : start + chunk]) @ self.vectors.T
            rows[start : start + chunk] = block.argmax(1)
            similarity[start : start + chunk] = block.max(1)
        return similarity, rows


@dataclass(frozen=True, eq=False)
class Split:
    """The rows of a catalog's table by what they are for, as masks [n].

    Attributes:
        train: landmark photos that make a gallery.
        bank: training photos without a landmark, for re-scoring and for earning centroids.
        calibrate: photos without a landmark that set the threshold.
        calibrate_landmarks: landmark photos of the calibrate split.
        test: all photos of the test split.
    """

    train: Bools
    bank: Bools
    calibrate: Bools
    calibrate_landmarks: Bools
    test: Bools

    @classmethod
    def of(cls, table: pd.DataFrame, landmarks: Sequence[str] | None = None) -> Split:
        """Split a table with columns split, landmark, known; of landmark photos, those of `landmarks` alone (None: all).

        Raises:
            LandmarkError: a part that every measurement needs has no photo.
        """
        split = np.asarray(table["split"], dtype=str)
        landmark = np.asarray(table["landmark"], dtype=str)
        known = np.asarray(table["known"], dtype=bool)
        shows = landmark != "" if landmarks is None else np.isin(landmark, np.asarray(landmarks, dtype=str))
        other = (landmark == "") & known
        made = cls(
            train=shows & (split == "train"),
            bank=other & (split == "train"),
            calibrate=other & (split == "calibrate"),
            calibrate_landmarks=shows & (split == "calibrate"),
            test=(shows | (landmark == "")) & (split == "test"),
        )
        for what, mask in (
            ("landmark photos in the train split", made.train),
            ("non-landmark photos in the calibrate split", made.calibrate),
            ("landmark photos in the test split", made.test & shows),
            ("non-landmark photos in the test split", made.test & other),
        ):
            if not mask.any():
                raise LandmarkError(f"evaluation: no {what}; add photos or change the splits")
        return made


def make_gallery(
    method: str, embeddings: Vectors, table: pd.DataFrame, split: Split, settings: CentroidsConfig, seed: int = 0
) -> Gallery:
    """A gallery from the training photos.

    Args:
        method: one of `METHODS`.
        embeddings: unit vectors [n, d], rows aligned with `table`.
        table: a catalog's table.
        split: which rows are for what.
        settings: of centroids; `earned`, and for one mean `cut`, are as the method says.
        seed: of what decides which centroids are earned.
    """
    landmark = np.asarray(table["landmark"], dtype=str)[split.train]
    train = np.asarray(embeddings[split.train], np.float32)
    if method == ALL_PHOTOS:
        return Gallery(train, landmark)
    changes: dict[str, dict[str, Any]] = {
        ONE_MEAN: {"earned": False, "cut": _WHOLE},
        FIXED_CUT: {"earned": False},
        EARNED: {"earned": True},
    }
    centroids = centroids_of(embeddings, table, split, settings.model_copy(update=changes[method]), seed)
    return Gallery(centroids.vectors, np.asarray(centroids.landmark, dtype=str))


def centroids_of(embeddings: Vectors, table: pd.DataFrame, split: Split, settings: CentroidsConfig, seed: int = 0) -> Centroids:
    """Centroids of the training photos, just as a refresh builds them."""
    bank = np.asarray(embeddings[split.bank], np.float32)
    return build_centroids(
        np.asarray(embeddings[split.train], np.float32),
        np.asarray(table["landmark"], dtype=object)[split.train],
        np.asarray(table["photo"], dtype=object)[split.train],
        settings,
        groups=np.asarray(table["group"])[split.train],
        others=bank if len(bank) else None,
        seed=seed,
    )


def gallery_baselines(
    embeddings: Vectors,
    table: pd.DataFrame,
    centroids: CentroidsConfig,
    calibration: CalibrationConfig,
    weight: float = 0.5,
    landmarks: Sequence[str] | None = None,
    methods: Sequence[str] = METHODS,
    seed: int = 0,
) -> pd.DataFrame:
    """Measure each way to represent landmarks, with and without re-scoring, all else equal.

    Each has its own threshold, set by all calibrate photos without a landmark (split conformal). The weight of re-scoring is
    given, not chosen: here galleries are compared, not choices.

    Args:
        embeddings: unit vectors [n, d], rows aligned with `table`.
        table: a catalog's table.
        centroids: settings of centroids.
        calibration: target specificity, neighbours.
        weight: of re-scoring, where it is used.
        landmarks: ids of the landmarks in the gallery and in the test (None: all).
        methods: of `METHODS`.
        seed: of what decides which centroids are earned.

    Returns:
        columns method, rescored, vectors, photos (landmark photos tested), top1, sensitivity, sensitivity_low,
        sensitivity_high, specificity, sensitivity_at_99.
    """
    split = Split.of(table, landmarks)
    bank = np.asarray(embeddings[split.bank], np.float32)
    near = {
        name: bank_similarity(np.asarray(embeddings[mask], np.float32), bank, calibration.neighbours)
        for name, mask in (("calibrate", split.calibrate), ("test", split.test))
    }
    truth, known = truth_of(table, split.test)
    rows = []
    for method in methods:
        gallery = make_gallery(method, embeddings, table, split, centroids, seed)
        others, _ = gallery.nearest(embeddings[split.calibrate])
        similarity, row = gallery.nearest(embeddings[split.test])
        for used in (0.0, weight) if len(bank) else (0.0,):
            threshold = conformal_threshold(others - used * near["calibrate"], calibration.specificity)
            open_set = OpenSet(similarity - used * near["test"], gallery.landmark[row], truth, known)
            figures = open_set.figures(threshold)
            names = ("top1", "sensitivity", "sensitivity_low", "sensitivity_high", "specificity", "sensitivity_at_99")
            rows.append(
                {
                    "method": method,
                    "rescored": used > 0,
                    "vectors": len(gallery.vectors),
                    "photos": int(open_set.landmark_photo.sum()),
                    **{name: figures[name] for name in names},
                }
            )
    return pd.DataFrame(rows)


def truth_of(table: pd.DataFrame, mask: Bools) -> tuple[NDArray[np.str_], Bools]:
    """(truth, known) of some rows, as `OpenSet` takes them."""
    return np.asarray(table["landmark"], dtype=str)[mask], np.asarray(table["known"], dtype=bool)[mask]
