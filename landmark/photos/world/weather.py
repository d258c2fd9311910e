"""Sky, light and what falls from it: the same place on different days and at night."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from landmark.photos.world.look import pick, rgb
from landmark.photos.world.painter import Light
from landmark.photos.world.solids import Array

Pixels = NDArray[np.float64]

# name: sky above, sky at the horizon, sunlight, light from above, share of clouds, haze per 100 m, weight
_DAYS: dict[str, tuple[str, str, tuple[float, float, float], tuple[float, float, float], float, float, float]] = {
    "clear": ("3f78c2", "b7d6ee", (0.92, 0.86, 0.72), (0.42, 0.47, 0.58), 0.12, 0.03, 0.34),
    "cloudy": ("5c8ac4", "c9dceb", (0.78, 0.74, 0.66), (0.46, 0.49, 0.56), 0.5, 0.05, 0.28),
    "overcast": ("a9b1ba", "d5d8da", (0.14, 0.14, 0.14), (0.70, 0.72, 0.75), 0.85, 0.10, 0.14),
    "evening": ("4a5c96", "f2b27a", (1.0, 0.62, 0.34), (0.38, 0.36, 0.44), 0.35, 0.08, 0.10),
    "rain": ("7d8791", "b5bbc0", (0.05, 0.05, 0.05), (0.56, 0.59, 0.63), 0.8, 0.22, 0.06),
    "fog": ("c9cdcf", "dcdedd", (0.06, 0.06, 0.06), (0.74, 0.75, 0.75), 0.0, 0.5, 0.03),
    "snow": ("b9c0c8", "dfe3e6", (0.22, 0.22, 0.23), (0.72, 0.75, 0.80), 0.5, 0.18, 0.05),
}


@dataclass(frozen=True)
class Weather:
    """One moment of sky and light.

    Attributes:
        name: clear, cloudy, overcast, evening, rain, fog, snow, or night.
        top: colour of the sky above [3], 0-1.
        low: colour of the sky at the horizon [3], 0-1.
        light: what it does to solids.
        clouds: share of the sky under clouds.
        tone: what it does to flat things (trees, people) [3].
    """

    name: str
    top: Array
    low: Array
    light: Light
    clouds: float
    tone: Array

    @property
    def night(self) -> bool:
        """Whether the sun is down."""
        return self.name == "night"


def draw_weather(rng: np.random.Generator, scale: float, warm: bool = False) -> Weather:
    """A day's weather; `scale` (metres) is how far the eye looks, so that haze fits the subject; `warm`: it never snows."""
    names = list(_DAYS)
    weights = np.array([_DAYS[name][-1] for name in names])
    name = names[int(rng.choice(len(names), p=weights / weights.sum()))]
    name = "clear" if warm and name == "snow" else name
    top, low, sun, sky, clouds, haze, _ = _DAYS[name]
    height = math.radians(rng.uniform(9, 20) if name == "evening" else rng.uniform(28, 62))
    # Most photos are taken with the sun somewhere behind the photographer of the front (-y).
    turn = math.radians(rng.normal(0, 55) + (-90))
    towards = np.array([math.cos(height) * math.cos(turn), math.cos(height) * math.sin(turn), math.sin(height)])
    strength = rng.uniform(0.92, 1.15)
    low_colour = np.array(rgb(low)) * rng.uniform(0.94, 1.04)
    light = Light(
        sun=towards,
        sun_colour=np.array(sun) * strength,
        sky=np.array(sky) * rng.uniform(1.0, 1.15),
        bounce=np.array([0.34, 0.31, 0.27]) * (1.0 if name != "snow" else 1.6),
        haze=low_colour,
        haze_rate=haze * rng.uniform(0.6, 1.3) / max(scale, 1.0),
        lit=0.25 if name in ("rain", "evening") and rng.random() < 0.4 else 0.0,
        glass=np.array(rgb(top)) * 0.9,
    )
    tone = np.clip(np.array(sky) * 0.85 + np.array(sun) * 0.42, 0, 1.1)
    return Weather(
        name,
        np.array(rgb(top)) * rng.uniform(0.92, 1.06),
        low_colour,
        light,
        float(np.clip(clouds + rng.normal(0, 0.12), 0, 1)),
        tone,
    )


def draw_night(rng: np.random.Generator, flood: Array, height: float, share: float) -> Weather:
    """A night: floodlights of a colour [3] on a building of a height (metres), a share of its windows lit."""
    dusk = rng.random() < 0.35
    top, low = (("16264f", "7a5f86"), ("0a1230", "2b2f52"))[0 if dusk else 1]
    ambient = (0.16, 0.18, 0.30) if dusk else (0.07, 0.08, 0.15)
    light = Light(
        sun=np.array([0.0, 0.0, 1.0]),
        sun_colour=np.zeros(3),
        sky=np.array(ambient),
        bounce=np.array(ambient) * 0.8,
        haze=np.array(rgb(low)),
        haze_rate=0.0,
        flood=flood * rng.uniform(1.0, 1.4),
        flood_height=height * rng.uniform(0.45, 0.9),
        lit=share,
        glass=np.array([0.05, 0.06, 0.12]),
    )
    return Weather("night", np.array(rgb(top)), np.array(rgb(low)), light, rng.uniform(0, 0.4), np.array(ambient) * 1.5 + 0.05)


def noise(rng: np.random.Generator, size: int, cells: int, octaves: int = 3, stretch: int = 1) -> Pixels:
    """Smooth noise [size, size], 0-1: random grids, each twice as fine as the last, enlarged and added."""
    total = np.zeros((size, size))
    for octave in range(octaves):
        grid = rng.random((cells * stretch * 2**octave + 1, cells * 2**octave + 1), dtype=np.float32)
        layer = Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC)
        total += np.asarray(layer, dtype=np.float64) / 2**octave
    low, high = total.min(), total.max()
    return np.asarray((total - low) / (high - low + 1e-9))


