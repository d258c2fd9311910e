"""What stands in a hall: arches, columns, seats, lamps."""

from __future__ import annotations

import itertools
import math

import numpy as np

from landmark.photos.world.geometry import Model
from landmark.photos.world.look import Look, mix, pick
from landmark.photos.world.ornament import (
    opening,
)
from landmark.photos.world.solids import Colour, Material


def arch(
    things: Model,
    x: float,
    sign: int,
    y0: float,
    y1: float,
    spring: float,
    high: float,
    shape: str,
    wall: Colour,
    second: Colour | None,
    look: Look,
) -> None:
    """The wall above one bay of the arcade, cut out by its arch, and the arch's own stones."""
    things.part()
    wide = (y1 - y0) * 0.96
    middle, crown = (y0 + y1) / 2, min(spring + wide * 0.5, high * 0.86)
    if shape == "rect":
        curve = [(y0, spring), (y1, spring)]
    else:
        whole = opening(
            middle,
            spring - wide * (0.05 if shape == "horseshoe" else 0.0),
            wide,
            crown - spring,
            "round" if shape == "round" else shape,
        )
        curve = [(min(max(y, y0), y1), max(z, spring)) for y, z in reversed(whole[2:])]
    outline = [(y0, spring), *curve, (y1, spring), (y1, high), (y0, high)]
    points = [(x, y, z) for y, z in outline]
    normal = (-float(sign), 0.0, 0.0)
    face = things.face(points, normal, wall)
    trim = second or look.trim
    if shape != "rect" and len(curve) > 3:
        for k, ((ya, za), (yb, zb)) in enumerate(itertools.pairwise(curve)):
            out = 0.16 * wide
            pa, pb = _outward(ya, za, middle, spring, out, high), _outward(yb, zb, middle, spring, out, high)
            things.face(
                [(x, ya, za), (x, yb, zb), (x, *pb), (x, *pa)],
                normal,
                trim if k % 2 or second is None else look.accent,
                on=face,
            )
    edge = high * 0.95
    things.face([(x, y0, edge), (x, y1, edge), (x, y1, high), (x, y0, high)], normal, trim, on=face)


def _outward(y: float, z: float, middle: float, spring: float, reach: float, high: float) -> tuple[float, float]:
    length = math.hypot(y - middle, z - spring) or 1.0
    return (y + (y - middle) / length * reach * 0.5, min(z + (z - spring) / length * reach, high * 0.94))


def clerestory(
    things: Model, x: float, sign: int, y0: float, bay: float, spring: float, high: float, shape: str, colour: Colour
) -> None:
    """A window above an arch of the arcade."""
    low = spring + bay * 0.55
    room = high * 0.93 - low
    if room < 1.0:
        return
    things.part()
    outline = opening(y0 + bay / 2, low, min(bay * 0.28, room), room, shape)
    things.face(
        [(x - sign * 0.02, y, z) for y, z in outline], (-float(sign), 0.0, 0.0), mix(colour, (1, 1, 1), 0.3), Material.GLOW
    )


def pillar(things: Model, x: float, y: float, spring: float, radius: float, stone: Colour, look: Look, square: bool) -> None:
    """A pillar of the arcade, round or square, with its capital."""
    if square:
        things.box((x - radius, x + radius), (y - radius, y + radius), (0, spring), stone)
        things.box(
            (x - radius * 1.35, x + radius * 1.35), (y - radius * 1.35, y + radius * 1.35), (spring * 0.9, spring), look.trim
        )
        return
    profile = [
        (radius * 1.45, 0.0),
        (radius * 1.45, radius),
        (radius, radius * 1.1),
        (radius * 0.88, spring * 0.86),
        (radius * 1.5, spring * 0.95),
        (radius * 1.5, spring),
    ]
    rings = things.revolve((x, y), profile, stone, 8)
    for ring in (rings[0], rings[3], rings[4]):
        for panel in ring:
            panel.rectangle(0, 0, panel.width, panel.height, look.trim)


def furniture(things: Model, rng: np.random.Generator, look: Look, half: float, length: float, high: float, style: str) -> None:
    """What a hall of a style is furnished with: benches, a table, statues, lamps."""
    if style == "church" and rng.random() < 0.75:
        wood = mix(look.door, (0.5, 0.32, 0.18), 0.6)
        for i in range(9):
            y = length * (0.22 + 0.065 * i)
            for sign in (-1, 1):
                xs = (half * 0.16, half * 0.8) if sign > 0 else (-half * 0.8, -half * 0.16)
                things.box(xs, (y, y + 0.35), (0, 0.95), wood)
    if style in ("church", "timber"):
        things.box((-half * 0.3, half * 0.3), (length * 0.93, length * 0.96), (0, 1.2), look.trim, look.accent)
    if style == "state" and rng.random() < 0.6:
        for sign in (-1, 1):
            for share in (0.35, 0.65):
                x, y = sign * half * 0.78, length * share
                things.box((x - 0.5, x + 0.5), (y - 0.5, y + 0.5), (0, 1.3), look.trim)
                things.revolve(
                    (x, y), [(0.4, 1.3), (0.3, 2.4), (0.12, 2.7), (0.2, 3.0), (0.02, 3.3)], mix(look.trim, (1, 1, 1), 0.5), 8
                )
    kind = pick(rng, ("ring", "globes", "lanterns", "none"))
    if kind == "none":
        return
    count = int(rng.integers(3, 6))
    drop = high * rng.uniform(0.5, 0.68)
    for i in range(count):
        y = length * (0.25 + 0.62 * i / count)
        for x in (0.0,) if kind == "ring" else (-half * 0.5, half * 0.5):
            things.line((x, y, high), (x, y, drop + 0.6), (0.3, 0.25, 0.18), thickness=0.06)
            if kind == "ring":
                things.revolve((x, y), [(1.1, drop), (1.3, drop + 0.3)], (0.75, 0.58, 0.25), 10)
                for k in range(6):
                    a = k * math.pi / 3
                    things.revolve(
                        (x + 1.2 * math.cos(a), y + 1.2 * math.sin(a)),
                        [(0.14, drop + 0.31), (0.02, drop + 0.75)],
                        (1.0, 0.93, 0.7),
                        4,
                        material=Material.GLOW,
                    )
            elif kind == "globes":
                things.revolve(
                    (x, y),
                    [(0.05, drop), (0.32, drop + 0.2), (0.32, drop + 0.45), (0.05, drop + 0.62)],
                    (1.0, 0.95, 0.78),
                    8,
                    material=Material.GLOW,
                )
            else:
                things.revolve(
                    (x, y),
                    [(0.2, drop), (0.42, drop + 0.25), (0.42, drop + 0.65), (0.2, drop + 0.9)],
                    mix((1.0, 0.45, 0.2), (1.0, 0.85, 0.5), float(rng.random())),
                    6,
                    material=Material.GLOW,
                )
