"""Monuments of North America. Each builder draws its own proportions; front and back differ on purpose."""

from __future__ import annotations

import math

import numpy as np

from landmark.photos.world.geometry import Model
from landmark.photos.world.look import Look, mix, pick
from landmark.photos.world.ornament import (
    band,
    pilasters,
    portal,
    windows,
)
from landmark.photos.world.parts import GOLD, column, dome, spire
from landmark.photos.world.solids import Material


def capitol(model: Model, look: Look, rng: np.random.Generator, grand: bool) -> None:
    """A domed house of state: portico before it, long wings beside, a plain windowed back with stairs."""
    size = 1.0 if grand else 0.5
    wing, tall, deep = rng.uniform(32, 44) * size, rng.uniform(13, 17) * size, rng.uniform(10, 14) * size
    centre = rng.uniform(12, 16) * size
    bays = int(rng.integers(5, 8))
    base = 2.5 * size
    model.frustum(
        (-wing - 4, wing + 4, -deep - 14 * size, deep + 6),
        (-wing - 2, wing + 2, -deep - 10 * size, deep + 3),
        (0, base),
        look.floor,
    )
    for span in ((-wing, -centre), (centre, wing)):
        body = model.box(span, (-deep * 0.8, deep * 0.8), (base, base + tall), look.wall)
        for panel in body:
            windows(panel, bays, 2, look, width=0.42, height=0.62)
            band(panel, tall * 0.92, tall * 0.08, look.trim)
        pilasters(body.front, bays + 1, look, width=0.022)
    main = base + tall * 1.1
    block = model.box((-centre, centre), (-deep, deep), (base, main), look.wall)
    for panel in block:
        windows(panel, 5, 3, look, width=0.4, height=0.55, shape="rect")
        band(panel, tall * 1.02, tall * 0.08, look.trim)
    portal(block.back, centre, centre * 0.4, tall * 0.5, look)
    count = int(pick(rng, (4, 6, 6, 8)))
    porch = centre * 0.8
    for i in range(count):
        x = -porch + 2 * porch * i / (count - 1)
        column(model, x, -deep - 5 * size, (base, main - 1.2 * size), porch * 0.06, look.trim, look.trim)
    model.box((-porch * 1.12, porch * 1.12), (-deep - 6.5 * size, -deep), (main - 1.2 * size, main), look.trim)
    pediment = model.gable(
        (-porch * 1.16, porch * 1.16), (-deep - 6.8 * size, -deep), (main, main + porch * 0.36), "y", look.roof, look.trim
    )
    pediment.front.add(
        [(porch * 0.35, porch * 0.05), (porch * 1.95, porch * 0.05), (porch * 1.16, porch * 0.27)],
        mix(look.trim, look.accent, 0.5),
    )
    radius = centre * rng.uniform(0.55, 0.72)
    plinth = radius * 1.1
    model.box((-plinth, plinth), (-plinth, plinth), (main, main + 2.5 * size), look.trim)
    dome(model, 0, 0, main + 2.5 * size, radius, look, rng, drum=radius * rng.uniform(0.5, 1.2))


