"""From solids to pixels: a camera, light, and the painter's algorithm with an exact order for parts that do not overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from landmark.photos.world.solids import Array, Material, Solids

NEAR = 0.25


@dataclass(frozen=True)
class Camera:
    """A pinhole camera.

    Attributes:
        position: where it stands [3], metres.
        axes: rows: right, down, forward [3, 3].
        focal: focal length, pixels.
        centre: principal point x, y, pixels.
        size: side of the picture, pixels.
    """

    position: Array
    axes: Array
    focal: float
    centre: tuple[float, float]
    size: int

    @classmethod
    def looking(cls, position: Array, target: Array, size: int, focal: float, roll: float = 0.0) -> Camera:
        """A camera at `position` that looks at `target`, rolled by so many degrees."""
        forward = target - position
        forward = forward / np.linalg.norm(forward)
        right = np.cross(forward, np.array([0.0, 0.0, 1.0]))
        right /= np.linalg.norm(right)
        down = np.cross(forward, right)
        c, s = math.cos(math.radians(roll)), math.sin(math.radians(roll))
        axes = np.stack([c * right + s * down, -s * right + c * down, forward])
        return cls(position, axes, focal, (size / 2, size / 2), size)

    @classmethod
    def framing(
        cls, position: Array, target: Array, corners: Array, size: int, fill: float, shift: tuple[float, float], roll: float
    ) -> Camera:
        """A camera whose focal length makes `corners` [n, 3] fill a share of the picture, moved by a share of it."""
        camera = cls.looking(position, target, size, 1.0, roll)
        seen = camera.local(corners)
        flat = seen[:, :2] / np.maximum(seen[:, 2:], NEAR)
        low, high = flat.min(axis=0), flat.max(axis=0)
        focal = fill * size / max(high - low)
        middle = (low + high) / 2 * focal
        return cls(
            camera.position,
            camera.axes,
            float(focal),
            (size * (0.5 + shift[0]) - float(middle[0]), size * (0.5 + shift[1]) - float(middle[1])),
            size,
        )

    def local(self, points: Array) -> Array:
        """Points in the camera's axes [n, 3]: right, down, forward, metres."""
        return np.asarray((points - self.position) @ self.axes.T)

    def project(self, points: Array) -> Array:
        """Points on the picture [n, 2], pixels (points behind the camera land somewhere: clip first)."""
        seen = self.local(points)
        return self.flatten(seen)

    def flatten(self, seen: Array) -> Array:
        """Points in the camera's axes [n, 3] onto the picture [n, 2]."""
        return np.asarray(seen[:, :2] * (self.focal / np.maximum(seen[:, 2:], NEAR / 2)) + np.array(self.centre))

    @property
    def horizon(self) -> float:
        """Row of the horizon in the middle of the picture, pixels."""
        ahead = self.axes[2].copy()
        ahead[2] = 0.0
        return float(self.project((self.position + 1e6 * ahead / np.linalg.norm(ahead))[None])[0, 1])


@dataclass(frozen=True)
class Light:
    """What shines on a scene. Colours are RGB, 1 = full white.

    Attributes:
        sun: direction towards the sun [3], unit.
        sun_colour: direct light.
        sky: light from above.
        bounce: light from the ground.
        haze: colour that distance fades to, and how fast [1/m].
        flood: light of floodlights at the foot of a building; fades with height.
        flood_height: height at which it has fallen to 37 %, metres.
        lit: share of windows with light behind them.
        lamp: colour of that light.
        glass: what a dark window mirrors.
    """

    sun: Array
    sun_colour: Array
    sky: Array
    bounce: Array
    haze: Array
    haze_rate: float = 0.0
    flood: Array = field(default_factory=lambda: np.zeros(3))
    flood_height: float = 30.0
    lit: float = 0.0
    lamp: Array = field(default_factory=lambda: np.array([1.0, 0.82, 0.45]))
    glass: Array = field(default_factory=lambda: np.array([0.45, 0.55, 0.65]))


