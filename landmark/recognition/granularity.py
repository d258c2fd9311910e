"""How finely each landmark is divided into aspects, judged by photos that did not place the centroids.

Several centroids match more of a landmark, but each is also one more thing that an unrelated photo can resemble. So a
landmark gets a finer division only where photos held out of the clustering are recognised more often at thresholds that
non-landmark photos set; the simpler division is kept unless the finer one wins by more than its standard error (the
one-standard-error rule of Breiman et al., "Classification and Regression Trees", 1984).
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landmark.config import CentroidsConfig
from landmark.network.aspects import Array, Labels, canonical_order, find_aspects_at, means_of
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
BLOCK = 128
"""Landmarks that are judged together; bounds the memory, whatever the number of landmarks."""
MAX_JUDGES = 20_000
"""Photos (and as many non-landmarks at most) by which a block is judged."""


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
    labels = find_aspects_at(embeddings, cuts, settings)
    vectors = [means_of(embeddings, found) for found in labels]
    held_out = np.stack([(embeddings @ means.T).max(1) for means in vectors])
    fold = _folds(embeddings, groups, key, seed)
    for number in range(int(fold.max(initial=-1)) + 1):
        out = fold == number
        if out.all():
            break
        for row, found in enumerate(find_aspects_at(embeddings[~out], cuts, settings)):
            held_out[row, out] = (embeddings[out] @ means_of(embeddings[~out], found).T).max(1)
    return [Division(cut, *parts) for cut, *parts in zip(cuts, labels, vectors, held_out, strict=True)]


def _folds(embeddings: Array, groups: Labels, key: str, seed: int) -> Labels:
    """Fold of each photo [n]: whole groups, shuffled by the seed, each put into the smallest fold so far."""
    # Shuffled from an order of their own, so that the order of the photos does not matter.
    order = canonical_order(embeddings)
    names, first = np.unique(groups[order], return_index=True)
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
    embeddings: Sequence[Array],
    groups: Sequence[Labels],
    others: Array | None,
    seed: int,
) -> list[int]:
    """Pick a division for each landmark of a block.

    First the one height for all landmarks that is best by the one-standard-error rule, then landmark by landmark given
    the rest, until nothing changes (at most `SWEEPS` times). What is counted is the share of all landmark photos that are
    nearest to a centroid of their own landmark, with a similarity above the quantiles `SPECIFICITIES` of the
    best similarities of `others`; with and without re-scoring.

    Args:
        divisions: for each of L landmarks the same R heights, from one mean to fine.
        embeddings: unit vectors [n_l, d] of each landmark.
        groups: near-duplicate group of each photo [n_l], for the standard error.
        others: unit vectors [m, d] of non-landmark photos; without them (None), the similarity
            of each photo to the other landmarks takes their place.
        seed: of the sample, where a block has more than `MAX_JUDGES` photos.

    Returns:
        position of the chosen division [L].
    """
    judge = _Judge(divisions, embeddings, groups, others, seed)
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
        embeddings: Sequence[Array],
        groups: Sequence[Labels],
        others: Array | None,
        seed: int,
    ) -> None:
        random = np.random.default_rng(abs(seed))
        owner = np.repeat(np.arange(len(embeddings)), [len(rows) for rows in embeddings])
        place = np.concatenate([np.arange(len(rows)) for rows in embeddings])
        chosen = _sample(len(owner), random)
        self.owner = owner[chosen]
        photos = np.concatenate(embeddings)[chosen]
        _, self.group = np.unique(np.stack([self.owner, np.concatenate(groups)[chosen]]), axis=1, return_inverse=True)
        judged = photos if others is None else np.concatenate([photos, others[_sample(len(others), random)]])
        self.photos, self.others = len(photos), len(judged) - len(photos)
        self.strangers = self.others or (self.photos if len(divisions) > 1 else 0)
        self.bank = _both(photos, judged[len(photos) :]) if self.others > 1 else None
        self.columns = np.empty((len(divisions), len(divisions[0]), len(judged)), np.float32)
        for landmark, row in enumerate(divisions):
            own = np.flatnonzero(self.owner == landmark)
            similarity = judged @ np.concatenate([division.vectors for division in row]).T
            starts = np.cumsum([0] + [len(division.vectors) for division in row[:-1]])
            self.columns[landmark] = np.maximum.reduceat(similarity, starts, axis=1).T
            for height, division in enumerate(row):
                self.columns[landmark, height, own] = division.held_out[place[chosen][own]]
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


def _both(photos: Array, others: Array) -> Array:
    """Mean similarity [n + m] of photos and of the others themselves to the nearest others."""
    return np.concatenate(
        [bank_similarity(photos, others, NEIGHBOURS), bank_similarity(others, others, NEIGHBOURS, itself=True)]
    )
