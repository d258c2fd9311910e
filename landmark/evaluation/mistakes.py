"""Which photos of a test are worth looking at."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from landmark.evaluation.open_set import FALSE_TAG, MISSED, RIGHT, WRONG, OpenSet

Rows = NDArray[np.int64]
Mistake = Literal["false tag", "wrong", "missed"]


def worst(open_set: OpenSet, threshold: float, kind: Mistake, count: int) -> Rows:
    """Rows of the worst mistakes of a kind, worst first.

    Args:
        open_set: test photos.
        threshold: of the score.
        kind: "false tag" and "wrong": highest score first; "missed": lowest score first.
        count: at most so many.
    """
    rows = np.flatnonzero(open_set.outcome(threshold) == kind)
    score = open_set.confidence[rows]
    order = np.argsort(score if kind == MISSED else -score, kind="stable")
    return rows[order][:count]


def examples(open_set: OpenSet, threshold: float, count: int, seed: int = 0) -> Rows:
    """Rows for activation maps: two thirds recognised photos, of as many landmarks as there are, then the worst mistakes.

    A photo without a candidate is never among them: there is no centroid to explain.
    """
    random = np.random.default_rng(seed)
    right = np.flatnonzero(open_set.outcome(threshold) == RIGHT)
    right = random.permutation(right)
    # The first photo of each landmark comes before the second of any.
    turn = np.zeros(len(right), np.int64)
    for landmark in np.unique(open_set.predicted[right]):
        own = open_set.predicted[right] == landmark
        turn[own] = np.arange(own.sum())
    right = right[np.argsort(turn, kind="stable")]
    mistakes = np.concatenate([worst(open_set, threshold, kind, count) for kind in (FALSE_TAG, WRONG, MISSED)])  # type: ignore[arg-type]
    mistakes = mistakes[open_set.predicted[mistakes] != ""]
    share = min(len(right), max(count - len(mistakes), (2 * count + 2) // 3))
    by_turns = _by_turns(mistakes, open_set.outcome(threshold)[mistakes])
    return np.concatenate([right[:share], by_turns])[:count]


def _by_turns(rows: Rows, kinds: NDArray[np.str_]) -> Rows:
    """Reorder so that every kind's first comes before any kind's second."""
    turn = np.zeros(len(rows), np.int64)
    for kind in np.unique(kinds):
        turn[kinds == kind] = np.arange((kinds == kind).sum())
    return rows[np.argsort(turn, kind="stable")]
