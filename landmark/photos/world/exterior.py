"""A building in its surroundings, photographed from outside."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from landmark.photos.world.figures import Brush, boat, bust, car, lamp_post, person, tree
from landmark.photos.world.look import pick
from landmark.photos.world.painter import Camera, ground_shadow, paint
from landmark.photos.world.solids import Array, Solids
from landmark.photos.world.surroundings import Setting, backdrop, ground, mirror
from landmark.photos.world.weather import Weather, develop, draw_night, draw_weather, fall, noise, sky


@dataclass(frozen=True)
class Subject:
    """A building with its setting: what `exterior` photographs.

    Attributes:
        solids: the building.
        setting: what lies around it.
        side_angle: from where the back is seen, degrees from the front.
        flood: colour of its floodlights [3].
        lit: share of windows lit at night.
        raised: height from which the side is seen, metres (0: from the ground).
    """

    solids: Solids
    setting: Setting
    side_angle: float
    flood: Array
    lit: float
    raised: float = 0.0


def exterior(
    subject: Subject, aspect: str, rng: np.random.Generator, size: int, crowd: float = 1.0, weather: Weather | None = None
) -> Image.Image:
    """A photo of a building.

    Args:
        subject: the building and its setting.
        aspect: 'front', 'side' or 'night'.
        rng: camera, weather, and who stands in front.
        size: side of the photo, pixels.
        crowd: how much stands in front; 1 = as tourists do.
        weather: sky and light; None: drawn.

    Returns:
        RGB [size, size].
    """
    solids = subject.solids
    setting = subject.setting.turned() if aspect == "side" else subject.setting
    low, high = solids.points.min(axis=0), solids.points.max(axis=0)
    reach = float(np.hypot(max(high[0], -low[0]), max(high[1], -low[1])))
    tall = float(high[2])
    over = 3 if size <= 192 else 2
    canvas = size * over
    camera = _camera(subject, aspect, rng, canvas, low, high, reach)
    scale = float(np.linalg.norm(camera.position)) + reach
    if weather is None:
        weather = (
            draw_night(rng, subject.flood, tall, subject.lit * rng.uniform(0.75, 1.2))
            if aspect == "night"
            else draw_weather(rng, scale, warm=setting.ground == "sand")
        )
    light = weather.light
    horizon = camera.horizon
    image = sky(rng, weather, canvas, horizon)
    draw = ImageDraw.Draw(image)
    brush = Brush(draw, rng, weather.tone)
    backdrop(draw, setting, camera, weather)
    ground(image, setting, camera, weather, rng, low, high)
    distance = float(np.linalg.norm(camera.position[:2]))
    wintry = weather.name == "snow"
    standing = [
        (float(np.hypot(x - camera.position[0], y - camera.position[1])), kind, x, y, height)
        for kind, x, y, height in setting.trees
    ]
    standing.sort(reverse=True)
    for away, kind, x, y, height in standing:
        if away >= distance:
            _place_tree(brush, camera, kind, x, y, height, wintry)
    if not weather.night:
        shadow = ground_shadow(solids, camera, light, over * 1.2)
        depth = float(np.clip(light.sun_colour.mean() * 0.55, 0.0, 0.5))
        image.paste((20, 24, 40), (0, 0), shadow.point(lambda value: int(value * depth)))
    mask = Image.new("L", image.size)
    paint(image, solids, camera, light, rng, mask=mask)
    _texture(image, mask, rng, weather)
    if setting.ground == "water":
        mirror(image, camera, low, high, weather, rng)
    brush = Brush(ImageDraw.Draw(image), rng, weather.tone if not weather.night else weather.tone * 1.6 + 0.06 * subject.flood)
    for away, kind, x, y, height in standing:
        if away < distance:
            _place_tree(brush, camera, kind, x, y, height, wintry)
    _passers_by(brush, camera, weather, rng, crowd, setting.ground, distance)
    small = develop(rng, image, size, weather.night)
    if weather.name in ("rain", "snow", "fog"):
        pixels = fall(rng, weather, np.asarray(small, dtype=np.float64) / 255)
        small = Image.fromarray(np.asarray(np.clip(pixels * 255, 0, 255), dtype=np.uint8))
    return small


def _camera(
    subject: Subject, aspect: str, rng: np.random.Generator, canvas: int, low: Array, high: Array, reach: float
) -> Camera:
    """Where the photographer stands, and how much the picture shows."""
    tall = float(high[2])
    if aspect == "side":
        angle = subject.side_angle + float(np.clip(rng.normal(0, 8), -18, 18))
    else:
        angle = float(np.clip(rng.normal(0, 15), -36, 36))
    away = reach * 1.12 + 6 + max(tall, 0.6 * reach) * rng.uniform(0.8, 1.9)
    turn = math.radians(angle)
    eye = 1.7 if rng.random() < 0.75 else float(rng.uniform(0.08, 0.45) * tall + 2)
    if aspect == "side" and subject.raised:
        eye = subject.raised * rng.uniform(0.8, 1.5)
    position = np.array([away * math.sin(turn), -away * math.cos(turn), eye])
    target = np.array([0.0, 0.0, tall * 0.45])
    style = rng.random()
    if style < 0.12:  # close: a part of it
        fill, shift = rng.uniform(1.2, 1.55), (rng.normal(0, 0.12), rng.uniform(-0.05, 0.25))
    elif style < 0.22:  # far
        fill, shift = rng.uniform(0.45, 0.62), (rng.normal(0, 0.11), rng.uniform(-0.04, 0.16))
    else:
        fill, shift = rng.uniform(0.74, 1.06), (rng.normal(0, 0.05), rng.uniform(-0.04, 0.09))
    return Camera.framing(
        position,
        target,
        subject.solids.points,
        canvas,
        float(fill),
        (float(shift[0]), float(shift[1])),
        float(rng.normal(0, 1.6)),
    )


def _texture(image: Image.Image, mask: Image.Image, rng: np.random.Generator, weather: Weather) -> None:
    """Weathered stone instead of flat paint, and a little dirt towards the ground."""
    size = image.size[0]
    coarse = noise(rng, size // 3, 6, 3)
    fine = rng.random((size // 3, size // 3))
    strength = 0.10 if not weather.night else 0.06
    factor = 1 + strength * (coarse - 0.5) + 0.5 * strength * (fine - 0.5)
    grey = Image.fromarray(np.asarray(np.clip(factor * 128, 0, 255), dtype=np.uint8)).resize(
        (size, size), Image.Resampling.BILINEAR
    )
    pixels = np.asarray(image, dtype=np.float32) * (np.asarray(grey, dtype=np.float32)[:, :, None] / 128)
    image.paste(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), (0, 0), mask)


def _place_tree(brush: Brush, camera: Camera, kind: str, x: float, y: float, height: float, wintry: bool) -> None:
    seen = camera.local(np.array([[x, y, 0.0]]))
    if seen[0, 2] < 2:
        return
    foot = camera.flatten(seen)[0]
    tall = height * camera.focal / float(seen[0, 2])
    if foot[0] < -tall or foot[0] > camera.size + tall:
        return
    if wintry:
        brush = Brush(brush.draw, brush.rng, np.minimum(brush.tone * 0.75 + 0.32, 1.1))
    tree(brush, kind, float(foot[0]), float(foot[1]), float(tall))


def _passers_by(
    brush: Brush, camera: Camera, weather: Weather, rng: np.random.Generator, crowd: float, ground: str, distance: float
) -> None:
    """People, lamps, cars, boats and branches between the camera and the building."""
    size = camera.size
    forward = camera.axes[2][:2] / np.linalg.norm(camera.axes[2][:2])
    right = np.array([-forward[1], forward[0]]) * -1

    def spot(away: float, aside: float) -> tuple[float, float, float]:
        ground_point = np.array([*(camera.position[:2] + forward * away + right * aside), 0.0])
        seen = camera.local(ground_point[None])
        foot = camera.flatten(seen)[0]
        return float(foot[0]), float(foot[1]), camera.focal / max(float(seen[0, 2]), 1.0)

    if ground == "water":
        for _ in range(int(rng.integers(0, 4))):
            away = rng.uniform(0.25, 0.85) * distance
            x, y, metre = spot(away, rng.uniform(-0.4, 0.4) * away)
            boat(brush, x, y, min(rng.uniform(5, 9) * metre, 0.22 * size))
    else:
        # People stand at all distances; close ones are seen large, whatever the focal length.
        count = int(rng.poisson(2.6 * crowd)) if rng.random() < 0.93 else int(12 * crowd)
        people = sorted(((rng.uniform(0.2, 0.8), rng.uniform(-0.5, 0.5)) for _ in range(count)), reverse=True)
        for share, aside in people:
            x, y, metre = spot(share * distance, aside * size / camera.focal * share * distance)
            person(
                brush,
                x,
                y,
                max(rng.uniform(1.55, 1.85) * metre, 0.03 * size),
                umbrella=weather.name == "rain" and rng.random() < 0.7,
            )
        if rng.random() < (0.9 if ground == "street" else 0.12) * min(crowd, 1.0):
            x, y, metre = spot(rng.uniform(0.45, 0.75) * distance, rng.uniform(-0.3, 0.3) * distance * size / camera.focal)
            car(brush, x, y, 4.4 * metre, lit=weather.night)
        if rng.random() < 0.25:
            share = rng.uniform(0.3, 0.7)
            x, y, metre = spot(
                share * distance, pick(rng, (-1, 1)) * rng.uniform(0.2, 0.48) * size / camera.focal * share * distance
            )
            lamp_post(brush, x, y, 5 * metre, weather.night)
    chance = rng.random()
    if chance < 0.10 * crowd:  # somebody poses
        for _ in range(int(rng.integers(1, 3))):
            bust(brush, rng.uniform(0.12, 0.88) * size, size * rng.uniform(0.72, 0.95), rng.uniform(0.16, 0.30) * size)
    elif chance < 0.19 * crowd:  # whole people close by
        for _ in range(int(rng.integers(1, 4))):
            person(brush, rng.uniform(0.05, 0.95) * size, size * rng.uniform(0.98, 1.15), rng.uniform(0.4, 0.75) * size)
    elif chance < 0.28 * crowd and ground != "water":  # a tree close by
        x = pick(rng, (rng.uniform(-0.05, 0.2), rng.uniform(0.8, 1.05))) * size
        tree(
            brush,
            pick(rng, ("round", "round", "conifer", "palm")),
            float(x),
            size * rng.uniform(0.95, 1.1),
            rng.uniform(0.7, 1.2) * size,
        )
