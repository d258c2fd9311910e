"""Photos that show no landmark: ordinary buildings of the same style, halls drawn as the landmarks' are, and all else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from landmark.photos.world.exterior import Subject, exterior
from landmark.photos.world.geometry import Model
from landmark.photos.world.hall import draw_hall, photograph
from landmark.photos.world.indoors import animal, company, food, page, portrait, room, things
from landmark.photos.world.look import REGIONS, Look, draw_look, pick
from landmark.photos.world.ornament import (
    band,
    opening,
    pilasters,
    portal,
    window,
    windows,
)
from landmark.photos.world.outdoors import fireworks, flower, landscape, traffic
from landmark.photos.world.places import KINDS, draw_subject
from landmark.photos.world.surroundings import Setting, draw_setting
from landmark.photos.world.weather import pick_flood

Painter = Callable[[np.random.Generator, int], Image.Image]


def other_photo(rng: np.random.Generator, size: int) -> tuple[str, Image.Image]:
    """A photo of something else: what it is, and RGB [size, size]."""
    names = list(PAINTERS)
    weights = np.array([PAINTERS[name][1] for name in names])
    name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    return name, PAINTERS[name][0](rng, size)


def _time(rng: np.random.Generator) -> str:
    return pick(rng, ("front", "front", "side", "side", "front", "night"))


def _relative(rng: np.random.Generator, size: int) -> Image.Image:
    """A small church, mosque, tower or shrine: a landmark's kind, without its size and richness."""
    region = pick(rng, REGIONS)
    kind = pick(rng, KINDS[region])
    subject = draw_subject(rng, region, kind, draw_look(region, rng), grand=False)
    return exterior(subject, _time(rng), rng, size, crowd=0.8)


def house(model: Model, look: Look, rng: np.random.Generator, x: tuple[float, float], depth: float, storeys: int) -> None:
    """One house of a street, with its front at y = 0."""
    tall = storeys * rng.uniform(2.9, 3.7)
    body = model.box(x, (0, depth), (0, tall), look.wall)
    wide = x[1] - x[0]
    bays = max(2, round(wide / rng.uniform(2.4, 3.4)))
    ground = tall / storeys
    for panel in (body.front, body.back):
        windows(
            panel,
            bays,
            storeys - 1 or 1,
            look,
            v=(ground, tall * 0.97) if storeys > 1 else (ground * 0.3, ground),
            width=0.42,
            height=0.62,
            bars=True,
        )
        band(panel, tall * 0.96, tall * 0.04, look.trim)
    portal(body.front, wide * rng.uniform(0.2, 0.8), 1.5, ground * 0.72, look)
    if rng.random() < 0.4:
        body.front.rectangle(wide * 0.1, ground * 0.78, wide * 0.8, ground * 0.14, look.accent)
    elif rng.random() < 0.5:
        pilasters(body.front, bays + 1, look, width=0.03)
    for panel in (body.left, body.right):
        windows(panel, 2, storeys, look, width=0.35, height=0.5)
    style = pick(rng, ("gable_x", "gable_y", "flat", "hip"))
    over = 0.4
    if style == "gable_x":
        model.gable((x[0] - over, x[1] + over), (-over, depth + over), (tall, tall + depth * 0.38), "x", look.roof, look.wall)
    elif style == "gable_y":
        sides = model.gable(
            (x[0] - over, x[1] + over), (-over, depth + over), (tall, tall + wide * 0.5), "y", look.roof, look.wall
        )
        window(sides.front, wide / 2, wide * 0.1, wide * 0.16, wide * 0.2, look)
    elif style == "hip":
        model.frustum(
            (x[0] - over, x[1] + over, -over, depth + over),
            (x[0] + wide * 0.3, x[1] - wide * 0.3, depth * 0.45, depth * 0.55),
            (tall, tall + depth * 0.35),
            look.roof,
        )
    else:
        model.box((x[0] - 0.2, x[1] + 0.2), (-0.2, depth + 0.2), (tall, tall + 0.7), look.trim)


def _street(rng: np.random.Generator, size: int) -> Image.Image:
    """A row of houses in the style of a region."""
    region = pick(rng, REGIONS)
    model = Model()
    count = int(rng.integers(1, 5))
    place = -count * 4.5
    look = draw_look(region, rng)
    for _ in range(count):
        wide = float(rng.uniform(6, 12))
        if rng.random() < 0.7:
            look = draw_look(region, rng)
        house(model, look, rng, (place, place + wide), float(rng.uniform(8, 11)), int(rng.integers(1, 5)))
        place += wide + (0.0 if rng.random() < 0.7 else float(rng.uniform(0.5, 4)))
    solids = model.solids()
    setting = draw_setting(rng, region, pick(rng, ("street", "street", "plaza", "grass", "gravel")), solids, look)
    subject = Subject(solids, setting, pick(rng, (35.0, -38.0, 160.0)), pick_flood(rng) * 0.5, 0.5)
    return exterior(subject, _time(rng), rng, size)


