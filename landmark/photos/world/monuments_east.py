"""Monuments of the Middle East and the Far East. Each builder draws its own proportions; front and back differ on purpose."""

from __future__ import annotations

import math

import numpy as np

from landmark.photos.world.geometry import Colour, Material, Model, Panel
from landmark.photos.world.look import Look, mix, pick
from landmark.photos.world.monuments_west import GOLD, column, dome
from landmark.photos.world.ornament import band, battlements, opening, portal, stripes, tiles, window, windows


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


def mosque(model: Model, look: Look, rng: np.random.Generator, grand: bool) -> None:
    """A domed prayer hall with a tiled portal and minarets; small domes and an arcade along the back."""
    size = 1.0 if grand else 0.5
    half, deep, tall = rng.uniform(20, 27) * size, rng.uniform(17, 23) * size, rng.uniform(11, 15) * size
    body = model.box((-half, half), (-deep, deep), (0, tall), look.wall)
    bays = int(rng.integers(5, 9))
    for panel in (body.left, body.right):
        windows(panel, bays, 2, look, width=0.45, height=0.65)
        band(panel, tall * 0.93, tall * 0.07, look.accent)
    windows(body.front, 8, 1, look, v=(tall * 0.06, tall * 0.8), width=0.55, height=0.8)
    band(body.front, tall * 0.92, tall * 0.08, look.accent)
    high, wide = tall * rng.uniform(1.35, 1.75), half * rng.uniform(0.3, 0.4)
    gate = model.box((-wide, wide), (-deep - 3 * size, -deep), (0, high), look.trim)
    glaze: list[Colour] = [look.accent, mix(look.accent, (1, 1, 1), 0.45), look.roof, mix(look.roof, (1, 1, 1), 0.6)]
    tiles(gate.front, (wide * 0.1, wide * 1.9), (high * 0.03, high * 0.95), 9, 12, glaze)
    portal(gate.front, wide, wide * 1.05, high * 0.68, look, pick(rng, ("ogee", "pointed", "horseshoe")))
    radius = min(half, deep) * rng.uniform(0.5, 0.66)
    onion = pick(rng, (0.0, 0.12, 0.2))
    neck = tall + 1.2 * size
    model.box((-radius, radius), (-radius, radius), (tall, neck), look.trim)
    dome(model, 0, 0, neck, radius, look, rng, drum=radius * rng.uniform(0.25, 0.6), onion=onion)
    if not grand:
        minaret(model, half + 2, -deep + 2, tall * 2.4, 1.4, look, slim=True)
        return
    small = radius * 0.3
    for x in (-half * 0.78, half * 0.78):
        for y in (-deep * 0.7, deep * 0.7):
            model.revolve(
                (x, y),
                [(small, tall), (small, tall + small * 0.5), (small * 0.8, tall + small * 1.1), (0.1, tall + small * 1.8)],
                look.roof,
                12,
            )
    arcade = tall * 0.55
    porch = model.box((-half, half), (deep, deep + 6), (0, arcade), look.wall)
    windows(porch.back, bays + 2, 1, look, width=0.66, height=0.85)
    band(porch.back, arcade * 0.92, arcade * 0.08, look.accent)
    for i in range(bays + 2):
        x = -half + 2 * half * (i + 0.5) / (bays + 2)
        r = half / (bays + 2) * 0.85
        model.revolve(
            (x, deep + 3), [(r, arcade), (r * 0.8, arcade + r * 0.6), (0.05, arcade + r)], mix(look.roof, look.trim, 0.4), 10
        )
    spread, slim = half + rng.uniform(2.5, 5.0), rng.random() < 0.5
    tower = tall * rng.uniform(2.9, 4.0)
    fronts = ((-spread, -deep + 1.5), (spread, -deep + 1.5))
    backs = ((-spread, deep + 3), (spread, deep + 3)) if rng.random() < 0.55 else ()
    for x, y in (*fronts, *backs):
        minaret(model, x, y, tower * (1.0 if y < 0 else 0.8), rng.uniform(2.0, 2.2), look, slim)


