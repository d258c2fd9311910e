"""How good a ranking by similarity is: recall@k and MAP@R.

Two average precisions are in use in this field and must not be mixed up: the finite sum (`ap_finite`, here: MAP@R, and
mAP@100 of Google Landmarks v2) and the trapezoidal rule of Revisited Oxford and Paris.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from landmark.errors import LandmarkError
from landmark.recognition.vectors import check_vectors

_PAIRS = 1 << 22  # at once: about 100 MB, however large the gallery is


def ap_finite(relevant: ArrayLike, denominator: ArrayLike) -> NDArray[np.float64]:
    """Average precision as a finite sum: sum over ranks i of precision@i * relevant_i, by a denominator.

    The denominator names the metric: min(relevant photos, 100) for mAP@100 (Weyand et al., "Google Landmarks Dataset v2",
    CVPR 2020), R for MAP@R.

    Args:
        relevant: whether the photo at each rank is right, bool [..., k], best rank first.
        denominator: counts [...]; where it is 0, the result is 0.

    Returns:
        [...].

    >>> ap_finite([[True, False, True, False]], [3]).round(4).tolist()  # (1/1 + 2/3) / 3
    [0.5556]
    """
    hits = np.asarray(relevant, bool)
    by = np.asarray(denominator, np.float64)
    precision = np.cumsum(hits, axis=-1) / np.arange(1, hits.shape[-1] + 1)
    total = (precision * hits).sum(-1)
    return np.asarray(np.divide(total, by, out=np.zeros(np.broadcast_shapes(total.shape, by.shape)), where=by > 0))


def recall_at_k(
    queries: NDArray[Any],
    query_labels: NDArray[Any],
    gallery: NDArray[Any],
    gallery_labels: NDArray[Any],
    ks: Sequence[int],
    itself: bool = False,
) -> dict[int, float]:
    """Share of queries with a photo of their label among the k most similar ones (Jégou et al., PAMI 2011).

    Queries whose label no gallery photo has (other than the query itself) cannot be answered and are left out. Equal
    similarities are ranked by row.

    Args:
        queries: unit vectors [q, d].
        query_labels: ids [q], numbers or texts.
        gallery: unit vectors [n, d].
        gallery_labels: ids [n].
        ks: depths, each at least 1.
        itself: the gallery is the queries: no photo is its own neighbour.

    Returns:
        k -> recall@k.

    Raises:
        LandmarkError: no query can be answered, or vectors and labels that do not fit.
    """
    if not ks or min(ks) < 1:
        raise ValueError(f"recall@k: every k must be at least 1, got {list(ks)}")
    found = dict.fromkeys(ks, 0)
    answerable = 0
    for hits, count in _ranked(queries, query_labels, gallery, gallery_labels, itself, depth=max(ks)):
        answerable += int((count > 0).sum())
        for k in found:
            found[k] += int(hits[:, :k].any(1).sum())
    return {k: number / answerable for k, number in found.items()}


def map_at_r(
    queries: NDArray[Any],
    query_labels: NDArray[Any],
    gallery: NDArray[Any],
    gallery_labels: NDArray[Any],
    itself: bool = False,
) -> float:
    """MAP@R: 1/R * sum over ranks i = 1..R of precision@i * relevant_i, averaged over queries.

    R is the number of gallery photos with the query's label. Musgrave, Belongie and Lim, "A Metric Learning Reality Check",
    ECCV 2020. Arguments, queries left out and errors as in `recall_at_k`.
    """
    total, answerable = 0.0, 0
    for hits, count in _ranked(queries, query_labels, gallery, gallery_labels, itself, depth=None):
        within = np.arange(hits.shape[1]) < count[:, None]
        total += float(ap_finite(hits & within, count).sum())
        answerable += int((count > 0).sum())
    return total / answerable


def _ranked(
    queries: NDArray[Any],
    query_labels: NDArray[Any],
    gallery: NDArray[Any],
    gallery_labels: NDArray[Any],
    itself: bool,
    depth: int | None,
) -> Iterator[tuple[NDArray[np.bool_], NDArray[np.int64]]]:
    """Blocks of (whether the photo at each rank has the query's label [b, depth], photos that have it [b]).

    Without a depth, each block is ranked as deep as its queries have photos.
    """
    gallery = check_vectors(gallery, "gallery")
    queries = gallery if itself else check_vectors(queries, "queries", gallery.shape[1])
    asked, stored, counts = _codes(np.asarray(query_labels), np.asarray(gallery_labels), len(queries), len(gallery))
    relevant = counts[asked] - int(itself)
    if not (relevant > 0).any():
        raise LandmarkError("retrieval: no query has a photo of its label in the gallery; give a gallery with the same labels")
    block = max(1, _PAIRS // len(gallery))
    for start in range(0, len(queries), block):
        rows = slice(start, start + block)
        keys = _keys(queries[rows] @ gallery.T)
        if itself:
            own = np.arange(len(keys))
            keys[own, start + own] = np.iinfo(np.int64).min
        deep = min(depth or int(relevant[rows].max()), len(gallery) - int(itself))
        best = np.partition(keys, len(gallery) - deep, axis=1)[:, len(gallery) - deep :] if deep < len(gallery) else keys
        best = np.sort(best, axis=1)[:, ::-1]
        yield stored[_LAST_ROW - (best & _LAST_ROW)] == asked[rows, None], relevant[rows]


_LAST_ROW = (1 << 32) - 1


def _keys(similarity: NDArray[np.float32]) -> NDArray[np.int64]:
    """Integers [b, n] that order as the similarities do and, among equal ones, by row: a partial sort keeps no order itself."""
    # The bits of a float order like integers if those of negative ones are flipped; adding 0 makes -0 a 0.
    bits = (similarity + np.float32(0)).view(np.int32)
    keys = np.where(bits < 0, bits ^ np.int32(0x7FFFFFFF), bits).astype(np.int64) << 32
    keys |= _LAST_ROW - np.arange(similarity.shape[1])
    return keys


def _codes(
    asked: NDArray[Any], stored: NDArray[Any], queries: int, gallery: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Labels as codes (queries [q], gallery [n]), and how many gallery photos have each code."""
    for name, labels, count in (("queries", asked, queries), ("gallery", stored, gallery)):
        if labels.shape != (count,):
            raise LandmarkError(
                f"retrieval: {name}: {count} vectors but labels of shape {list(labels.shape)}; give one a vector"
            )
    # Texts and numbers in one array would all turn into texts.
    if (asked.dtype.kind in "OUS") != (stored.dtype.kind in "OUS"):
        raise LandmarkError(f"retrieval: labels of queries are {asked.dtype}, of the gallery {stored.dtype}; give one kind")
    _, codes = np.unique(np.concatenate([asked, stored]), return_inverse=True)
    codes = codes.astype(np.int64)
    return codes[:queries], codes[queries:], np.bincount(codes[queries:], minlength=int(codes.max(initial=0)) + 1)
