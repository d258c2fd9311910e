"""How a searcher is measured: the same queries in one batch, settings from cheap to dear, half of the queries to choose by."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.searching.inputs import Inputs
from landmark.recognition.index.promise import recall_shares

K = 10
ENOUGH = 0.995
"""Recall from which dearer settings are not tried."""
WORTH, TRIED = 0.001, 4
"""So much recall must come by so many dearer settings, or no more are tried."""
LONG = 2.0
"""Seconds of measuring from which a setting is not timed again."""
NEAR = 1024
"""Queries by which exact search is timed beside each engine."""
Array = NDArray[np.float32]
Search = Callable[[Array], NDArray[np.int64]]


@dataclass(frozen=True)
class Part:
    """Half of the queries, with their true neighbours."""

    queries: Array
    truth: NDArray[np.int64]
    similarity: Array


def halves(inputs: Inputs) -> tuple[Part, Part]:
    """The half that settings are chosen by, and the half that is reported."""
    middle = len(inputs.queries) // 2
    cuts = (slice(0, middle), slice(middle, None))
    chosen, reported = (Part(inputs.queries[cut], inputs.truth[cut], inputs.similarity[cut]) for cut in cuts)
    return chosen, reported


def figures(found: NDArray[np.int64], part: Part) -> dict[str, float]:
    """recall@10 and 1 - recall@1; a copy of the photo that was missed is as right as it."""
    return {
        "recall": float(recall_shares(found, part.truth, part.similarity, K).mean()),
        "missed_first": 1 - float(recall_shares(found, part.truth, part.similarity, 1).mean()),
    }


def timed(search: Search, queries: Array, repeats: int) -> tuple[NDArray[np.int64], float]:
    """What is found, and the best time [s]; dear settings are not repeated so often."""
    best, spent = float("inf"), 0.0
    for _ in range(repeats):
        begin = time.perf_counter()
        found = search(queries)
        seconds = time.perf_counter() - begin
        best, spent = min(best, seconds), spent + seconds
        if spent > LONG:
            break
    return found, best


def point(search: Search, chosen: Part, reported: Part, repeats: int) -> dict[str, dict[str, float]]:
    """Figures of one setting on both halves: recall, missed_first, queries_per_second."""
    search(chosen.queries[:64])  # what is mapped is read now
    result = {}
    for name, part in (("chosen", chosen), ("reported", reported)):
        found, seconds = timed(search, part.queries, repeats if part is reported else min(2, repeats))
        result[name] = {**figures(found, part), "queries_per_second": len(part.queries) / seconds}
    return result


def sweep(
    search: Callable[[Array, Any], NDArray[np.int64]], settings: list[Any], inputs: Inputs, repeats: int, slowest: float
) -> list[dict[str, Any]]:
    """Points of the settings, cheap to dear, until recall is enough, no longer grows, or searching is slower
    than `slowest` [queries/s]."""
    chosen, reported = halves(inputs)
    points: list[dict[str, Any]] = []
    for setting in settings:

        def at(queries: Array, setting: Any = setting) -> NDArray[np.int64]:
            return search(queries, setting)

        points.append({"setting": str(setting), **point(at, chosen, reported, repeats)})
        now = points[-1]["chosen"]
        # Twice: a neighbour on the machine may slow down one setting.
        slow = all(one["chosen"]["queries_per_second"] < slowest for one in points[-2:])
        flat = len(points) > TRIED and now["recall"] < points[-1 - TRIED]["chosen"]["recall"] + WORTH
        if now["recall"] > ENOUGH or (slow and len(points) > 1) or flat:
            break
    return points
