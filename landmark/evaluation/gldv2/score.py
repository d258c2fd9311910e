"""The figures of the two tasks, as the official code counts them (tensorflow/models, research/delf, metrics.py).

Equal scores: the official GAP ranks them by photo id, ascending; so does this one. `OpenSet.gap` gives each of a group of
equal scores the precision at the group's end, which no order of rows can flatter. The two differ only where scores are equal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from landmark.errors import LandmarkError, UsageError
from landmark.evaluation.gldv2.rows import Task
from landmark.evaluation.gldv2.solution import PRIVATE, PUBLIC, Solution
from landmark.evaluation.gldv2.submission import DEPTH, read_recognition, read_retrieval
from landmark.evaluation.retrieval import ap_finite
from landmark.names import shown


def gap(predictions: Mapping[str, tuple[str, float]], solution: Mapping[str, Sequence[str]]) -> float:
    """Global average precision: sum over ranks i of precision@i * correct_i, by the photos that show a landmark.

    One list of all photos, highest score first (Perronnin et al., CVPR 2009; Weyand et al., CVPR 2020). A photo without a
    prediction takes no rank; one that shows no landmark but has a prediction does.

    Args:
        predictions: photo id -> (landmark, score).
        solution: photo id -> ids of the landmarks that it shows, any of which is right; of every test photo.

    Raises:
        UsageError: a prediction for a photo that is not in the solution.
        LandmarkError: no photo shows a landmark.

    >>> solution = {"0": ["a"], "1": ["b", "c"], "2": []}
    >>> gap({"0": ("a", 0.3), "1": ("c", 0.9), "2": ("a", 0.5)}, solution)  # (1/1 + 2/3) / 2
    0.8333333333333333
    """
    _known(predictions, solution)
    shows_landmark = sum(1 for landmarks in solution.values() if landmarks)
    if not shows_landmark:
        raise LandmarkError("GAP: no photo of the solution shows a landmark; is it the one of the recognition task?")
    ordered = sorted(sorted(predictions), key=lambda photo: -predictions[photo][1])
    correct = [predictions[photo][0] in solution[photo] for photo in ordered]
    return float(ap_finite(correct, shows_landmark))


def map_at_100(predictions: Mapping[str, Sequence[str]], solution: Mapping[str, Sequence[str]]) -> float:
    """mAP@100: 1/min(m, 100) * sum over ranks i = 1..100 of precision@i * relevant_i, averaged over ALL queries.

    m is the number of index photos that show the same landmark (Weyand et al., CVPR 2020). An index photo that is listed
    again is wrong the second time; a query without predictions, or without relevant photos, counts 0.

    Args:
        predictions: query id -> index photos, best first.
        solution: query id -> index photos that show the same landmark; of every query.

    Raises:
        UsageError: a prediction for a query that is not in the solution.
        LandmarkError: no queries.

    >>> map_at_100({"q": ["x", "a", "x", "b"]}, {"q": ["a", "b", "c"], "r": ["d"]})  # ((1/2 + 2/4) / 3 + 0) / 2
    0.16666666666666666
    """
    _known(predictions, solution)
    if not solution:
        raise LandmarkError("mAP@100: the solution has no queries; give the published solution")
    queries = {query: row for row, query in enumerate(solution)}
    given = _pairs({query: ranked[:DEPTH] for query, ranked in predictions.items()}, queries)
    right = _pairs(solution, queries).drop(columns="rank")
    found = given.drop_duplicates(["query", "photo"]).merge(right, on=["query", "photo"])
    relevant = np.zeros((len(queries), DEPTH), bool)
    relevant[found["query"], found["rank"]] = True
    counts = np.array([len(photos) for photos in solution.values()])
    return float(ap_finite(relevant, np.minimum(counts, DEPTH)).mean())


def score_files(task: Task, solution: str, submission: str) -> dict[str, Any]:
    """Score a submission, the public and the private photos apart; ignored photos count for nothing.

    Returns:
        task, then for `public` and `private`, where the solution has photos of it: the figure (`gap` or `map_at_100`) and
        `photos`, `predicted` (counts).

    Raises:
        UsageError: a malformed file, or a prediction for a photo that is not in the solution.
        LandmarkError: nothing to measure on.
    """
    truth = Solution.read(solution, task)
    predictions: dict[str, Any] = read_recognition(submission) if task == "recognition" else read_retrieval(submission)
    strange = [photo for photo in predictions if photo not in truth.relevant]
    if strange:
        raise UsageError(
            f"{shown(submission)}: photo '{shown(strange[0])}' ({len(strange)} in all) is not in the solution; "
            f"give the submission of the photos of {shown(solution)}"
        )
    result: dict[str, Any] = {"task": task}
    for usage in (PUBLIC, PRIVATE):
        part = truth.part(usage)
        if part:
            own = {photo: prediction for photo, prediction in predictions.items() if photo in part}
            figure = {"gap": gap(own, part)} if task == "recognition" else {"map_at_100": map_at_100(own, part)}
            result[usage.lower()] = {**figure, "photos": len(part), "predicted": len(own)}
    if len(result) == 1:
        raise LandmarkError(f"{shown(solution)}: every photo is Ignored; nothing can be scored")
    return result


def _known(predictions: Mapping[str, Any], solution: Mapping[str, Any]) -> None:
    strange = next((photo for photo in predictions if photo not in solution), None)
    if strange is not None:
        raise UsageError(f"photo '{shown(strange)}' has a prediction but is not in the solution; leave it out")


def _pairs(listed: Mapping[str, Sequence[str]], queries: Mapping[str, int]) -> pd.DataFrame:
    """A row a listed photo: query (row), photo, rank (from 0)."""
    lengths = np.array([len(photos) for photos in listed.values()], np.int64)
    starts = np.repeat(np.cumsum(lengths) - lengths, lengths)
    return pd.DataFrame(
        {
            "query": np.repeat(np.array([queries[query] for query in listed], np.int64), lengths),
            "photo": pd.Series([photo for photos in listed.values() for photo in photos], dtype="str"),
            "rank": np.arange(len(starts)) - starts,
        }
    )
