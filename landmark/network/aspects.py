"""The aspects of a landmark: the sides, nights and insides that hierarchical clustering finds among its photos.

The method is that of Boiarov and Tyantov (CIKM 2019): for a landmark with valid clusters C_1..C_v of its photos,
mu_j = mean of C_j, and v = 1 (one mean) if no cluster is valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import fastcluster
import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import squareform

from landmark.config import CentroidsConfig

Array = NDArray[np.float32]
Labels = NDArray[np.int64]

# All pairs of this many photos take 64 MB of distances; a larger landmark is clustered by a sample.
MAX_CLUSTERED = 4000


def find_aspects(embeddings: Array, settings: CentroidsConfig) -> Labels:
    """Cluster the photos of one landmark into aspects.

    The result does not depend on the order of the rows: they are put into an order of their own first. Labels run from
    the largest aspect (0) to the smallest. Above `MAX_CLUSTERED` photos, a sample is clustered and each
    further photo goes to the nearest mean, if it lies within the cut of it.

    Args:
        embeddings: unit vectors [n, d] of one landmark's photos.
        settings: linkage, height of the cut (Euclidean distance), fewest photos of an aspect, largest number of aspects.

    Returns:
        labels [n]: -1 for a photo in no valid aspect; all 0 (one mean) when no cluster is valid.
    """
    return find_aspects_at(embeddings, [settings.cut], settings)[0]


def find_aspects_at(embeddings: Array, cuts: Sequence[float], settings: CentroidsConfig) -> list[Labels]:
    """`find_aspects` at several heights (infinite: one mean) for the price of one clustering; settings.cut is not used."""
    if len(embeddings) == 0:
        return [np.zeros(0, np.int64) for _ in cuts]
    order = canonical_order(embeddings)
    rows = np.asarray(embeddings)[order]
    chosen = np.arange(len(rows))
    if len(rows) > MAX_CLUSTERED:
        chosen = np.sort(np.random.default_rng(0).choice(len(rows), MAX_CLUSTERED, replace=False))
    found = []
    for cut, sample in zip(cuts, cut_at(pair_distances(rows[chosen]), cuts, settings), strict=True):
        in_order = sample
        if len(chosen) < len(rows):
            in_order = _spread(rows, chosen, sample, cut, settings) if np.isfinite(cut) else np.zeros(len(rows), np.int64)
        labels = np.empty(len(rows), np.int64)
        labels[order] = in_order
        found.append(labels)
    return found


def cut_at(distances: NDArray[np.float64], cuts: Sequence[float], settings: CentroidsConfig) -> list[Labels]:
    """Labels [n] at each of several heights (infinite: one mean), from the distances [n, n] of photos in canonical order."""
    tree = tree_of(distances, settings.linkage)
    return [cut_tree(tree, cut, settings) if np.isfinite(cut) else np.zeros(len(distances), np.int64) for cut in cuts]


def means_of(embeddings: Array, labels: Labels) -> Array:
    """The aspects' means, brought to unit length.

    Args:
        embeddings: unit vectors [n, d].
        labels: aspect of each photo [n], 0..v-1; -1 for none.

    Returns:
        float32 [v, d]. An aspect whose photos cancel out exactly (mean zero) is represented by its first photo.
    """
    return means_at(embeddings, [labels])[0]


def means_at(embeddings: Array, labels: Sequence[Labels]) -> list[Array]:
    """`means_of` for several labellings of the same photos, for the price of one matrix product."""
    counts = [int(found.max()) + 1 if len(found) else 0 for found in labels]
    members = np.concatenate([found == np.arange(count)[:, None] for found, count in zip(labels, counts, strict=True)]).astype(
        np.float64
    )
    means = members @ np.asarray(embeddings, np.float64)
    norms = np.linalg.norm(means, axis=1)
    for empty in np.flatnonzero(norms < 1e-9):
        means[empty] = embeddings[int(members[empty].argmax())]
        norms[empty] = np.linalg.norm(means[empty])
    return np.split(np.asarray(means / norms[:, None], np.float32), np.cumsum(counts)[:-1])


def canonical_order(embeddings: Array) -> Labels:
    """An order of the rows [n] that depends on their contents alone (equal rows are interchangeable)."""
    rows = np.ascontiguousarray(embeddings)
    if rows.size == 0:
        return np.arange(len(rows), dtype=np.int64)
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    return np.argsort(keys, kind="stable").astype(np.int64)


def linkage_tree(embeddings: Array, linkage: str) -> NDArray[np.float64]:
    """The dendrogram of unit vectors [n, d] as SciPy's linkage matrix [n - 1, 4]; heights are Euclidean distances."""
    return tree_of(pair_distances(embeddings), linkage)