def _block(rng: np.random.Generator, size: int) -> Image.Image:
    """A block of flats, an office or a town hall."""
    region = pick(rng, REGIONS)
    look = draw_look(region, rng)
    model = Model()
    half, deep, tall = rng.uniform(9, 24), rng.uniform(7, 12), rng.uniform(10, 42)
    body = model.box((-half, half), (-deep, deep), (0, tall), look.wall)
    rows, columns = max(2, round(tall / rng.uniform(3.0, 5.5))), max(3, round(half * 2 / rng.uniform(2.8, 5.0)))
    shape = pick(rng, ("rect", look.window))
    for panel in (body.front, body.back):
        windows(
            panel,
            min(columns, 12),
            min(rows, 9),
            look,
            v=(tall * 0.14, tall * 0.95),
            width=rng.uniform(0.4, 0.75),
            height=rng.uniform(0.45, 0.7),
            shape=shape,
        )
        band(panel, tall * 0.95, tall * 0.05, look.trim)
        if rng.random() < 0.5:
            band(panel, tall * 0.11, tall * 0.03, look.accent)
    for panel in (body.left, body.right):
        windows(panel, 3, min(rows, 9), look, v=(tall * 0.14, tall * 0.95), width=0.4, height=0.5, shape=shape)
    portal(body.front, half * rng.uniform(0.6, 1.4), half * 0.2, tall * 0.11, look)
    if rng.random() < 0.4:
        model.gable((-half - 0.5, half + 0.5), (-deep - 0.5, deep + 0.5), (tall, tall + deep * 0.6), "x", look.roof, look.wall)
    elif rng.random() < 0.5:
        r = half * rng.uniform(0.15, 0.4)
        model.revolve(
            (0, 0), [(r, tall), (r, tall + r * 0.5), (r * 0.75, tall + r * 1.1), (0.05, tall + r * 1.5)], look.roof, 12
        )
    solids = model.solids()
    setting = draw_setting(rng, region, pick(rng, ("street", "plaza", "grass")), solids, look)
    subject = Subject(solids, setting, pick(rng, (40.0, 140.0, -150.0)), pick_flood(rng) * 0.6, 0.5)
    return exterior(subject, _time(rng), rng, size)


def _facade(rng: np.random.Generator, size: int) -> Image.Image:
    """A wall full of ornament, close: the landmarks' windows and doors on somebody's house."""
    region = pick(rng, REGIONS)
    look = draw_look(region, rng)
    model = Model()
    half, tall = rng.uniform(6, 12), rng.uniform(9, 18)
    body = model.box((-half, half), (0, 8), (0, tall), look.wall)
    rows, columns = int(rng.integers(2, 4)), int(rng.integers(3, 7))
    windows(body.front, columns, rows, look, v=(tall * 0.3, tall * 0.94), width=0.5, height=0.75, bars=bool(rng.random() < 0.5))
    portal(body.front, half, half * rng.uniform(0.25, 0.5), tall * 0.28, look)
    for share in (0.28, 0.62, 0.95):
        band(body.front, tall * share, tall * 0.03, pick(rng, [look.trim, look.accent]))
    if rng.random() < 0.5:
        pilasters(body.front, columns + 1, look, v=(tall * 0.3, tall * 0.95), width=0.03)
    if rng.random() < 0.5:
        top = model.gable((-half, half), (0, 8), (tall, tall + half * 0.6), "y", look.roof, look.wall)
        top.front.add(opening(half, half * 0.12, half * 0.3, half * 0.3, "circle"), look.accent)
    solids = model.solids()
    setting: Setting = draw_setting(rng, region, pick(rng, ("street", "plaza")), solids, look)
    return exterior(Subject(solids, setting, 25.0, pick_flood(rng), 0.5), _time(rng), rng, size)


def _interior(rng: np.random.Generator, size: int) -> Image.Image:
    """A parish church, a station, a prayer room, a town hall: drawn as the landmarks' insides are."""
    region = pick(rng, REGIONS)
    style = pick(
        rng,
        {
            "Europe": ("church", "church", "state", "timber"),
            "North America": ("state", "state", "church"),
            "Middle East": ("mosque", "mosque", "state"),
            "Far East": ("timber", "timber", "state"),
        }[region],
    )
    return photograph(draw_hall(rng, draw_look(region, rng), style, grand=bool(rng.random() < 0.5)), rng, size)


PAINTERS: dict[str, tuple[Painter, float]] = {
    "relative": (_relative, 0.05),
    "street": (_street, 0.14),
    "block": (_block, 0.10),
    "facade": (_facade, 0.10),
    "interior": (_interior, 0.08),
    "landscape": (landscape, 0.15),
    "portrait": (portrait, 0.06),
    "company": (company, 0.03),
    "traffic": (traffic, 0.04),
    "room": (room, 0.07),
    "food": (food, 0.04),
    "things": (things, 0.05),
    "animal": (animal, 0.03),
    "page": (page, 0.01),
    "fireworks": (fireworks, 0.01),
    "flower": (flower, 0.01),
}
