"""The statistics of the drift check: how far two samples differ, and how far they would by chance."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landmark.evaluation.intervals import wilson

Counts = NDArray[np.int64]


def difference_interval(a: int, n: int, b: int, m: int, z: float) -> tuple[float, float]:
    """Interval of the difference b/m - a/n of two shares (R. G. Newcombe, Stat. Med. 1998, method 10: from Wilson's intervals).

    With p = b/m in [l1, u1] and q = a/n in [l2, u2]:
    low = p - q - sqrt((p - l1)² + (u2 - q)²), high = p - q + sqrt((u1 - p)² + (q - l2)²).

    Args:
        a: successes of the first sample.
        n: its size, at least 1.
        b: successes of the second sample.
        m: its size, at least 1.
        z: standard normal quantile of the interval.

    >>> low, high = difference_interval(48, 80, 56, 70, 1.96)
    >>> round(low, 4), round(high, 4)
    (0.0524, 0.3339)
    """
    q, p = a / n, b / m
    l2, u2 = (float(value) for value in wilson(a, n, z))
    l1, u1 = (float(value) for value in wilson(b, m, z))
    return p - q - math.hypot(p - l1, u2 - q), p - q + math.hypot(u1 - p, q - l2)


def quantile_edges(counts: Counts, bins: int) -> list[int]:
    """Inner edges of bins that have equal shares of a fine histogram [c], as near as its cells allow; each once.

    An edge e parts the cells before e from those from e on.

    >>> quantile_edges(np.array([1, 1, 1, 1]), 4), quantile_edges(np.array([0, 4, 0]), 4)
    ([1, 2, 3], [])
    """
    sums = np.cumsum(counts)
    edges = np.searchsorted(sums, sums[-1] * np.arange(1, bins) / bins, side="left") + 1
    # An edge behind the last photo parts nothing.
    return sorted({int(edge) for edge in edges if 0 < sums[edge - 1] < sums[-1]})


def psi(reference: ArrayLike, now: ArrayLike) -> float:
    """Population stability index: sum of (q - p) ln(q / p) over bins, the symmetric Kullback-Leibler divergence.

    Half a photo is added to every bin of both, so that an empty one doesn't make it infinite.

    Args:
        reference: photos in each bin [b].
        now: photos in each bin [b].

    >>> round(psi([50, 50], [75, 25]), 4)
    0.2687
    """
    p, q = (np.asarray(counts, np.float64) + 0.5 for counts in (reference, now))
    p, q = p / p.sum(), q / q.sum()
    return float(((q - p) * np.log(q / p)).sum())


def psi_by_chance(bins: int, n: int, m: int, chance: float) -> float:
    """What the PSI of two samples of one distribution stays below, but with probability `chance`.

    To second order it is (1/n + 1/m) times a chi-square of bins - 1 degrees of freedom (B. Yurdakul, "Statistical properties of
    the population stability index", 2018).
    """
    from scipy.stats import chi2

    return float(chi2.isf(chance, bins - 1)) * (1 / n + 1 / m) if bins > 1 else 0.0


def ks(reference: Counts, now: Counts) -> float:
    """Two-sample Kolmogorov-Smirnov distance of two histograms [c] over the same cells.

    >>> ks(np.array([2, 2, 0]), np.array([0, 2, 2]))
    0.5
    """
    if not reference.sum() or not now.sum():
        return 0.0
    return float(np.abs(np.cumsum(reference) / reference.sum() - np.cumsum(now) / now.sum()).max())


def ks_by_chance(n: int, m: int, chance: float) -> float:
    """What the distance of two samples of one distribution stays below, but with probability `chance`.

    sqrt(ln(2 / chance) / 2 * (1/n + 1/m)), the first term of Kolmogorov's series; ties only make it smaller.
    """
    return math.sqrt(math.log(2 / chance) / 2 * (1 / n + 1 / m))


def landmark_changes(
    reference: Mapping[str, int], now: Mapping[str, int], chance: float, ratio: float
) -> list[tuple[str, float, float, float]]:
    """Landmarks whose share of the tags changed: a G-test of each, with Benjamini and Hochberg.

    G = 2 sum O ln(O / E) over the 2 x 2 table (this landmark or another; reference or now), chi-square with one degree of
    freedom. A landmark with fewer than five tags expected on a side is not tested: the chi-square doesn't hold there.

    Args:
        reference: tags of each landmark.
        now: tags of each landmark.
        chance: expected share of false ones among those given; also the probability of any, where nothing changed.
        ratio: smallest factor of a change that counts.

    Returns:
        (landmark, share in the reference, share now, p-value), the surest first.
    """
    from scipy.stats import chi2

    n, m = sum(reference.values()), sum(now.values())
    tested = []
    for landmark in sorted({*reference, *now}):
        a, b = reference.get(landmark, 0), now.get(landmark, 0)
        if n and m and (a + b) * min(n, m) / (n + m) >= 5:
            p = float(chi2.sf(g_statistic(np.array([[a, n - a], [b, m - b]])), 1))
            tested.append((landmark, a / n, b / m, p))
    tested.sort(key=lambda row: row[3])
    passed = benjamini_hochberg([row[3] for row in tested], chance)
    return [row for row in tested[:passed] if max(row[1], row[2]) >= ratio * min(row[1], row[2])]


def g_statistic(observed: ArrayLike) -> float:
    """G of a table [r, c] against independence: 2 sum O ln(O / E)."""
    table = np.asarray(observed, np.float64)
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / table.sum()
    there = table > 0
    return max(0.0, float(2 * (table[there] * np.log(table[there] / expected[there])).sum()))


def benjamini_hochberg(rising: ArrayLike, rate: float) -> int:
    """How many of the smallest p-values count: the largest k with p(k) <= k / count * rate (J. R. Stat. Soc. B, 1995).

    >>> benjamini_hochberg([0.01, 0.02, 0.03, 0.2], 0.05)
    3
    """
    values = np.asarray(rising, np.float64)
    below = np.flatnonzero(values <= rate * np.arange(1, len(values) + 1) / max(len(values), 1))
    return int(below[-1]) + 1 if len(below) else 0
