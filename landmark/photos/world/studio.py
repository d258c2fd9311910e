"""What photos of flat things share: a blurred background and any colour."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from landmark.photos.world.figures import CLOTH, Brush
from landmark.photos.world.look import mix, pick
from landmark.photos.world.solids import Colour
from landmark.photos.world.weather import noise


def canvas(
    rng: np.random.Generator, size: int, first: Colour, second: Colour, texture: float = 0.08
) -> tuple[Image.Image, Brush]:
    """A blurred background from one colour above to another below, and a brush to draw on it."""
    side = size * (3 if size <= 192 else 2)
    small = side // 3
    share = np.linspace(0, 1, small)[:, None, None]
    field = np.array(first) * (1 - share) + np.array(second) * share
    field = field * (1 + texture * (noise(rng, small, 3, 3)[:, :, None] - 0.5) * 2)
    image = Image.fromarray(np.asarray(np.clip(field * 255, 0, 255), dtype=np.uint8)).resize(
        (side, side), Image.Resampling.BICUBIC
    )
    return image, Brush(ImageDraw.Draw(image), rng, np.ones(3) * rng.uniform(0.85, 1.05))


def any_colour(rng: np.random.Generator) -> Colour:
    """Any colour that clothes and things may have."""
    return mix(pick(rng, CLOTH), (float(rng.random()), float(rng.random()), float(rng.random())), 0.25)
