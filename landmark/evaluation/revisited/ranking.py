"""Where the photos that count stand in each query's ranking."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.evaluation.revisited.ground_truth import GroundTruth, Ids
from landmark.names import shown

Vectors = NDArray[np.float32]
MAX_ID = 2**28
"""Ids lie below this: 268 distractor sets of the usual million, and 256 MiB for the table of ids that were seen."""
_COLUMNS, _ROWS = 16, 512
"""Part of a ranking that is turned into rows at once: it stays in the cache, which makes turning six times as fast."""
BLOCK = 4096
"""Rows of distractors compared at once."""


@dataclass(frozen=True)
class Standing:
    """Where one query's easy, hard and junk photos stand.

    Attributes:
        ids: of those that are in the ranking, best first, int64 `[m]`.
        ranks: their 0-based ranks among all results, distractors too, int64 `[m]`, rising.
    """

    ids: Ids
    ranks: Ids


def read_ranking(ranks: NDArray[Any], truth: GroundTruth) -> list[Standing]:
    """Look up where the photos that count stand in rankings made elsewhere.

    A ranking may be cut off after any number of results. Ids from the database's size on are distractors.

    Args:
        ranks: ids, integers `[results, queries]`, best first: a column a query, as the reference implementation has it; may
            be mapped from a file.
        truth: the ground truth with n database photos.

    Returns:
        One `Standing` a query.

    Raises:
        LandmarkError: wrong shape or type; an id that is negative, or n or more in a ranking of exactly n results; an id
            twice in a ranking. Names query and id.
    """
    _check_form(ranks, truth)
    size, queries = len(truth.database), truth.queries
    standings = []
    seen = np.zeros(0, bool)
    for first in range(0, len(queries), _COLUMNS):
        group = queries[first : first + _COLUMNS]
        for query, column in zip(group, _columns(ranks[:, first : first + len(group)]), strict=True):
            low, high = int(column.min()), int(column.max())
            _check_range(query.name, low, high, len(column), size)
            if high >= len(seen):
                seen = np.zeros(high + 1, bool)
            seen[:] = False
            seen[column] = True
            if np.count_nonzero(seen) < len(column):
                found, counts = np.unique(column, return_counts=True)
                raise LandmarkError(
                    f"ranks: query '{shown(query.name)}': photo {found[counts > 1][0]} is there twice; rank each photo once"
                )
            rows = np.flatnonzero(column < size)
            counted = np.zeros(size, bool)
            counted[query.graded] = True
            rows = rows[counted[column[rows]]]
            standings.append(Standing(column[rows].astype(np.int64), rows.astype(np.int64)))
    return standings


def _columns(ranks: NDArray[Any]) -> NDArray[np.intp]:
    """Columns `[results, k]` as rows `[k, results]`."""
    turned = np.empty(ranks.shape[::-1], np.intp)
    for start in range(0, len(ranks), _ROWS):
        turned[:, start : start + _ROWS] = ranks[start : start + _ROWS].T
    return turned


def rank_database(
    queries: Vectors, database: Vectors, truth: GroundTruth, distractors: Iterable[Vectors] = ()
) -> list[Standing]:
    """Rank database and distractors by similarity; of equally similar photos the one with the lower id comes first.

    Distractors come after the database in the order of ids, so that a tie goes to the database. They are compared block by
    block and forgotten: what is kept is how many of them stand before each photo that counts, which is all that its rank needs.
    The result is that of the whole ranking.

    Args:
        queries: unit vectors `[q, d]`, in the order of the ground truth.
        database: unit vectors `[n, d]`, in the order of the ground truth.
        truth: the ground truth.
        distractors: blocks of unit vectors `[b, d]`.

    Returns:
        One `Standing` a query.
    """
    if (len(queries), len(database)) != (len(truth.queries), len(truth.database)):
        raise LandmarkError(
            f"revisited: {len(queries)} and {len(database)} embeddings for {len(truth.queries)} queries and "
            f"{len(truth.database)} database photos"
        )
    similarity = _similarity(queries, database)
    order = np.argsort(-similarity, axis=1, kind="stable")
    standings = read_ranking(order.T, truth)
    reached = [row[standing.ids] for row, standing in zip(similarity, standings, strict=True)]
    ahead = [np.zeros(len(standing.ids), np.int64) for standing in standings]
    for block in distractors:
        for start in range(0, len(block), BLOCK):
            _count_ahead(_similarity(queries, block[start : start + BLOCK]), reached, ahead)
    return [Standing(standing.ids, standing.ranks + more) for standing, more in zip(standings, ahead, strict=True)]


def _similarity(queries: Vectors, vectors: Vectors) -> Vectors:
    # Summed in float64 and rounded, so that copies of a photo tie wherever they stand: in float32 the order of the sums,
    # which depends on the place in the block, would decide between them.
    return np.asarray(queries.astype(np.float64) @ vectors.astype(np.float64).T, np.float32)


def _count_ahead(similarity: Vectors, reached: Sequence[Vectors], ahead: Sequence[Ids]) -> None:
    """Add to `ahead` how many of a block's similarities `[q, b]` are above each that was reached."""
    similarity.sort(axis=1)
    for row, values, counts in zip(similarity, reached, ahead, strict=True):
        counts += similarity.shape[1] - np.searchsorted(row, values, side="right")


def _check_form(ranks: NDArray[Any], truth: GroundTruth) -> None:
    if not np.issubdtype(ranks.dtype, np.integer):
        raise LandmarkError(f"ranks: expected integer ids of database photos, got {ranks.dtype}; save them as int32 or int64")
    wanted = len(truth.queries)
    if ranks.ndim != 2 or ranks.shape[1] != wanted or not len(ranks):
        turned = "; transpose it" if ranks.ndim == 2 and ranks.shape[0] == wanted else ""
        raise LandmarkError(f"ranks: shape {list(ranks.shape)}, expected [results, {wanted}], a column a query{turned}")


def _check_range(query: str, low: int, high: int, results: int, size: int) -> None:
    if low < 0 or high >= MAX_ID:
        raise LandmarkError(
            f"ranks: query '{shown(query)}': id {low if low < 0 else high} is no photo; ids count from 0 and lie below {MAX_ID}"
        )
    # Such a ranking claims to be of the database alone: most likely its ids count from 1, which would score as noise.
    if results == size and high >= size:
        raise LandmarkError(
            f"ranks: query '{shown(query)}': id {high} is outside of the database of {size} photos; ids count from 0"
        )
