"""What sits on walls: windows, doors, bands, pilasters, roses, clocks. One vocabulary for landmarks and for ordinary houses."""

from __future__ import annotations

import math
from collections.abc import Sequence

from landmark.photos.world.geometry import Model, Panel
from landmark.photos.world.look import Look, mix
from landmark.photos.world.solids import Colour, Material

Outline = list[tuple[float, float]]


def opening(u: float, v: float, width: float, height: float, shape: str) -> Outline:
    """Outline of a window or door whose base is centred at u, v (metres): rect, round, pointed, horseshoe, circle, ogee."""
    half = width / 2
    if shape == "circle":
        return [(u + half * math.cos(a), v + height / 2 + height / 2 * math.sin(a)) for a in _angles(0, 360, 14)]
    if shape == "rect":
        return [(u - half, v), (u + half, v), (u + half, v + height), (u - half, v + height)]
    if shape == "round":
        spring = max(height - half, 0.1 * height)
        arch = [(u + half * math.cos(a), v + spring + (height - spring) * math.sin(a)) for a in _angles(0, 180, 8)]
    elif shape == "pointed":
        spring = height * 0.55
        rise = height - spring
        right = [(u + half * math.cos(a) ** 0.8, v + spring + rise * math.sin(a)) for a in _angles(0, 89.9, 4)]
        arch = [*right, (u, v + height), *[(2 * u - x, y) for x, y in reversed(right)]]
    elif shape == "horseshoe":
        radius = half * 1.12
        middle = v + height - radius
        arch = [(u + radius * math.cos(a), middle + radius * math.sin(a)) for a in _angles(-28, 208, 10)]
    else:  # ogee
        spring = height * 0.5
        rise = height - spring
        right = [(u + half * (1 - t**2.2), v + spring + rise * (t**0.8 if t < 1 else 1.0)) for t in (0.0, 0.3, 0.55, 0.75, 0.9)]
        arch = [*right, (u, v + height), *[(2 * u - x, y) for x, y in reversed(right)]]
    return [(u - half, v), (u + half, v), *arch]


def _angles(first: float, last: float, steps: int) -> list[float]:
    return [math.radians(first + (last - first) * i / steps) for i in range(steps + 1)]


def window(
    panel: Panel, u: float, v: float, width: float, height: float, look: Look, shape: str | None = None, bars: bool = False
) -> None:
    """A window with its frame; the base is centred at u, v."""
    shape = shape or look.window
    edge = 0.13 * width
    panel.add(opening(u, v - edge, width + 2 * edge, height + 2 * edge, shape), look.trim)
    panel.add(opening(u, v, width, height, shape), look.glass, Material.GLASS)
    if bars:
        bar = 0.09 * width
        panel.rectangle(u - bar / 2, v, bar, height * 0.92, look.trim)
        if shape != "circle":
            panel.rectangle(u - width / 2, v + height * 0.45, width, bar, look.trim)


def windows(
    panel: Panel,
    columns: int,
    rows: int,
    look: Look,
    u: tuple[float, float] | None = None,
    v: tuple[float, float] | None = None,
    width: float = 0.5,
    height: float = 0.62,
    shape: str | None = None,
    bars: bool = False,
) -> None:
    """A grid of windows over the range u, v of a panel; `width` and `height` are shares of a cell."""
    u0, u1 = u or (0.04 * panel.width, 0.96 * panel.width)
    v0, v1 = v or (0.08 * panel.height, 0.96 * panel.height)
    step, storey = (u1 - u0) / columns, (v1 - v0) / rows
    for row in range(rows):
        for column in range(columns):
            base = v0 + storey * (row + (1 - height) / 2)
            window(panel, u0 + step * (column + 0.5), base, step * width, storey * height, look, shape, bars)


def portal(panel: Panel, u: float, width: float, height: float, look: Look, shape: str | None = None, v: float = 0.0) -> None:
    """A stepped doorway whose base is centred at u, v."""
    shape = shape or look.window
    shape = "round" if shape == "circle" else shape
    for share, colour in ((1.36, look.trim), (1.18, mix(look.trim, look.accent, 0.6)), (1.0, look.door)):
        panel.add(opening(u, v, width * share, height * (0.55 + 0.45 * share), shape), colour)
    panel.rectangle(u - 0.02 * width, v, 0.04 * width, 0.6 * height, mix(look.door, look.trim, 0.35))


def band(panel: Panel, v: float, thickness: float, colour: Colour) -> None:
    """A course of another stone right across a panel."""
    panel.rectangle(0.0, v, panel.width, thickness, colour)