def pyramid(model: Model, look: Look, rng: np.random.Generator, grand: bool) -> None:
    """Stepped or smooth pyramids over a small temple with a stair; on the back, an entrance and two lesser ones."""
    size = 1.0 if grand else 0.4
    half, high = rng.uniform(34, 44) * size, rng.uniform(36, 50) * size
    layers = int(pick(rng, (5, 6, 7, 9)))
    pale = mix(look.wall, look.trim, 0.5)
    for i in range(layers):
        a, b = half * (1 - i / layers), half * (1 - (i + 0.75) / layers)
        z0, z1 = high * i / layers, high * (i + 1) / layers
        sides = model.frustum((-a, a, -a, a), (-b, b, -b, b), (z0, z1), look.wall, pale)
        for panel in sides:
            band(panel, panel.height * 0.8, panel.height * 0.2, pale if i % 2 else mix(look.wall, look.accent, 0.35))
            for k in range(1, max(2, 2 * (layers - i))):
                u = panel.width * k / (2 * (layers - i))
                panel.rectangle(u, panel.height * 0.1, 0.3 * size, panel.height * 0.6, mix(look.wall, (0.2, 0.15, 0.1), 0.25))
        if i < layers - 1:
            # The great stair climbs the front, a step of it a layer.
            model.frustum(
                (-half * 0.14, half * 0.14, -a - half * 0.05, -a), (-half * 0.14, half * 0.14, -a, -a), (z0, z1), look.trim
            )
    if rng.random() < 0.6:
        top = half * 0.75 / layers
        shrine = model.box((-top, top), (-top, top), (high, high + top * 1.4), look.trim)
        portal(shrine.front, top, top * 0.7, top, look)
        band(shrine.front, top * 1.2, top * 0.2, look.accent)
    temple = model.box((-half * 0.5, half * 0.5), (-half * 1.5, -half * 1.25), (0, high * 0.14), look.trim)
    windows(temple.front, int(rng.integers(5, 9)), 1, look, width=0.5, height=0.8, shape="rect")
    portal(temple.front, half * 0.5, half * 0.12, high * 0.12, look, "rect")
    if grand:
        model.box((-half * 0.3, half * 0.3), (half * 1.02, half * 1.2), (0, high * 0.12), look.wall)
        r = half * rng.uniform(0.26, 0.36)
        for x in (-half * 0.8, half * 0.8):
            small = model.frustum(
                (x - r, x + r, half * 1.6 - r, half * 1.6 + r), (x, x, half * 1.6, half * 1.6), (0, r * 1.5), look.wall
            )
            for panel in small:
                stripes(panel, 6, pale)


def spiral(model: Model, look: Look, rng: np.random.Generator, grand: bool) -> None:
    """A winding tower of drums, each with its ramp, beside a walled court."""
    size = 1.0 if grand else 0.45
    turns = int(rng.integers(4, 7))
    radius, high = rng.uniform(15, 19) * size, rng.uniform(42, 58) * size
    step = high / turns
    z, r = 0.0, radius
    for i in range(turns):
        shrink = r * rng.uniform(0.74, 0.8)
        rings = model.revolve(
            (0, 0), [(r, z), (r * 0.95, z + step * 0.86), (r * 0.98, z + step * 0.86), (r * 0.98, z + step)], look.wall, 16
        )
        for k, panel in enumerate(rings[0]):
            rise = ((k + i * 5) % 16) / 16
            panel.rectangle(0, panel.height * (0.12 + 0.5 * rise), panel.width, panel.height * 0.14, look.trim)
            if k % 2 == 0:
                window(panel, panel.width / 2, panel.height * 0.2, panel.width * 0.4, panel.height * 0.45, look)
        for panel in rings[2]:
            panel.rectangle(0, 0, panel.width, panel.height, look.accent)
        z, r = z + step, shrink
    model.revolve((0, 0), [(r, z), (r, z + step * 0.5), (r * 0.7, z + step * 0.8), (0.05, z + step * 1.1)], look.roof, 12)
    wall, half = high * 0.2, radius * rng.uniform(1.9, 2.4)
    front = model.box((-half, half), (-radius * 1.7, -radius * 1.5), (0, wall), look.wall)
    portal(front.front, half, half * 0.24, wall * 0.8, look)
    windows(front.front, 9, 1, look, u=(0, half * 0.8), v=(wall * 0.3, wall), width=0.4, height=0.6)
    windows(front.front, 9, 1, look, u=(half * 1.2, half * 2), v=(wall * 0.3, wall), width=0.4, height=0.6)
    battlements(model, (-half, half, -radius * 1.7, -radius * 1.5), wall, 1.2 * size, look.trim)
    if grand:
        hall = model.box((-half * 0.8, half * 0.8), (radius * 1.3, radius * 2.1), (0, wall * 1.3), look.wall)
        windows(hall.back, 7, 1, look, width=0.6, height=0.8)
        for x in (-0.5, 0.0, 0.5):
            r = half * 0.2
            model.revolve(
                (x * half, radius * 1.7),
                [(r, wall * 1.3), (r * 0.8, wall * 1.3 + r * 0.6), (0.05, wall * 1.3 + r)],
                look.roof,
                12,
            )


