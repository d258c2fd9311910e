"""What monuments are put together from: columns, spires, domes, minarets, sweeping roofs."""

from __future__ import annotations

import math

import numpy as np

from landmark.photos.world.geometry import Model
from landmark.photos.world.look import Look, mix
from landmark.photos.world.ornament import (
    band,
    window,
)
from landmark.photos.world.solids import Colour, Material

GOLD: Colour = (0.86, 0.66, 0.22)


def column(model: Model, x: float, y: float, z: tuple[float, float], radius: float, colour: Colour, trim: Colour) -> None:
    """A free-standing column with base and capital."""
    low, high = z
    r, cap = radius, 0.9 * radius
    profile = [
        (1.4 * r, low),
        (1.4 * r, low + cap),
        (r, low + cap),
        (0.86 * r, high - cap),
        (1.4 * r, high - 0.4 * cap),
        (1.4 * r, high),
    ]
    rings = model.revolve((x, y), profile, colour, segments=8)
    for ring in (rings[0], rings[-1], rings[-2]):
        for panel in ring:
            panel.rectangle(0, 0, panel.width, panel.height, trim)


def spire(model: Model, x: tuple[float, float], y: tuple[float, float], z: float, height: float, look: Look) -> None:
    """A steep pointed roof with a gilded tip."""
    middle = ((x[0] + x[1]) / 2, (y[0] + y[1]) / 2)
    sides = model.frustum((x[0], x[1], y[0], y[1]), (middle[0], middle[0], middle[1], middle[1]), (z, z + height), look.roof)
    for side in sides:
        for share in (0.25, 0.5):
            u = side.width / 2
            window(side, u, height * share, side.width * 0.16 * (1 - share), height * 0.1, look, "pointed")
    model.line((*middle, z + height), (*middle, z + height * 1.12), GOLD, Material.GOLD)


def dome(
    model: Model,
    x: float,
    y: float,
    z: float,
    radius: float,
    look: Look,
    rng: np.random.Generator,
    drum: float,
    onion: float = 0.0,
) -> float:
    """A dome on a windowed drum; `onion` swells it. Returns the height of its top."""
    count = int(rng.integers(12, 17))
    rings = model.revolve((x, y), [(radius * 0.96, z), (radius * 0.96, z + drum)], look.wall, segments=count)
    for panel in rings[0]:
        window(panel, panel.width / 2, drum * 0.18, panel.width * 0.5, drum * 0.6, look)
        band(panel, drum * 0.9, drum * 0.1, look.trim)
    stretch = float(rng.uniform(0.95, 1.25))
    base = z + drum
    profile = []
    for t in (0.0, 0.14, 0.3, 0.48, 0.66, 0.82, 0.94, 1.0):
        angle = t * math.pi / 2
        swell = 1.0 + onion * math.sin(min(t * 2.2, 1.0) * math.pi)
        profile.append(
            (
                radius * math.cos(angle) ** (1.0 + onion) * swell if t < 1 else 0.03 * radius,
                base + radius * stretch * (1 + onion) * math.sin(angle),
            )
        )
    second = mix(look.roof, look.trim, 0.25) if rng.random() < 0.6 else None
    model.revolve((x, y), profile, look.roof, segments=count, second=second)
    top = profile[-1][1]
    if onion == 0:
        lantern = 0.17 * radius
        ring = model.revolve(
            (x, y),
            [(lantern, top), (lantern, top + 2.4 * lantern), (0.05 * lantern, top + 4.2 * lantern)],
            look.trim,
            segments=8,
        )
        for panel in ring[0]:
            window(panel, panel.width / 2, 0.4 * lantern, panel.width * 0.5, 1.6 * lantern, look)
        top += 4.2 * lantern
    model.line((x, y, top), (x, y, top + 0.35 * radius), GOLD, Material.GOLD)
    return top


def minaret(model: Model, x: float, y: float, high: float, radius: float, look: Look, slim: bool) -> None:
    """A tower with one or two galleries under a pointed cap."""
    profile = [(radius * 1.25, 0.0), (radius, high * 0.08), (radius * 0.86, high * 0.62)]
    rings = model.revolve((x, y), profile, look.wall, 10)
    for panel in rings[1]:
        band(panel, panel.height * 0.3, panel.height * 0.03, look.accent)
        band(panel, panel.height * 0.65, panel.height * 0.03, look.accent)
    model.revolve(
        (x, y), [(radius * 0.86, high * 0.62), (radius * 1.45, high * 0.66), (radius * 1.45, high * 0.69)], look.trim, 10
    )
    upper = model.revolve((x, y), [(radius * 0.66, high * 0.69), (radius * 0.62, high * 0.86)], look.wall, 10)
    for panel in upper[0]:
        window(panel, panel.width / 2, panel.height * 0.2, panel.width * 0.5, panel.height * 0.5, look)
    tip = high * (1.1 if slim else 1.0)
    cap = [
        (radius * 0.95, high * 0.86),
        (radius * 0.85, high * 0.89),
        (radius * (0.4 if slim else 0.7), high * 0.94),
        (0.03, tip),
    ]
    model.revolve((x, y), cap, look.roof, 10)
    model.line((x, y, tip), (x, y, tip * 1.05), GOLD, Material.GOLD)


def curved_roof(model: Model, half: tuple[float, float], z: float, high: float, top: tuple[float, float], look: Look) -> None:
    """A sweeping roof with lifted corners over a rectangle of half-widths `half`."""
    a, b = half
    c, d = top
    previous, level = (a, b), z
    for share, reach in ((0.16, 0.55), (0.48, 0.22), (1.0, 0.0)):
        upper = (c + (a - c) * reach, d + (b - d) * reach)
        sides = model.frustum(
            (-previous[0], previous[0], -previous[1], previous[1]),
            (-upper[0], upper[0], -upper[1], upper[1]),
            (level, z + high * share),
            look.roof,
        )
        for panel in sides:
            ribs = max(3, round(panel.width / 2.4))
            for i in range(ribs + 1):
                panel.rectangle(panel.width * i / ribs - 0.12, 0, 0.24, panel.height, mix(look.roof, (0.05, 0.05, 0.05), 0.3))
            if share == 0.16:
                band(panel, 0, panel.height * 0.22, look.trim)
        previous, level = upper, z + high * share
    lift = high * 0.32
    for x in (-a, a):
        for y in (-b, b):
            model.line((x * 0.86, y * 0.86, z + high * 0.1), (x * 1.04, y * 1.04, z + lift), look.accent, thickness=0.4)
