"""How long the measures of Revisited Oxford and Paris take with a million distractors, beside loops over the queries.

    landmark bench revisited

Random rankings of a made-up ground truth of the published size: 70 queries, 6,322 database photos, 1,000,001 distractors, all
in the ranking, Easy, Medium and Hard. Beside it, a query at a time and a difficulty at a time as in the reference: a loop over
the results in Python, and the reference's way, which looks the photos up with NumPy and walks through what it found. All three
must agree. One thread; seconds are those of the process on its core, so that what else runs on the machine counts little.
Writes results/revisited.json.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine
from landmark.errors import LandmarkError
from landmark.evaluation.revisited.ground_truth import GroundTruth
from landmark.evaluation.revisited.ranking import read_ranking
from landmark.evaluation.revisited.scores import CUTS, DIFFICULTIES, mean_scores, score_queries
from landmark.storage import write_json

ROOT = Path(__file__).parent
DATABASE, DISTRACTORS, QUERIES = 6322, 1_000_001, 70
GRADES = {"easy": 95, "hard": 100, "junk": 80}  # photos a query, about as many as in Paris
Scores = dict[str, list[float]]
Ranking = NDArray[np.int64]


def made_up(seed: int) -> tuple[GroundTruth, Ranking]:
    """Ground truth and random rankings [results, queries]."""
    random = np.random.default_rng(seed)
    entries = []
    for _ in range(QUERIES):
        parts = np.split(random.permutation(DATABASE)[: sum(GRADES.values())], np.cumsum(list(GRADES.values()))[:-1])
        graded = {grade: part.tolist() for grade, part in zip(GRADES, parts, strict=True)}
        entries.append({**graded, "bbx": [0, 0, 1, 1]})
    content = {
        "imlist": [f"photo_{number}" for number in range(DATABASE)],
        "qimlist": [f"query_{number}" for number in range(QUERIES)],
        "gnd": entries,
    }
    ranks = np.empty((DATABASE + DISTRACTORS, QUERIES), np.int64)
    for query in range(QUERIES):
        ranks[:, query] = random.permutation(len(ranks))
    return GroundTruth.parse(content, "benchmark"), ranks


def ours(ranks: Ranking, truth: GroundTruth) -> Scores:
    """This package."""
    means = mean_scores(score_queries(read_ranking(ranks, truth), truth))
    return {difficulty: list(row.values()) for difficulty, row in means.items()}


def loop_over_results(ranks: Ranking, truth: GroundTruth) -> Scores:
    """A loop over the results of each query, in Python."""

    def places(column: Ranking, positive: set[int], junk: set[int]) -> list[int]:
        found, rank = [], 0
        for photo in column.tolist():
            if photo in junk:
                continue
            if photo in positive:
                found.append(rank)
            rank += 1
        return found

    return _by_query(ranks, truth, places)


def loop_over_queries(ranks: Ranking, truth: GroundTruth) -> Scores:
    """As the reference implementation: NumPy finds the photos of each query, a loop takes the junk out."""

    def places(column: Ranking, positive: set[int], junk: set[int]) -> list[int]:
        hits = np.flatnonzero(np.isin(column, list(positive)))
        skipped = np.flatnonzero(np.isin(column, list(junk)))
        found, before = [], 0
        for rank in hits.tolist():
            while before < len(skipped) and rank > skipped[before]:
                before += 1
            found.append(rank - before)
        return found

    return _by_query(ranks, truth, places)


def _by_query(ranks: Ranking, truth: GroundTruth, places: Callable[[Ranking, set[int], set[int]], list[int]]) -> Scores:
    result = {}
    for difficulty, wanted in DIFFICULTIES.items():
        rows = []
        for column, query in enumerate(truth.queries):
            positive = {int(photo) for grade in wanted for photo in getattr(query, grade)}
            found = places(ranks[:, column], positive, set(query.graded.tolist()) - positive)
            ap = 0.0
            for number, rank in enumerate(found):
                before = 1.0 if rank == 0 else number / rank
                ap += (before + (number + 1) / (rank + 1)) / 2 / len(positive)
            limits = [min(found[-1] + 1, k) for k in CUTS]
            rows.append([ap, *(sum(rank < limit for rank in found) / limit for limit in limits)])
        result[difficulty] = (np.mean(rows, axis=0) * 100).tolist()
    return result


def timed(function: Callable[[Ranking, GroundTruth], Scores], ranks: Ranking, truth: GroundTruth, times: int) -> Any:
    """Scores, and the median of the seconds of CPU taken."""
    seconds = []
    for _ in range(times):
        start = time.process_time()
        scores = function(ranks, truth)
        seconds.append(time.process_time() - start)
    return scores, float(np.median(seconds))


def main() -> None:
    """Measure, compare, print, write."""
    parser = argparse.ArgumentParser(prog="landmark bench revisited", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="seed of the rankings")
    parser.add_argument("--out", type=Path, default=ROOT / "results", help="folder of the results")
    arguments = parser.parse_args()
    truth, ranks = made_up(arguments.seed)
    ours(ranks, truth)  # the first run pays for imports and for pages never touched
    scores, seconds = timed(ours, ranks, truth, times=5)
    rows = [{"method": "landmark.evaluation.revisited", "seconds": round(seconds, 3), "times_as_long": 1.0}]
    for name, function in (("Python loop over the results", loop_over_results), ("reference's way", loop_over_queries)):
        other, taken = timed(function, ranks, truth, times=1)
        for difficulty in DIFFICULTIES:
            if not np.allclose(other[difficulty], scores[difficulty], rtol=1e-9):
                raise LandmarkError(f"bench revisited: {name} gives {other[difficulty]}, not {scores[difficulty]}")
        rows.append({"method": name, "seconds": round(taken, 3), "times_as_long": round(taken / seconds, 1)})
    what = f"{QUERIES} queries x {len(ranks)} results, Easy, Medium and Hard, one thread; seconds of CPU, "
    what += "median of 5 runs, of 1 for the loops"
    write_json(arguments.out / "revisited.json", {"what": what, "machine": machine(threads=1), "rows": rows})
    print(what)
    for row in rows:
        print(f"{row['seconds']:9.3f} s  {row['times_as_long']:6.1f} x  {row['method']}")


if __name__ == "__main__":
    main()
