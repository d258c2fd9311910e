"""The aspects of a landmark: the sides, nights and insides that hierarchical clustering finds among its photos.

The method is that of Boiarov and Tyantov (CIKM 2019): for a landmark with valid clusters C_1..C_v of its photos,
mu_j = mean of C_j, and v = 1 (one mean) if no cluster is valid.
"""

from __future__ import annotations

from collections.abc import Sequence

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
    """Labels [n] at each of several heights (infinite: one mean), from the distances of photos in canonical order.

    Args:
        distances: as of `pair_distances` [n (n - 1) / 2]; they are used up.
        cuts: heights.
        settings: linkage, fewest photos of an aspect, largest number of aspects.
    """
    tree = tree_of(distances, settings.linkage)
    labels = iter(cut_tree(tree, [cut for cut in cuts if np.isfinite(cut)], settings))
    return [next(labels) if np.isfinite(cut) else np.zeros(len(tree) + 1, np.int64) for cut in cuts]


def means_of(embeddings: Array, labels: Labels) -> Array:
    """The aspects' means, brought to unit length.

    Args:
        embeddings: unit vectors [n, d].
        labels: aspect of each photo [n], 0..v-1; -1 for none.

    Returns:
        float32 [v, d]. An aspect whose photos cancel out exactly (mean zero) is represented by its first photo.
    """
    return means_at(embeddings, [labels])[0]


def means_at(embeddings: NDArray[np.floating], labels: Sequence[Labels]) -> list[Array]:
    """`means_of` for several labellings of the same photos, for the price of one matrix product."""
    if len(embeddings) == 0:
        return [np.zeros((0, embeddings.shape[1]), np.float32) for _ in labels]
    found = np.stack(labels)
    ends = np.cumsum(found.max(1) + 1)
    number = np.where(found < 0, ends[-1], found + np.concatenate([[0], ends[:-1]])[:, None])
    members = np.zeros((int(ends[-1]) + 1, len(embeddings)), bool)
    members[number, np.arange(len(embeddings))] = True
    distinct, which = _distinct(members[:-1])
    means = distinct.astype(np.float64) @ np.asarray(embeddings, np.float64)
    norms = np.linalg.norm(means, axis=1)
    for empty in np.flatnonzero(norms < 1e-9):
        means[empty] = embeddings[int(distinct[empty].argmax())]
        norms[empty] = np.linalg.norm(means[empty])
    return np.split(np.asarray(means / norms[:, None], np.float32)[which], ends[:-1])


def _distinct(members: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], Labels]:
    """The different ones among sets of photos [c, n], and which of them each is [c]: at several heights most are the same."""
    # Of one tree's clusters, two with a photo in common and of one size are the same.
    key = members.argmax(1) * (members.shape[1] + 1) + members.sum(1)
    _, first, which = np.unique(key, return_index=True, return_inverse=True)
    distinct = members[first]
    if not np.array_equal(distinct[which], members):  # not of one tree
        distinct, which = np.unique(members, axis=0, return_inverse=True)
    return distinct, which


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
    """Euclidean distances [n (n - 1) / 2] between unit vectors [n, d], each pair once, in the order of SciPy's `pdist`."""
    rows = np.asarray(embeddings, np.float64)
    # |a - b|^2 = 2 - 2 a.b for unit vectors: one matrix product, many times faster than pair by pair.
    distances: NDArray[np.float64] = squareform(rows @ rows.T, checks=False)
    distances *= -2.0
    distances += 2.0
    np.maximum(distances, 0.0, out=distances)
    return np.sqrt(distances, out=distances)


def tree_of(distances: NDArray[np.float64], linkage: str) -> NDArray[np.float64]:
    """The dendrogram [n - 1, 4], as of `linkage_tree`, from the distances of `pair_distances`, which are used up."""
    if len(distances) == 0:
        return np.zeros((0, 4))
    tree: NDArray[np.float64] = fastcluster.linkage(distances, method=linkage, preserve_input=False)
    return tree


def cut_tree(tree: NDArray[np.float64], heights: Sequence[float], settings: CentroidsConfig) -> list[Labels]:
    """Cut a dendrogram at several heights and keep the valid clusters of each, largest first.

    Args:
        tree: linkage matrix [n - 1, 4]; an empty one stands for a single photo.
        heights: of the cuts [Euclidean distance].
        settings: fewest photos of an aspect, largest number of aspects.

    Returns:
        labels [n] as of `find_aspects`, one a height.
    """
    photos = len(tree) + 1
    nodes = np.arange(photos + len(tree))
    parent, merged_at = nodes.copy(), np.full(len(nodes), np.inf)
    sides = tree[:, :2].astype(np.int64)
    parent[sides] = nodes[photos:, None]
    merged_at[sides] = tree[:, 2, None]
    # The heights one after another in one array, each with its own nodes.
    offset = len(nodes) * np.arange(len(heights))[:, None]
    top = (np.where(merged_at <= np.asarray(heights)[:, None], parent, nodes) + offset).ravel()
    # Every node points to the one that it became part of; each turn doubles how far the pointers reach.
    while not np.array_equal(further := top[top], top):
        top = further
    return keep_valid(top.reshape(-1, len(nodes))[:, :photos], settings)


def keep_valid(clusters: NDArray[np.integer], settings: CentroidsConfig) -> list[Labels]:
    """Relabel clusters by size, largest 0; of two of one size, the one that comes first is before the other.

    Args:
        clusters: number of each photo's cluster by each of h clusterings [h, n]: not negative, small, none in two clusterings.
        settings: fewest photos of an aspect, largest number of aspects.

    Returns:
        labels [n] of each clustering: -1 for those too small or beyond the cap; all 0 when none is left.
    """
    numbers = clusters.ravel()
    sizes = np.bincount(numbers)
    valid = np.flatnonzero(sizes >= settings.min_photos)
    first = np.empty(len(sizes), np.int64)
    first[numbers[::-1]] = np.arange(len(numbers))[::-1]
    clustering = first[valid] // clusters.shape[1]
    order = np.lexsort((first[valid], -sizes[valid], clustering))
    valid, clustering = valid[order], clustering[order]
    rank = np.arange(len(valid)) - np.searchsorted(clustering, clustering)
    kept = rank < settings.max_centroids
    label_of = np.full(len(sizes), -1, np.int64)
    label_of[valid[kept]] = rank[kept]
    labels = label_of[clusters]
    labels[np.bincount(clustering, minlength=len(clusters)) == 0] = 0
    return list(labels)


def _spread(rows: Array, chosen: Labels, sample: Labels, cut: float, settings: CentroidsConfig) -> Labels:
    """Labels [n] for all rows from the labels of a clustered sample: nearest mean within the cut, else none."""
    if not sample.any():
        return np.zeros(len(rows), np.int64)
    similarity = rows @ means_of(rows[chosen], sample).T
    labels = similarity.argmax(1).astype(np.int64)
    labels[2.0 - 2.0 * similarity.max(1) > cut**2] = -1
    labels[chosen] = sample
    alone = len(rows) + np.arange(len(rows))
    return keep_valid(np.where(labels < 0, alone, labels)[None], settings)[0]
