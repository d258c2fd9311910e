"""Verification: does a photo show the same landmark as some reference photos? A threshold on one pair decides."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.recognition.vectors import check_vectors

Floats = NDArray[np.float64]
Over = Literal["minimum", "mean"]
MAX_PAIRS = 4_000_000
_SIMILARITIES = 1 << 22  # at once: 16 MB, however many references there are


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a photo and a landmark's references, a row a pair.

    Attributes:
        distance: between them [n].
        same: whether the photo shows that landmark [n]; of both kinds there must be some.
    """

    distance: Floats
    same: NDArray[np.bool_]

    def __post_init__(self) -> None:
        object.__setattr__(self, "distance", np.asarray(self.distance, np.float64))
        object.__setattr__(self, "same", np.asarray(self.same, bool))
        if self.distance.ndim != 1 or self.distance.shape != self.same.shape or np.isnan(self.distance).any():
            raise ValueError("Pairs: distance must be [n] without NaN, and same [n]")
        if self.same.all() or not self.same.any():
            which = f"all {len(self.same)} pairs are of {'the same landmark' if self.same.all() else 'different landmarks'}"
            raise LandmarkError(f"verification: {which}; give photos of two landmarks at least")

    @cached_property
    def roc(self) -> tuple[Floats, Floats, Floats]:
        """The ROC curve: false positive rate, true positive rate (both rising from 0 to 1), threshold.

        A pair is taken for the same landmark iff its distance <= threshold; equal distances make one point. The first
        threshold is -inf.
        """
        order = np.argsort(self.distance, kind="stable")
        distance, same = self.distance[order], self.same[order]
        last = np.append(np.flatnonzero(np.diff(distance)), len(distance) - 1)
        hits = np.cumsum(same)[last]
        false = last + 1 - hits
        start = np.zeros(1)
        return (
            np.concatenate([start, false / false[-1]]),
            np.concatenate([start, hits / hits[-1]]),
            np.concatenate([[-np.inf], distance[last]]),
        )

    @cached_property
    def auc(self) -> float:
        """Area under the ROC curve, by trapezoids: P(a same pair is nearer than a different one), ties counting half."""
        false, true, _ = self.roc
        return float(np.trapezoid(true, false))

    @cached_property
    def eer(self) -> float:
        """Equal error rate: where the share of different pairs accepted is that of same pairs refused.

        Between two points of the ROC curve, on the straight line that joins them.
        """
        false, true, _ = self.roc
        gap = false - (1 - true)  # rises from -1 to 1
        right = int(np.argmax(gap >= 0))
        left = right - 1
        part = -gap[left] / (gap[right] - gap[left])
        return float(false[left] + part * (false[right] - false[left]))

    def fpr_at(self, true_positive_rate: float) -> float:
        """The smallest false positive rate of a threshold whose true positive rate is at least this (FPR at 95 % TPR)."""
        if not 0 < true_positive_rate <= 1:
            raise ValueError(f"true positive rate must lie in 0..1, got {true_positive_rate}")
        false, true, _ = self.roc
        # A rate that is exactly reached must not ask for one pair more because of rounding.
        return float(false[np.searchsorted(true, true_positive_rate - 1e-12)])

    def figures(self, prefix: str = "verification") -> dict[str, float]:
        """All under their fixed names: `verification_eer`, `verification_fpr_at_95`, `verification_auc`."""
        return {f"{prefix}_eer": self.eer, f"{prefix}_fpr_at_95": self.fpr_at(0.95), f"{prefix}_auc": self.auc}


def make_pairs(
    photos: NDArray[Any],
    landmark: NDArray[Any],
    references: NDArray[Any],
    reference_landmark: NDArray[Any],
    over: Over = "minimum",
    max_pairs: int = MAX_PAIRS,
    seed: int = 0,
) -> Pairs:
    """Pair each photo with its own landmark's references and with those of every other landmark.

    The distance of two unit vectors is 1 - their cosine; over several references the minimum or the mean of it. Photos
    whose own landmark has no references are left out. If there are more pairs than `max_pairs`, each photo meets only some
    of the other landmarks, drawn at random.

    Args:
        photos: unit vectors [n, d].
        landmark: id of each [n].
        references: unit vectors [m, d].
        reference_landmark: id of each [m].
        over: what is made of the distances to several references.
        max_pairs: about so many pairs at most [count]; bounds the memory.
        seed: of the draw.

    Raises:
        LandmarkError: fewer than two landmarks, no photo whose landmark has references, or vectors that do not fit.
    """
    stored = check_vectors(references, "verification: references")
    asked = check_vectors(photos, "verification: photos", stored.shape[1])
    names, owner = np.unique(np.asarray(reference_landmark, dtype=str), return_inverse=True)
    own = np.asarray(landmark, dtype=str)
    if len(own) != len(asked) or len(owner) != len(stored):
        raise LandmarkError("verification: give a landmark for each photo and each reference")
    usable = np.isin(own, names)
    if len(names) < 2 or not usable.any():
        raise LandmarkError(
            f"verification: {len(names)} landmarks have references, {int(usable.sum())} photos show one of them; "
            "give references of two landmarks at least, and photos of these"
        )
    asked, own_column = asked[usable], np.searchsorted(names, own[usable])
    order = np.argsort(owner, kind="stable")
    stored = stored[order]
    starts = np.searchsorted(owner[order], np.arange(len(names)))
    if over == "mean":  # the mean of the cosines is the cosine-like product with the mean reference
        counts = np.diff(np.append(starts, len(stored)))[:, None]
        stored = np.asarray(np.add.reduceat(stored, starts, axis=0) / counts, np.float32)
    share = min(1.0, max_pairs / (len(asked) * len(names)))
    random = np.random.default_rng(seed)
    distances, same = [], []
    block = max(1, _SIMILARITIES // len(stored))
    for start in range(0, len(asked), block):
        similarity = asked[start : start + block] @ stored.T
        if over == "minimum":
            similarity = np.maximum.reduceat(similarity, starts, axis=1)
        is_own = own_column[start : start + block, None] == np.arange(len(names))
        kept = is_own | (random.random(is_own.shape) < share) if share < 1 else np.ones_like(is_own)
        distances.append(1 - similarity[kept].astype(np.float64))
        same.append(is_own[kept])
    return Pairs(np.concatenate(distances), np.concatenate(same))
