"""What context adds to a photo's own score, as bounded log-odds.

`Calibration.confidence` is the probability that a photo shows its best candidate; its log-odds are linear in the score. By
Bayes' theorem in odds form, evidence adds the logarithm of its likelihood ratio: how much more often it is found with
photos of the landmark than with other photos. The sum is compared with the log-odds of the same threshold.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landmark.recognition.calibration import Calibration

Floats = NDArray[np.float64]


def log_odds(calibration: Calibration, score: ArrayLike) -> Floats:
    """Log-odds [n] that photos with these scores [n] show the candidate that the score is of."""
    return np.asarray(calibration.slope * np.asarray(score, np.float64) + calibration.intercept)


def near_support(km: ArrayLike, near_km: float, support: float) -> Floats:
    """Support of a landmark by a photo's distance to it.

    Args:
        km: distances [n] [km]; NaN: unknown.
        near_km: up to here in full, then less, until it is nothing at twice as far [km].
        support: in full [log-odds].

    Returns:
        [n] [log-odds]; 0 where the distance is unknown.

    >>> near_support([0.2, 1.0, 1.5, 2.0, float("nan")], 1.0, 2.0).tolist()
    [2.0, 2.0, 1.0, 0.0, 0.0]
    """
    share = np.clip(2.0 - np.asarray(km, np.float64) / near_km, 0.0, 1.0)
    return np.where(np.isnan(share), 0.0, support * share)


def neighbour_support(
    seconds: ArrayLike,
    km: ArrayLike,
    burst_seconds: float,
    burst: float,
    visit_seconds: float,
    visit: float,
    visit_km: float,
) -> Floats:
    """Support by neighbours that show the landmark.

    Args:
        seconds: time between photo and neighbour [n] [s].
        km: distance between them [n] [km]; NaN: unknown.
        burst_seconds, visit_seconds: longest times of a burst and of a visit [s].
        burst, visit: support by a neighbour of the burst, of the visit [log-odds].
        visit_km: one farther away is none [km].

    Returns:
        [n] [log-odds].

    >>> apart = float("nan")
    >>> neighbour_support([3, -600, 600, 9000], [apart, 0.2, 5.0, 0.0], 30, 2.5, 3600, 2.0, 1.0).tolist()
    [2.5, 2.0, 0.0, 0.0]
    """
    apart = np.abs(np.asarray(seconds, np.float64))
    support = np.where(apart <= visit_seconds, visit, 0.0)
    support = np.where(apart <= burst_seconds, np.maximum(burst, support), support)
    return np.where(np.asarray(km, np.float64) > visit_km, 0.0, support)


def decide(
    photo: NDArray[np.int64], odds: Floats, support: Floats, given: NDArray[np.bool_], bar: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Each photo's candidate after context.

    Args:
        photo: whose candidate it is [m], rising.
        odds: of the photo alone [m] [log-odds].
        support: by context [m] [log-odds].
        given: the photo alone was given this candidate [m].
        bar: log-odds at the threshold.

    Returns:
        position of each photo's best candidate [p], photos in order, and whether the photo is given it [p]: its odds and
        support are above the bar. Of equals, the one with more odds of its own, then the first. What was given stays unless
        something speaks against it or more for another.
    """
    total = odds + support
    order = np.lexsort((np.arange(len(photo)), -odds, -total, photo))
    first = order[np.unique(photo[order], return_index=True)[1]]
    return first, (total[first] > bar) | (given[first] & (support[first] >= 0))
