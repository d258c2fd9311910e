"""Nature, traffic, gardens, fireworks: photos that no landmark is in."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from landmark.photos.world.figures import Brush, boat, car, person, tree
from landmark.photos.world.look import mix, pick, rgb
from landmark.photos.world.studio import any_colour, canvas
from landmark.photos.world.weather import develop, draw_weather, fall, sky


def landscape(rng: np.random.Generator, size: int) -> Image.Image:
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
        wave = sum(
            np.abs(np.sin(x / side * f + p)) / (k + 1)
            for k, (f, p) in enumerate(zip((3.1, 7.3, 17.0, 37.0), phases, strict=True))
        )
        rise = side * rough * (1.1 - 0.3 * layer) * wave
        air = 0.55 - 0.18 * layer
        fill = tuple(int(v) for v in np.clip((base * weather.tone * (1 - air) + weather.low * air) * 255, 0, 255))
        draw.polygon([(0, side), *zip(x.tolist(), (horizon - rise).tolist(), strict=True), (side + 6, side)], fill=fill)
    sea = rng.random() < 0.35
    ground = (
        np.array(rgb(pick(rng, ("6f8f55", "7fa04f", "d9bf8f", "c9b060", "8f9f5f")))) if not sea else np.array(rgb("4f85a5"))
    )
    if weather.name == "snow" and not sea:
        ground = ground * 0.3 + 0.65
    for i in range(12):
        y0 = horizon + (side - horizon) * (i / 12) ** 1.6
        shade = ground * weather.tone * (0.92 + 0.13 * (i % 2) + rng.normal(0, 0.02))
        draw.rectangle((0, y0, side, side), fill=tuple(int(v) for v in np.clip(shade * 255, 0, 255)))
    if sea:
        if rng.random() < 0.6:
            sand = brush.ink(rgb("e3cf9f"))
            draw.polygon(
                [
                    (0, side),
                    (0, side * rng.uniform(0.7, 0.9)),
                    (side * 0.5, side * rng.uniform(0.76, 0.95)),
                    (side, side * rng.uniform(0.85, 1.0)),
                    (side, side),
                ],
                fill=sand,
            )
        for _ in range(int(rng.integers(0, 3))):
            boat(
                brush,
                side * rng.uniform(0.1, 0.9),
                horizon + (side - horizon) * rng.uniform(0.05, 0.3),
                side * rng.uniform(0.06, 0.18),
            )
    else:
        kind = pick(rng, ("round", "conifer", "autumn", "palm", "cypress", "blossom"))
        for share in np.sort(rng.random(int(rng.integers(0, 16)))):
            tree(brush, kind, side * rng.uniform(0, 1), horizon + (side - horizon) * share**1.4, side * (0.08 + 0.4 * share))
    if rng.random() < 0.25:
        person(brush, side * rng.uniform(0.2, 0.8), side * rng.uniform(0.85, 1.0), side * rng.uniform(0.2, 0.5))
    small = develop(rng, image, size, dark=False)
    pixels = fall(rng, weather, np.asarray(small, dtype=np.float64) / 255)
    return Image.fromarray(np.asarray(np.clip(pixels * 255, 0, 255), dtype=np.uint8))


def traffic(rng: np.random.Generator, size: int) -> Image.Image:
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
        draw.rectangle((place, horizon - tall, place + wide, horizon + 4), fill=brush.ink(any_colour(rng), 0.8))
        for wx in range(3):
            for wy in range(3):
                draw.rectangle(
                    (
                        place + wide * (0.15 + 0.28 * wx),
                        horizon - tall * (0.9 - 0.28 * wy),
                        place + wide * (0.3 + 0.28 * wx),
                        horizon - tall * (0.76 - 0.28 * wy),
                    ),
                    fill=brush.ink((0.25, 0.3, 0.38)),
                )
        place += wide
    draw.rectangle((0, horizon, side, side), fill=brush.ink(rgb("75756f")))
    draw.rectangle((0, horizon, side, horizon + side * 0.05), fill=brush.ink(rgb("a5a296")))
    car(brush, side * rng.uniform(0.35, 0.65), side * rng.uniform(0.75, 0.88), side * rng.uniform(0.6, 1.0))
    if rng.random() < 0.4:
        person(brush, side * rng.uniform(0.05, 0.95), side * 0.9, side * rng.uniform(0.3, 0.5))
    return develop(rng, image, size, dark=False)


def flower(rng: np.random.Generator, size: int) -> Image.Image:
    """Flowers in a garden."""
    image, brush = canvas(rng, size, rgb("7fa04f"), rgb("3f6a35"), 0.4)
    s = image.size[0]
    petal = any_colour(rng)
    for _ in range(int(rng.integers(1, 8))):
        x, y, r = s * rng.uniform(0.1, 0.9), s * rng.uniform(0.15, 0.8), s * rng.uniform(0.08, 0.24)
        brush.draw.line([(x, y), (x + r * 0.3, s)], fill=brush.ink(rgb("4f7a35")), width=max(2, int(r * 0.1)))
        count = int(rng.integers(5, 11))
        for k in range(count):
            a = 2 * math.pi * k / count
            brush.disc(
                x + r * 0.6 * math.cos(a),
                y + r * 0.6 * math.sin(a),
                r * 0.36,
                r * 0.36,
                brush.ink(petal, 0.85 + 0.15 * (k % 2)),
            )
        brush.disc(x, y, r * 0.32, r * 0.32, brush.ink(rgb("e0b23a")))
    return develop(rng, image, size, dark=False)


def fireworks(rng: np.random.Generator, size: int) -> Image.Image:
    """Lights in the night: fireworks, a fair, a distant town."""
    image, brush = canvas(rng, size, (0.03, 0.04, 0.1), (0.12, 0.1, 0.16), 0.3)
    s = image.size[0]
    for _ in range(int(rng.integers(1, 5))):
        x, y, r = s * rng.uniform(0.15, 0.85), s * rng.uniform(0.12, 0.55), s * rng.uniform(0.08, 0.26)
        ray = brush.ink(mix(any_colour(rng), (1, 0.9, 0.6), 0.5), 1.2)
        for k in range(22):
            a = k * 2 * math.pi / 22
            brush.draw.line(
                [(x + 0.3 * r * math.cos(a), y + 0.3 * r * math.sin(a)), (x + r * math.cos(a), y + r * math.sin(a) + r * 0.1)],
                fill=ray,
                width=max(1, s // 130),
            )
    for _ in range(40):
        x, y = s * rng.random(), s * rng.uniform(0.78, 0.98)
        brush.disc(x, y, s * 0.008, s * 0.008, pick(rng, [(255, 220, 150), (255, 180, 90), (200, 220, 255)]))
    return develop(rng, image, size, dark=True)
