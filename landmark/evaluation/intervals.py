"""Confidence intervals of shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Z95 = 1.959963984540054
"""Two-sided 95 % quantile of the standard normal distribution."""


def wilson(successes: ArrayLike, trials: ArrayLike, z: float = Z95) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wilson's score interval of a share (E. B. Wilson, JASA 1927; method 3 of Newcombe, Stat. Med. 1998).

    centre = (p + z²/2n) / (1 + z²/n), half-width = z sqrt(p(1-p)/n + z²/4n²) / (1 + z²/n)

    Args:
        successes: counts, any shape; 0 <= successes <= trials.
        trials: counts, same shape. Where it is 0 nothing is known: the interval is [0, 1].
        z: standard normal quantile of the interval.

    Returns:
        (low, high), each of the common shape, within [0, 1].

    Raises:
        ValueError: a count is negative, or more successes than trials.

    >>> low, high = wilson(81, 263)
    >>> round(float(low), 4), round(float(high), 4)
    (0.2553, 0.3662)
    """
    k, n = np.broadcast_arrays(np.asarray(successes, np.float64), np.asarray(trials, np.float64))
    if (k < 0).any() or (k > n).any():
        raise ValueError("wilson: counts must satisfy 0 <= successes <= trials")
    safe = np.where(n > 0, n, 1.0)
    share = k / safe
    denominator = 1 + z**2 / safe
    centre = (share + z**2 / (2 * safe)) / denominator
    half = z * np.sqrt(share * (1 - share) / safe + z**2 / (4 * safe**2)) / denominator
    # Rounding may leave 1e-17 where the interval ends exactly at 0 or 1.
    low = np.where((n == 0) | (k == 0), 0.0, np.clip(centre - half, 0.0, 1.0))
    high = np.where((n == 0) | (k == n), 1.0, np.clip(centre + half, 0.0, 1.0))
    return low, high
