"""How finely each landmark is divided into aspects, judged by photos that did not place the centroids.

Several centroids match more of a landmark, but each is also one more thing that an unrelated photo can resemble. So a
landmark gets a finer division only where photos held out of the clustering are recognised more often at thresholds that
non-landmark photos set; the simpler division is kept unless the finer one wins by more than its standard error (the
one-standard-error rule of Breiman et al., "Classification and Regression Trees", 1984).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

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
from landmark.recognition.calibration import bank_similarity

CUTS = (math.inf, 1.2, 1.1, 1.0, 0.9, 0.8, 0.7)
"""Heights that are tried, from one mean to fine, in multiples of the configured cut."""
FOLDS = 5
SPECIFICITIES = (0.98, 0.99, 0.995)
"""Thresholds at which a division is judged; several, since one quantile of a few hundred photos is noisy."""
RESCORE_WEIGHTS = (0.0, 0.5)
"""Whether re-scoring will be used is decided later (calibration), so a division must do well with and without it."""
NEIGHBOURS = 5
SWEEPS = 3
MAX_JUDGES = 20_000
"""Photos (and as many non-landmarks at most) by which a block is judged."""


@dataclass(frozen=True, eq=False)
class Strangers:
    """The non-landmark photos by which divisions are judged: the same for all landmarks.

    Attributes:
        vectors: unit vectors [m, d].
        near: similarity [m] of each to the nearest others, as re-scoring takes it.
    """

    vectors: Array
    near: Array

    @classmethod
    def of(cls, others: Array | None, seed: int) -> Strangers | None:
        """At most `MAX_JUDGES` of unit vectors [n, d], which do not depend on their order; None without any."""
        if others is None or len(others) == 0:
            return None
        rows = others[canonical_order(others)[_sample(len(others), np.random.default_rng(abs(seed)))]]
        return cls(rows, bank_similarity(rows, rows, NEIGHBOURS, itself=True))


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
    distances = pair_distances(rows) if len(rows) <= MAX_CLUSTERED else None

    def aspects_of(kept: Labels) -> list[Labels]:
        if distances is None:
            return find_aspects_at(rows[kept], cuts, settings)
        return cut_at(distances if len(kept) == len(rows) else distances[kept][:, kept], cuts, settings)

    labels = aspects_of(np.arange(len(rows)))
    vectors = means_at(rows, labels)
    held_out = np.stack([(rows @ means.T).max(1) for means in vectors])
    fold = _folds(part, key, seed)
    for number in range(int(fold.max(initial=-1)) + 1):
        out = fold == number
        if out.all():
            break
        kept = np.flatnonzero(~out)
        for row, means in enumerate(means_at(rows[kept], aspects_of(kept))):
            held_out[row, out] = (rows[out] @ means.T).max(1)
    back = np.argsort(order)
    return [
        Division(cut, found[back], means, similarity[back])
        for cut, found, means, similarity in zip(cuts, labels, vectors, held_out, strict=True)
    ]


def _folds(groups: Labels, key: str, seed: int) -> Labels:
    """Fold of each photo [n] in canonical order: whole groups, shuffled by the seed, each put into the smallest so far."""
    names, first = np.unique(groups, return_index=True)
    names = names[np.argsort(first)]
    random = np.random.default_rng([abs(seed), zlib.crc32(key.encode())])
    names = names[random.permutation(len(names))]
    count = dict(zip(*np.unique(groups, return_counts=True), strict=True))
    sizes = np.zeros(min(FOLDS, len(names)), np.int64)
    fold_of = {}
    for name in sorted(names, key=lambda name: -count[name]):
        fold_of[name] = int(sizes.argmin())
        sizes[fold_of[name]] += count[name]
    return np.array([fold_of[name] for name in groups], np.int64)


def choose(
    divisions: Sequence[Sequence[Division]],
    groups: Sequence[Labels],
    photos_of: Callable[[int, Labels], Array],
    others: Strangers | None,
    seed: int,
) -> list[int]:
    """Pick a division for each landmark of a block.

    First the one height for all landmarks that is best by the one-standard-error rule, then landmark by landmark given
    the rest, until nothing changes (at most `SWEEPS` times). What is counted is the share of all landmark photos that are
    nearest to a centroid of their own landmark, with a similarity above the quantiles `SPECIFICITIES` of the
    best similarities of `others`; with and without re-scoring.

    Args:
        divisions: for each of L landmarks the same R heights, from one mean to fine.
        groups: near-duplicate group of each photo [n_l], for the standard error.
        photos_of: gives the unit vectors [k, d] of a landmark's photos [k]; asked once for each landmark.
        others: non-landmark photos; without them (None), the similarity of each photo to the other landmarks takes
            their place.
        seed: of the sample, where a block has more than `MAX_JUDGES` photos.

    Returns:
        position of the chosen division [L].
    """
    judge = _Judge(divisions, groups, photos_of, others, seed)
    landmarks, heights = len(divisions), len(divisions[0])
    costs = np.array([[len(division.vectors) for division in row] for row in divisions])
    if judge.strangers == 0:
        return [0] * landmarks
    uniform = [judge.hits(np.full(landmarks, height)) for height in range(heights)]
    choice = np.full(landmarks, judge.simplest(uniform, costs.sum(0)))
    for _ in range(SWEEPS):
        before = choice.copy()
        for landmark in range(landmarks):
            choice[landmark] = judge.simplest(judge.alternatives(choice, landmark), costs[landmark])
        if (choice == before).all():
            break
    return [int(position) for position in choice]


class _Judge:
    """The similarities by which a block of landmarks is judged: columns [L, R, n + m] over its photos and the others."""

    def __init__(
        self,
        divisions: Sequence[Sequence[Division]],
        groups: Sequence[Labels],
        photos_of: Callable[[int, Labels], Array],
        others: Strangers | None,
        seed: int,
    ) -> None:
        owner = np.repeat(np.arange(len(groups)), [len(rows) for rows in groups])
        place = np.concatenate([np.arange(len(rows)) for rows in groups])
        chosen = _sample(len(owner), np.random.default_rng(abs(seed)))
        self.owner, place = owner[chosen], place[chosen]
        photos = np.concatenate([photos_of(number, place[self.owner == number]) for number in range(len(groups))])
        _, self.group = np.unique(np.stack([self.owner, np.concatenate(groups)[chosen]]), axis=1, return_inverse=True)
        judged = photos if others is None else np.concatenate([photos, others.vectors])
        self.photos, self.others = len(photos), len(judged) - len(photos)
        self.strangers = self.others or (self.photos if len(divisions) > 1 else 0)
        self.bank: Array | None = None
        if others is not None and self.others > 1:
            self.bank = np.concatenate([bank_similarity(photos, others.vectors, NEIGHBOURS), others.near])
        self.columns = np.empty((len(divisions), len(divisions[0]), len(judged)), np.float32)
        for landmark, row in enumerate(divisions):
            own = np.flatnonzero(self.owner == landmark)
            similarity = judged @ np.concatenate([division.vectors for division in row]).T
            starts = np.cumsum([0] + [len(division.vectors) for division in row[:-1]])
            self.columns[landmark] = np.maximum.reduceat(similarity, starts, axis=1).T
            for height, division in enumerate(row):
                self.columns[landmark, height, own] = division.held_out[place[own]]
        self._top: tuple[bytes, Any] = (b"", None)

    def hits(self, choice: Labels) -> Array:
        """For each photo [n] the share of the thresholds at which it is recognised rightly."""
        current = self.columns[np.arange(len(choice)), choice]
        own = current[self.owner, np.arange(self.photos)].copy()
        current[self.owner, np.arange(self.photos)] = -np.inf
        best = current.max(0)
        return self._share(own, best[: self.photos], best[self.photos :])

    def alternatives(self, choice: Labels, landmark: int) -> list[Array]:
        """`hits` for each height of one landmark, with the others' choices as they are."""
        rest, own = self._without(choice, landmark)
        mine = self.owner == landmark
        results = []
        for column in self.columns[landmark]:
            as_rival = np.where(mine, -np.inf, column[: self.photos])
            rival = np.maximum(rest[: self.photos], as_rival)
            sure = np.where(mine, column[: self.photos], own)
            results.append(self._share(sure, rival, np.maximum(rest[self.photos :], column[self.photos :])))
        return results

    def _without(self, choice: Labels, landmark: int) -> tuple[Array, Array]:
        """Best similarity [n + m] to the landmarks that are neither a photo's own nor this one; own similarity [n]."""
        if self._top[0] != choice.tobytes():
            current = self.columns[np.arange(len(choice)), choice]
            own = current[self.owner, np.arange(self.photos)].copy()
            current[self.owner, np.arange(self.photos)] = -np.inf
            first = current.argmax(0)
            best = current[first, np.arange(current.shape[1])].copy()
            current[first, np.arange(current.shape[1])] = -np.inf
            self._top = (choice.tobytes(), (own, first, best, current.max(0)))
        own, first, best, second = self._top[1]
        return np.where(first == landmark, second, best), own

    def _share(self, own: Array, rival: Array, others: Array) -> Array:
        right = own > rival
        share = np.zeros(self.photos, np.float32)
        weights = RESCORE_WEIGHTS if self.bank is not None else (0.0,)
        for weight in weights:
            score, strange = own, np.sort(others if self.others else rival)
            if weight and self.bank is not None:
                score = own - weight * self.bank[: self.photos]
                strange = np.sort(others - weight * self.bank[self.photos :])
            for specificity in SPECIFICITIES:
                position = min(len(strange), math.ceil((len(strange) + 1) * specificity)) - 1
                share += right & (score > strange[position])
        return np.asarray(share / (len(weights) * len(SPECIFICITIES)), np.float32)

    def simplest(self, results: Sequence[Array], costs: NDArray[Any]) -> int:
        """Position of the cheapest result that the best one does not beat by more than a standard error, by group."""
        best = int(np.argmax([result.sum() for result in results]))
        for position in np.argsort(costs, kind="stable"):
            gain = np.bincount(self.group.ravel(), weights=results[best] - results[position])
            if gain.sum() <= math.sqrt(float(((gain - gain.mean()) ** 2).sum())):
                return int(position)
        return best


def _sample(count: int, random: np.random.Generator) -> Labels:
    if count <= MAX_JUDGES:
        return np.arange(count)
    return np.sort(random.choice(count, MAX_JUDGES, replace=False))
