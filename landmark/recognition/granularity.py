"""How finely each landmark is divided into aspects, judged by photos that did not place the centroids.

Several centroids match more of a landmark, but each is also one more thing that an unrelated photo can resemble. So a
landmark gets a finer division only where photos held out of the clustering are recognised more often at thresholds that
non-landmark photos set; the simpler division is kept unless the finer one wins by more than its standard error (the
one-standard-error rule of Breiman et al., "Classification and Regression Trees", 1984).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.network.aspects import Array, Labels, canonical_order
from landmark.recognition.calibration import bank_similarity
from landmark.recognition.division import Division

SPECIFICITIES = (0.98, 0.99, 0.995)
"""Thresholds at which a division is judged; several, since one quantile of a few hundred photos is noisy."""
RESCORE_WEIGHTS = (0.0, 0.5)
"""Whether re-scoring will be used is decided later (calibration), so a division must do well with and without it."""
NEIGHBOURS = 5
SWEEPS = 3
TOGETHER = 4
"""Landmarks whose centroids are compared with the judging photos at once: one by one is slower, more take memory."""
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
    judge = Judge(divisions, groups, photos_of, others, seed)
    landmarks, heights = len(divisions), len(divisions[0])
    costs = np.array([[len(division.vectors) for division in row] for row in divisions])
    if judge.strangers == 0:
        return [0] * landmarks
    uniform = [judge.hits(np.full(landmarks, height)) for height in range(heights)]
    choice = np.full(landmarks, judge.simplest(uniform, costs.sum(0)))
    settled = 0
    for landmark, results in chain.from_iterable(judge.alternatives(choice) for _ in range(SWEEPS)):
        best = judge.simplest(results, costs[landmark])
        settled = settled + 1 if best == choice[landmark] else 0
        choice[landmark] = best
        if settled == landmarks:
            break
    return [int(position) for position in choice]


class Judge:
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
        # Photos stand landmark by landmark.
        ends = np.searchsorted(self.owner, np.arange(len(groups) + 1)).tolist()
        self.own = [slice(*pair) for pair in pairwise(ends)]
        part = np.concatenate(groups)[chosen]
        self.group = pd.factorize(self.owner * (int(part.max(initial=0)) + 1) + part)[0]
        self.photos, self.others = len(photos), 0 if others is None else len(others.vectors)
        self.strangers = self.others or (self.photos if len(divisions) > 1 else 0)
        self.bank: Array | None = None
        if others is not None and self.others > 1:
            self.bank = np.concatenate([bank_similarity(photos, others.vectors, NEIGHBOURS), others.near])
        # Photo after photo along a row, so that the largest of several rows is found many photos at a time.
        judged = np.ascontiguousarray((photos if others is None else np.concatenate([photos, others.vectors])).T)
        self.columns = np.empty((len(divisions), len(divisions[0]), judged.shape[1]), np.float32)
        for start in range(0, len(divisions), TOGETHER):
            some = list(chain.from_iterable(divisions[start : start + TOGETHER]))
            vectors, members = _distinct(some)
            similarity = vectors @ judged
            columns = self.columns[start : start + TOGETHER].reshape(len(some), -1)
            for column, (first, *more) in zip(columns, members, strict=True):
                column[:] = similarity[first]
                for number in more:
                    np.maximum(column, similarity[number], out=column)
        for landmark, (row, own) in enumerate(zip(divisions, self.own, strict=True)):
            self.columns[landmark, :, own] = np.stack([division.held_out[place[own]] for division in row])

    def hits(self, choice: Labels) -> Array:
        """For each photo [n] the share of the thresholds at which it is recognised rightly."""
        best = np.full(self.columns.shape[2], -np.inf, np.float32)
        for column, mine in self._chosen(choice):
            _add_rival(best, column, mine, best)
        return self._share(self._own(choice), best[: self.photos], best[self.photos :])

    def alternatives(self, choice: Labels) -> Iterator[tuple[int, list[Array]]]:
        """`hits` for each height of a landmark, for one landmark after another, with the others' choices as they are then.

        Args:
            choice: division of each landmark [L]; may be changed for those that have been given.
        """
        own, chosen = self._own(choice), self._chosen(choice)
        # The best of all later landmarks; that of the earlier ones grows on the way, with what was chosen for them.
        after = np.full((len(chosen) + 1, self.columns.shape[2]), -np.inf, np.float32)
        for landmark in reversed(range(len(chosen))):
            _add_rival(after[landmark + 1], *chosen[landmark], after[landmark])
        before = after[-1].copy()
        for landmark, (columns, mine) in enumerate(zip(self.columns, self.own, strict=True)):
            rest = np.maximum(before, after[landmark + 1])
            results = []
            for column in columns:
                own[mine] = column[mine]
                rival = np.empty_like(rest)
                _add_rival(rest, column, mine, rival)
                results.append(self._share(own, rival[: self.photos], rival[self.photos :]))
            yield landmark, results
            own[mine] = columns[choice[landmark], mine]
            _add_rival(before, columns[choice[landmark]], mine, before)

    def _chosen(self, choice: Labels) -> list[tuple[Array, slice]]:
        """Of each landmark [L]: the similarities [n + m] by its division, and which of them are its own photos."""
        return [(columns[height], mine) for columns, height, mine in zip(self.columns, choice, self.own, strict=True)]

    def _own(self, choice: Labels) -> Array:
        """Similarity [n] of each photo to its own landmark."""
        return np.concatenate([column[mine] for column, mine in self._chosen(choice)])

    def _share(self, own: Array, rival: Array, others: Array) -> Array:
        right = own > rival
        share = np.zeros(self.photos, np.uint8)
        weights = RESCORE_WEIGHTS if self.bank is not None else (0.0,)
        for weight in weights:
            score, strange = own, np.sort(others if self.others else rival)
            if weight and self.bank is not None:
                score = own - weight * self.bank[: self.photos]
                strange = np.sort(others - weight * self.bank[self.photos :])
            for specificity in SPECIFICITIES:
                position = min(len(strange), math.ceil((len(strange) + 1) * specificity)) - 1
                share += score > strange[position]
        share *= right
        return np.asarray(share / np.float32(len(weights) * len(SPECIFICITIES)), np.float32)

    def simplest(self, results: Sequence[Array], costs: NDArray[Any]) -> int:
        """Position of the cheapest result that the best one does not beat by more than a standard error, by group."""
        best = int(np.argmax([result.sum() for result in results]))
        for position in np.argsort(costs, kind="stable"):
            gain = np.bincount(self.group, weights=results[best] - results[position])
            if gain.sum() <= math.sqrt(float(((gain - gain.mean()) ** 2).sum())):
                return int(position)
        return best


def _add_rival(best: Array, column: Array, own: slice, out: Array) -> None:
    """The larger of `best` and a landmark's similarities [n + m], but for its own photos."""
    kept = best[own].copy()
    np.maximum(best, column, out=out)
    out[own] = kept


def _distinct(divisions: Sequence[Division]) -> tuple[Array, list[list[int]]]:
    """The different ones among the means of all divisions [u, d], for most occur in several, and which each has."""
    number: dict[bytes, int] = {}
    members = [[number.setdefault(row.tobytes(), len(number)) for row in division.vectors] for division in divisions]
    return np.frombuffer(b"".join(number), np.float32).reshape(len(number), -1), members


def _sample(count: int, random: np.random.Generator) -> Labels:
    if count <= MAX_JUDGES:
        return np.arange(count)
    return np.sort(random.choice(count, MAX_JUDGES, replace=False))
