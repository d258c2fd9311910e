"""Photos that show no landmark: ordinary buildings of the same style, rooms, streets, nature, people, things."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw

from landmark.photos.world.exterior import Setting, Subject, draw_setting, exterior
from landmark.photos.world.figures import _CLOTH, Brush, boat, bust, car, person, tree
from landmark.photos.world.geometry import Colour, Model
from landmark.photos.world.hall import draw_hall, photograph
from landmark.photos.world.look import REGIONS, Look, draw_look, mix, pick, rgb
from landmark.photos.world.ornament import band, opening, pilasters, portal, window, windows
from landmark.photos.world.places import KINDS, draw_subject
from landmark.photos.world.weather import develop, draw_weather, fall, noise, pick_flood, sky

Painter = Callable[[np.random.Generator, int], Image.Image]


def other_photo(rng: np.random.Generator, size: int) -> tuple[str, Image.Image]:
    """A photo of something else: what it is, and RGB [size, size]."""
    names = list(_PAINTERS)
    weights = np.array([_PAINTERS[name][1] for name in names])
    name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    return name, _PAINTERS[name][0](rng, size)


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
        windows(panel, bays, storeys - 1 or 1, look, v=(ground, tall * 0.97) if storeys > 1 else (ground * 0.3, ground), width=0.42, height=0.62, bars=True)
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
        sides = model.gable((x[0] - over, x[1] + over), (-over, depth + over), (tall, tall + wide * 0.5), "y", look.roof, look.wall)
        window(sides.front, wide / 2, wide * 0.1, wide * 0.16, wide * 0.2, look)
    elif style == "hip":
        model.frustum((x[0] - over, x[1] + over, -over, depth + over), (x[0] + wide * 0.3, x[1] - wide * 0.3, depth * 0.45, depth * 0.55), (tall, tall + depth * 0.35), look.roof)
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
        windows(panel, min(columns, 12), min(rows, 9), look, v=(tall * 0.14, tall * 0.95), width=rng.uniform(0.4, 0.75), height=rng.uniform(0.45, 0.7), shape=shape)
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
        model.revolve((0, 0), [(r, tall), (r, tall + r * 0.5), (r * 0.75, tall + r * 1.1), (0.05, tall + r * 1.5)], look.roof, 12)
    solids = model.solids()
    setting = draw_setting(rng, region, pick(rng, ("street", "plaza", "grass")), solids, look)
    subject = Subject(solids, setting, pick(rng, (40.0, 140.0, -150.0)), pick_flood(rng) * 0.6, 0.5)
    return exterior(subject, _time(rng), rng, size)


def _interior(rng: np.random.Generator, size: int) -> Image.Image:
    """A parish church, a station, a prayer room, a town hall: drawn as the landmarks' insides are."""
    region = pick(rng, REGIONS)
    style = pick(rng, {"Europe": ("church", "church", "state", "timber"), "North America": ("state", "state", "church"), "Middle East": ("mosque", "mosque", "state"), "Far East": ("timber", "timber", "state")}[region])
    return photograph(draw_hall(rng, draw_look(region, rng), style, grand=bool(rng.random() < 0.5)), rng, size)


def _canvas(rng: np.random.Generator, size: int, first: Colour, second: Colour, texture: float = 0.08) -> tuple[Image.Image, Brush]:
    """A blurred background from one colour above to another below, and a brush to draw on it."""
    side = size * (3 if size <= 192 else 2)
    small = side // 3
    share = np.linspace(0, 1, small)[:, None, None]
    field = np.array(first) * (1 - share) + np.array(second) * share
    field = field * (1 + texture * (noise(rng, small, 3, 3)[:, :, None] - 0.5) * 2)
    image = Image.fromarray(np.asarray(np.clip(field * 255, 0, 255), dtype=np.uint8)).resize((side, side), Image.Resampling.BICUBIC)
    return image, Brush(ImageDraw.Draw(image), rng, np.ones(3) * rng.uniform(0.85, 1.05))


def _colour(rng: np.random.Generator) -> Colour:
    return mix(pick(rng, _CLOTH), (float(rng.random()), float(rng.random()), float(rng.random())), 0.25)


