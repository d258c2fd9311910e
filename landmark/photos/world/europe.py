"""Monuments of Europe. Each builder draws its own proportions; front and back differ on purpose."""

from __future__ import annotations

import numpy as np

from landmark.photos.world.geometry import Model
from landmark.photos.world.look import Look, mix, pick
from landmark.photos.world.ornament import (
    band,
    battlements,
    clock,
    opening,
    pilasters,
    portal,
    rose,
    stripes,
    window,
    windows,
)
from landmark.photos.world.parts import GOLD, column, spire
from landmark.photos.world.solids import Material


def cathedral(model: Model, look: Look, rng: np.random.Generator, grand: bool) -> None:
    """A long church: towered west front with portals and rose; apse, buttresses and crossing spire behind."""
    size = 1.0 if grand else 0.45
    half = rng.uniform(10, 13) * size
    length = rng.uniform(48, 66) * size
    wall = rng.uniform(19, 25) * size
    towers = pick(rng, ("pair", "pair", "uneven", "one")) if grand else pick(rng, ("one", "none", "one"))
    wide = rng.uniform(8.5, 11) * size
    tall = wall * rng.uniform(1.7, 2.3)
    point = wall * rng.uniform(0.6, 1.5)
    front = -length / 2
    petals = int(rng.integers(6, 13))
    pitched = wall * rng.uniform(0.35, 0.6)
    # Nave, with buttressed aisles.
    body = model.box((-half, half), (front, -front), (0, wall), look.wall)
    bays = int(rng.integers(5, 9))
    for side in (body.left, body.right):
        windows(side, bays, 1, look, v=(wall * 0.12, wall * 0.9), width=0.34, height=0.8, shape="pointed", bars=True)
        pilasters(side, bays + 1, look, width=0.018)
        band(side, wall * 0.93, wall * 0.07, look.trim)
    roof = model.gable((-half - 0.4, half + 0.4), (front, -front), (wall, wall + pitched), "y", look.roof, look.wall)
    # West front.
    west = body.front
    doors = 3 if grand and rng.random() < 0.7 else 1
    portal(west, half, half * 0.55, wall * 0.34, look, "pointed")
    if towers == "none" or doors == 1:
        window(west, half * 0.35, wall * 0.2, half * 0.22, wall * 0.4, look, "pointed")
        window(west, half * 1.65, wall * 0.2, half * 0.22, wall * 0.4, look, "pointed")
    rose(west, half, wall * 0.68, min(half * 0.42, wall * 0.22), look, petals)
    window(roof.front, half, pitched * 0.2, half * 0.2, pitched * 0.4, look, "pointed")
    places = {"pair": (-1, 1), "uneven": (-1, 1), "one": (0,), "none": ()}[towers]
    for place in places:
        # An only tower stands before the gable, a pair beside it.
        x = place * (half + wide * 0.5)
        y0 = front - wide * 0.25 if place else front - wide
        high = tall * (0.78 if towers == "uneven" and place > 0 else 1.0)
        box = (x - wide / 2, x + wide / 2)
        shaft = model.box(box, (y0, y0 + wide), (0, high), look.wall)
        for panel in shaft:
            band(panel, wall * 0.46, wall * 0.04, look.trim)
            band(panel, wall * 0.95, wall * 0.05, look.trim)
            window(panel, wide / 2, high * 0.72, wide * 0.42, high * 0.2, look, "pointed", bars=True)
            band(panel, high * 0.96, high * 0.04, look.trim)
        if place == 0:
            portal(shaft.front, wide / 2, wide * 0.5, wall * 0.36, look, "pointed")
            rose(shaft.front, wide / 2, wall * 0.72, wide * 0.3, look, petals)
        else:
            portal(shaft.front, wide / 2, wide * 0.42, wall * 0.27, look, "pointed")
            window(shaft.front, wide / 2, wall * 0.52, wide * 0.26, wall * 0.36, look, "pointed")
        if towers == "uneven" and place > 0:
            battlements(model, (*box, y0, y0 + wide), high, wide * 0.11, look.trim)
        else:
            spire(model, box, (y0, y0 + wide), high, point, look)
    if not grand:
        return
    # Transept, crossing spire and apse: what the back shows.
    reach = half * rng.uniform(1.35, 1.6)
    cross = length * 0.18
    for sign in (-1, 1):
        xs = (half, reach) if sign > 0 else (-reach, -half)
        arm = model.box(xs, (cross - half * 0.5, cross + half * 0.5), (0, wall), look.wall)
        end = arm.right if sign > 0 else arm.left
        rose(end, half * 0.5, wall * 0.66, half * 0.32, look, petals)
        window(end, half * 0.5, wall * 0.1, half * 0.3, wall * 0.3, look, "pointed")
        model.gable(xs, (cross - half * 0.5, cross + half * 0.5), (wall, wall + pitched * 0.8), "x", look.roof, look.wall)
    top = wall + pitched
    s = half * 0.22
    model.frustum((-s, s, cross - s, cross + s), (0, 0, cross, cross), (top, top + wall * rng.uniform(0.5, 1.1)), look.accent)
    apse = model.revolve((0, -front), [(half * 0.92, 0), (half * 0.92, wall * 0.8), (0.05, wall * 1.1)], look.wall, 7, (0, 180))
    for panel in apse[0]:
        window(panel, panel.width / 2, wall * 0.15, panel.width * 0.45, wall * 0.52, look, "pointed", bars=True)
        band(panel, wall * 0.74, wall * 0.06, look.trim)
    for panel in apse[1]:
        panel.rectangle(0, 0, panel.width, panel.height, look.roof)


