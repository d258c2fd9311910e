"""A building in its surroundings, photographed from outside."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from landmark.photos.world.figures import Brush, boat, bust, car, lamp_post, person, tree
from landmark.photos.world.geometry import Array, Colour, Model, Solids
from landmark.photos.world.look import Look, mix, pick, rgb
from landmark.photos.world.painter import Camera, Light, ground_shadow, paint
from landmark.photos.world.weather import Weather, develop, draw_night, draw_weather, fall, noise, sky

_GROUNDS: dict[str, tuple[str, str]] = {
    "plaza": ("b3ac9e", "cdc5b4"),
    "grass": ("83a862", "8ab552"),
    "sand": ("d9bf8f", "c9a870"),
    "gravel": ("b0a796", "c4bba8"),
    "water": ("6f95ad", "3f6f8a"),
    "street": ("99978f", "807f7a"),
}


@dataclass(frozen=True)
class Setting:
    """What lies around a building and stays from photo to photo.

    Attributes:
        ground: plaza, grass, sand, gravel, water or street.
        backdrop: hills, mountains, city, forest or flat.
        phases: seed of the skyline [6].
        trees: kind, x, y, height of each tree, metres.
        paving: colour of the square before the building.
        path: half-width of the square, metres; 0: none.
        behind: ground on the other side, seen with the building's back.
        opposite: backdrop on the other side.
    """

    ground: str
    backdrop: str
    phases: tuple[float, ...]
    trees: tuple[tuple[str, float, float, float], ...]
    paving: Colour
    path: float
    behind: str
    opposite: str

    def turned(self) -> Setting:
        """The surroundings as they are with the building's back."""
        return replace(self, ground=self.behind, backdrop=self.opposite, path=0.0)


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


def draw_setting(rng: np.random.Generator, region: str, ground: str, solids: Solids, look: Look) -> Setting:
    """Surroundings that suit a region; trees stand clear of the building and of the way to its front."""
    backdrops = {
        "Europe": ("hills", "city", "forest", "mountains"),
        "North America": ("city", "city", "hills", "forest"),
        "Middle East": ("flat", "hills", "city", "mountains"),
        "Far East": ("mountains", "forest", "hills", "city"),
    }[region]
    kinds = {
        "Europe": ("round", "round", "cypress", "autumn"),
        "North America": ("round", "autumn", "conifer"),
        "Middle East": ("palm", "palm", "cypress"),
        "Far East": ("blossom", "conifer", "round", "autumn"),
    }[region]
    low, high = solids.points.min(axis=0), solids.points.max(axis=0)
    trees = []
    if ground != "water":
        kind = pick(rng, kinds)
        for _ in range(int(rng.integers(0, 9))):
            angle = rng.uniform(0, 2 * math.pi)
            reach = rng.uniform(1.15, 1.7)
            x, y = reach * high[0] * math.cos(angle) * 1.2, reach * max(high[1], -low[1]) * math.sin(angle) * 1.3
            if abs(x) < high[0] * 0.75 and y < 0:
                continue
            tall = float(np.clip(high[2] * rng.uniform(0.16, 0.34), 4.5, 15))
            trees.append((kind if rng.random() < 0.75 else pick(rng, kinds), float(x), float(y), tall))
    paving = mix(look.floor, pick(rng, [look.trim, look.wall, (0.55, 0.5, 0.47)]), float(rng.uniform(0.1, 0.6)))
    path = 0.0 if ground in ("water", "street") else float(high[0] * rng.uniform(0.25, 1.3))
    behind = ground if ground == "water" else pick(rng, [other for other in ("grass", "gravel", "street", "water") if other != ground])
    backdrop, opposite = rng.permutation(np.array(sorted(set(backdrops))))[:2].tolist()
    return Setting(ground, backdrop, tuple(rng.uniform(0, 2 * math.pi, 6).tolist()), tuple(trees), paving, path, behind, opposite)


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
            else draw_weather(rng, scale)
        )
    light = weather.light
    horizon = camera.horizon
    image = sky(rng, weather, canvas, horizon)
    draw = ImageDraw.Draw(image)
    brush = Brush(draw, rng, weather.tone)
    _backdrop(draw, setting, camera, weather)
    _ground(image, setting, camera, weather, rng, low, high)
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
        _mirror(image, camera, low, high, weather, rng)
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