def _portrait(rng: np.random.Generator, size: int) -> Image.Image:
    """One or two people near the camera, indoors or in a garden."""
    image, brush = _canvas(rng, size, _colour(rng), _colour(rng), 0.35)
    side = image.size[0]
    count = int(rng.integers(1, 4))
    for i in range(count):
        bust(brush, side * ((i + 0.5) / count + rng.normal(0, 0.04)), side * rng.uniform(0.62, 0.78), side * rng.uniform(0.26, 0.46) / (1 + 0.25 * (count - 1)))
    return develop(rng, image, size, dark=bool(rng.random() < 0.2))


def _company(rng: np.random.Generator, size: int) -> Image.Image:
    """A group of people on a lawn or a floor."""
    image, brush = _canvas(rng, size, _colour(rng), pick(rng, [rgb("7fa04f"), rgb("a79f90"), rgb("c9b48c")]), 0.2)
    side = image.size[0]
    for _ in range(int(rng.integers(2, 9))):
        height = side * rng.uniform(0.4, 0.75)
        person(brush, side * rng.uniform(0.08, 0.92), side * rng.uniform(0.75, 0.98), height)
    return develop(rng, image, size, dark=False)


def _landscape(rng: np.random.Generator, size: int) -> Image.Image:
    """Mountains, hills, a beach, a forest, a field or a desert."""
    weather = draw_weather(rng, 100.0)
    side = size * (3 if size <= 192 else 2)
    horizon = side * rng.uniform(0.38, 0.68)
    image = sky(rng, weather, side, horizon)
    draw = ImageDraw.Draw(image)
    brush = Brush(draw, rng, weather.tone)
    x = np.arange(0, side + 6, 6)
    rough = rng.uniform(0.02, 0.16)
    base = np.array(rgb(pick(rng, ("6a7488", "6f8a5f", "4f6f4a", "b09a78"))))
    for layer in range(int(rng.integers(1, 4))):
        phases = rng.uniform(0, 6.28, 4)
        wave = sum(np.abs(np.sin(x / side * f + p)) / (k + 1) for k, (f, p) in enumerate(zip((3.1, 7.3, 17.0, 37.0), phases, strict=True)))
        rise = side * rough * (1.1 - 0.3 * layer) * wave
        air = 0.55 - 0.18 * layer
        fill = tuple(int(v) for v in np.clip((base * weather.tone * (1 - air) + weather.low * air) * 255, 0, 255))
        draw.polygon([(0, side), *zip(x.tolist(), (horizon - rise).tolist(), strict=True), (side + 6, side)], fill=fill)
    sea = rng.random() < 0.35
    ground = np.array(rgb(pick(rng, ("6f8f55", "7fa04f", "d9bf8f", "c9b060", "8f9f5f")))) if not sea else np.array(rgb("4f85a5"))
    if weather.name == "snow" and not sea:
        ground = ground * 0.3 + 0.65
    for i in range(12):
        y0 = horizon + (side - horizon) * (i / 12) ** 1.6
        shade = ground * weather.tone * (0.92 + 0.13 * (i % 2) + rng.normal(0, 0.02))
        draw.rectangle((0, y0, side, side), fill=tuple(int(v) for v in np.clip(shade * 255, 0, 255)))
    if sea:
        if rng.random() < 0.6:
            sand = brush.ink(rgb("e3cf9f"))
            draw.polygon([(0, side), (0, side * rng.uniform(0.7, 0.9)), (side * 0.5, side * rng.uniform(0.76, 0.95)), (side, side * rng.uniform(0.85, 1.0)), (side, side)], fill=sand)
        for _ in range(int(rng.integers(0, 3))):
            boat(brush, side * rng.uniform(0.1, 0.9), horizon + (side - horizon) * rng.uniform(0.05, 0.3), side * rng.uniform(0.06, 0.18))
    else:
        kind = pick(rng, ("round", "conifer", "autumn", "palm", "cypress", "blossom"))
        for share in np.sort(rng.random(int(rng.integers(0, 16)))):
            tree(brush, kind, side * rng.uniform(0, 1), horizon + (side - horizon) * share**1.4, side * (0.08 + 0.4 * share))
    if rng.random() < 0.25:
        person(brush, side * rng.uniform(0.2, 0.8), side * rng.uniform(0.85, 1.0), side * rng.uniform(0.2, 0.5))
    small = develop(rng, image, size, dark=False)
    pixels = fall(rng, weather, np.asarray(small, dtype=np.float64) / 255)
    return Image.fromarray(np.asarray(np.clip(pixels * 255, 0, 255), dtype=np.uint8))


