"""How faithful an approximate index is to exact search."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from landmark.recognition.index.search import SearchIndex

_CHUNK = 4096
SAME = 1e-5
"""Similarities that differ by less are those of copies of one photo: either answer is right."""


def recall_at_1(index: SearchIndex, stored: NDArray[np.float32], queries: NDArray[np.float32]) -> float:
    """Share of queries for which the index finds a vector as similar as the most similar one that it stores.

    Args:
        index: built over `stored`, in that order.
        stored: unit vectors [n, d].
        queries: unit vectors [q, d] that are not among the stored ones.

    Raises:
        ValueError: no queries, or the index holds another number of vectors.
    """
    if len(queries) == 0 or len(index) != len(stored):
        raise ValueError(f"recall: {len(queries)} queries, {len(index)} vectors in the index, {len(stored)} given")
    stored = np.asarray(stored, np.float32)
    found = index.search_rows(queries, 1)[1][:, 0]
    right = 0
    for start in range(0, len(queries), _CHUNK):
        block = np.asarray(queries[start : start + _CHUNK], np.float32)
        ids = found[start : start + _CHUNK]
        reached = np.where(ids >= 0, (block * stored[np.maximum(ids, 0)]).sum(1), -np.inf)
        right += int((reached >= (block @ stored.T).max(1) - SAME).sum())
    return right / len(queries)