def _backdrop(draw: ImageDraw.ImageDraw, setting: Setting, camera: Camera, weather: Weather) -> None:
    """The skyline all around the place, faded by the air; the same from the same direction."""
    if setting.backdrop == "flat":
        return
    size, horizon = camera.size, camera.horizon
    columns = np.arange(0, size + 4, 4 if setting.backdrop != "city" else 1)
    heading = math.atan2(camera.axes[2][1], camera.axes[2][0])
    angle = heading - np.arctan((columns - camera.centre[0]) / camera.focal)
    p = setting.phases
    if setting.backdrop == "city":
        block = np.floor(angle * 34).astype(int)
        rise = 0.02 + 0.075 * np.abs(np.sin(block * 12.9898 + p[0])) ** 2.0
        layers = [(rise * 1.25 + 0.012, 0.5), (0.012 + 0.05 * np.abs(np.sin(block * 78.233 + p[1])), 0.3)]
    else:
        rough = {"hills": 0.045, "forest": 0.03, "mountains": 0.11}[setting.backdrop]
        waves = sum(np.sin(angle * f + p[i]) / (i + 1) for i, f in enumerate((3.0, 7.0, 13.0, 29.0)))
        second = sum(np.sin(angle * f + p[5 - i]) / (i + 1) for i, f in enumerate((4.0, 9.0, 17.0)))
        teeth = np.abs(np.sin(angle * 160)) * 0.012 if setting.backdrop == "forest" else 0.0
        layers = [(rough * (1.2 + 0.55 * waves) + teeth, 0.45), (rough * (0.5 + 0.4 * second) + teeth, 0.2)]
    colours = {"hills": "6f8a5f", "forest": "4f6f4a", "mountains": "6a7488", "city": "8a8f98"}
    base = np.array(rgb(colours[setting.backdrop])) * weather.tone
    for rise, air in layers:
        rows = horizon - camera.focal * np.clip(rise, 0.002, None)
        shade = base * (1 - air) + weather.low * air
        fill = tuple(int(value) for value in np.clip(shade * 255, 0, 255))
        outline = [
            (float(columns[0]), horizon + 2),
            *zip(columns.tolist(), rows.tolist(), strict=True),
            (float(columns[-1]), horizon + 2),
        ]
        draw.polygon(outline, fill=fill)


def _ground(
    image: Image.Image, setting: Setting, camera: Camera, weather: Weather, rng: np.random.Generator, low: Array, high: Array
) -> None:
    """Ground below the horizon: a gradient with a little texture, and the square before the building with its joints."""
    size, horizon = camera.size, camera.horizon
    if horizon >= size:
        return
    far, near = (np.array(rgb(text)) for text in _GROUNDS[setting.ground])
    if weather.name == "snow" and setting.ground != "water":
        far, near = far * 0.25 + 0.68, near * 0.3 + 0.62
    if setting.ground == "water":
        far, near = far * 0.5 + weather.low * 0.5, near * 0.7 + weather.top * 0.3
    tone = weather.tone if not weather.night else weather.tone * 1.3
    # Half the resolution will do: only joints and shadows on the ground are sharp, and they are drawn afterwards.
    half = size // 2
    depth = np.clip((np.arange(half) * 2 - horizon) / max(size - horizon, 1), 0, 1)[:, None, None]
    field = (far * (1 - depth) + near * depth) * tone
    air = np.exp(-depth * 7) * (0.5 if not weather.night else 0.3)
    field = field * (1 - air) + weather.low * air
    field = field * (0.92 + 0.16 * noise(rng, half, 12, 2, stretch=5)[:, :, None])
    whole = Image.fromarray(np.asarray(np.clip(field * 255, 0, 255), dtype=np.uint8)).resize((size, size), Image.Resampling.BILINEAR)
    top = max(int(horizon), 0)
    image.paste(whole.crop((0, top, size, size)), (0, top))
    if setting.path <= 0:
        return
    square = Model()
    square.part()
    paving = mix(setting.paving, (0.93, 0.94, 0.96), 0.6) if weather.name == "snow" else setting.paving
    x, y0, y1 = setting.path, float(low[1]) * 3.2 - 14, float(high[1]) * (1.25 if setting.path > high[0] * 0.6 else 0.0)
    rows, columns = 9, max(2, int(setting.path / high[0] * 6))
    for j in range(rows):
        for i in range(columns):
            u0, u1 = -x + 2 * x * i / columns, -x + 2 * x * (i + 1) / columns
            v0, v1 = y0 + (y1 - y0) * j / rows, y0 + (y1 - y0) * (j + 1) / rows
            square.quad(
                [(u0, v0, 0.0), (u1, v0, 0.0), (u1, v1, 0.0), (u0, v1, 0.0)],
                mix(paving, (0.35, 0.33, 0.3), 0.14 * ((i + j) % 2)),
            )
    light = weather.light
    paint(image, square.solids(), camera, light, rng, ordered=False)


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


def _mirror(image: Image.Image, camera: Camera, low: Array, high: Array, weather: Weather, rng: np.random.Generator) -> None:
    """What stands on the shore, upside down in the water, broken by ripples."""
    size = image.size[0]
    feet = camera.project(np.array([[low[0], low[1], 0.0], [high[0], low[1], 0.0], [0.0, low[1], 0.0]]))
    line = int(np.clip(feet[:, 1].max(), 2, size - 1))
    depth = min(size - line, line)
    if depth < 4:
        return
    strip = np.asarray(
        image.crop((0, line - depth, size, line))
        .transpose(Image.Transpose.FLIP_TOP_BOTTOM)
        .filter(ImageFilter.GaussianBlur(1.5)),
        dtype=np.float64,
    )
    water = np.asarray(image.crop((0, line, size, line + depth)), dtype=np.float64)
    rows = np.arange(depth)
    shift = (np.sin(rows * 0.55 + rng.uniform(0, 6)) * (1 + rows / depth * 5)).astype(int)
    index = (np.arange(size)[None] + shift[:, None]) % size
    strip = strip[rows[:, None], index]
    share = (0.55 * np.exp(-rows / depth * 1.3))[:, None, None]
    mixed = water * (1 - share) + strip * share * (0.9 if not weather.night else 1.0)
    image.paste(Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8)), (0, line))


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
            boat(brush, x, y, rng.uniform(5, 9) * metre)
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


__all__ = ["Light", "Setting", "Subject", "draw_setting", "exterior"]
