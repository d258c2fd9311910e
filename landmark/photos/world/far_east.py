"""Monuments of the Far East. Each builder draws its own proportions; front and back differ on purpose."""

from __future__ import annotations

import math

import numpy as np

from landmark.photos.world.geometry import Model
from landmark.photos.world.look import Look, mix, pick
from landmark.photos.world.ornament import (
    band,
    opening,
    portal,
    window,
    windows,
)
from landmark.photos.world.parts import GOLD, column, curved_roof
from landmark.photos.world.solids import Colour, Material


def pagoda(model: Model, look: Look, rng: np.random.Generator, grand: bool) -> None:
    """Storeys that shrink under sweeping roofs, with a ringed finial; a stair before, an annex behind."""
    tiers = int(rng.integers(3, 8)) if grand else int(rng.integers(2, 4))
    half = rng.uniform(8.5, 11.5) if grand else rng.uniform(5, 6.5)
    shrink, storey = rng.uniform(0.84, 0.93), rng.uniform(4.6, 6.2)
    eaves = rng.uniform(1.4, 1.65)
    model.box((-half * 1.7, half * 1.7), (-half * 1.7, half * 1.7), (0, 2), look.floor, mix(look.floor, look.trim, 0.4))
    model.frustum((-2.4, 2.4, -half * 1.7 - 3, -half * 1.7), (-2.4, 2.4, -half * 1.7, -half * 1.7), (0, 2), look.trim)
    z, w = 2.0, half
    for tier in range(tiers):
        body = model.box((-w, w), (-w, w), (z, z + storey), look.wall)
        for name, panel in zip(("front", "right", "back", "left"), body, strict=True):
            for i in range(4):
                u = panel.width * (0.02 + 0.93 * i / 3)
                panel.rectangle(u, 0, panel.width * 0.05, storey, look.trim)
            band(panel, storey * 0.82, storey * 0.18, look.accent)
            band(panel, 0, storey * 0.16, mix(look.trim, look.wall, 0.3))
            if tier == 0 and name == "front":
                portal(panel, w, w * 0.5, storey * 0.7, look, "rect")
            elif tier == 0 and name == "back":
                panel.rectangle(w * 0.3, storey * 0.2, w * 1.4, storey * 0.5, mix(look.wall, (1, 1, 1), 0.5))
            else:
                windows(panel, 3, 1, look, v=(storey * 0.18, storey * 0.82), width=0.5, height=0.75, bars=True)
        z += storey
        rise = storey * (0.55 if tier < tiers - 1 else 1.1)
        inner = w * shrink * 0.98
        curved_roof(model, (w * eaves, w * eaves), z, rise, (inner, inner) if tier < tiers - 1 else (0.2, 0.2), look)
        z, w = z + rise, w * shrink
    for i in range(5):
        r = (0.9 - 0.14 * i) * half * 0.13
        model.revolve(
            (0, 0),
            [(r, z + i * 1.3), (r * 1.1, z + i * 1.3 + 0.6), (r * 0.3, z + i * 1.3 + 0.7), (r * 0.3, z + i * 1.3 + 1.3)],
            GOLD,
            8,
            material=Material.GOLD,
        )
    if grand:
        annex = model.box((-half * 1.1, half * 1.1), (half * 1.75, half * 2.6), (0, 4.5), look.wall)
        windows(annex.back, 5, 1, look, width=0.6, height=0.6, shape="rect", bars=True)
        model.gable((-half * 1.3, half * 1.3), (half * 1.72, half * 2.75), (4.5, 8), "x", look.roof, look.trim)