def stripes(panel: Panel, count: int, colour: Colour, v: tuple[float, float] | None = None) -> None:
    """Courses of two colours, as banded masonry has them."""
    v0, v1 = v or (0.0, panel.height)
    step = (v1 - v0) / (2 * count)
    for i in range(count):
        band(panel, v0 + step * (2 * i + 1), step, colour)


def pilasters(panel: Panel, count: int, look: Look, v: tuple[float, float] | None = None, width: float = 0.03) -> None:
    """Flat columns with base and capital, evenly over the panel."""
    v0, v1 = v or (0.0, panel.height)
    thick = width * panel.width
    for i in range(count):
        u = thick * 0.7 + (panel.width - 1.4 * thick) * i / max(count - 1, 1)
        panel.rectangle(u - thick / 2, v0, thick, v1 - v0, look.trim)
        panel.rectangle(u - thick * 0.75, v0, thick * 1.5, thick * 0.9, look.trim)
        panel.rectangle(u - thick * 0.85, v1 - thick, thick * 1.7, thick, mix(look.trim, look.accent, 0.4))


def rose(panel: Panel, u: float, v: float, radius: float, look: Look, petals: int) -> None:
    """A wheel window centred at u, v."""
    panel.add(_disc(u, v, radius * 1.18), look.trim)
    panel.add(_disc(u, v, radius), look.glass, Material.GLASS)
    for i in range(petals):
        a = 2 * math.pi * i / petals
        ca, sa = math.cos(a), math.sin(a)
        w = 0.07 * radius
        panel.add(
            [
                (u - w * sa, v + w * ca),
                (u + radius * ca - w * sa, v + radius * sa + w * ca),
                (u + radius * ca + w * sa, v + radius * sa - w * ca),
                (u + w * sa, v - w * ca),
            ],
            look.trim,
        )
    panel.add(_disc(u, v, radius * 0.28), look.accent)


def clock(panel: Panel, u: float, v: float, radius: float, look: Look, hour: float) -> None:
    """A clock face centred at u, v."""
    panel.add(_disc(u, v, radius * 1.2), look.accent)
    panel.add(_disc(u, v, radius), (0.96, 0.94, 0.86), Material.WALL)
    for length, turn, width in ((0.55, hour / 12, 0.11), (0.85, hour % 1, 0.08)):
        a = math.pi / 2 - 2 * math.pi * turn
        ca, sa, w = math.cos(a), math.sin(a), width * radius
        panel.add(
            [(u - w * sa, v + w * ca), (u + length * radius * ca, v + length * radius * sa), (u + w * sa, v - w * ca)],
            (0.12, 0.12, 0.15),
        )


def tiles(
    panel: Panel, u: tuple[float, float], v: tuple[float, float], columns: int, rows: int, colours: Sequence[Colour]
) -> None:
    """A field of glazed lozenges."""
    step, storey = (u[1] - u[0]) / columns, (v[1] - v[0]) / rows
    panel.rectangle(u[0], v[0], u[1] - u[0], v[1] - v[0], colours[0])
    for row in range(rows):
        for column in range(columns):
            x, y = u[0] + step * (column + 0.5), v[0] + storey * (row + 0.5)
            a, b = step * 0.42, storey * 0.42
            panel.add([(x - a, y), (x, y - b), (x + a, y), (x, y + b)], colours[1 + (row + column) % (len(colours) - 1)])


def battlements(model: Model, outline: tuple[float, float, float, float], z: float, tooth: float, colour: Colour) -> None:
    """Notched parapets around a flat roof (x0, x1, y0, y1)."""
    x0, x1, y0, y1 = outline
    thin = 0.35 * tooth
    for along, span, places in (
        ("y", (x0, x1), ((y0, y0 + thin), (y1 - thin, y1))),
        ("x", (y0 + thin, y1 - thin), ((x0, x0 + thin), (x1 - thin, x1))),
    ):
        count = max(2, round((span[1] - span[0]) / (2 * tooth)))
        step = (span[1] - span[0]) / (2 * count - 1)
        top: Outline = []
        for i in range(2 * count - 1):
            height = z + (1.6 if i % 2 == 0 else 0.7) * tooth
            top += [(span[0] + step * i, height), (span[0] + step * (i + 1), height)]
        skyline = [(span[0], z), (span[1], z), *reversed(top)]
        for place in places:
            model.extrude(skyline, along, place, colour)


def _disc(u: float, v: float, radius: float) -> Outline:
    return [(u + radius * math.cos(a), v + radius * math.sin(a)) for a in _angles(0, 345, 15)]
