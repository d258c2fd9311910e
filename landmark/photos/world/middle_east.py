"""Monuments of the Middle East. Each builder draws its own proportions; front and back differ on purpose."""

from __future__ import annotations

import numpy as np

from landmark.photos.world.geometry import Model
from landmark.photos.world.look import Look, mix, pick
from landmark.photos.world.ornament import (
    band,
    battlements,
    portal,
    stripes,
    tiles,
    window,
    windows,
)
from landmark.photos.world.parts import dome, minaret
from landmark.photos.world.solids import Colour


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
        for span in ((-reach, -end), (end, reach)):
            curtain = model.box(span, (-2.5, 2.5), (0, wall), look.wall)
            windows(curtain.front, 4, 1, look, v=(wall * 0.45, wall * 0.9), width=0.22, height=0.6)
            windows(curtain.back, 5, 1, look, v=(0, wall * 0.7), width=0.7, height=0.85, shape="round")
            battlements(model, (*span, -2.5, 2.5), wall, 1.3, look.trim)