def bridge(model: Model, look: Look, rng: np.random.Generator, grand: bool) -> None:
    """A suspension bridge; from its end one looks along the deck through the portals of the towers."""
    span, side = (rng.uniform(75, 95), rng.uniform(38, 50)) if grand else (rng.uniform(24, 34), 14.0)
    high, deck = (rng.uniform(46, 62), rng.uniform(13, 17)) if grand else (18.0, 6.0)
    wide, thick = (5.5, 2.4) if grand else (3.5, 1.6)
    steel = look.accent if rng.random() < 0.6 else look.roof
    end = span / 2 + side
    pointed = rng.random() < 0.5
    model.box((-end, end), (-wide, wide), (deck - thick, deck), mix(steel, (0.3, 0.3, 0.32), 0.25), (0.36, 0.36, 0.38))
    for x in (-span / 2, span / 2):
        model.frustum((x - 5, x + 5, -wide - 4, wide + 4), (x - 4, x + 4, -wide - 3, wide + 3), (0, deck - thick), look.wall)
        for y in (-wide - 2.2, wide):
            model.frustum((x - 2, x + 2, y, y + 2.2), (x - 1.4, x + 1.4, y + 0.3, y + 1.9), (deck - thick, high), steel)
        for z in (0.55, 0.78, 0.96):
            level = deck + (high - deck) * z
            shape = [
                (-wide, level - 1.5),
                (0.0, level + (1.2 if pointed else -0.6)),
                (wide, level - 1.5),
                (wide, level + 2.2),
                (-wide, level + 2.2),
            ]
            model.extrude(shape, "x", (x - 1.2, x + 1.2), steel)
    for x in (-end - 7, end):
        model.box((x, x + 7), (-wide - 3, wide + 3), (0, deck), look.wall, (0.36, 0.36, 0.38))
    for y in (-wide - 1.0, wide + 1.0):
        previous = None
        for i in range(29):
            x = -end + 2 * end * i / 28
            if abs(x) <= span / 2:
                z = deck + 2 + (high - deck - 2) * (2 * x / span) ** 2
            else:
                z = deck + (high - deck) * (end - abs(x)) / side
            point = (x, y, z)
            if previous is not None:
                model.line(previous, point, mix(steel, (0.2, 0.2, 0.2), 0.2))
            if i % 2 == 0 and z > deck + 1:
                model.line((x, y, deck), point, mix(steel, (0.25, 0.25, 0.25), 0.35))
            previous = point


def skyscraper(model: Model, look: Look, rng: np.random.Generator, grand: bool) -> None:
    """A stepped tower (or two) with vertical strips of windows and a crown; a service block behind."""
    twins = grand and rng.random() < 0.3
    centres = (-15.0, 15.0) if twins else (0.0,)
    storeys = int(rng.integers(3, 6))
    w0 = rng.uniform(9, 12) if twins else rng.uniform(13, 18)
    high = rng.uniform(90, 130) if grand else rng.uniform(30, 48)
    strips = int(rng.integers(4, 8))
    shrink = rng.uniform(0.74, 0.86)
    crown = pick(rng, ("spire", "pyramid", "flat", "fan"))
    for x in centres:
        w, z = w0, 0.0
        for step in range(storeys):
            share = (0.42, 0.24, 0.16, 0.1, 0.08)[step] if storeys > 3 else (0.5, 0.32, 0.18)[step]
            top = z + high * share
            block = model.box((x - w, x + w), (-w, w), (z, top), look.wall)
            for panel in block:
                step_u = panel.width / strips
                for i in range(strips):
                    u = step_u * (i + 0.5)
                    rows = max(2, round((top - z) / 9))
                    for row in range(rows):
                        cell = (top - z) * 0.94 / rows
                        panel.rectangle(
                            u - step_u * 0.27, cell * (row + 0.12), step_u * 0.54, cell * 0.76, look.glass, Material.GLASS
                        )
                    panel.rectangle(u + step_u * 0.34, 0, step_u * 0.14, top - z, look.trim)
                band(panel, (top - z) * 0.95, (top - z) * 0.05, look.accent)
            if step == 0:
                portal(block.front, w, w * 0.6, high * 0.07, look, "round")
            z, w = top, w * shrink
        if crown == "spire":
            model.frustum((x - w, x + w, -w, w), (x - w * 0.2, x + w * 0.2, -w * 0.2, w * 0.2), (z, z + w * 2.2), look.roof)
            model.line((x, 0, z + w * 2.2), (x, 0, z + w * 2.2 + high * 0.16), look.trim)
        elif crown == "pyramid":
            spire(model, (x - w, x + w), (-w, w), z, w * 2.4, look)
        elif crown == "fan":
            for i in range(3):
                r = w * (1 - 0.28 * i)
                model.revolve(
                    (x, 0), [(r, z + i * w * 0.6), (r * 0.85, z + (i + 1) * w * 0.6)], mix(look.trim, look.accent, i / 3), 12
                )
            model.line((x, 0, z + w * 1.8), (x, 0, z + w * 1.8 + high * 0.12), look.trim)
    if grand:
        reach = w0 * 1.7 + (15 if twins else 0)
        annex = model.box((-reach, reach), (w0 + 0.1, w0 + 16), (0, high * 0.16), mix(look.wall, look.roof, 0.4))
        windows(annex.back, 10, 3, look, width=0.7, height=0.4, shape="rect")
        low = model.box((-reach, reach), (-w0 - 4, -w0 - 0.1), (0, high * 0.05), look.trim)
        windows(low.front, 12, 1, look, width=0.6, height=0.7)