def pair_distances(embeddings: Array) -> NDArray[np.float64]:
    """Euclidean distances [n, n] between unit vectors [n, d]."""
    rows = np.asarray(embeddings, np.float64)
    # |a - b|^2 = 2 - 2 a.b for unit vectors: one matrix product, many times faster than pair by pair.
    distances = rows @ rows.T
    distances *= -2.0
    distances += 2.0
    np.maximum(distances, 0.0, out=distances)
    return np.sqrt(distances, out=distances)


def tree_of(distances: NDArray[np.float64], linkage: str) -> NDArray[np.float64]:
    """The dendrogram [n - 1, 4], as of `linkage_tree`, from distances [n, n]; only those above the diagonal are read."""
    if len(distances) < 2:
        return np.zeros((0, 4))
    tree: NDArray[np.float64] = fastcluster.linkage(squareform(distances, checks=False), method=linkage, preserve_input=False)
    return tree


def cut_tree(tree: NDArray[np.float64], height: float, settings: CentroidsConfig) -> Labels:
    """Cut a dendrogram and keep the valid clusters, largest first.

    Args:
        tree: linkage matrix [n - 1, 4]; an empty one stands for a single photo.
        height: of the cut [Euclidean distance].
        settings: fewest photos of an aspect, largest number of aspects.

    Returns:
        labels [n] as of `find_aspects`.
    """
    if len(tree) == 0:
        return np.zeros(1, np.int64)
    photos = len(tree) + 1
    top = np.arange(2 * photos - 1)
    merged = np.flatnonzero(tree[:, 2] <= height)
    top[tree[merged, :2].astype(np.int64)] = photos + merged[:, None]
    # Every node points to the one that it became part of; each turn doubles how far the pointers reach.
    while not np.array_equal(further := top[top], top):
        top = further
    return keep_valid(top[:photos], settings)


def keep_valid(clusters: NDArray[Any], settings: CentroidsConfig) -> Labels:
    """Relabel clusters [n] by size, largest 0; those too small or beyond the cap become -1; all 0 when none is left."""
    names, first, inverse, sizes = np.unique(clusters, return_index=True, return_inverse=True, return_counts=True)
    rank = np.lexsort((first, -sizes))
    rank = rank[sizes[rank] >= settings.min_photos][: settings.max_centroids]
    if len(rank) == 0:
        return np.zeros(len(clusters), np.int64)
    label_of = np.full(len(names), -1, np.int64)
    label_of[rank] = np.arange(len(rank))
    return label_of[inverse]


def _spread(rows: Array, chosen: Labels, sample: Labels, cut: float, settings: CentroidsConfig) -> Labels:
    """Labels [n] for all rows from the labels of a clustered sample: nearest mean within the cut, else none."""
    if not sample.any():
        return np.zeros(len(rows), np.int64)
    similarity = rows @ means_of(rows[chosen], sample).T
    labels = similarity.argmax(1).astype(np.int64)
    labels[2.0 - 2.0 * similarity.max(1) > cut**2] = -1
    labels[chosen] = sample
    alone = len(rows) + np.arange(len(rows))
    return keep_valid(np.where(labels < 0, alone, labels), settings)
