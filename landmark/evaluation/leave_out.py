"""The leave-landmarks-out protocol: does the network stay general?

Some landmarks are kept from training; afterwards they are added by a refresh, that is by centroids of their training
photos. Their sensitivity, with a gallery of these landmarks alone and a threshold calibrated on non-landmark photos, says
how well landmarks that arrive later are recognised. The frozen pretrained network, measured the same way, is what training
must not fall below.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.config import CalibrationConfig, CentroidsConfig
from landmark.errors import UsageError
from landmark.evaluation.galleries import METHODS, Gallery, Split, Vectors, centroids_of, gallery_baselines, truth_of
from landmark.evaluation.open_set import OpenSet
from landmark.recognition.calibration import Calibration, Scored, bank_similarity, calibrate
from landmark.recognition.centroids import Centroids, held_out


@dataclass(frozen=True, eq=False)
class LeftOut:
    """Landmarks added by refresh, measured.

    Attributes:
        landmarks: their ids, sorted.
        centroids: built from their training photos.
        calibration: threshold and re-scoring.
        open_set: their test photos and those without a landmark.
    """

    landmarks: list[str]
    centroids: Centroids
    calibration: Calibration
    open_set: OpenSet

    def figures(self) -> dict[str, float]:
        """The open-set figures at the calibrated threshold, under their fixed names."""
        return self.open_set.figures(self.calibration.threshold)


def left_out(landmarks: Iterable[str], every: int) -> list[str]:
    """Ids that are kept from training: of the sorted distinct ids, the first and then every n-th.

    Raises:
        UsageError: `every` would leave none, or nothing to train on.

    >>> left_out(["e", "b", "a", "d", "c"], 3)
    ['a', 'd']
    """
    ids = sorted({str(landmark) for landmark in landmarks} - {""})
    if every < 1:
        raise UsageError(f"evaluation.leave_out {every}: give 2 or more to leave out every n-th landmark")
    chosen = ids[::every]
    if len(chosen) == len(ids):
        raise UsageError(
            f"evaluation.leave_out {every}: all {len(ids)} landmarks would be left out and none be trained on; give a larger "
            "number or more landmarks"
        )
    return chosen


def evaluate_left_out(
    embeddings: Vectors,
    table: pd.DataFrame,
    landmarks: Sequence[str],
    centroids: CentroidsConfig,
    calibration: CalibrationConfig,
    seed: int = 0,
) -> LeftOut:
    """Add landmarks to an empty gallery by refresh, calibrate, and measure them as a release would be.

    Args:
        embeddings: unit vectors [n, d], rows aligned with `table`; those of other landmarks are not used.
        table: a catalog's table.
        landmarks: ids, as `left_out` gives them.
        centroids: settings of centroids.
        calibration: settings of the threshold and of re-scoring.
        seed: of what decides which centroids are earned.

    Raises:
        LandmarkError: too few photos to build, calibrate or measure on.
    """
    split = Split.of(table, landmarks)
    built = centroids_of(embeddings, table, split, centroids, seed)
    calibrated = calibrate_gallery(embeddings, table, split, built, centroids, calibration, seed)
    gallery = Gallery(built.vectors, np.asarray(built.landmark, dtype=str))
    test = np.asarray(embeddings[split.test], np.float32)
    similarity, rows = gallery.nearest(test)
    bank = np.asarray(embeddings[split.bank], np.float32)
    found = gallery.landmark[rows]
    score = calibrated.score(similarity, bank_similarity(test, bank, calibrated.neighbours), calibrated.moves(found))
    return LeftOut(sorted(landmarks), built, calibrated, OpenSet(score, found, *truth_of(table, split.test)))


def calibrate_gallery(
    embeddings: Vectors,
    table: pd.DataFrame,
    split: Split,
    built: Centroids,
    centroids: CentroidsConfig,
    calibration: CalibrationConfig,
    seed: int = 0,
) -> Calibration:
    """Calibrate centroids on the photos of a table: threshold, re-scoring, confidence.

    Landmark photos of the calibrate split help to choose where there are any; else the training photos do, cross-fitted.
    """
    vectors = {
        name: np.asarray(embeddings[mask], np.float32)
        for name, mask in (
            ("bank", split.bank),
            ("others", split.calibrate),
            ("landmarks", split.calibrate_landmarks),
            ("train", split.train),
        )
    }
    ids = np.asarray(table["landmark"], dtype=str)
    gallery = Gallery(built.vectors, np.asarray(built.landmark, dtype=str))

    def scored(name: str, truth: NDArray[Any] | None = None) -> Scored:
        similarity, rows = gallery.nearest(vectors[name])
        right = np.zeros(len(rows), bool) if truth is None else np.asarray(gallery.landmark[rows] == truth, bool)
        near = bank_similarity(vectors[name], vectors["bank"], calibration.neighbours, itself=name == "bank")
        return Scored(similarity, near, right, gallery.landmark[rows])

    if split.calibrate_landmarks.any():
        landmarks = scored("landmarks", ids[split.calibrate_landmarks])
    else:
        groups = np.asarray(table["group"])[split.train]
        similarity, right = held_out(vectors["train"], ids[split.train], built, centroids, groups, seed)
        landmarks = Scored(similarity, bank_similarity(vectors["train"], vectors["bank"], calibration.neighbours), right)
    sha256 = np.asarray(table["sha256"], dtype=str)[split.calibrate].tolist()
    return calibrate(scored("others"), sha256, landmarks, calibration, scored("bank") if split.bank.any() else None)


def compare_left_out(
    networks: Mapping[str, Vectors],
    table: pd.DataFrame,
    landmarks: Sequence[str],
    centroids: CentroidsConfig,
    calibration: CalibrationConfig,
    methods: Sequence[str] = METHODS,
    seed: int = 0,
) -> pd.DataFrame:
    """The left-out landmarks by network: as a release would be, and by each way to represent them.

    Args:
        networks: name -> unit vectors [n, d] of the table's photos, e.g. of the trained and of the frozen network.
        table: a catalog's table.
        landmarks: ids, as `left_out` gives them.
        centroids: settings of centroids.
        calibration: settings of the threshold and of re-scoring.
        methods: ways to represent, see `galleries.METHODS`; none: as released only.
        seed: of what decides which centroids are earned.

    Returns:
        columns network, then those of `gallery_baselines`; the first row of a network is `as released`.
    """
    parts = []
    for name, embeddings in networks.items():
        released = evaluate_left_out(embeddings, table, landmarks, centroids, calibration, seed)
        figures = released.figures()
        weight = released.calibration.rescore_weight
        row = {
            "method": "as released",
            "rescored": weight > 0,
            "vectors": len(released.centroids),
            "photos": int(released.open_set.landmark_photo.sum()),
            **{key: figures[key] for key in ("top1", "sensitivity", "sensitivity_low", "sensitivity_high", "specificity")},
            "sensitivity_at_99": figures["sensitivity_at_99"],
        }
        compared = gallery_baselines(
            embeddings, table, centroids, calibration, weight or 0.5, landmarks=landmarks, methods=methods, seed=seed
        )
        part = pd.concat([pd.DataFrame([row]), compared], ignore_index=True)
        part.insert(0, "network", name)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)