def castle(model: Model, look: Look, rng: np.random.Generator, grand: bool) -> None:
    """Walls with battlements, round corner towers under cones, a keep; the back has its own heights."""
    size = 1.0 if grand else 0.5
    a, b = rng.uniform(26, 34) * size, rng.uniform(18, 26) * size
    wall = rng.uniform(11, 15) * size
    radius = rng.uniform(4.6, 6.4) * size
    thick = 3.0 * size
    tooth = 1.3 * size
    pointed = rng.random() < 0.75
    corners = ((-a, -b), (a, -b), (a, b), (-a, b)) if grand else ((-a, -b), (a, -b))
    front = model.box((-a + radius, a - radius), (-b, -b + thick), (0, wall), look.wall)
    windows(front.front, int(rng.integers(5, 9)), 1, look, v=(wall * 0.45, wall * 0.9), width=0.18, height=0.6)
    battlements(model, (-a + radius, a - radius, -b, -b + thick), wall, tooth, look.wall)
    back = model.box((-a + radius, a - radius), (b - thick, b), (0, wall * 1.25), look.wall)
    windows(back.back, int(rng.integers(6, 10)), 3, look, width=0.4, height=0.55, shape="rect")
    model.gable(
        (-a + radius, a - radius), (b - thick - 3, b + 0.3), (wall * 1.25, wall * 1.25 + 5 * size), "x", look.roof, look.wall
    )
    for x0, x1 in ((-a, -a + thick), (a - thick, a)):
        model.box((x0, x1), (-b + radius, b - radius), (0, wall), look.wall)
        battlements(model, (x0, x1, -b + radius, b - radius), wall, tooth, look.wall)
    heights = rng.uniform(1.35, 2.1, len(corners)) * wall
    for (x, y), high in zip(corners, heights, strict=True):
        rings = model.revolve(
            (x, y), [(radius * 1.08, 0), (radius, high * 0.86), (radius * 1.2, high * 0.9), (radius * 1.2, high)], look.wall, 12
        )
        for i in range(0, 12, 3):
            window(rings[0][i], rings[0][i].width / 2, high * 0.5, radius * 0.24, high * 0.16, look)
        for panel in rings[2]:
            window(panel, panel.width / 2, panel.height * 0.2, panel.width * 0.4, panel.height * 0.55, look, "rect")
        if pointed:
            cone = high * rng.uniform(0.5, 0.8)
            model.revolve((x, y), [(radius * 1.3, high), (radius * 0.6, high + cone * 0.5), (0.02, high + cone)], look.roof, 12)
            model.line((x, y, high + cone), (x, y, high + cone * 1.25), look.accent)
        else:
            model.revolve((x, y), [(radius * 1.32, high), (radius * 1.32, high + tooth)], look.trim, 12)
    # Gatehouse and keep.
    gate = radius * 1.25
    house = model.box((-gate, gate), (-b - thick, -b), (0, wall * 1.45), look.wall)
    portal(house.front, gate, gate * 0.9, wall * 0.75, look, "round")
    band(house.front, wall * 0.98, wall * 0.05, look.accent)
    windows(house.front, 3, 1, look, v=(wall * 1.05, wall * 1.4), width=0.4, height=0.7)
    battlements(model, (-gate, gate, -b - thick, -b), wall * 1.45, tooth, look.trim)
    if grand:
        x, w = rng.uniform(-0.4, 0.4) * a, rng.uniform(6.5, 9)
        high = wall * rng.uniform(2.3, 3.1)
        keep = model.box((x - w, x + w), (-w * 0.6, w * 0.9), (0, high), look.wall)
        for panel in keep:
            windows(panel, 3, 4, look, v=(high * 0.42, high * 0.94), width=0.3, height=0.6)
            band(panel, high * 0.95, high * 0.05, look.trim)
        if rng.random() < 0.5:
            model.gable((x - w - 0.6, x + w + 0.6), (-w * 0.6, w * 0.9), (high, high + w * 1.3), "x", look.roof, look.wall)
        else:
            battlements(model, (x - w, x + w, -w * 0.6, w * 0.9), high, tooth * 1.2, look.wall)


