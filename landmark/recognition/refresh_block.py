"""The centroids of one block of landmarks: the unit of work, of storage and of retry in a refresh."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from landmark.config import CentroidsConfig
from landmark.network.aspects import Array, Labels, find_aspects, means_at, means_of
from landmark.recognition.blocks import Member
from landmark.recognition.division import CUTS, Division, divide
from landmark.recognition.granularity import Strangers, choose
from landmark.recognition.vectors import check_vectors

FORMAT = 2
"""Raised when the same photos give another result: then nothing that was kept is used."""


@dataclass(frozen=True, eq=False)
class Part:
    """The centroids of one landmark.

    Attributes:
        name: its id.
        vectors: unit vectors [c, d].
        support: photos behind each [c].
        medoid: URI of the photo nearest to each [c].
        cut: height at which it was divided.
    """

    name: str
    vectors: Array
    support: list[int]
    medoid: list[str]
    cut: float


@dataclass(frozen=True, eq=False)
class Kept:
    """What is worth keeping of a landmark's clustering: all divisions, without what follows from them at once.

    Attributes:
        key: sha256 of all that it depends on.
        labels: aspect of each photo at each height [r, n], in canonical order.
        held_out: as of `Division` [r, n].
    """

    key: bytes
    labels: NDArray[np.int32]
    held_out: Array


@dataclass(frozen=True, eq=False)
class Solved:
    """A block's result.

    Attributes:
        parts: one a landmark, in the order of the block.
        kept: the same landmarks' clusterings.
        choice: which division each landmark got [L].
        key: sha256 of all that the choice depends on.
        clustered: landmarks that were clustered now; the others' clusterings were recalled.
    """

    parts: list[Part]
    kept: list[Kept]
    choice: list[int]
    key: bytes
    clustered: int


@dataclass(frozen=True, eq=False)
class Recipe:
    """What is the same for all blocks.

    Attributes:
        settings: linkage, cut, validity, cap.
        seed: of the folds and samples.
        strangers: non-landmark photos, where there are any.
    """

    settings: CentroidsConfig
    seed: int
    strangers: Strangers | None

    @property
    def cuts(self) -> list[float]:
        """Heights at which each landmark is divided."""
        return [multiple * self.settings.cut for multiple in CUTS] if self.settings.earned else [self.settings.cut]

    def key(self) -> bytes:
        """The sha256 of what each landmark's clustering depends on besides its photos."""
        content = {"format": FORMAT, "settings": self.settings.model_dump(mode="json"), "seed": self.seed, "cuts": self.cuts}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).digest()

    def strangers_key(self) -> bytes:
        """The sha256 of the non-landmark photos."""
        return b"" if self.strangers is None else hashlib.sha256(np.ascontiguousarray(self.strangers.vectors).data).digest()


Recall = Callable[[bytes], Kept | None]
RecallChoice = Callable[[bytes], list[int] | None]


def solve(
    block: Sequence[Member],
    embeddings: NDArray[np.floating],
    recipe: Recipe,
    recall: Recall = lambda key: None,
    recall_choice: RecallChoice = lambda key: None,
) -> Solved:
    """Make the centroids of a block.

    Memory is that of one landmark's photos and their distances, or of the sample by which the block is judged.

    Args:
        block: landmarks.
        embeddings: unit vectors [N, d] that the members' rows point into; only those rows are read.
        recipe: settings and non-landmark photos.
        recall: gives what was kept of a clustering under a key, or None.
        recall_choice: the same of the choice of divisions.

    Raises:
        LandmarkError: rows that are no unit vectors.
    """
    # Over several threads, sums depend on how they are shared out: a block comes out the same wherever it is made.
    with threadpool_limits(1):
        orders, groups, kept, divisions, parts, clustered = [], [], [], [], [], 0
        common = recipe.key()
        for member in block:
            rows = _read(embeddings, member)
            order, part = member.in_order(rows)
            rows = rows[order]
            key = _key(common, member.name, rows, part)
            entry = recall(key)
            if entry is None:
                division = _divide(rows, part, recipe, member.name)
                clustered += 1
                entry = Kept(
                    key,
                    np.stack([one.labels for one in division]).astype(np.int32),
                    np.stack([one.held_out for one in division]),
                )
            else:
                division = _recalled(entry, rows, recipe.cuts)
            kept.append(entry)
            if recipe.settings.earned:
                orders.append(order)
                groups.append(part)
                divisions.append(division)
            else:
                parts.append(_part(member, order, rows, division[0]))
        block_key = hashlib.sha256(b"".join([recipe.strangers_key(), *(entry.key for entry in kept)])).digest()
        choice = [0] * len(block)
        if recipe.settings.earned:

            def photos_of(number: int, place: Labels) -> Array:
                return np.asarray(embeddings[block[number].rows[orders[number][place]]], np.float32)

            choice = recall_choice(block_key) or choose(divisions, groups, photos_of, recipe.strangers, recipe.seed)
            for number, member in enumerate(block):
                order = orders[number]
                rows = photos_of(number, np.arange(len(order)))
                parts.append(_part(member, order, rows, divisions[number][choice[number]]))
        return Solved(parts, kept, choice, block_key, clustered)


def _read(embeddings: NDArray[np.floating], member: Member) -> Array:
    rows = np.asarray(embeddings[member.rows])
    return check_vectors(rows, "embeddings of landmark photos", names=member.photos)


def _key(common: bytes, name: str, rows: Array, groups: Labels) -> bytes:
    digest = hashlib.sha256(common)
    encoded = name.encode()
    digest.update(f"{len(encoded)} {rows.shape} ".encode() + encoded)
    digest.update(np.ascontiguousarray(rows).data)
    digest.update(np.ascontiguousarray(groups, np.int64).data)
    return digest.digest()


def _divide(rows: Array, groups: Labels, recipe: Recipe, name: str) -> list[Division]:
    if recipe.settings.earned:
        return divide(rows, groups, recipe.cuts, recipe.settings, name, recipe.seed)
    labels = find_aspects(rows, recipe.settings)
    # Nothing is chosen, so nothing is held out.
    return [Division(recipe.settings.cut, labels, means_of(rows, labels), np.full(len(rows), math.nan, np.float32))]


def _recalled(entry: Kept, rows: Array, cuts: Sequence[float]) -> list[Division]:
    labels = [row.astype(np.int64) for row in entry.labels]
    return [Division(*parts) for parts in zip(cuts, labels, means_at(rows, labels), entry.held_out, strict=True)]


def _part(member: Member, order: Labels, rows: Array, division: Division) -> Part:
    inside = np.flatnonzero(division.labels >= 0)
    aspect = division.labels[inside]
    support = np.bincount(aspect, minlength=len(division.vectors))
    similarity = np.round((rows @ division.vectors.T)[inside, aspect], 6)
    best = np.full(len(support), -np.inf, np.float32)
    np.maximum.at(best, aspect, similarity)
    nearest = similarity == best[aspect]
    medoid: dict[int, str] = {}
    for number, place in zip(aspect[nearest].tolist(), order[inside[nearest]].tolist(), strict=True):
        photo = str(member.photos[place])
        medoid[number] = min(photo, medoid.get(number, photo))
    return Part(member.name, division.vectors, support.tolist(), [medoid[n] for n in range(len(support))], division.cut)
