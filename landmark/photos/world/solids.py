"""Solids as arrays: what the painter reads. Lengths are metres."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float, float]


Colour = tuple[float, float, float]


Array = NDArray[np.float64]


class Material(IntEnum):
    """How a face takes the light."""

    WALL = 0
    GLASS = 1
    GOLD = 2
    GLOW = 3


@dataclass(frozen=True)
class Solids:
    """All faces of a model as arrays: what the painter reads.

    Attributes:
        points: corners of all faces, one after another [n, 3], metres.
        start: first corner of each face, and the end [f + 1].
        normals: outward unit normals [f, 3]; zero for lines, which are seen from everywhere.
        albedo: share of light sent back [f, 3].
        material: `Material` of each face [f].
        part: the convex part each face belongs to [f].
        parent: the face that an ornament lies on, or the face itself [f].
        thickness: of lines, metres [f].
        last: faces painted after the rest of their part [f].
        boxes: lowest and highest corner of each part [p, 2, 3].
    """

    points: Array
    start: NDArray[np.intp]
    normals: Array
    albedo: Array
    material: NDArray[np.intp]
    part: NDArray[np.intp]
    parent: NDArray[np.intp]
    last: NDArray[np.bool_]
    thickness: Array
    boxes: Array

    @cached_property
    def centres(self) -> Array:
        """Mean corner of each face [f, 3]."""
        sizes = np.diff(self.start)
        return np.add.reduceat(self.points, self.start[:-1], axis=0) / sizes[:, None]