def arch(model: Model, look: Look, rng: np.random.Generator, grand: bool) -> None:
    """A triumphal arch: one or three openings, attic with an inscription, a group on top; plain narrow sides."""
    size = 1.0 if grand else 0.4
    half, deep = rng.uniform(20, 25) * size, rng.uniform(7, 11) * size
    high = half * rng.uniform(1.75, 2.2)
    main = half * rng.uniform(0.3, 0.36)
    rise = high * rng.uniform(0.56, 0.66)
    three = rng.random() < 0.55
    side_openings = [(-half * 0.66, half * 0.15, rise * 0.62), (half * 0.66, half * 0.15, rise * 0.62)] if three else []
    openings = sorted([*side_openings, (0.0, main, rise)])
    outline = [(-half, 0.0), *_notches(openings), (half, 0.0), (half, high), (-half, high)]
    model.extrude(outline, "y", (-deep, deep), look.wall, mix(look.wall, look.trim, 0.3))
    for y, sign in ((-deep, -1), (deep, 1)):
        model.box(
            (-half * 1.02, half * 1.02),
            (min(y, y + sign * 0.8), max(y, y + sign * 0.8)),
            (rise * 1.12, rise * 1.12 + high * 0.05),
            look.trim,
        )
        for place in (-0.95, -0.42, 0.42, 0.95):
            x = place * half
            column(model, x, y + sign * 1.2, (0, rise * 1.12), half * 0.045, look.trim, look.accent)
    model.box((-half * 1.06, half * 1.06), (-deep * 1.1, deep * 1.1), (high, high + high * 0.05), look.trim)
    attic = high * rng.uniform(0.14, 0.24)
    base = high * 1.05
    upper = model.box((-half * 0.94, half * 0.94), (-deep * 0.9, deep * 0.9), (base, base + attic), look.wall)
    for panel in (upper.front, upper.back):
        panel.rectangle(panel.width * 0.2, attic * 0.2, panel.width * 0.6, attic * 0.6, look.trim)
        for line in range(2):
            panel.rectangle(panel.width * 0.25, attic * (0.33 + 0.2 * line), panel.width * 0.5, attic * 0.08, look.accent)
    for panel in (upper.left, upper.right):
        window(panel, panel.width / 2, attic * 0.2, attic * 0.5, attic * 0.6, look, "circle")
    if grand and rng.random() < 0.7:
        top = base + attic
        model.box((-half * 0.2, half * 0.2), (-deep * 0.3, deep * 0.3), (top, top + half * 0.08), look.trim)
        for x in (-0.12, 0.0, 0.12):
            model.revolve(
                (x * half, 0),
                [(half * 0.07, top + half * 0.08), (half * 0.05, top + half * 0.24), (half * 0.02, top + half * 0.34)],
                GOLD,
                6,
                material=Material.GOLD,
            )


