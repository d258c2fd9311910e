"""People, animals, rooms and things: photos that no building is in."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from landmark.photos.world.figures import CLOTH, bust, person
from landmark.photos.world.look import mix, pick, rgb
from landmark.photos.world.studio import any_colour, canvas
from landmark.photos.world.weather import develop


def portrait(rng: np.random.Generator, size: int) -> Image.Image:
    """One or two people near the camera, indoors or in a garden."""
    image, brush = canvas(rng, size, any_colour(rng), any_colour(rng), 0.35)
    side = image.size[0]
    count = int(rng.integers(1, 4))
    for i in range(count):
        bust(
            brush,
            side * ((i + 0.5) / count + rng.normal(0, 0.04)),
            side * rng.uniform(0.62, 0.78),
            side * rng.uniform(0.26, 0.46) / (1 + 0.25 * (count - 1)),
        )
    return develop(rng, image, size, dark=bool(rng.random() < 0.2))


def company(rng: np.random.Generator, size: int) -> Image.Image:
    """A group of people on a lawn or a floor."""
    image, brush = canvas(rng, size, any_colour(rng), pick(rng, [rgb("7fa04f"), rgb("a79f90"), rgb("c9b48c")]), 0.2)
    side = image.size[0]
    for _ in range(int(rng.integers(2, 9))):
        height = side * rng.uniform(0.4, 0.75)
        person(brush, side * rng.uniform(0.08, 0.92), side * rng.uniform(0.75, 0.98), height)
    return develop(rng, image, size, dark=False)


def animal(rng: np.random.Generator, size: int) -> Image.Image:
    """A cat or a dog, sitting."""
    image, brush = canvas(rng, size, any_colour(rng), pick(rng, [rgb("7fa04f"), rgb("a8794f"), rgb("b9b2a4")]), 0.25)
    s = image.size[0]
    fur = pick(rng, [rgb(text) for text in ("c98a4a", "4a4038", "e8dcc4", "8a8a8a", "6b4230", "f0ead8")])
    x, base, h = s * rng.uniform(0.35, 0.65), s * rng.uniform(0.85, 0.98), s * rng.uniform(0.55, 0.8)
    dog = rng.random() < 0.5
    brush.draw.line(
        [(x + h * 0.2, base - h * 0.05), (x + h * 0.42, base - h * 0.1), (x + h * 0.45, base - h * 0.35)],
        fill=brush.ink(fur, 0.8),
        width=max(2, int(h * 0.07)),
    )
    brush.disc(x, base - h * 0.25, h * 0.26, h * 0.28, brush.ink(fur, 0.9))
    brush.disc(x, base - h * 0.2, h * 0.14, h * 0.2, brush.ink(mix(fur, (1, 1, 1), 0.35)))
    hx, hy = x, base - h * 0.68
    for sign in (-1, 1):
        ear = [
            (hx + sign * h * 0.2, hy - h * 0.05),
            (hx + sign * h * 0.17, hy - h * 0.32),
            (hx + sign * h * 0.04, hy - h * 0.16),
        ]
        if dog:
            ear = [
                (hx + sign * h * 0.12, hy - h * 0.18),
                (hx + sign * h * 0.3, hy - h * 0.1),
                (hx + sign * h * 0.26, hy + h * 0.14),
                (hx + sign * h * 0.16, hy),
            ]
        brush.draw.polygon(ear, fill=brush.ink(fur, 0.75))
    brush.disc(hx, hy, h * 0.21, h * 0.19, brush.ink(fur))
    brush.disc(hx, hy + h * 0.08, h * 0.1, h * 0.08, brush.ink(mix(fur, (1, 1, 1), 0.4)))
    for sign in (-1, 1):
        brush.disc(hx + sign * h * 0.08, hy - h * 0.03, h * 0.03, h * 0.035, (30, 30, 25))
    brush.disc(hx, hy + h * 0.04, h * 0.028, h * 0.02, (50, 30, 30))
    return develop(rng, image, size, dark=False)


def room(rng: np.random.Generator, size: int) -> Image.Image:
    """A living room or an office: two walls, a window, some furniture."""
    wall = mix(any_colour(rng), (1, 1, 0.95), 0.6)
    image, brush = canvas(rng, size, wall, mix(wall, (0.6, 0.5, 0.4), 0.2), 0.05)
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
        cloth, x, y = pick(rng, CLOTH), s * rng.uniform(0.05, 0.4), s * rng.uniform(0.62, 0.78)
        draw.rounded_rectangle((x, y - s * 0.2, x + s * 0.5, y + s * 0.05), radius=s * 0.04, fill=brush.ink(cloth, 0.9))
        draw.rounded_rectangle((x - s * 0.03, y - s * 0.08, x + s * 0.53, y + s * 0.1), radius=s * 0.04, fill=brush.ink(cloth))
    if rng.random() < 0.6:
        x, y = s * rng.uniform(0.2, 0.8), s * rng.uniform(0.75, 0.9)
        wood = rgb("7a5230")
        draw.polygon(
            [(x - s * 0.22, y - s * 0.1), (x + s * 0.22, y - s * 0.1), (x + s * 0.28, y), (x - s * 0.28, y)],
            fill=brush.ink(wood),
        )
        for leg in (-0.26, 0.26):
            draw.line([(x + leg * s, y), (x + leg * s, y + s * 0.12)], fill=brush.ink(wood, 0.7), width=max(2, s // 60))
    for _ in range(int(rng.integers(0, 4))):
        x, y, w, h = (
            s * rng.uniform(0.05, 0.8),
            s * rng.uniform(0.08, 0.3),
            s * rng.uniform(0.06, 0.15),
            s * rng.uniform(0.08, 0.16),
        )
        draw.rectangle((x, y, x + w, y + h), fill=brush.ink((0.25, 0.18, 0.12)))
        draw.rectangle((x + w * 0.1, y + h * 0.1, x + w * 0.9, y + h * 0.9), fill=brush.ink(any_colour(rng)))
    if rng.random() < 0.4:
        bust(brush, s * rng.uniform(0.25, 0.75), s * rng.uniform(0.7, 0.85), s * rng.uniform(0.18, 0.3))
    return develop(rng, image, size, dark=bool(rng.random() < 0.3))


def food(rng: np.random.Generator, size: int) -> Image.Image:
    """A plate on a table."""
    image, brush = canvas(
        rng, size, pick(rng, [rgb("8a6a48"), rgb("c9b48c"), rgb("4a3020"), rgb("d8d4cc")]), any_colour(rng), 0.2
    )
    s = image.size[0]
    x, y, r = s * rng.uniform(0.4, 0.6), s * rng.uniform(0.45, 0.6), s * rng.uniform(0.28, 0.42)
    flat = rng.uniform(0.5, 1.0)
    brush.disc(x + r * 0.05, y + r * 0.1, r, r * flat, brush.ink((0.15, 0.12, 0.1)))
    brush.disc(x, y, r, r * flat, brush.ink((0.95, 0.95, 0.93)))
    brush.disc(x, y, r * 0.75, r * 0.75 * flat, brush.ink((0.86, 0.86, 0.85)))
    for _ in range(int(rng.integers(6, 22))):
        a, d = rng.uniform(0, 6.28), rng.uniform(0, 0.5) * r
        q = rng.uniform(0.08, 0.24) * r
        brush.disc(
            x + d * math.cos(a),
            y + d * math.sin(a) * flat,
            q,
            q * rng.uniform(0.6, 1.0),
            brush.ink(pick(rng, [rgb("c93a3a"), rgb("5f8a3f"), rgb("e0b23a"), rgb("d98a4a"), rgb("f0e0b8"), rgb("8a4a2a")])),
        )
    return develop(rng, image, size, dark=False)


def things(rng: np.random.Generator, size: int) -> Image.Image:
    """Bottles, cups, boxes, balls on a table."""
    image, brush = canvas(rng, size, any_colour(rng), any_colour(rng), 0.12)
    s = image.size[0]
    table = s * rng.uniform(0.6, 0.78)
    brush.draw.rectangle((0, table, s, s), fill=brush.ink(pick(rng, [rgb("8a6a48"), rgb("b9b2a4"), rgb("5a4330")])))
    for _ in range(int(rng.integers(1, 5))):
        x, base, h = s * rng.uniform(0.12, 0.88), table + s * rng.uniform(0.02, 0.2), s * rng.uniform(0.18, 0.5)
        colour, form = any_colour(rng), pick(rng, ("bottle", "cup", "box", "ball", "vase"))
        brush.disc(x, base, h * 0.3, h * 0.05, brush.ink((0.15, 0.12, 0.1)))
        if form == "bottle":
            brush.draw.rounded_rectangle(
                (x - h * 0.14, base - h * 0.65, x + h * 0.14, base), radius=h * 0.06, fill=brush.ink(colour, 0.8)
            )
            brush.draw.rectangle((x - h * 0.05, base - h, x + h * 0.05, base - h * 0.6), fill=brush.ink(colour, 0.7))
            brush.draw.rectangle(
                (x - h * 0.14, base - h * 0.45, x + h * 0.14, base - h * 0.2), fill=brush.ink((0.95, 0.92, 0.85))
            )
        elif form == "cup":
            brush.draw.ellipse(
                (x + h * 0.1, base - h * 0.4, x + h * 0.4, base - h * 0.1),
                outline=brush.ink(colour, 0.8),
                width=max(2, int(h * 0.06)),
            )
            brush.draw.polygon(
                [(x - h * 0.26, base - h * 0.5), (x + h * 0.26, base - h * 0.5), (x + h * 0.2, base), (x - h * 0.2, base)],
                fill=brush.ink(colour),
            )
            brush.disc(x, base - h * 0.5, h * 0.26, h * 0.07, brush.ink(colour, 0.7))
        elif form == "box":
            brush.draw.rectangle((x - h * 0.3, base - h * 0.5, x + h * 0.15, base), fill=brush.ink(colour))
            brush.draw.polygon(
                [
                    (x + h * 0.15, base - h * 0.5),
                    (x + h * 0.32, base - h * 0.6),
                    (x + h * 0.32, base - h * 0.12),
                    (x + h * 0.15, base),
                ],
                fill=brush.ink(colour, 0.7),
            )
            brush.draw.polygon(
                [
                    (x - h * 0.3, base - h * 0.5),
                    (x + h * 0.15, base - h * 0.5),
                    (x + h * 0.32, base - h * 0.6),
                    (x - h * 0.12, base - h * 0.6),
                ],
                fill=brush.ink(colour, 1.15),
            )
        elif form == "ball":
            for k in range(5):
                q = h * 0.3 * (1 - 0.17 * k)
                brush.disc(x - h * 0.03 * k, base - h * 0.3 - h * 0.03 * k, q, q, brush.ink(colour, 0.75 + 0.1 * k))
        else:
            outline = [
                (-0.12, 0),
                (-0.26, 0.35),
                (-0.1, 0.62),
                (-0.17, 0.72),
                (0.17, 0.72),
                (0.1, 0.62),
                (0.26, 0.35),
                (0.12, 0),
            ]
            brush.draw.polygon([(x + a * h, base - b * h) for a, b in outline], fill=brush.ink(colour))
            for _ in range(6):
                brush.disc(
                    x + rng.normal(0, 0.13) * h,
                    base - h * rng.uniform(0.8, 1.05),
                    h * 0.08,
                    h * 0.08,
                    brush.ink(any_colour(rng)),
                )
    return develop(rng, image, size, dark=False)


def page(rng: np.random.Generator, size: int) -> Image.Image:
    """A page of text, a sign or a screen."""
    image, brush = canvas(rng, size, any_colour(rng), any_colour(rng), 0.1)
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
            brush.draw.rectangle((x, y, x + w, y + s * 0.3 / lines), fill=brush.ink(ink if i else any_colour(rng)))
            x += w + s * 0.015
    if rng.random() < 0.5:
        x, y = s * rng.uniform(0.15, 0.5), s * rng.uniform(0.3, 0.6)
        brush.draw.rectangle((x, y, x + s * 0.35, y + s * 0.25), fill=brush.ink(any_colour(rng)))
    return develop(rng, image, size, dark=False)