def _traffic(rng: np.random.Generator, size: int) -> Image.Image:
    """A car close by."""
    weather = draw_weather(rng, 100.0)
    side = size * (3 if size <= 192 else 2)
    horizon = side * rng.uniform(0.45, 0.6)
    image = sky(rng, weather, side, horizon)
    draw = ImageDraw.Draw(image)
    brush = Brush(draw, rng, weather.tone)
    place = 0.0
    while place < side:
        wide, tall = side * rng.uniform(0.08, 0.3), side * rng.uniform(0.05, 0.35)
        draw.rectangle((place, horizon - tall, place + wide, horizon + 4), fill=brush.ink(_colour(rng), 0.8))
        for wx in range(3):
            for wy in range(3):
                draw.rectangle((place + wide * (0.15 + 0.28 * wx), horizon - tall * (0.9 - 0.28 * wy), place + wide * (0.3 + 0.28 * wx), horizon - tall * (0.76 - 0.28 * wy)), fill=brush.ink((0.25, 0.3, 0.38)))
        place += wide
    draw.rectangle((0, horizon, side, side), fill=brush.ink(rgb("75756f")))
    draw.rectangle((0, horizon, side, horizon + side * 0.05), fill=brush.ink(rgb("a5a296")))
    car(brush, side * rng.uniform(0.35, 0.65), side * rng.uniform(0.75, 0.88), side * rng.uniform(0.6, 1.0))
    if rng.random() < 0.4:
        person(brush, side * rng.uniform(0.05, 0.95), side * 0.9, side * rng.uniform(0.3, 0.5))
    return develop(rng, image, size, dark=False)


