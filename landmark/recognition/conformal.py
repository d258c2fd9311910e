"""Thresholds that are order statistics of the scores of non-landmark photos (split conformal prediction).

Vovk, Gammerman and Shafer, "Algorithmic Learning in a Random World", 2005; by class: Vovk, Lindsay, Nouretdinov and Gammerman,
"Mondrian confidence machine", 2003.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landmark.errors import LandmarkError


def conformal_threshold(scores: ArrayLike, specificity: float) -> float:
    """The ceil((n + 1) * specificity)-th smallest of n non-landmark scores.

    For exchangeable photos P(score of a further one > threshold) <= 1 - specificity; ties make it smaller still.

    Args:
        scores: of non-landmark photos [n].
        specificity: target, between 0 and 1.

    Raises:
        LandmarkError: too few photos for the target, or scores that are no numbers.

    >>> conformal_threshold(range(1, 100), 0.99)
    99.0
    >>> conformal_threshold(range(1, 200), 0.99)
    198.0
    """
    values = np.sort(np.asarray(scores, np.float64))
    if np.isnan(values).any():
        raise LandmarkError("calibration: a score is NaN; embed the calibration photos again")
    # As the decimal that was written: in binary, 100 * 0.07 is just above 7, and would be rounded up to 8.
    rank = math.ceil((len(values) + 1) * Fraction(str(specificity)))
    if rank > len(values):
        raise LandmarkError(
            f"calibration.specificity {specificity}: {len(values)} non-landmark photos cannot show it; "
            f"at least {needed(specificity)} are needed in the calibrate split, or a lower target"
        )
    return float(values[rank - 1])


def needed(specificity: float) -> int:
    """Fewest non-landmark photos [count] for a threshold: n with ceil((n + 1) * specificity) <= n."""
    target = Fraction(str(specificity))
    return math.ceil(target / (1 - target))


def own_thresholds(
    scores: ArrayLike, landmarks: NDArray[Any], specificity: float, enough: int = 0
) -> tuple[float, dict[str, float]]:
    """A threshold for each landmark that enough non-landmark photos come nearest to, and a common one for the others.

    A further photo and those that it is compared with must be chosen by a rule that sees all of them alike: landmarks with at
    most `enough` photos are taken together, the further photo counted in; should these be too few for a threshold, the
    landmarks with the next larger number of photos join them. So a further photo is exchangeable with the photos that set its
    threshold, and is above it with a probability of at most 1 - specificity: over all photos, and over those of a landmark
    with a threshold of its own; of a single landmark that shares the common one nothing is promised.

    Args:
        scores: of non-landmark photos [n].
        landmarks: the best candidate of each [n].
        specificity: target, between 0 and 1.
        enough: photos for a threshold of its own [count]; at least `needed(specificity)`, which 0 stands for.

    Returns:
        The common threshold, and those that differ from it, by landmark.

    Raises:
        LandmarkError: too few photos for the target.

    >>> own_thresholds([1, 2, 3, 4, 5, 6, 7, 8], np.array(["a", "a", "a", "a", "b", "c", "d", "e"]), 0.75)
    (8.0, {'a': 4.0})
    """
    values, names = np.asarray(scores, np.float64), np.asarray(landmarks, dtype=str)
    least = max(enough, needed(specificity))
    found, owner, counts = np.unique(names, return_inverse=True, return_counts=True)
    thresholds: dict[int, float] = {}
    for count in [0, *np.unique(counts).tolist()]:  # photos of the further one's landmark
        most = _taken_together(counts, count, least, needed(specificity))
        if count < most:
            thresholds[count] = conformal_threshold(values[counts[owner] <= most], specificity)
    own = {
        str(found[row]): thresholds[count] if count in thresholds else conformal_threshold(values[owner == row], specificity)
        for row, count in enumerate(counts.tolist())
    }
    return thresholds[0], {name: value for name, value in own.items() if value != thresholds[0]}


def _taken_together(counts: NDArray[np.int64], count: int, least: int, fewest: int) -> int:
    """Most photos of a landmark that has none of its own, if a further photo is of one that has had `count` so far."""
    sizes = np.sort(np.append(counts, 0))
    sizes[np.searchsorted(sizes, count)] += 1
    most = least
    while 0 < sizes[sizes <= most].sum() <= fewest and (sizes > most).any():
        most = int(sizes[sizes > most].min())
    return most
