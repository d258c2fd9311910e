"""How a place looks: palette, window shape and ornament of a region's builders, drawn once for each building."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from landmark.photos.world.solids import Colour

Choice = TypeVar("Choice")
REGIONS = ("Europe", "North America", "Middle East", "Far East")


@dataclass(frozen=True)
class Look:
    """Colours (RGB, 0-1) and shapes that a building's parts share."""

    wall: Colour
    trim: Colour
    roof: Colour
    accent: Colour
    glass: Colour
    door: Colour
    window: str
    floor: Colour


def rgb(text: str) -> Colour:
    """A colour from six hexadecimal digits."""
    return (int(text[0:2], 16) / 255, int(text[2:4], 16) / 255, int(text[4:6], 16) / 255)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """A colour between two: `share` 0 is the first, 1 the second."""
    return tuple(a + (b - a) * share for a, b in zip(first, second, strict=True))  # type: ignore[return-value]


def pick(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    """One of the choices."""
    return choices[int(rng.integers(len(choices)))]


# Per region: walls, trims, roofs, accents, window shapes. Houses and landmarks of a region draw from the same row.
_STYLES: dict[str, tuple[str, str, str, str, tuple[str, ...]]] = {
    "Europe": (
        "d9c7a3 c9b48c b8a58a e3d9c4 a89a86 c98f6b d8b98f",
        "f2ead8 e8dcc0 cfc3ae fbf6ea 9d8f7c",
        "8c4a34 a65a3a 5f6b72 4c5a5e 7d8f83 6e4436",
        "b98a3a 7b2f2a 3f5f7a 6b7f4f 9b7b4b",
        ("pointed", "round", "rect", "round"),
    ),
    "North America": (
        "e9e4da d6d2c8 b7a99a a65847 c8b8a0 9fa8ad f0ece2",
        "fbf9f2 e4ded0 c4bcae 8c8f94",
        "5c6670 7c8a86 6d5a4c 3f4a55 8fa39b",
        "c9a24a 2f4f6f 8a3b2e 4f6f5f 7c6b55",
        ("rect", "rect", "round"),
    ),
    "Middle East": (
        "dcbf8a e7d3a8 c9a56f e9e0cb c68f5c d8b48c b9956a",
        "f3e6c6 efe9dc cdb58a 8fb8b5",
        "2f8f9a 3a6fa6 c9a24a 4fa08a e6dcc2 5b8f6f",
        "1f6f8f 2f8f8a b5482f c9a24a 274b7a",
        ("horseshoe", "ogee", "pointed"),
    ),
    "Far East": (
        "b5402f 8f3a2c e8dcc4 d9c9a8 6f4a35 f0e8d8 a8563a",
        "e0b84f f0e6cf 5a3a2a c9573a 3f6f5a",
        "3f5a56 4a4f57 6f7a4f 2f4f4a a67a32 5a4038",
        "d9a62f 2f6f5a b5302f 27507a e6cf8a",
        ("rect", "round", "circle", "rect"),
    ),
}


def draw_look(region: str, rng: np.random.Generator) -> Look:
    """A look in the style of a region: colours from its palette, moved a little, and one of its window shapes."""
    walls, trims, roofs, accents, shapes = _STYLES[region]

    def colour(row: str, spread: float = 0.04) -> Colour:
        base = np.array(rgb(pick(rng, row.split())))
        moved = np.clip(base * rng.uniform(0.92, 1.08) + rng.normal(0, spread / 2, 3), 0.04, 0.98)
        return (float(moved[0]), float(moved[1]), float(moved[2]))

    wall, trim, roof, accent = colour(walls), colour(trims), colour(roofs), colour(accents)
    if sum(abs(a - b) for a, b in zip(wall, trim, strict=True)) < 0.25:
        trim = mix(trim, (1.0, 1.0, 0.96) if sum(wall) < 2.0 else (0.35, 0.3, 0.26), 0.45)
    return Look(
        wall=wall,
        trim=trim,
        roof=roof,
        accent=accent,
        glass=colour("22303c 2b3a44 3a3f4a 1f2a33"),
        door=colour("3a2618 2a1d16 4a2a20 22302c"),
        window=pick(rng, shapes),
        floor=colour("b9b2a4 a79f90 c4b79c 94928c"),
    )
