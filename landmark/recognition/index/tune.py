"""Tuning a search index on queries that it does not hold: measure settings, then confirm the promise on other queries."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from landmark.errors import LandmarkError
from landmark.recognition.index.engine import Engine
from landmark.recognition.index.promise import SearchPoint, certify, frontier, recall_shares

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
FEWEST = 60
"""Queries without which nothing can be promised."""
FACTORS = (2, 3, 4, 6, 8, 12, 16, 24, 32)
"""Candidates a result; of fewer than 8 results, those of 8: 16 to 256."""
REPEATS = 2
"""Times that a setting is timed; the best counts, as what disturbs only slows."""
FITS, DISTURBED = 4, 1.2
"""Rounds of fitting the cost, and times the fitted one from which a timing was disturbed."""
ALONE = 200
"""Queries that are asked one by one."""
WORTH = 0.0005
"""More lists or candidates must add so much recall, or no more are tried."""


@dataclass(frozen=True)
class Trial:
    """Queries with known answers.

    Attributes:
        engine: what is tuned.
        queries: unit vectors [q, d], in random order.
        truth: rows of their true neighbours [q, m].
        similarity: theirs [q, m].
        k: depth of recall.
        bytes_per_vector: size of the index over its vectors [bytes].
        searchable: bool [n], rows that are no queries themselves (None: all).
    """

    engine: Engine
    queries: Floats
    truth: NDArray[np.int64]
    similarity: Floats
    k: int
    bytes_per_vector: float
    searchable: NDArray[np.bool_] | None

    def shares(self, part: slice, nprobe: int, candidates: int, repeats: int = 1) -> tuple[NDArray[np.float64], float]:
        """recall@k of each query of a part, and queries a second."""
        # Lists do not hold the queries yet; copies do.
        selected = self.searchable if self.engine.lists is None else None
        rate = 0.0
        for _ in range(repeats):
            start = time.perf_counter()
            _, found = self.engine.search(self.queries[part], self.k, nprobe, candidates, selected)
            rate = max(rate, len(found) / (time.perf_counter() - start))
        return recall_shares(found, self.truth[part], self.similarity[part], self.k), rate

    def alone(self, point: SearchPoint) -> SearchPoint:
        """The point with the time that a query takes which is asked alone [ms, 95th percentile]."""
        selected = self.searchable if self.engine.lists is None else None
        seconds = []
        for query in self.queries[:ALONE]:
            start = time.perf_counter()
            self.engine.search(query[None], self.k, point.nprobe, point.candidates, selected)
            seconds.append(time.perf_counter() - start)
        return replace(point, milliseconds=float(1e3 * np.percentile(seconds, 95)) if seconds else None)


def tune(
    trial: Trial, recall: float, exact: bool = False, strict: bool = True, milliseconds: float | None = None
) -> tuple[SearchPoint, list[SearchPoint]]:
    """The fastest setting whose recall@k may be promised, and all that were measured.

    A third of the queries orders the settings, the others confirm them (`landmark.recognition.index.promise.certify`).

    Args:
        trial: queries with known answers.
        recall: to promise.
        exact: float32 copies compared one by one: nothing to confirm.
        strict: False: a promise that can't be kept is a warning, and the best setting is taken.
        milliseconds: limit of the time of a query that is asked alone.

    Raises:
        LandmarkError: the promise can't be kept (the best is named), or there are too few queries to tell.
    """
    count = len(trial.queries)
    if exact:
        rate = trial.shares(slice(0, count), 0, 0)[1] if count else 0.0
        only = trial.alone(SearchPoint(0, 0, 1.0, rate, trial.bytes_per_vector, 1.0, 1.0))
        if milliseconds is not None and (only.milliseconds or 0.0) > milliseconds:
            _complain(
                f"index: a query takes {only.milliseconds:.3g} ms by comparing with all, not {milliseconds:g}; allow more",
                strict,
            )
        return only, [only]
    if count < (FEWEST if strict else 3):
        raise LandmarkError(f"index: {count} queries are too few to promise a recall; give {FEWEST} that are not stored")
    third = slice(0, count // 3)
    points = _explore(trial, third)
    path = best_path(points)
    rest = slice(count // 3, count)
    chosen, tested = certify(path, recall, lambda point: trial.shares(rest, point.nprobe, point.candidates)[0])
    if chosen is None:
        chosen = tested[0]
        problem = (
            f"index: recall@{trial.k} {recall:g} can't be promised: at best {chosen.confirmed:.4f} was measured, "
            f"{int(1e4 * (chosen.confirmed_low or 0)) / 1e4:.4f} can be promised in {trial.bytes_per_vector:.0f} bytes a "
            "vector; ask for less recall, allow more bytes, or give more queries"
        )
        _complain(problem, strict)
    chosen = trial.alone(chosen)
    if milliseconds is not None and (chosen.milliseconds or 0.0) > milliseconds:
        quick = [point for point in map(trial.alone, path) if (point.milliseconds or 0.0) <= milliseconds]
        best = f"a recall of about {quick[0].recall:.4f}" if quick else "no setting"
        _complain(
            f"index: recall@{trial.k} {recall:g} takes {chosen.milliseconds:.3g} ms for a query asked alone, not "
            f"{milliseconds:g}: {best} can be had in that; ask for less recall, or allow more time",
            strict,
        )
    log.info("index: recall@%d %.4f (at least %.4f) at %.0f queries/s: %d lists, %d candidates", trial.k, chosen.confirmed,
             chosen.confirmed_low, chosen.queries_per_second, chosen.nprobe, chosen.candidates)  # fmt: skip
    shown = {(point.nprobe, point.candidates): point for point in (*tested, chosen)}
    return chosen, [shown.get((point.nprobe, point.candidates), point) for point in points]


def _complain(problem: str, strict: bool) -> None:
    if strict:
        raise LandmarkError(problem)
    log.warning("%s", problem)


def _explore(trial: Trial, part: slice) -> list[SearchPoint]:
    lists = trial.engine.list_count
    refined = trial.engine.copies is not None and trial.engine.lists is not None
    factors = [factor * max(trial.k, 8) for factor in FACTORS] if refined else [0]
    probes = _steps(lists) if lists else [0]
    points: list[SearchPoint] = []
    before = 0.0
    for nprobe in probes:
        here = -1.0
        for candidates in factors:
            shares, rate = trial.shares(part, nprobe, candidates, REPEATS)
            points.append(SearchPoint(nprobe, candidates, float(shares.mean()), rate, trial.bytes_per_vector))
            if points[-1].recall < here + WORTH:
                break
            here = points[-1].recall
        if here >= 1 or (nprobe >= 8 and here < before + WORTH):
            break
        before = max(before, here)
    return points


def best_path(points: Sequence[SearchPoint]) -> list[SearchPoint]:
    """The points that no other beats in recall and cost, dearest first.

    Cost is not what a point's own timing says, which whatever else the machine does disturbs, but a + b nprobe + c candidates
    fitted to all timings (non-negative least squares of relative errors); what only slowed a point down is left out of the fit.

    >>> slow = SearchPoint(2, 8, 0.9, 10.0, 9.0)
    >>> points = [SearchPoint(n, 8, 1 - 0.2 / n, 1000 / (5 + n), 9.0) for n in (1, 4, 8, 16, 32)]
    >>> [point.nprobe for point in best_path([*points, slow])]
    [32, 16, 8, 4, 2, 1]
    """
    settings = np.array([[1.0, point.nprobe, point.candidates] for point in points])
    seconds = np.array([1 / max(point.queries_per_second, 1e-9) for point in points])
    used = np.ones(len(points), bool)
    for _ in range(FITS):
        weights = 1 / seconds[used, None]
        factors, _ = nnls(settings[used] * weights, np.ones(int(used.sum())))
        fitted = settings @ factors
        used = seconds <= DISTURBED * fitted
        if used.sum() < settings.shape[1]:
            break
    cheap = [replace(one, queries_per_second=1 / max(cost, 1e-12)) for one, cost in zip(points, fitted.tolist(), strict=True)]
    measured = {(point.nprobe, point.candidates): point for point in points}
    return [measured[point.nprobe, point.candidates] for point in frontier(cheap)]


def _steps(most: int) -> list[int]:
    """1, 2, 3, 4, 6, 8, 12, ... up to a number."""
    powers = [1 << power for power in range(most.bit_length())]
    return sorted({step for power in powers for step in (power, power * 3 // 2) if step <= most})
