"""Solids under construction: convex parts with ornament on their faces.

Lengths are metres. x runs along the front, y into the depth (the front looks towards -y), z upwards.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from landmark.photos.world.solids import Colour, Material, Point, Solids


class Panel:
    """A four-sided face on which ornament is placed in its own metres: u to the right, v upwards, seen from outside."""

    def __init__(self, model: Model, face: int, corners: Sequence[Point], normal: Point) -> None:
        self.model, self.face, self.normal = model, face, normal
        self.corners = corners
        self.width = max(math.dist(corners[0], corners[1]), math.dist(corners[3], corners[2]))
        self.height = (math.dist(corners[0], corners[3]) + math.dist(corners[1], corners[2])) / 2

    def at(self, u: float, v: float) -> Point:
        """The point in space at u, v metres; bilinear between the corners."""
        s, t = u / self.width, v / self.height
        a, b, c, d = self.corners
        wa, wb, wc, wd = (1 - s) * (1 - t), s * (1 - t), s * t, (1 - s) * t
        return (
            wa * a[0] + wb * b[0] + wc * c[0] + wd * d[0],
            wa * a[1] + wb * b[1] + wc * c[1] + wd * d[1],
            wa * a[2] + wb * b[2] + wc * c[2] + wd * d[2],
        )

    def add(self, outline: Sequence[tuple[float, float]], colour: Colour, material: Material = Material.WALL) -> None:
        """Paint a polygon given in u, v metres onto the panel."""
        self.model.face([self.at(u, v) for u, v in outline], self.normal, colour, material, on=self.face)

    def rectangle(
        self, u: float, v: float, width: float, height: float, colour: Colour, material: Material = Material.WALL
    ) -> None:
        """Paint a rectangle whose lower left corner is at u, v."""
        self.add([(u, v), (u + width, v), (u + width, v + height), (u, v + height)], colour, material)


class Model:
    """A building under construction: parts are added one after another; `solids()` freezes them."""

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._start = [0]
        self._normals: list[Point] = []
        self._albedo: list[Colour] = []
        self._material: list[int] = []
        self._part: list[int] = []
        self._parent: list[int] = []
        self._last: list[bool] = []
        self._thickness: list[float] = []
        self._parts = 0

    def part(self) -> None:
        """Begin a convex part; faces added from here on belong to it."""
        self._parts += 1

    def face(
        self,
        points: Sequence[Point],
        normal: Point,
        colour: Colour,
        material: Material = Material.WALL,
        on: int | None = None,
        last: bool = False,
    ) -> int:
        """Add one face to the current part and return its number."""
        number = len(self._part)
        self._points.extend(points)
        self._start.append(len(self._points))
        self._normals.append(normal)
        self._albedo.append(colour)
        self._material.append(int(material))
        self._part.append(self._parts - 1)
        self._parent.append(number if on is None else on)
        self._last.append(last if on is None else self._last[on])
        self._thickness.append(0.0)
        return number

    def line(
        self, start: Point, end: Point, colour: Colour, material: Material = Material.WALL, thickness: float = 0.7
    ) -> None:
        """A cable or a bar of a thickness in metres, as a part of its own."""
        self.part()
        self.face([start, end], (0.0, 0.0, 0.0), colour, material)
        self._thickness[-1] = thickness

    def quad(self, corners: Sequence[Point], colour: Colour, material: Material = Material.WALL) -> Panel:
        """A face of four corners, counter-clockwise from outside, in the current part."""
        normal = _normal(corners)
        return Panel(self, self.face(corners, normal, colour, material), corners, normal)

    def box(
        self, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], colour: Colour, top: Colour | None = None
    ) -> Sides:
        """An upright box; returns its four walls for ornament."""
        return self.frustum((x[0], x[1], y[0], y[1]), (x[0], x[1], y[0], y[1]), z, colour, top)

    def frustum(
        self,
        base: tuple[float, float, float, float],
        top: tuple[float, float, float, float],
        z: tuple[float, float],
        colour: Colour,
        cap: Colour | None = None,
    ) -> Sides:
        """A part between two rectangles (x0, x1, y0, y1) at two heights: tower, roof, pyramid, spire."""
        self.part()
        (a0, a1, b0, b1), (c0, c1, d0, d1) = base, top
        low, high = z
        bottom: list[Point] = [(a0, b0, low), (a1, b0, low), (a1, b1, low), (a0, b1, low)]
        upper: list[Point] = [(c0, d0, high), (c1, d0, high), (c1, d1, high), (c0, d1, high)]
        walls = [self.quad([bottom[i], bottom[(i + 1) % 4], upper[(i + 1) % 4], upper[i]], colour) for i in range(4)]
        if c1 - c0 > 1e-6 and d1 - d0 > 1e-6:
            self.face(upper, (0.0, 0.0, 1.0), cap or colour)
        # Eaves are seen from below.
        self.face(bottom[::-1], (0.0, 0.0, -1.0), tuple(0.6 * value for value in colour))  # type: ignore[arg-type]
        return Sides(*walls)

    def gable(
        self, x: tuple[float, float], y: tuple[float, float], z: tuple[float, float], along: str, roof: Colour, wall: Colour
    ) -> Sides:
        """A pitched roof whose ridge runs along 'x' or 'y'; returns its four sides (two of them triangles)."""
        middle_x, middle_y = (x[0] + x[1]) / 2, (y[0] + y[1]) / 2
        ridge = (x[0], x[1], middle_y, middle_y) if along == "x" else (middle_x, middle_x, y[0], y[1])
        self.part()
        low, high = z
        corners: list[Point] = [(x[0], y[0], low), (x[1], y[0], low), (x[1], y[1], low), (x[0], y[1], low)]
        upper: list[Point] = [
            (ridge[0], ridge[2], high),
            (ridge[1], ridge[2], high),
            (ridge[1], ridge[3], high),
            (ridge[0], ridge[3], high),
        ]
        colours = (roof, wall, roof, wall) if along == "x" else (wall, roof, wall, roof)
        return Sides(
            *(self.quad([corners[i], corners[(i + 1) % 4], upper[(i + 1) % 4], upper[i]], colours[i]) for i in range(4))
        )

    def revolve(
        self,
        centre: tuple[float, float],
        profile: Sequence[tuple[float, float]],
        colour: Colour,
        segments: int = 14,
        arc: tuple[float, float] = (0.0, 360.0),
        material: Material = Material.WALL,
        second: Colour | None = None,
    ) -> list[list[Panel]]:
        """A surface of revolution from a profile of (radius, z), upwards: dome, column, cone, round tower.

        Args:
            centre: x, y of the axis.
            profile: radius and height, lowest first.
            colour: albedo; `second` alternates with it from segment to segment.
            segments: facets in the whole circle or the arc.
            arc: first and last angle in degrees, 0 towards +x, 90 towards +y.
            material: how it takes the light.
            second: albedo of every other segment.

        Returns:
            The facets as panels [rings][segments].
        """
        self.part()
        angles = [math.radians(arc[0] + (arc[1] - arc[0]) * i / segments) for i in range(segments + 1)]
        circle = [(math.cos(angle), math.sin(angle)) for angle in angles]
        rings = []
        for (r0, z0), (r1, z1) in itertools.pairwise(profile):
            ring = []
            for i, ((c0, s0), (c1, s1)) in enumerate(itertools.pairwise(circle)):
                corners = [
                    (centre[0] + r0 * c0, centre[1] + r0 * s0, z0),
                    (centre[0] + r0 * c1, centre[1] + r0 * s1, z0),
                    (centre[0] + r1 * c1, centre[1] + r1 * s1, z1),
                    (centre[0] + r1 * c0, centre[1] + r1 * s0, z1),
                ]
                ring.append(self.quad(corners, second if second and i % 2 else colour, material))
            rings.append(ring)
        radius, height = profile[-1]
        if radius > 1e-6:
            self.face([(centre[0] + radius * c, centre[1] + radius * s, height) for c, s in circle], (0.0, 0.0, 1.0), colour)
        return rings

    def extrude(
        self,
        outline: Sequence[tuple[float, float]],
        along: str,
        span: tuple[float, float],
        colour: Colour,
        inner: Colour | None = None,
    ) -> tuple[int, int]:
        """A slab with any outline (may be notched from below, as an arch is): (u, z) pushed along 'y' or 'x'.

        Args:
            outline: corners, counter-clockwise in the (u, z) plane.
            along: 'y': u is x; 'x': u is y.
            span: where it begins and ends.
            colour: albedo of the two caps.
            inner: albedo of the faces between the caps.

        Returns:
            Numbers of the faces at the low and the high end.
        """
        self.part()

        def place(u: float, w: float, z: float) -> Point:
            return (u, w, z) if along == "y" else (w, u, z)

        low = [place(u, span[0], z) for u, z in outline]
        high = [place(u, span[1], z) for u, z in outline]
        for i in range(len(outline)):
            j = (i + 1) % len(outline)
            corners = [low[j], low[i], high[i], high[j]] if along == "y" else [low[i], low[j], high[j], high[i]]
            normal = _normal(corners)
            self.face(corners, normal, inner or colour)
        towards = place(0.0, -1.0, 0.0)
        away = place(0.0, 1.0, 0.0)
        return self.face(low, towards, colour, last=True), self.face(high[::-1], away, colour, last=True)

    def solids(self) -> Solids:
        """The model as arrays."""
        points = np.array(self._points, dtype=np.float64).reshape(-1, 3)
        start = np.array(self._start, dtype=np.intp)
        part = np.array(self._part, dtype=np.intp)
        owner = np.repeat(part, np.diff(start))
        boxes = np.empty((self._parts, 2, 3))
        order = np.argsort(owner, kind="stable")
        first = np.searchsorted(owner[order], np.arange(self._parts))
        boxes[:, 0] = np.minimum.reduceat(points[order], first, axis=0)
        boxes[:, 1] = np.maximum.reduceat(points[order], first, axis=0)
        return Solids(
            points=points,
            start=start,
            normals=np.array(self._normals, dtype=np.float64),
            albedo=np.array(self._albedo, dtype=np.float64),
            material=np.array(self._material, dtype=np.intp),
            part=part,
            parent=np.array(self._parent, dtype=np.intp),
            last=np.array(self._last, dtype=bool),
            thickness=np.array(self._thickness, dtype=np.float64),
            boxes=boxes,
        )


@dataclass(frozen=True)
class Sides:
    """The four walls of an upright part."""

    front: Panel
    right: Panel
    back: Panel
    left: Panel

    def __iter__(self) -> Iterator[Panel]:
        """Front, right, back, left."""
        return iter((self.front, self.right, self.back, self.left))


def _normal(corners: Sequence[Point]) -> Point:
    """Unit normal of a polygon by Newell's method, which also holds where two corners coincide."""
    x = y = z = 0.0
    for (ax, ay, az), (bx, by, bz) in zip(corners, [*corners[1:], corners[0]], strict=True):
        x += (ay - by) * (az + bz)
        y += (az - bz) * (ax + bx)
        z += (ax - bx) * (ay + by)
    length = math.sqrt(x * x + y * y + z * z) or 1.0
    return (x / length, y / length, z / length)