def _room(rng: np.random.Generator, size: int) -> Image.Image:
    """A living room or an office: two walls, a window, some furniture."""
    wall = mix(_colour(rng), (1, 1, 0.95), 0.6)
    image, brush = _canvas(rng, size, wall, mix(wall, (0.6, 0.5, 0.4), 0.2), 0.05)
    s = image.size[0]
    draw = brush.draw
    corner, base = s * rng.uniform(0.15, 0.85), s * rng.uniform(0.58, 0.72)
    draw.polygon([(corner, 0), (s, 0), (s, s * 0.9), (corner, base)], fill=brush.ink(wall, 0.86))
    floor = brush.ink(pick(rng, [rgb("a8794f"), rgb("8a6a48"), rgb("b9b2a4"), rgb("6f6a66")]))
    draw.polygon([(0, base + s * 0.1), (corner, base), (s, base + s * 0.2), (s, s), (0, s)], fill=floor)
    wx, wy, w, h = s * rng.uniform(0.1, 0.6), s * rng.uniform(0.1, 0.2), s * rng.uniform(0.18, 0.3), s * rng.uniform(0.22, 0.34)
    draw.rectangle((wx - 6, wy - 6, wx + w + 6, wy + h + 6), fill=brush.ink((0.95, 0.95, 0.92)))
    draw.rectangle((wx, wy, wx + w, wy + h), fill=pick(rng, [(190, 220, 240), (240, 225, 190), (60, 70, 100)]))
    draw.line([(wx + w / 2, wy), (wx + w / 2, wy + h)], fill=brush.ink((0.95, 0.95, 0.92)), width=max(2, s // 100))
    if rng.random() < 0.6:
        cloth, x, y = pick(rng, _CLOTH), s * rng.uniform(0.05, 0.4), s * rng.uniform(0.62, 0.78)
        draw.rounded_rectangle((x, y - s * 0.2, x + s * 0.5, y + s * 0.05), radius=s * 0.04, fill=brush.ink(cloth, 0.9))
        draw.rounded_rectangle((x - s * 0.03, y - s * 0.08, x + s * 0.53, y + s * 0.1), radius=s * 0.04, fill=brush.ink(cloth))
    if rng.random() < 0.6:
        x, y = s * rng.uniform(0.2, 0.8), s * rng.uniform(0.75, 0.9)
        wood = rgb("7a5230")
        draw.polygon([(x - s * 0.22, y - s * 0.1), (x + s * 0.22, y - s * 0.1), (x + s * 0.28, y), (x - s * 0.28, y)], fill=brush.ink(wood))
        for leg in (-0.26, 0.26):
            draw.line([(x + leg * s, y), (x + leg * s, y + s * 0.12)], fill=brush.ink(wood, 0.7), width=max(2, s // 60))
    for _ in range(int(rng.integers(0, 4))):
        x, y, w, h = s * rng.uniform(0.05, 0.8), s * rng.uniform(0.08, 0.3), s * rng.uniform(0.06, 0.15), s * rng.uniform(0.08, 0.16)
        draw.rectangle((x, y, x + w, y + h), fill=brush.ink((0.25, 0.18, 0.12)))
        draw.rectangle((x + w * 0.1, y + h * 0.1, x + w * 0.9, y + h * 0.9), fill=brush.ink(_colour(rng)))
    if rng.random() < 0.4:
        bust(brush, s * rng.uniform(0.25, 0.75), s * rng.uniform(0.7, 0.85), s * rng.uniform(0.18, 0.3))
    return develop(rng, image, size, dark=bool(rng.random() < 0.3))


def _food(rng: np.random.Generator, size: int) -> Image.Image:
    """A plate on a table."""
    image, brush = _canvas(rng, size, pick(rng, [rgb("8a6a48"), rgb("c9b48c"), rgb("4a3020"), rgb("d8d4cc")]), _colour(rng), 0.2)
    s = image.size[0]
    x, y, r = s * rng.uniform(0.4, 0.6), s * rng.uniform(0.45, 0.6), s * rng.uniform(0.28, 0.42)
    flat = rng.uniform(0.5, 1.0)
    brush.disc(x + r * 0.05, y + r * 0.1, r, r * flat, brush.ink((0.15, 0.12, 0.1)))
    brush.disc(x, y, r, r * flat, brush.ink((0.95, 0.95, 0.93)))
    brush.disc(x, y, r * 0.75, r * 0.75 * flat, brush.ink((0.86, 0.86, 0.85)))
    for _ in range(int(rng.integers(6, 22))):
        a, d = rng.uniform(0, 6.28), rng.uniform(0, 0.5) * r
        q = rng.uniform(0.08, 0.24) * r
        brush.disc(x + d * math.cos(a), y + d * math.sin(a) * flat, q, q * rng.uniform(0.6, 1.0), brush.ink(pick(rng, [rgb("c93a3a"), rgb("5f8a3f"), rgb("e0b23a"), rgb("d98a4a"), rgb("f0e0b8"), rgb("8a4a2a")])))
    return develop(rng, image, size, dark=False)


def _things(rng: np.random.Generator, size: int) -> Image.Image:
    """Bottles, cups, boxes, balls on a table."""
    image, brush = _canvas(rng, size, _colour(rng), _colour(rng), 0.12)
    s = image.size[0]
    table = s * rng.uniform(0.6, 0.78)
    brush.draw.rectangle((0, table, s, s), fill=brush.ink(pick(rng, [rgb("8a6a48"), rgb("b9b2a4"), rgb("5a4330")])))
    for _ in range(int(rng.integers(1, 5))):
        x, base, h = s * rng.uniform(0.12, 0.88), table + s * rng.uniform(0.02, 0.2), s * rng.uniform(0.18, 0.5)
        colour, form = _colour(rng), pick(rng, ("bottle", "cup", "box", "ball", "vase"))
        brush.disc(x, base, h * 0.3, h * 0.05, brush.ink((0.15, 0.12, 0.1)))
        if form == "bottle":
            brush.draw.rounded_rectangle((x - h * 0.14, base - h * 0.65, x + h * 0.14, base), radius=h * 0.06, fill=brush.ink(colour, 0.8))
            brush.draw.rectangle((x - h * 0.05, base - h, x + h * 0.05, base - h * 0.6), fill=brush.ink(colour, 0.7))
            brush.draw.rectangle((x - h * 0.14, base - h * 0.45, x + h * 0.14, base - h * 0.2), fill=brush.ink((0.95, 0.92, 0.85)))
        elif form == "cup":
            brush.draw.ellipse((x + h * 0.1, base - h * 0.4, x + h * 0.4, base - h * 0.1), outline=brush.ink(colour, 0.8), width=max(2, int(h * 0.06)))
            brush.draw.polygon([(x - h * 0.26, base - h * 0.5), (x + h * 0.26, base - h * 0.5), (x + h * 0.2, base), (x - h * 0.2, base)], fill=brush.ink(colour))
            brush.disc(x, base - h * 0.5, h * 0.26, h * 0.07, brush.ink(colour, 0.7))
        elif form == "box":
            brush.draw.rectangle((x - h * 0.3, base - h * 0.5, x + h * 0.15, base), fill=brush.ink(colour))
            brush.draw.polygon([(x + h * 0.15, base - h * 0.5), (x + h * 0.32, base - h * 0.6), (x + h * 0.32, base - h * 0.12), (x + h * 0.15, base)], fill=brush.ink(colour, 0.7))
            brush.draw.polygon([(x - h * 0.3, base - h * 0.5), (x + h * 0.15, base - h * 0.5), (x + h * 0.32, base - h * 0.6), (x - h * 0.12, base - h * 0.6)], fill=brush.ink(colour, 1.15))
        elif form == "ball":
            for k in range(5):
                q = h * 0.3 * (1 - 0.17 * k)
                brush.disc(x - h * 0.03 * k, base - h * 0.3 - h * 0.03 * k, q, q, brush.ink(colour, 0.75 + 0.1 * k))
        else:
            outline = [(-0.12, 0), (-0.26, 0.35), (-0.1, 0.62), (-0.17, 0.72), (0.17, 0.72), (0.1, 0.62), (0.26, 0.35), (0.12, 0)]
            brush.draw.polygon([(x + a * h, base - b * h) for a, b in outline], fill=brush.ink(colour))
            for _ in range(6):
                brush.disc(x + rng.normal(0, 0.13) * h, base - h * rng.uniform(0.8, 1.05), h * 0.08, h * 0.08, brush.ink(_colour(rng)))
    return develop(rng, image, size, dark=False)


def _animal(rng: np.random.Generator, size: int) -> Image.Image:
    """A cat or a dog, sitting."""
    image, brush = _canvas(rng, size, _colour(rng), pick(rng, [rgb("7fa04f"), rgb("a8794f"), rgb("b9b2a4")]), 0.25)
    s = image.size[0]
    fur = pick(rng, [rgb(text) for text in ("c98a4a", "4a4038", "e8dcc4", "8a8a8a", "6b4230", "f0ead8")])
    x, base, h = s * rng.uniform(0.35, 0.65), s * rng.uniform(0.85, 0.98), s * rng.uniform(0.55, 0.8)
    dog = rng.random() < 0.5
    brush.draw.line([(x + h * 0.2, base - h * 0.05), (x + h * 0.42, base - h * 0.1), (x + h * 0.45, base - h * 0.35)], fill=brush.ink(fur, 0.8), width=max(2, int(h * 0.07)))
    brush.disc(x, base - h * 0.25, h * 0.26, h * 0.28, brush.ink(fur, 0.9))
    brush.disc(x, base - h * 0.2, h * 0.14, h * 0.2, brush.ink(mix(fur, (1, 1, 1), 0.35)))
    hx, hy = x, base - h * 0.68
    for sign in (-1, 1):
        ear = [(hx + sign * h * 0.2, hy - h * 0.05), (hx + sign * h * 0.17, hy - h * 0.32), (hx + sign * h * 0.04, hy - h * 0.16)]
        if dog:
            ear = [(hx + sign * h * 0.12, hy - h * 0.18), (hx + sign * h * 0.3, hy - h * 0.1), (hx + sign * h * 0.26, hy + h * 0.14), (hx + sign * h * 0.16, hy)]
        brush.draw.polygon(ear, fill=brush.ink(fur, 0.75))
    brush.disc(hx, hy, h * 0.21, h * 0.19, brush.ink(fur))
    brush.disc(hx, hy + h * 0.08, h * 0.1, h * 0.08, brush.ink(mix(fur, (1, 1, 1), 0.4)))
    for sign in (-1, 1):
        brush.disc(hx + sign * h * 0.08, hy - h * 0.03, h * 0.03, h * 0.035, (30, 30, 25))
    brush.disc(hx, hy + h * 0.04, h * 0.028, h * 0.02, (50, 30, 30))
    return develop(rng, image, size, dark=False)


def _page(rng: np.random.Generator, size: int) -> Image.Image:
    """A page of text, a sign or a screen."""
    image, brush = _canvas(rng, size, _colour(rng), _colour(rng), 0.1)
    s = image.size[0]
    paper = pick(rng, [(0.97, 0.96, 0.92), (0.12, 0.14, 0.18), (0.9, 0.93, 0.97)])
    ink = (0.15, 0.15, 0.17) if sum(paper) > 1.5 else (0.85, 0.88, 0.9)
    m = s * rng.uniform(0.02, 0.16)
    brush.draw.rectangle((m, m, s - m, s - m), fill=brush.ink(paper))
    lines = int(rng.integers(7, 20))
    for i in range(lines):
        y = m + (s - 2 * m) * (i + 0.7) / (lines + 1)
        x = m * 1.3 + s * 0.04
        while x < s - m * 1.3 - s * 0.1 and rng.random() < 0.96:
            w = s * rng.uniform(0.02, 0.1)
            brush.draw.rectangle((x, y, x + w, y + s * 0.3 / lines), fill=brush.ink(ink if i else _colour(rng)))
            x += w + s * 0.015
    if rng.random() < 0.5:
        x, y = s * rng.uniform(0.15, 0.5), s * rng.uniform(0.3, 0.6)
        brush.draw.rectangle((x, y, x + s * 0.35, y + s * 0.25), fill=brush.ink(_colour(rng)))
    return develop(rng, image, size, dark=False)


def _fireworks(rng: np.random.Generator, size: int) -> Image.Image:
    """Lights in the night: fireworks, a fair, a distant town."""
    image, brush = _canvas(rng, size, (0.03, 0.04, 0.1), (0.12, 0.1, 0.16), 0.3)
    s = image.size[0]
    for _ in range(int(rng.integers(1, 5))):
        x, y, r = s * rng.uniform(0.15, 0.85), s * rng.uniform(0.12, 0.55), s * rng.uniform(0.08, 0.26)
        ray = brush.ink(mix(_colour(rng), (1, 0.9, 0.6), 0.5), 1.2)
        for k in range(22):
            a = k * 2 * math.pi / 22
            brush.draw.line([(x + 0.3 * r * math.cos(a), y + 0.3 * r * math.sin(a)), (x + r * math.cos(a), y + r * math.sin(a) + r * 0.1)], fill=ray, width=max(1, s // 130))
    for _ in range(40):
        x, y = s * rng.random(), s * rng.uniform(0.78, 0.98)
        brush.disc(x, y, s * 0.008, s * 0.008, pick(rng, [(255, 220, 150), (255, 180, 90), (200, 220, 255)]))
    return develop(rng, image, size, dark=True)


def _flower(rng: np.random.Generator, size: int) -> Image.Image:
    """Flowers in a garden."""
    image, brush = _canvas(rng, size, rgb("7fa04f"), rgb("3f6a35"), 0.4)
    s = image.size[0]
    petal = _colour(rng)
    for _ in range(int(rng.integers(1, 8))):
        x, y, r = s * rng.uniform(0.1, 0.9), s * rng.uniform(0.15, 0.8), s * rng.uniform(0.08, 0.24)
        brush.draw.line([(x, y), (x + r * 0.3, s)], fill=brush.ink(rgb("4f7a35")), width=max(2, int(r * 0.1)))
        count = int(rng.integers(5, 11))
        for k in range(count):
            a = 2 * math.pi * k / count
            brush.disc(x + r * 0.6 * math.cos(a), y + r * 0.6 * math.sin(a), r * 0.36, r * 0.36, brush.ink(petal, 0.85 + 0.15 * (k % 2)))
        brush.disc(x, y, r * 0.32, r * 0.32, brush.ink(rgb("e0b23a")))
    return develop(rng, image, size, dark=False)


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


_PAINTERS: dict[str, tuple[Painter, float]] = {
    "relative": (_relative, 0.05),
    "street": (_street, 0.14),
    "block": (_block, 0.10),
    "facade": (_facade, 0.10),
    "interior": (_interior, 0.08),
    "landscape": (_landscape, 0.15),
    "portrait": (_portrait, 0.06),
    "company": (_company, 0.03),
    "traffic": (_traffic, 0.04),
    "room": (_room, 0.07),
    "food": (_food, 0.04),
    "things": (_things, 0.05),
    "animal": (_animal, 0.03),
    "page": (_page, 0.01),
    "fireworks": (_fireworks, 0.01),
    "flower": (_flower, 0.01),
}