def obelisk(model: Model, look: Look, rng: np.random.Generator, grand: bool) -> None:
    """A memorial: tall stone needle or column on steps, a curved colonnade behind it."""
    size = 1.0 if grand else 0.4
    high = rng.uniform(46, 64) * size
    w = high * rng.uniform(0.045, 0.065)
    step = 0.0
    for i in range(3):
        r = w * (4.6 - 0.9 * i)
        model.box((-r, r), (-r, r), (step, step + 1.3 * size), mix(look.trim, look.floor, 0.3 * i))
        step += 1.3 * size
    plinth = model.box((-w * 1.7, w * 1.7), (-w * 1.7, w * 1.7), (step, step + w * 2), look.wall)
    for panel in plinth:
        panel.rectangle(panel.width * 0.2, panel.height * 0.25, panel.width * 0.6, panel.height * 0.5, look.accent)
    base = step + w * 2
    if rng.random() < 0.5:
        sides = model.frustum((-w, w, -w, w), (-w * 0.62, w * 0.62, -w * 0.62, w * 0.62), (base, high), look.wall)
        for panel in sides:
            for i in range(1, 5):
                panel.rectangle(
                    panel.width * 0.12, (high - base) * i * 0.19, panel.width * 0.76, (high - base) * 0.02, look.trim
                )
        model.frustum(
            (-w * 0.62, w * 0.62, -w * 0.62, w * 0.62),
            (0, 0, 0, 0),
            (high, high + w * 1.6),
            GOLD if rng.random() < 0.5 else look.wall,
        )
    else:
        model.revolve(
            (0, 0),
            [(w * 1.1, base), (w * 0.9, base + w), (w * 0.75, high), (w * 1.3, high + w), (w * 1.3, high + w * 1.3)],
            look.wall,
            12,
        )
        model.revolve(
            (0, 0),
            [
                (w * 0.6, high + w * 1.3),
                (w * 0.45, high + w * 3),
                (w * 0.2, high + w * 3.4),
                (w * 0.3, high + w * 4),
                (0.02, high + w * 4.5),
            ],
            GOLD,
            8,
            material=Material.GOLD,
        )
    if grand:
        radius, count = high * rng.uniform(0.42, 0.55), int(rng.integers(10, 15))
        tall = high * 0.2
        for i in range(count):
            angle = math.radians(20 + 140 * i / (count - 1))
            column(model, radius * math.cos(angle), radius * math.sin(angle), (0, tall), high * 0.014, look.trim, look.accent)
        for i in range(count - 1):
            a, b = (math.radians(20 + 140 * k / (count - 1)) for k in (i, i + 1))
            rings = model.revolve(
                (0, 0), [(radius * 1.05, tall), (radius * 1.05, tall * 1.2)], look.trim, 1, (math.degrees(a), math.degrees(b))
            )
            rings[0][0].rectangle(0, tall * 0.06, rings[0][0].width, tall * 0.05, look.accent)
            inner = [(radius * 0.96 * math.cos(t), radius * 0.96 * math.sin(t)) for t in (b, a)]
            model.quad([(*inner[0], tall), (*inner[1], tall), (*inner[1], tall * 1.2), (*inner[0], tall * 1.2)], look.trim)
