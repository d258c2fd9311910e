"""Dividing one landmark's photos at several heights, with similarities to means that each photo did not place."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.spatial.distance import squareform

from landmark.config import CentroidsConfig
from landmark.network.aspects import (
    MAX_CLUSTERED,
    Array,
    Labels,
    canonical_order,
    cut_at,
    find_aspects_at,
    means_at,
    pair_distances,
)

CUTS = (math.inf, 1.2, 1.1, 1.0, 0.9, 0.8, 0.7)
"""Heights that are tried, from one mean to fine, in multiples of the configured cut."""
FOLDS = 5


@dataclass(frozen=True)
class Division:
    """One way to divide a landmark's photos.

    Attributes:
        cut: height of the cut [Euclidean distance]; infinite: one mean.
        labels: aspect of each photo [n]; -1 for none.
        vectors: the aspects' means [c, d].
        held_out: similarity [n] of each photo to the nearest of the means that were made without its fold.
    """

    cut: float
    labels: Labels
    vectors: Array
    held_out: Array


def divide(
    embeddings: Array, groups: Labels, cuts: Sequence[float], settings: CentroidsConfig, key: str, seed: int
) -> list[Division]:
    """Divide one landmark's photos at several heights, with cross-fitted similarities.

    Args:
        embeddings: unit vectors [n, d] of one landmark.
        groups: near-duplicate group of each photo [n]; a group is never split between folds.
        cuts: heights; infinite stands for one mean.
        settings: linkage, fewest photos of an aspect, cap.
        key: the landmark; folds depend on it and on the seed, not on which other landmarks there are.
        seed: of the folds.

    Returns:
        One division a height. With a single group nothing can be held out: then `held_out` is what the photos
        themselves give.
    """
    rows = np.asarray(embeddings)
    order = canonical_order(rows)
    rows, part = rows[order], groups[order]
    # The distances of a part are a part of the distances; beyond the limit each clustering draws a sample of its own.
    distances = squareform(pair_distances(rows), checks=False) if len(rows) <= MAX_CLUSTERED else None

    def aspects_of(kept: Labels) -> list[Labels]:
        if distances is None:
            return find_aspects_at(rows[kept], cuts, settings)
        own = distances if len(kept) == len(rows) else distances[kept][:, kept]
        return cut_at(squareform(own, checks=False), cuts, settings)

    labels = aspects_of(np.arange(len(rows)))
    exact = rows.astype(np.float64)
    vectors = means_at(exact, labels)
    held_out = _nearest(rows, vectors)
    fold = _folds(part, key, seed)
    for number in range(int(fold.max(initial=-1)) + 1):
        out = fold == number
        if out.all():
            break
        kept = np.flatnonzero(~out)
        held_out[:, out] = _nearest(rows[out], means_at(exact[kept], aspects_of(kept)))
    back = np.argsort(order)
    return [
        Division(cut, found[back], means, similarity[back])
        for cut, found, means, similarity in zip(cuts, labels, vectors, held_out, strict=True)
    ]


def _folds(groups: Labels, key: str, seed: int) -> Labels:
    """Fold of each photo [n] in canonical order: whole groups, shuffled by the seed, each put into the smallest so far."""
    place, names = pd.factorize(groups)
    random = np.random.default_rng([abs(seed), zlib.crc32(key.encode())])
    shuffled = random.permutation(len(names))
    counts = np.bincount(place, minlength=len(names))
    if len(names) == len(groups):  # one by one into the smallest is then round and round
        fold_of = np.empty(len(names), np.int64)
        fold_of[shuffled] = np.arange(len(names)) % FOLDS
        return fold_of
    sizes = [0] * min(FOLDS, len(names))
    fold_of = np.zeros(len(names), np.int64)
    for name in shuffled[np.argsort(-counts[shuffled], kind="stable")].tolist():
        smallest = sizes.index(min(sizes))
        fold_of[name] = smallest
        sizes[smallest] += int(counts[name])
    return fold_of[place]


def _nearest(rows: Array, vectors: Sequence[Array]) -> Array:
    """Similarity [r, n] of unit vectors [n, d] to the nearest of each of r sets of means."""
    starts = np.cumsum([0, *map(len, vectors[:-1])])
    return np.maximum.reduceat(np.concatenate(vectors) @ rows.T, starts, axis=0)
