"""A promise of recall that holds on fresh queries: operating points, and which of them may be promised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

COMPARED = 2**26
"""Pairs of rows compared at once, a byte each."""
RISK = 0.05
"""Probability with which the true recall may lie under the promised one."""


@dataclass(frozen=True)
class SearchPoint:
    """What one setting of a search index gives on queries that it does not hold.

    Attributes:
        nprobe: inverted lists that are searched (0: no lists, every vector).
        candidates: vectors that are re-ranked for each query (0: none).
        recall: recall@k on the queries that points are chosen by.
        queries_per_second: on the machine that built it, all queries at once.
        bytes_per_vector: lists and copies over the number of vectors [bytes].
        confirmed: recall@k on other queries, or None where that was not measured.
        confirmed_low: the recall's lower confidence limit from those.
        milliseconds: of a query that is asked alone (95th percentile), or None where that was not measured.
    """

    nprobe: int
    candidates: int
    recall: float
    queries_per_second: float
    bytes_per_vector: float
    confirmed: float | None = None
    confirmed_low: float | None = None
    milliseconds: float | None = None


def lower_limit(shares: ArrayLike, risk: float = RISK) -> float:
    """Lower confidence limit of the mean of values in [0, 1], valid for any number of them and any distribution.

    The hedged-capital bound (Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS B
    2024): bets against a mean m grow as prod(1 + l_i (x_i - m)); by Ville's inequality they reach 1/risk with probability
    at most `risk` if m is the mean, so the limit is the smallest m that they do not refute.

    Args:
        shares: one value a query, in an order that does not depend on the values [n].
        risk: probability that the true mean is lower.

    >>> lower_limit([1.0] * 100) > 0.95
    True
    """
    x = np.asarray(shares, np.float64)
    if x.ndim != 1 or not len(x) or not ((x >= 0) & (x <= 1)).all():
        raise ValueError("lower_limit: expected values in [0, 1]")
    number = np.arange(1, len(x) + 1)
    mean = (0.5 + np.cumsum(x)) / (number + 1)
    variance = (0.25 + np.cumsum((x - mean) ** 2)) / (number + 1)
    before = np.concatenate([[0.25], variance[:-1]])  # a bet may know only what came before it
    bets = np.sqrt(2 * np.log(1 / risk) / (len(x) * before))

    def refuted(m: float) -> bool:
        capital = np.cumsum(np.log1p(np.minimum(bets, 0.75 / m) * (x - m)))
        return bool(capital.max() >= np.log(1 / risk))

    low, high = 0.0, 1.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if refuted(middle) else (low, middle)
    return low


def recall_shares(
    found: NDArray[np.int64], truth: NDArray[np.int64], similarity: NDArray[np.float32], k: int
) -> NDArray[np.float64]:
    """recall@k of each query; rows as similar as the k-th one (copies of a photo) are as right as it.

    Args:
        found: rows that the index names [q, >= k], -1: none.
        truth: the most similar rows by exact search, in order [q, m], m >= k, or all there are.
        similarity: theirs [q, m].
        k: depth.

    Returns:
        [q], each in [0, 1].

    >>> recall_shares(np.array([[7, 3]]), np.array([[7, 5, 3]]), np.array([[0.9, 0.8, 0.8]], np.float32), 2).tolist()
    [1.0]
    """
    depth = min(k, truth.shape[1])
    right = similarity >= similarity[:, depth - 1 : depth] - 1e-6
    truth = np.where(right, truth, -2)
    hits = np.zeros(len(found), np.int64)
    step = max(1, COMPARED // max(1, k * truth.shape[1]))
    for start in range(0, len(found), step):
        part = slice(start, start + step)
        hits[part] = (found[part, :k, None] == truth[part, None, :]).any(2).sum(1)
    return np.asarray(np.minimum(hits, depth) / depth, np.float64)


def frontier(points: Sequence[SearchPoint]) -> list[SearchPoint]:
    """The points that no other beats in both recall and speed, slowest (highest recall) first."""
    best: list[SearchPoint] = []
    for point in sorted(points, key=lambda p: (-p.queries_per_second, -p.recall)):
        if not best or point.recall > best[-1].recall:
            best.append(point)
    return best[::-1]


def certify(
    path: Sequence[SearchPoint], recall: float, measure: Callable[[SearchPoint], NDArray[np.float64]], risk: float = RISK
) -> tuple[SearchPoint | None, list[SearchPoint]]:
    """The fastest point whose recall may be promised.

    Fixed-sequence testing (Angelopoulos et al., "Learn then Test", 2021): the points, ordered on other queries, are tested one
    after the other, slowest first, until one fails; the risk is then `risk` for all of them together.

    Args:
        path: points, slowest first.
        recall: to promise.
        measure: recall@k of each query of the confirming ones, at a point.
        risk: of a promise that is not true.

    Returns:
        the last point that passed (None: the first one failed), and the points tested, with what was measured.
    """
    passed: SearchPoint | None = None
    tested: list[SearchPoint] = []
    for point in path:
        shares = measure(point)
        low = lower_limit(shares, risk)
        tested.append(replace(point, confirmed=float(shares.mean()), confirmed_low=low))
        if low < recall:
            break
        passed = tested[-1]
    return passed, tested