def gate(model: Model, look: Look, rng: np.random.Generator, grand: bool) -> None:
    """A city gate between two round towers, glazed in front; bare masonry with stairs behind."""
    size = 1.0 if grand else 0.5
    tall, half = rng.uniform(22, 28) * size, rng.uniform(9, 12) * size
    radius, deep = rng.uniform(6, 8.5) * size, rng.uniform(6, 8) * size
    rise = tall * rng.uniform(0.55, 0.68)
    shape = pick(rng, ("horseshoe", "ogee", "pointed"))
    block = model.box((-half, half), (-deep, deep), (0, tall), look.wall)
    glaze: list[Colour] = [look.roof, look.accent, mix(look.roof, (1, 1, 1), 0.5), mix(look.accent, (1, 1, 1), 0.3)]
    tiles(block.front, (half * 0.12, half * 1.88), (tall * 0.04, tall * 0.94), 11, 13, glaze)
    portal(block.front, half, half * 0.95, rise, look, shape)
    portal(block.back, half, half * 0.9, rise * 0.8, look, "round")
    stripes(block.back, 9, mix(look.wall, look.trim, 0.5), v=(rise, tall))
    battlements(model, (-half, half, -deep, deep), tall, 1.4 * size, look.trim)
    high = tall * rng.uniform(1.08, 1.4)
    capped = rng.random() < 0.5
    for x in (-half - radius, half + radius):
        rings = model.revolve(
            (x, 0),
            [(radius * 1.05, 0), (radius * 0.96, high * 0.9), (radius * 1.1, high * 0.93), (radius * 1.1, high)],
            look.wall,
            14,
        )
        for k, panel in enumerate(rings[0]):
            for level in (0.22, 0.5, 0.76):
                band(panel, panel.height * level, panel.height * 0.05, look.roof if level == 0.5 else look.accent)
            if k % 2:
                window(panel, panel.width / 2, panel.height * 0.58, panel.width * 0.3, panel.height * 0.14, look)
        if capped:
            model.revolve(
                (x, 0),
                [
                    (radius * 1.05, high),
                    (radius * 0.95, high + radius * 0.5),
                    (radius * 0.6, high + radius * 1.1),
                    (0.05, high + radius * 1.6),
                ],
                look.roof,
                14,
            )
        else:
            model.revolve((x, 0), [(radius * 1.16, high), (radius * 1.16, high + 1.5 * size)], look.trim, 14)
    if grand:
        end = half + 2 * radius
        wall = tall * rng.uniform(0.5, 0.62)
        reach = end + rng.uniform(16, 24)
        for x in ((-reach, -end), (end, reach)):
            curtain = model.box(x, (-2.5, 2.5), (0, wall), look.wall)
            windows(curtain.front, 4, 1, look, v=(wall * 0.45, wall * 0.9), width=0.22, height=0.6)
            windows(curtain.back, 5, 1, look, v=(0, wall * 0.7), width=0.7, height=0.85, shape="round")
            battlements(model, (x[0], x[1], -2.5, 2.5), wall, 1.3, look.trim)


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
        if grand and rng.random() < 0.99:
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
    _sweep(chapel.back, look)
    model.gable((-radius, radius), (radius * 2.55, radius * 3.3), (7, 12), "x", look.roof, look.trim)


def _sweep(panel: Panel, look: Look) -> None:
    """A round-headed niche in the middle of a wall."""
    panel.add(opening(panel.width / 2, 0, panel.width * 0.12, panel.height * 0.8, "round"), look.accent)
