"""Which photos the gallery shows, out of tables of any length: read in batches, a few columns at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.tagging.schema import TAGS

BATCH = 1 << 15
"""Rows in memory at once while choosing [count]."""
COLUMNS = [
    *("photo", "sha256", "landmark", "name", "city", "country", "confidence", "similarity", "runners_up", "reason"),
    *("width", "height", "taken_at", "lat", "lon", "decided_by", "model"),
]

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Chosen:
    """The photos that are shown, as positions in the table, rising.

    Attributes:
        tagged: with a landmark.
        near: without one, the most likely to show their best candidate; no person decided them.
        rejected: those of which a person said that they show none.
        counts: photos of the whole table by landmark.
        photos: in the whole table.
        near_total: without a landmark, decided by no person, in the whole table.
    """

    tagged: Rows
    near: Rows
    rejected: Rows
    counts: dict[str, int]
    photos: int
    near_total: int


@contextlib.contextmanager
def opened(file: Path) -> Iterator[pq.ParquetFile]:
    """Open `tags.parquet`: what is read of it is of one table, also if a job swaps the file meanwhile.

    Raises:
        LandmarkError: it isn't there, can't be read, or is of another version.
    """
    try:
        with pq.ParquetFile(file) as table:
            missing = sorted(set(TAGS.names) - set(table.schema_arrow.names))
            if missing:
                raise LandmarkError(f"{shown(file)}: no column '{missing[0]}': of another version; run `landmark tag` again")
            yield table
    except FileNotFoundError:
        raise LandmarkError(f"{shown(file)}: not there; run `landmark tag PHOTOS --out {shown(file.parent)}` first") from None
    except (OSError, pa.ArrowException) as error:
        why = shown(" ".join(str(error).split()))[:200]
        raise LandmarkError(f"{shown(file)}: not readable as Parquet ({why}); run `landmark tag` again") from error


def choose(table: pq.ParquetFile, limit: int, near_misses: int) -> Chosen:
    """Choose the photos to show. Memory grows with `limit`, `near_misses` and the landmarks, not with the table.

    Where more photos have a landmark than `limit`, landmarks share it: each has as many as the others, or all of its own.
    Of its share a landmark shows the surest half and the least sure half: the ones are right, the others want a look.

    Args:
        table: `tags.parquet`, opened.
        limit: most photos with a landmark [count]; as many rejected ones at most.
        near_misses: most photos without one [count].
    """
    counts: dict[str, int] = {}
    near, rejected = _Best(near_misses), np.zeros(0, np.int64)
    photos = near_total = 0
    for start, batch in _batches(table, ["landmark", "confidence", "decided_by"]):
        photos += len(batch)
        for found in pc.value_counts(batch["landmark"]).to_pylist():
            if found["values"]:
                counts[found["values"]] = counts.get(found["values"], 0) + found["counts"]
        none = pc.equal(batch["landmark"], "").to_numpy(zero_copy_only=False)
        person = pc.equal(batch["decided_by"], "person").to_numpy(zero_copy_only=False)
        near_total += int((none & ~person).sum())
        near.add(start + np.flatnonzero(none & ~person), _confidence(batch)[none & ~person])
        rejected = np.concatenate([rejected, start + np.flatnonzero(none & person)])[:limit]
    tagged = _tagged(table, list(counts), np.array(list(counts.values()), np.int64), limit)
    return Chosen(tagged, np.sort(near.rows), rejected, counts, photos, near_total)


def fetch(table: pq.ParquetFile, rows: Rows) -> Iterator[dict[str, Any]]:
    """The rows at these positions (rising), with `COLUMNS`; row groups without one are not read."""
    start = 0
    for group in range(table.num_row_groups):
        end = start + table.metadata.row_group(group).num_rows
        if np.searchsorted(rows, end) > np.searchsorted(rows, start):
            for batch in table.iter_batches(1 << 12, [group], COLUMNS, use_threads=False):
                inside = rows[np.searchsorted(rows, start) : np.searchsorted(rows, start + len(batch))] - start
                yield from batch.take(pa.array(inside)).to_pylist()
                start += len(batch)
        start = end


def shares(counts: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """How many of each landmark's photos are shown: as even as can be, `limit` in all.

    >>> shares(np.array([10, 2, 5]), 9).tolist()
    [4, 2, 3]
    """
    if counts.sum() <= limit:
        return counts
    low, high = 0, int(counts.max())
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if np.minimum(counts, middle).sum() <= limit else (low, middle)
    share = np.minimum(counts, low)
    more = np.argsort(-counts, kind="stable")[: limit - int(share.sum())]
    share[more] += 1  # the most photographed have more than `low`, for not all fit
    return share


class _Best:
    """The `size` rows of the highest value; of equals the first."""

    def __init__(self, size: int) -> None:
        self._size = size
        self.rows, self._values = np.zeros(0, np.int64), np.zeros(0, np.float32)

    def add(self, rows: Rows, values: NDArray[np.float32]) -> None:
        rows, values = np.concatenate([self.rows, rows]), np.concatenate([self._values, values])
        best = np.lexsort((rows, -values))[: self._size]
        self.rows, self._values = rows[best], values[best]


def _tagged(table: pq.ParquetFile, landmarks: list[str], counts: NDArray[np.int64], limit: int) -> Rows:
    share = shares(counts, limit)
    surest, doubtful = (share + 1) // 2, share // 2
    number = {landmark: n for n, landmark in enumerate(landmarks)}
    rows, codes, values = np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.float32)

    def settle() -> tuple[Rows, Rows, NDArray[np.float32]]:
        order = np.lexsort((rows, -values, codes))
        sizes = np.bincount(codes, minlength=len(landmarks))
        rank = np.arange(len(order)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        code = codes[order]
        kept = order[(rank < surest[code]) | (sizes[code] - 1 - rank < doubtful[code])]
        return rows[kept], codes[kept], values[kept]

    for start, batch in _batches(table, ["landmark", "confidence"]):
        landmark = batch["landmark"].dictionary_encode()
        of_batch = np.array([number.get(name, -1) for name in landmark.dictionary.to_pylist()], np.int64)
        code = of_batch[landmark.indices.to_numpy(zero_copy_only=False)] if len(of_batch) else np.zeros(0, np.int64)
        given = np.flatnonzero(code >= 0)
        rows, codes = np.concatenate([rows, start + given]), np.concatenate([codes, code[given]])
        values = np.concatenate([values, _confidence(batch)[given]])
        if len(rows) > 2 * limit + BATCH:
            rows, codes, values = settle()
    return np.sort(settle()[0])


def _confidence(batch: pa.RecordBatch) -> NDArray[np.float32]:
    values = batch["confidence"].to_numpy(zero_copy_only=False)
    return np.asarray(np.nan_to_num(values, nan=0.0), np.float32)


def _batches(table: pq.ParquetFile, columns: list[str]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Batches of a few columns, each with the position of its first row."""
    start = 0
    for batch in table.iter_batches(BATCH, columns=columns, use_threads=False):
        yield start, batch
        start += len(batch)