def _notches(openings: list[tuple[float, float, float]]) -> list[tuple[float, float]]:
    """The underside of a wall with round-headed openings (centre, half width, height), from left to right."""
    notches: list[tuple[float, float]] = []
    for centre, radius, top in openings:
        outline = opening(centre, 0, 2 * radius, top, "round")
        notches += [outline[0], *reversed(outline[2:]), outline[1]]
    return notches


def clock_tower(model: Model, look: Look, rng: np.random.Generator, grand: bool) -> None:
    """A slender tower with clocks and a belfry beside a long low hall."""
    size = 1.0 if grand else 0.5
    w = rng.uniform(5, 6.5) * size
    high = rng.uniform(48, 66) * size
    place = float(rng.choice([-1.0, 0.0, 1.0]))
    hall, tall, deep = rng.uniform(22, 32) * size, rng.uniform(12, 17) * size, rng.uniform(9, 13) * size
    bays = int(rng.integers(6, 11))
    body = model.box((-hall, hall), (0, 2 * deep), (0, tall), look.wall)
    for panel in (body.front, body.back):
        windows(panel, bays, 2, look, width=0.45, height=0.6, bars=True)
        band(panel, tall * 0.5, tall * 0.03, look.trim)
        band(panel, tall * 0.94, tall * 0.06, look.trim)
    arcade = model.box((-hall, hall), (2 * deep, 2 * deep + 4 * size), (0, tall * 0.5), look.wall)
    windows(arcade.back, bays + 2, 1, look, width=0.62, height=0.85, shape="round")
    for panel in (body.left, body.right):
        windows(panel, 3, 2, look, width=0.45, height=0.6)
    model.gable(
        (-hall - 0.5, hall + 0.5), (-0.5, 2 * deep + 0.5), (tall, tall * rng.uniform(1.35, 1.6)), "x", look.roof, look.wall
    )
    x = place * (hall - w)
    shaft = model.box((x - w, x + w), (-2 * w - 0.6, -0.6), (0, high), look.wall)
    striped = rng.random() < 0.4
    for panel in shaft:
        if striped:
            stripes(panel, 14, mix(look.wall, look.accent, 0.45))
        pilasters(panel, 2, look, width=0.12)
        windows(panel, 1, 3, look, u=(w * 0.5, w * 1.5), v=(high * 0.12, high * 0.68), width=0.36, height=0.6)
        clock(panel, w, high * 0.82, w * 0.62, look, hour=10.15)
        band(panel, high * 0.95, high * 0.05, look.trim)
    portal(shaft.front, w, w * 0.8, high * 0.1, look)
    belfry = w * 0.8
    loft = model.box((x - belfry, x + belfry), (-w - 0.6 - belfry, -w - 0.6 + belfry), (high, high + 3.2 * w), look.wall)
    for panel in loft:
        windows(panel, 2, 1, look, width=0.55, height=0.75, shape="round")
        band(panel, 3.0 * w, 0.2 * w, look.accent)
    spire(
        model,
        (x - belfry * 1.15, x + belfry * 1.15),
        (-w - 0.6 - belfry * 1.15, -w - 0.6 + belfry * 1.15),
        high + 3.2 * w,
        w * rng.uniform(2.2, 5.0),
        look,
    )
