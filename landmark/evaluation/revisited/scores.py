"""The measures of Revisited Oxford and Paris: mAP and mP@k at three difficulties."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from landmark.evaluation.revisited.ground_truth import GroundTruth, Ids
from landmark.evaluation.revisited.ranking import Standing

DIFFICULTIES = {"E": ("easy",), "M": ("easy", "hard"), "H": ("hard",)}
"""What is to be found at each difficulty. What else is easy, hard or junk counts as if it were not there."""
CUTS = (1, 5, 10)
COLUMNS = ("ap", *(f"p@{k}" for k in CUTS))
MEANS = ("map", *(f"mp@{k}" for k in CUTS))


def ap_trapezoid(ranks: Ids, positives: int) -> float:
    """Average precision by the trapezoidal rule (Philbin et al., CVPR 2007; as in Radenovic et al., CVPR 2018).

    Sum over the j-th positive found, at rank r, of `(p0 + p1) / 2 / positives`, with `p0 = j / r` (1 where r = 0) and
    `p1 = (j + 1) / (r + 1)`; j and r count from 0.

    Args:
        ranks: 0-based ranks of the positives that were found, rising, junk not counted, int64 `[m]`.
        positives: positives there are, found or not, at least 1.

    Returns:
        From 0 to 1.

    >>> ap_trapezoid(np.array([0, 1, 2]), 3)
    1.0
    >>> round(ap_trapezoid(np.array([1, 3]), 2), 6)  # ((0 + 1/2) / 2 + (1/3 + 2/4) / 2) / 2
    0.333333
    >>> ap_trapezoid(np.array([0]), 2)
    0.5
    """
    found = np.arange(len(ranks))
    before = np.where(ranks == 0, 1.0, found / np.maximum(ranks, 1))
    after = (found + 1) / (ranks + 1)
    return float(((before + after) / 2).sum() / positives)


def precision_at(ranks: Ids, positives: int, k: int) -> float:
    """Precision after k results, or after the last positive where that comes sooner (Radenovic et al., CVPR 2018).

    `positives within min(k, last) / min(k, last)`, with `last` the 1-based rank of the last positive: a query with three
    positives can reach P@10 = 1. Where the ranking is cut off before the last positive, that one's rank is unknown but beyond
    the cut, and k divides: then a ranking cut off at k or later has the P@k of the whole one. Results that are missing count
    as wrong.

    Args:
        ranks: 0-based ranks of the positives that were found, rising, junk not counted, int64 `[m]`.
        positives: positives there are, found or not, at least 1.
        k: results looked at.

    Returns:
        From 0 to 1.

    >>> precision_at(np.array([0, 2]), 2, 10)  # the last positive is at rank 3
    0.6666666666666666
    >>> precision_at(np.array([0, 2]), 3, 10)  # cut off before the third
    0.2
    >>> precision_at(np.array([], dtype=int), 3, 10)
    0.0
    """
    limit = min(int(ranks[-1]) + 1, k) if len(ranks) == positives else k
    return float((ranks < limit).sum() / limit)


def score_queries(standings: Sequence[Standing], truth: GroundTruth) -> pd.DataFrame:
    """Score each query at each difficulty.

    Args:
        standings: where the photos that count stand, one a query.
        truth: the ground truth; may differ from the one that was ranked by in what is junk.

    Returns:
        A row a query and difficulty: query, difficulty, positives, ap, p@1, p@5, p@10 (from 0 to 1; NaN where there are no
        positives).
    """
    rows: list[tuple[Any, ...]] = []
    for query, standing in zip(truth.queries, standings, strict=True):
        for difficulty, wanted in DIFFICULTIES.items():
            positive = np.concatenate([getattr(query, grade) for grade in wanted])
            if not len(positive):
                rows.append((query.name, difficulty, 0, *[np.nan] * len(COLUMNS)))
                continue
            hits = np.isin(standing.ids, positive)
            ranks = (standing.ranks - np.cumsum(~hits))[hits]  # all that counts and is no positive is junk here
            precision = [precision_at(ranks, len(positive), k) for k in CUTS]
            rows.append((query.name, difficulty, len(positive), ap_trapezoid(ranks, len(positive)), *precision))
    return pd.DataFrame(rows, columns=["query", "difficulty", "positives", *COLUMNS])


def mean_scores(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Means over queries, in percent.

    Queries without positives are left out, as in the reference.

    Args:
        table: rows of `score_queries`.

    Returns:
        By difficulty: map, mp@1, mp@5, mp@10; NaN where no query has positives.
    """
    result = {}
    for difficulty in DIFFICULTIES:
        rows = table[(table["difficulty"] == difficulty) & (table["positives"] > 0)]
        result[difficulty] = dict(zip(MEANS, map(float, rows[list(COLUMNS)].mean() * 100), strict=True))
    return result
