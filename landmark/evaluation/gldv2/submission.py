"""The answers given to a task: `id,landmarks` with "landmark score", or `id,images` with index photos, best first."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from landmark.errors import UsageError
from landmark.evaluation.gldv2.rows import COLUMN, check_token, read_rows, write_rows
from landmark.names import shown

DEPTH = 100
"""Index photos a query that the retrieval task looks at."""


def read_recognition(uri: str) -> dict[str, tuple[str, float]]:
    """Photo id -> (landmark, score), from a path or `s3://`; photos without a prediction are left out.

    Raises:
        UsageError: a malformed row, by file and line.
    """
    predictions = {}
    for where, (photo, cell) in read_rows(uri, ("id", COLUMN["recognition"])):
        words = cell.split()
        if not words:
            continue
        if len(words) != 2:
            raise UsageError(f"{where}: expected 'landmark score', got {len(words)} words: '{shown(cell)[:60]}'; mend the row")
        try:
            score = float(words[1])
        except ValueError:
            score = math.nan
        if not math.isfinite(score):
            raise UsageError(f"{where}: score '{shown(words[1])[:60]}' is no finite number; mend the row")
        predictions[photo] = (words[0], score)
    return predictions


def write_recognition(uri: str, predictions: Mapping[str, tuple[str, float] | None]) -> None:
    """Write predictions; None for a photo without one. Scores keep every digit.

    Raises:
        UsageError: an id that the format cannot hold, a score that is not finite.
    """

    def cell(photo: str, prediction: tuple[str, float] | None) -> str:
        if prediction is None:
            return ""
        landmark, score = prediction
        if not math.isfinite(score):
            raise UsageError(f"{shown(uri)}: not written, the score of photo '{shown(photo)}' is {score}; give finite scores")
        return f"{check_token(landmark, 'landmark id', shown(uri))} {float(score)!r}"

    rows = ((photo, cell(photo, prediction)) for photo, prediction in predictions.items())
    write_rows(uri, ("id", COLUMN["recognition"]), rows)


def read_retrieval(uri: str) -> dict[str, tuple[str, ...]]:
    """Photo id -> index photos, best first, from a path or `s3://`.

    Raises:
        UsageError: a malformed row, by file and line.
    """
    return {photo: tuple(cell.split()) for _, (photo, cell) in read_rows(uri, ("id", COLUMN["retrieval"]))}


def write_retrieval(uri: str, predictions: Mapping[str, Sequence[str]]) -> None:
    """Write the first `DEPTH` index photos of each query.

    Raises:
        UsageError: an id that the format cannot hold.
    """
    rows = (
        (photo, " ".join(check_token(name, "photo id", shown(uri)) for name in ranked[:DEPTH]))
        for photo, ranked in predictions.items()
    )
    write_rows(uri, ("id", COLUMN["retrieval"]), rows)