def sky(rng: np.random.Generator, weather: Weather, size: int, horizon: float) -> Image.Image:
    """The whole picture as sky [size, size], with clouds by day, stars and perhaps a moon by night."""
    small = max(size // 2, 16)
    rows = np.linspace(0, 1, small)
    line = np.clip(horizon / size, 0.15, 1.2)
    share = np.clip(rows / line, 0, 1)[:, None, None] ** 1.2
    field = np.broadcast_to(weather.top * (1 - share) + weather.low * share, (small, small, 3)).copy()
    if weather.clouds > 0.03:
        cover = noise(rng, small, 3, 4, stretch=2)
        edge = 0.85 - 0.6 * weather.clouds
        amount = np.clip((cover - edge) / 0.28, 0, 1)[:, :, None] * (0.9 if not weather.night else 0.5)
        lit = {"evening": np.array([1.0, 0.78, 0.62]), "night": np.array([0.22, 0.2, 0.3])}.get(
            weather.name, np.array([0.97, 0.97, 0.98])
        )
        shaded = lit * (0.72 if weather.name in ("overcast", "rain") else 0.84)
        body = noise(rng, small, 5, 2)[:, :, None]
        field = field * (1 - amount) + (shaded + (lit - shaded) * body) * amount
    picture = Image.fromarray(np.asarray(np.clip(field * 255, 0, 255), dtype=np.uint8)).resize(
        (size, size), Image.Resampling.BICUBIC
    )
    if weather.night:
        pixels = np.asarray(picture, dtype=np.int16).copy()
        count = int(rng.integers(10, 60))
        x, y = rng.integers(1, size - 1, count), rng.integers(1, max(int(min(horizon, size - 1)), 3), count)
        pixels[y, x] += rng.integers(60, 170, (count, 1)).astype(np.int16)
        pixels[y, x - 1] += 50
        picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return picture


def fall(rng: np.random.Generator, weather: Weather, pixels: Pixels) -> Pixels:
    """Rain, snow or fog before the whole picture [s, s, 3], 0-1."""
    size = pixels.shape[0]
    if weather.name == "rain":
        drops = (rng.random((size, size)) < 0.008).astype(np.float32)
        length = max(3, size // 22)
        streaks = sum(np.roll(np.roll(drops, k, axis=0), k // 3, axis=1) for k in range(length))
        return np.asarray(pixels + np.clip(streaks, 0, 1)[:, :, None] * 0.08)
    if weather.name == "snow":
        flakes = Image.fromarray(((rng.random((size, size)) < 0.008) * 255).astype(np.uint8)).filter(
            ImageFilter.GaussianBlur(0.55)
        )
        amount = np.clip(np.asarray(flakes, dtype=np.float64)[:, :, None] / 90.0, 0, 0.95)
        return np.asarray(pixels * (1 - amount) + amount)
    if weather.name == "fog":
        veil = 0.12 + 0.2 * noise(rng, size, 2, 2)[:, :, None]
        return np.asarray(pixels * (1 - veil) + weather.low * veil)
    return pixels


def develop(rng: np.random.Generator, image: Image.Image, size: int, dark: bool) -> Image.Image:
    """The camera: reduce to `size`, glow around lights, exposure, white balance, vignette, grain."""
    small = image.resize((size, size), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float64) / 255
    bright = Image.fromarray(np.asarray(np.clip(pixels - 0.72, 0, 1) * 255 * 3, dtype=np.uint8)).filter(
        ImageFilter.GaussianBlur(size / 28)
    )
    pixels = pixels + np.asarray(bright, dtype=np.float64) / 255 * (0.35 if dark else 0.10)
    exposure = math.exp(rng.normal(0.05, 0.08))
    balance = 1 + rng.normal(0, 0.025, 3) * np.array([1.0, 0.5, 1.0])
    contrast = rng.uniform(0.88, 1.14)
    pixels = (pixels * exposure * balance - 0.45) * contrast + 0.45
    style = rng.random()
    if style < 0.012:
        pixels = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2)
    elif style < 0.035:
        pixels = pixels.mean(axis=2, keepdims=True) * 0.45 + pixels * 0.55 * np.array([1.08, 0.98, 0.82])
    else:
        grey = pixels.mean(axis=2, keepdims=True)
        pixels = grey + (pixels - grey) * rng.uniform(0.8, 1.25)
    axis = np.linspace(-1, 1, size)
    radius = axis[:, None] ** 2 + axis[None] ** 2
    pixels = pixels * (1 - rng.uniform(0.0, 0.13) * radius[:, :, None])
    pixels = pixels + rng.normal(0, rng.uniform(0.006, 0.018) if dark else rng.uniform(0.002, 0.009), (size, size, 1))
    result = Image.fromarray(np.asarray(np.clip(pixels * 255 + 0.5, 0, 255), dtype=np.uint8))
    if rng.random() < 0.08:
        result = result.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 0.65) * size / 128))
    return result


def pick_flood(rng: np.random.Generator) -> Array:
    """The colour of a place's floodlights."""
    return np.array(
        pick(
            rng,
            [
                (1.25, 0.86, 0.42),
                (1.15, 0.95, 0.68),
                (1.3, 0.7, 0.32),
                (0.75, 0.85, 1.15),
                (0.62, 1.0, 0.8),
                (1.1, 0.55, 0.75),
                (0.85, 0.6, 1.2),
            ],
        )
    )
