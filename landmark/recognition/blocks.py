"""The photos of each landmark, and which landmarks are judged together."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.network.aspects import Array, Labels, canonical_order

BLOCK = 32
"""Landmarks that are judged together, at most on average: bounds the memory, and what a changed landmark brings with it."""


@dataclass(frozen=True, eq=False)
class Member:
    """One landmark of a block.

    Attributes:
        name: its id.
        rows: of the embeddings, its photos [n].
        photos: URIs [n], of whatever type they were given as.
        groups: near-duplicate group of each photo [n]; None: each photo is its own.
    """

    name: str
    rows: Labels
    photos: NDArray[Any]
    groups: Labels | None

    def in_order(self, embeddings: Array) -> tuple[Labels, Labels]:
        """What makes the result independent of the order of the photos.

        Args:
            embeddings: unit vectors [n, d] of its photos, in the order of `rows`.

        Returns:
            the canonical order [n]; the groups [n] in that order, numbered as they come up.
        """
        if self.groups is None:
            return canonical_order(embeddings), np.arange(len(embeddings))
        # Sorted by group first, for photos with one embedding may be of different groups.
        by_group = np.argsort(self.groups, kind="stable")
        order = by_group[canonical_order(embeddings[by_group])]
        return order, pd.factorize(self.groups[order])[0].astype(np.int64)


def make_blocks(
    count: int,
    landmark: Sequence[str] | NDArray[Any],
    photos: Sequence[str] | NDArray[Any] | None,
    groups: Sequence[Any] | NDArray[Any] | None,
) -> list[list[Member]]:
    """Divide landmarks into blocks, each sorted by id.

    A landmark's block follows from a hash of its id alone, and the number of blocks is a power of two: landmarks that come
    or go change their own block, and not those of the others, until their number has doubled.

    Args:
        count: number n of embeddings.
        landmark: id of each photo's landmark [n].
        photos: URI of each [n]; without (None), the row number stands for it.
        groups: near-duplicate group of each photo [n].

    Raises:
        LandmarkError: lengths that do not match, a photo without a landmark, an id that is not Unicode text.
    """
    for what, values in (("landmark ids", landmark), ("photos", photos), ("groups", groups)):
        if values is not None and len(values) != count:
            raise LandmarkError(f"centroids: {count} embeddings but {len(values)} {what}; give one a photo")
    codes, names = _numbered(landmark)
    for name in names:
        if name == "":
            raise LandmarkError("centroids: a photo without a landmark; give non-landmark photos as 'others'")
        try:
            name.encode()
        except UnicodeEncodeError:
            raise LandmarkError(f"centroids: landmark id '{shown(name)}' is not Unicode text; rename it") from None
    uris = np.arange(count) if photos is None else _array(photos)
    part = None if groups is None else _numbered(groups)[0]
    order = np.argsort(codes, kind="stable")
    rows = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    size = 1 << max(0, math.ceil(math.log2(max(len(names), 1) / BLOCK)))
    blocks: list[list[Member]] = [[] for _ in range(size)]
    for name, own in zip(names, rows, strict=False):
        member = Member(str(name), own, uris[own], None if part is None else part[own])
        blocks[int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % size].append(member)
    return [block for block in blocks if block]


def _numbered(values: Sequence[Any] | NDArray[Any]) -> tuple[Labels, NDArray[np.object_]]:
    """The number of each value [n] among the sorted different ones, as text; and these."""
    array = _array(values)
    texts = array if array.dtype.kind == "U" else np.array([str(value) for value in array], object)
    # Millions of photos stand landmark by landmark as a rule: then only the first of each run is looked up.
    starts = np.flatnonzero(np.concatenate([[True], texts[1:] != texts[:-1]])) if len(texts) else np.zeros(0, np.int64)
    codes, names = pd.factorize(texts[starts].astype(object), sort=True)
    return np.repeat(codes.astype(np.int64), np.diff(starts, append=len(texts))), names


def _array(values: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
    if isinstance(values, np.ndarray):
        return values
    array = np.empty(len(values), object)
    array[:] = values
    return array
