"""How closely each landmark photo is tied to its own landmark, and how closely to the strongest rival.

The evidence is local: the mean similarity to the few nearest photos of a landmark, so that a landmark may have any number of
aspects that look nothing alike. Rivals are the other landmarks and the photos that show none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from landmark.network.aspects import Array, Labels

Bools = NDArray[np.bool_]

COMPONENTS = 256
"""Principal components that are compared [count]."""
RIVALS = 32
"""Landmarks that each photo is compared with beside its own: those with the nearest means; bounds the work."""
NOTHING = -1
"""Number of the rival "photos without a landmark"."""
_ROWS = 512


@dataclass(frozen=True)
class Evidence:
    """For each landmark photo, what speaks for its label and what against it.

    Attributes:
        own: mean similarity to the nearest photos of its own landmark [n]; NaN where there is none to compare with.
        rival: the same for the rival where it is highest [n]; -1 without any rival.
        rival_landmark: number of that landmark [n]; `NOTHING`: photos without a landmark.
    """

    own: Array
    rival: Array
    rival_landmark: Labels

    @property
    def margin(self) -> Array:
        """By how much the photo is nearer to its own landmark than to any rival [n]; negative: a rival is nearer."""
        return self.own - self.rival


def half_whitened(vectors: Array) -> Array:
    """Centre, rotate to principal components, divide each by the fourth root of its variance, bring to unit length.

    Whitening proper divides by the square root (Jegou and Chum, "Negative evidences and co-occurences in image retrieval",
    ECCV 2012): it takes away what all photos share, and raises noise. Half of it (ours) does the first with less of the second.

    Args:
        vectors: unit vectors [n, d].

    Returns:
        unit vectors [n, min(d, n - 1, COMPONENTS)]; zeros for a vector that is the mean of all.
    """
    mean = vectors.mean(0, dtype=np.float64)
    covariance = np.zeros((vectors.shape[1], vectors.shape[1]))
    for start in range(0, len(vectors), _ROWS):
        block = vectors[start : start + _ROWS] - mean
        covariance += block.T @ block / len(vectors)
    variance, axes = np.linalg.eigh(covariance)
    kept = np.flatnonzero(variance > 1e-9 * max(float(variance[-1]), 1e-12))[::-1][:COMPONENTS]
    scaled = axes[:, kept] * variance[kept] ** -0.25
    result = np.empty((len(vectors), len(kept)), np.float32)
    for start in range(0, len(vectors), _ROWS):
        block = (vectors[start : start + _ROWS] - mean) @ scaled
        result[start : start + _ROWS] = block / np.maximum(np.linalg.norm(block, axis=1, keepdims=True), 1e-12)
    return result


def rows_of(number: Labels) -> list[Labels]:
    """Rows of each number 0..l-1, in order.

    >>> [rows.tolist() for rows in rows_of(np.array([1, 0, 1]))]
    [[1], [0, 2]]
    """
    order = np.argsort(number, kind="stable")
    return np.split(order, np.cumsum(np.bincount(number))[:-1])


def find_evidence(
    vectors: Array,
    landmark: Labels,
    witnesses: Bools,
    others: Array,
    neighbours: int,
    apart: tuple[Labels, ...],
) -> Evidence:
    """Compare each landmark photo with the witnesses of its own landmark and of its rivals.

    Of a landmark with few witnesses w, only the nearest ceil(w / 3) count, so that five photos can have two aspects.

    Args:
        vectors: unit vectors of landmark photos [n, d].
        landmark: number of each one's landmark [n], 0..l-1.
        witnesses: which photos can be trusted to show their landmark [n].
        others: unit vectors of photos without a landmark [m, d].
        neighbours: nearest photos whose mean similarity counts [count].
        apart: labels [n] each; photos that share one do not vouch for each other (near-duplicate groups, at the least
            each photo's own number).

    Returns:
        Evidence [n].
    """
    landmarks = rows_of(landmark)
    members = [rows[witnesses[rows]] for rows in landmarks]
    possible = np.array([len(rows) > 0 for rows in members])
    means = np.stack([vectors[rows].mean(0) if len(rows) else np.zeros(vectors.shape[1], np.float32) for rows in members])
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    own = np.full(len(vectors), np.nan, np.float32)
    rival = np.full(len(vectors), -1.0, np.float32)
    who = np.full(len(vectors), NOTHING, np.int64)
    for number, every in enumerate(landmarks):
        for rows in np.array_split(every, max(1, math.ceil(len(every) / _ROWS))):
            own[rows] = _own(vectors, rows, members[number], neighbours, apart)
            if len(others):
                rival[rows] = _nearest(vectors[rows] @ others.T, neighbours)
            near = _candidates(vectors[rows] @ means.T, possible, number)
            for other in np.flatnonzero(near.any(0)):
                chosen = rows[near[:, other]]
                similarity = _nearest(vectors[chosen] @ vectors[members[other]].T, _few(neighbours, len(members[other])))
                better = similarity > rival[chosen]
                rival[chosen[better]], who[chosen[better]] = similarity[better], other
    return Evidence(own, rival, who)


def _own(vectors: Array, rows: Labels, members: Labels, neighbours: int, apart: tuple[Labels, ...]) -> Array:
    similarity = vectors[rows] @ vectors[members].T
    for labels in apart:
        similarity[labels[rows][:, None] == labels[members]] = -np.inf
    if len(members) == 0:
        return np.full(len(rows), np.nan, np.float32)
    near = min(_few(neighbours, len(members)), len(members))
    best = np.partition(similarity, -near, axis=1)[:, -near:]
    there = np.isfinite(best)
    total = np.where(there, best, 0.0).sum(1)
    found = there.sum(1)
    return np.asarray(np.divide(total, found, out=np.full(len(rows), np.nan), where=found > 0), np.float32)


def _few(neighbours: int, witnesses: int) -> int:
    return min(neighbours, math.ceil(witnesses / 3))


def _nearest(similarity: Array, neighbours: int) -> Array:
    near = min(neighbours, similarity.shape[1])
    return np.asarray(np.partition(similarity, -near, axis=1)[:, -near:].mean(1), np.float32)


def _candidates(similarity: Array, possible: Bools, own: int) -> Bools:
    """Which landmarks [rows, l] each photo is compared with."""
    near = np.where(possible, similarity, -np.inf)
    near[:, own] = -np.inf
    if len(possible) > RIVALS:
        near = np.where(near >= np.partition(near, -RIVALS, axis=1)[:, -RIVALS, None], near, -np.inf)
    return np.isfinite(near)