def temple_hall(model: Model, look: Look, rng: np.random.Generator, grand: bool) -> None:
    """A wide hall on terraces behind a row of columns; galleries and a smaller gate at the back."""
    size = 1.0 if grand else 0.5
    half, deep, tall = rng.uniform(20, 27) * size, rng.uniform(10, 13) * size, rng.uniform(7.5, 10) * size
    terraces = int(rng.integers(1, 4)) if grand else 1
    z = 0.0
    for i in range(terraces):
        a, b = half * (1.45 - 0.1 * i), deep * (1.9 - 0.2 * i)
        sides = model.box((-a, a), (-b, b), (z, z + 2 * size), mix(look.floor, (1, 1, 1), 0.45), look.floor)
        for panel in sides:
            band(panel, panel.height * 0.7, panel.height * 0.3, look.trim)
        model.frustum(
            (-half * 0.2, half * 0.2, -b - 2.4 * size, -b), (-half * 0.2, half * 0.2, -b, -b), (z, z + 2 * size), look.trim
        )
        z += 2 * size
    body = model.box((-half, half), (-deep, deep), (z, z + tall), look.wall)
    bays = int(pick(rng, (5, 7, 9)))
    lattice = mix(look.accent, look.door, 0.3)
    for i in range(bays):
        u = 2 * half * (i + 0.5) / bays
        body.front.rectangle(u - half * 0.7 / bays, 0, half * 1.4 / bays, tall * 0.72, lattice if i != bays // 2 else look.door)
        if i != bays // 2:
            window(body.front, u, tall * 0.25, half / bays, tall * 0.4, look, bars=True)
    for panel in (body.left, body.right):
        windows(panel, 3, 1, look, width=0.5, height=0.6, shape="circle")
    body.back.rectangle(half * 0.08, tall * 0.1, half * 1.84, tall * 0.55, mix(look.wall, (0.96, 0.94, 0.88), 0.7))
    portal(body.back, half, half * 0.18, tall * 0.6, look, "rect")
    for panel in body:
        band(panel, tall * 0.8, tall * 0.2, look.accent)
    for i in range(bays + 1):
        x = -half * 1.08 + 2.16 * half * i / bays
        column(model, x, -deep - 3 * size, (z, z + tall), half * 0.022, look.trim, look.accent)
    z += tall
    double = grand and rng.random() < 0.6
    rise = tall * rng.uniform(0.7, 1.0)
    upper = (half * 0.72, deep * 0.6)
    curved_roof(model, (half * 1.25, deep * 1.55), z, rise, upper if double else (half * 0.85, 0.2), look)
    z += rise
    if double:
        loft = model.box((-upper[0], upper[0]), (-upper[1], upper[1]), (z, z + tall * 0.4), look.wall)
        for panel in loft:
            windows(panel, 6, 1, look, width=0.6, height=0.5, shape="rect")
        z += tall * 0.4
        curved_roof(model, (upper[0] * 1.3, upper[1] * 1.6), z, rise, (upper[0] * 0.9, 0.2), look)
        z += rise
    ridge = half * (0.65 if double else 0.85)
    model.box((-ridge, ridge), (-0.5, 0.5), (z, z + 0.9 * size), look.trim)
    for x in (-ridge, ridge):
        model.revolve(
            (x, 0),
            [(0.7 * size, z + 0.9 * size), (0.9 * size, z + 2 * size), (0.05, z + 3.4 * size)],
            GOLD,
            6,
            material=Material.GOLD,
        )
    if grand:
        b = deep * 2.3
        model.box((-half * 0.35, half * 0.35), (b, b + 7), (0, 6), look.trim)
        model.gable((-half * 0.48, half * 0.48), (b - 0.3, b + 8.5), (6, 10.5), "x", look.roof, look.accent)


def torii(model: Model, look: Look, rng: np.random.Generator, grand: bool) -> None:
    """A great gate of two posts and two beams, a shrine far behind it, lanterns along the path."""
    size = 1.0 if grand else 0.4
    half, high = rng.uniform(9, 12.5) * size, rng.uniform(15, 21) * size
    r = rng.uniform(1.0, 1.5) * size
    paint: Colour = mix(look.wall, (0.8, 0.22, 0.12), 0.55)
    for x in (-half, half):
        model.revolve((x, 0), [(r * 1.5, 0), (r * 1.5, 1.2 * size), (r, 1.2 * size), (r * 0.9, high * 0.84)], paint, 12)
        if grand:
            for y in (-4.0, 4.0):
                model.revolve(
                    (x, y), [(r * 0.6, 0), (r * 0.55, high * 0.46), (r * 0.7, high * 0.46), (r * 0.1, high * 0.5)], paint, 8
                )
    model.box((-half * 1.2, half * 1.2), (-r * 0.6, r * 0.6), (high * 0.62, high * 0.62 + 1.6 * size), paint)
    sign = model.box((-1.7 * size, 1.7 * size), (-r * 0.8, -r * 0.62), (high * 0.7, high * 0.84), look.accent)
    sign.front.rectangle(0.5 * size, 0.4 * size, 2.4 * size, high * 0.14 - 0.8 * size, GOLD)
    sag = rng.uniform(0.06, 0.16) * high
    z = high * 0.86
    beam = [
        (-half * 1.28, z + sag),
        (-half * 0.6, z + 0.25 * sag),
        (0.0, z),
        (half * 0.6, z + 0.25 * sag),
        (half * 1.28, z + sag),
    ]
    model.extrude(
        [*beam, (half * 1.3, z + sag + 1.4 * size), (0, z + 1.5 * size), (-half * 1.3, z + sag + 1.4 * size)],
        "y",
        (-r, r),
        paint,
    )
    cap = [(x * 1.06, y + 1.5 * size) for x, y in beam]
    model.extrude(
        [*cap, (half * 1.42, z + sag + 3.0 * size), (0, z + 2.5 * size), (-half * 1.42, z + sag + 3.0 * size)],
        "y",
        (-r * 1.5, r * 1.5),
        look.roof,
    )
    if not grand:
        return
    for k in range(1, 4):
        for x in (-half * 0.85, half * 0.85):
            y = -6.0 * k
            model.box((x - 0.5, x + 0.5), (y - 0.5, y + 0.5), (0, 2.2), look.floor)
            lamp = model.box((x - 0.8, x + 0.8), (y - 0.8, y + 0.8), (2.2, 3.6), look.trim)
            for panel in lamp:
                panel.rectangle(0.3, 0.2, 1.0, 1.0, look.glass, Material.GLASS)
            model.frustum((x - 1.2, x + 1.2, y - 1.2, y + 1.2), (x, x, y, y), (3.6, 4.6), look.roof)
    y0, w = rng.uniform(22, 32), rng.uniform(8, 11)
    model.box((-w * 1.3, w * 1.3), (y0 - 2, y0 + 2 * w + 2), (0, 2), look.floor)
    shrine = model.box((-w, w), (y0, y0 + 2 * w), (2, 8), mix(look.wall, look.trim, 0.4))
    windows(shrine.front, 5, 1, look, width=0.6, height=0.7, shape="rect", bars=True)
    windows(shrine.back, 3, 1, look, width=0.3, height=0.4, shape="circle")
    model.gable((-w * 1.35, w * 1.35), (y0 - 2, y0 + 2 * w + 2), (8, 8 + w * 0.9), "y", look.roof, look.accent)


def stupa(model: Model, look: Look, rng: np.random.Generator, grand: bool) -> None:
    """A white or gilded bell on round terraces, a tall spire, small bells around; a chapel at the back."""
    size = 1.0 if grand else 0.4
    radius = rng.uniform(13, 17) * size
    gilded = rng.random() < 0.5
    material = Material.GOLD if gilded else Material.WALL
    body: Colour = GOLD if gilded else mix(look.trim, (1, 1, 1), 0.6)
    z = 0.0
    for i in range(3):
        r = radius * (1.9 - 0.26 * i)
        rings = model.revolve((0, 0), [(r, z), (r, z + 2.2 * size)], look.wall if i % 2 else look.trim, 16)
        for panel in rings[0]:
            panel.rectangle(panel.width * 0.25, panel.height * 0.2, panel.width * 0.5, panel.height * 0.6, look.accent)
        z += 2.2 * size
    tall = radius * rng.uniform(0.95, 1.5)
    bell = [
        (radius * s, z + tall * t) for s, t in ((1.12, 0.0), (1.0, 0.08), (0.97, 0.4), (0.82, 0.7), (0.5, 0.93), (0.3, 1.0))
    ]
    model.revolve((0, 0), bell, body, 18, material=material)
    z += tall
    model.box((-radius * 0.27, radius * 0.27), (-radius * 0.27, radius * 0.27), (z, z + radius * 0.26), look.accent)
    z += radius * 0.26
    rings_count = int(rng.integers(5, 10))
    step = radius * rng.uniform(0.12, 0.2)
    for i in range(rings_count):
        r = radius * 0.26 * (1 - i / (rings_count + 1))
        model.revolve(
            (0, 0),
            [(r, z), (r * 0.86, z + step)],
            GOLD if i % 2 else look.roof,
            10,
            material=Material.GOLD if i % 2 else Material.WALL,
        )
        z += step
    model.line((0, 0, z), (0, 0, z + radius * 0.35), GOLD, Material.GOLD)
    if not grand:
        return
    for k in range(8):
        a = math.radians(22.5 + 45 * k)
        x, y, r = radius * 2.35 * math.cos(a), radius * 2.35 * math.sin(a), radius * 0.22
        model.revolve(
            (x, y), [(r, 0), (r, r), (r * 0.8, r * 1.8), (r * 0.25, r * 2.4), (0.03, r * 4.2)], body, 10, material=material
        )
    front = model.box((-4, 4), (-radius * 2.9, -radius * 2.4), (0, 8), look.wall)
    portal(front.front, 4, 3, 6, look, "ogee")
    model.gable((-5, 5), (-radius * 2.95, -radius * 2.35), (8, 13), "y", look.roof, look.accent)
    chapel = model.box((-radius * 0.8, radius * 0.8), (radius * 2.6, radius * 3.2), (0, 7), look.wall)
    windows(chapel.back, 5, 1, look, width=0.5, height=0.7, shape="rect")
    door = opening(chapel.back.width / 2, 0, chapel.back.width * 0.12, chapel.back.height * 0.8, "round")
    chapel.back.add(door, look.accent)
    model.gable((-radius, radius), (radius * 2.55, radius * 3.3), (7, 12), "x", look.roof, look.trim)
