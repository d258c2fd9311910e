"""What lies around a building: ground, trees, skyline, water."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from landmark.photos.world.geometry import Model
from landmark.photos.world.look import Look, mix, pick, rgb
from landmark.photos.world.painter import Camera, paint
from landmark.photos.world.solids import Array, Colour, Solids
from landmark.photos.world.weather import Weather, noise

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
        trees = () if self.behind == "water" else self.trees
        return replace(self, ground=self.behind, backdrop=self.opposite, trees=trees, path=0.0)


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
    behind = (
        ground
        if ground == "water"
        else pick(rng, [other for other in ("grass", "gravel", "street", "grass", "water") if other != ground])
    )
    backdrop, opposite = rng.permutation(np.array(sorted(set(backdrops))))[:2].tolist()
    return Setting(
        ground, backdrop, tuple(rng.uniform(0, 2 * math.pi, 6).tolist()), tuple(trees), paving, path, behind, opposite
    )


def backdrop(draw: ImageDraw.ImageDraw, setting: Setting, camera: Camera, weather: Weather) -> None:
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


def ground(
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
    whole = Image.fromarray(np.asarray(np.clip(field * 255, 0, 255), dtype=np.uint8)).resize(
        (size, size), Image.Resampling.BILINEAR
    )
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


def mirror(image: Image.Image, camera: Camera, low: Array, high: Array, weather: Weather, rng: np.random.Generator) -> None:
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