def shade(solids: Solids, camera: Camera, light: Light, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Colour of each face [f, 3], 0-255."""
    normals, albedo = solids.normals, solids.albedo.copy()
    facing = np.clip(normals @ light.sun, 0.0, 1.0)[:, None]
    upward = normals[:, 2:]
    glass = solids.material == Material.GLASS
    mirrored = rng.uniform(0.75, 1.25, (int(glass.sum()), 1))
    albedo[glass] = albedo[glass] * 0.55 + light.glass * (0.30 + 0.15 * upward[glass]) * mirrored
    colour = albedo * (light.sky * (0.62 + 0.38 * upward) + light.bounce * (0.38 - 0.38 * upward) + light.sun_colour * facing)
    gold = solids.material == Material.GOLD
    colour[gold] = colour[gold] * 1.1 + 0.35 * light.sun_colour * facing[gold] ** 5
    if light.flood.any():
        height = np.exp(-np.clip(solids.centres[:, 2:], 0.0, None) / light.flood_height)
        colour += albedo * light.flood * (0.35 + 0.65 * height) * (1.0 - 0.35 * np.abs(upward))
    if light.lit > 0:
        lamps = glass & (rng.random(len(glass)) < light.lit)
        colour[lamps] = light.lamp * rng.uniform(0.75, 1.15, (int(lamps.sum()), 1))
    glow = solids.material == Material.GLOW
    colour[glow] = solids.albedo[glow]
    if light.haze_rate > 0:
        distance = np.linalg.norm(solids.centres - camera.position, axis=1)[:, None]
        kept = np.exp(-distance * light.haze_rate)
        colour = colour * kept + light.haze * (1 - kept)
    # A soft shoulder keeps sunlit white walls from burning out.
    colour = np.where(colour > 0.8, 0.8 + 0.2 * np.tanh((colour - 0.8) / 0.4), colour)
    return np.asarray(np.clip(colour * 255, 0, 255), dtype=np.uint8)


def part_order(boxes: Array, eye: Array) -> list[int]:
    """Parts from the hindmost to the foremost, seen from `eye`; exact where their boxes [p, 2, 3] do not overlap.

    Two boxes apart along an axis: the one on the eye's side of the plane between them can't be hidden by the other.
    """
    low, high = boxes[:, 0], boxes[:, 1]
    slack = 1e-6
    beyond = (high[:, None] <= low[None] + slack) & (eye >= high[:, None] - slack)
    before = (low[:, None] >= high[None] - slack) & (eye <= low[:, None] + slack)
    # hides[a, b]: a may cover b.
    hides: NDArray[np.bool_] = np.logical_not(np.any(beyond | before, axis=2))
    np.fill_diagonal(hides, False)
    hides &= ~hides.T
    waiting = hides.sum(axis=1)
    distance = np.linalg.norm((low + high) / 2 - eye, axis=1)
    left = np.ones(len(boxes), dtype=bool)
    order: list[int] = []
    for _ in range(len(boxes)):
        rank = np.where(left, distance - 1e6 * waiting, -np.inf)
        chosen = int(rank.argmax())
        order.append(chosen)
        left[chosen] = False
        waiting = waiting - hides[:, chosen]
    return order


def paint(
    image: Image.Image,
    solids: Solids,
    camera: Camera,
    light: Light,
    rng: np.random.Generator,
    ordered: bool = True,
    mask: Image.Image | None = None,
) -> None:
    """Draw solids onto a picture (and their silhouette onto a mask).

    Args:
        image: RGB, drawn on.
        solids: what to draw.
        camera: from where.
        light: in which light.
        rng: which windows are lit, which mirror the sky.
        ordered: sort by distance; False: as they were added (ground, walls of a room).
        mask: L, gets 255 where solids are.
    """
    colours = shade(solids, camera, light, rng).tolist()
    seen = camera.local(solids.points)
    flat = camera.flatten(seen)
    start = solids.start
    lines = np.diff(start) == 2
    first = solids.points[start[:-1]]
    visible = (np.einsum("ij,ij->i", camera.position - first, solids.normals) > 1e-9) | lines
    depth = np.add.reduceat(seen[:, 2], start[:-1]) / np.diff(start)
    nearest = np.minimum.reduceat(seen[:, 2], start[:-1])
    furthest = np.maximum.reduceat(seen[:, 2], start[:-1])
    visible &= visible[solids.parent] & (furthest > NEAR)
    low = np.minimum.reduceat(flat, start[:-1], axis=0)
    high = np.maximum.reduceat(flat, start[:-1], axis=0)
    visible &= ((high >= 0) & (low <= camera.size)).all(axis=1) | (nearest <= NEAR)
    if ordered:
        rank = np.empty(len(solids.boxes))
        rank[part_order(solids.boxes, camera.position)] = np.arange(len(solids.boxes))
        sequence = np.lexsort((np.arange(len(depth)), solids.parent, -depth[solids.parent], solids.last, rank[solids.part]))
    else:
        sequence = np.arange(len(depth))
    sequence = sequence[visible[sequence]]
    draw = ImageDraw.Draw(image)
    outline = ImageDraw.Draw(mask) if mask is not None else None
    points = flat.tolist()
    for face in sequence.tolist():
        begin, end = start[face], start[face + 1]
        if nearest[face] <= NEAR:
            clipped = _clip(seen[begin:end])
            if len(clipped) < 3:
                continue
            corners = [tuple(point) for point in camera.flatten(clipped).tolist()]
        else:
            corners = [tuple(point) for point in points[begin:end]]
        colour = tuple(colours[face])
        if lines[face]:
            width = max(1, round(float(solids.thickness[face]) * camera.focal / max(depth[face], 1.0)))
            draw.line(corners, fill=colour, width=width)
            if outline:
                outline.line(corners, fill=255, width=width)
        else:
            draw.polygon(corners, fill=colour)
            if outline and solids.parent[face] == face:
                outline.polygon(corners, fill=255)


def ground_shadow(solids: Solids, camera: Camera, light: Light, blur: float) -> Image.Image:
    """Where the solids keep the sun off the ground (z = 0): an L mask, 255 in the shade."""
    shadow = Image.new("L", (camera.size, camera.size))
    if light.sun[2] < 0.05 or not light.sun_colour.any():
        return shadow
    draw = ImageDraw.Draw(shadow)
    thrown = solids.points - light.sun * (solids.points[:, 2:] / light.sun[2])
    seen = camera.local(thrown)
    flat = camera.flatten(seen).tolist()
    whole = np.minimum.reduceat(seen[:, 2], solids.start[:-1]) > NEAR
    outer = (solids.parent == np.arange(len(solids.parent))) & (solids.normals @ light.sun > 0) & whole
    for face in np.flatnonzero(outer).tolist():
        draw.polygon([tuple(point) for point in flat[solids.start[face] : solids.start[face + 1]]], fill=255)
    return shadow.filter(ImageFilter.GaussianBlur(blur)) if blur > 0 else shadow


def _clip(seen: Array) -> Array:
    """A polygon in the camera's axes [k, 3] cut off at the near plane (Sutherland and Hodgman)."""
    kept = []
    for a, b in zip(seen, np.roll(seen, -1, axis=0), strict=True):
        if a[2] > NEAR:
            kept.append(a)
        if (a[2] > NEAR) != (b[2] > NEAR):
            kept.append(a + (b - a) * ((NEAR - a[2]) / (b[2] - a[2])))
    return np.array(kept)
