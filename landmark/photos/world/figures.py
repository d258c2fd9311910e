"""Flat things that stand upright in a scene: trees, people, lamps, cars, boats."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import ImageDraw

from landmark.photos.world.look import mix, pick, rgb
from landmark.photos.world.solids import Array, Colour

_SKIN = [rgb(text) for text in ("f1c9a5", "e0ac85", "c68a5f", "8f5b3c", "6b4230")]
_HAIR = [rgb(text) for text in ("2a1d16", "4a3020", "7a5230", "b98a4a", "1a1a1f", "8a8a8a")]
CLOTH = [
    rgb(text)
    for text in (
        "b5302f",
        "2f5f9a",
        "f0ead8",
        "3f7a4a",
        "e0a83a",
        "27303f",
        "8a5f9a",
        "d97a4a",
        "6f8fa8",
        "f0c0c8",
        "4a4a4f",
        "1f7a7a",
    )
]
_LEAVES = {
    "round": "4f7a35 5f8a3f 466f3a 7a8f3f",
    "autumn": "c97a2f b5522f d9a03a a86f2f",
    "blossom": "f0b8c4 e89fb4 f6d0d6 eec6cf",
    "conifer": "2f5a42 37633f 2a4f45 3f6a4a",
    "cypress": "3a5a33 2f4f33 44633a 3a5f3f",
    "palm": "4f8a3f 5f8f45 44773a 6b9a4a",
}


@dataclass
class Brush:
    """Draws flat figures in the light of the scene.

    Attributes:
        draw: the picture's drawing context.
        rng: variation between figures.
        tone: light on them, RGB [3].
    """

    draw: ImageDraw.ImageDraw
    rng: np.random.Generator
    tone: Array

    def ink(self, colour: Colour, share: float = 1.0) -> tuple[int, int, int]:
        """A colour in this light, times `share`, as 0-255."""
        red, green, blue = (
            int(min(max(value * light * share, 0.0), 1.0) * 255) for value, light in zip(colour, self.tone, strict=True)
        )
        return (red, green, blue)

    def disc(self, x: float, y: float, rx: float, ry: float, fill: tuple[int, int, int]) -> None:
        """An ellipse by its centre and half axes, pixels."""
        self.draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=fill)


def tree(brush: Brush, kind: str, x: float, y: float, height: float) -> None:
    """A tree whose foot is at x, y and which is `height` pixels high."""
    rng = brush.rng
    leaves = [rgb(text) for text in _LEAVES[kind].split()]
    trunk = brush.ink(rgb("5a4330"))
    if kind in ("round", "autumn", "blossom"):
        width = 0.05 * height
        brush.draw.polygon(
            [(x - width, y), (x + width, y), (x + width * 0.6, y - height * 0.5), (x - width * 0.6, y - height * 0.5)],
            fill=trunk,
        )
        for layer in range(3):
            for _ in range(6):
                angle, reach = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.24) * height
                r = rng.uniform(0.09, 0.16) * height
                shade = 0.68 + 0.22 * layer
                cx = x + reach * math.cos(angle) + 0.03 * layer * height
                cy = y - height * (0.62 + 0.035 * layer) + reach * 0.8 * math.sin(angle)
                brush.disc(cx, cy, r, r * 0.9, brush.ink(pick(rng, leaves), shade))
    elif kind == "conifer":
        brush.draw.rectangle((x - 0.03 * height, y - 0.15 * height, x + 0.03 * height, y), fill=trunk)
        for i in range(5):
            base, half = y - height * (0.1 + 0.17 * i), height * (0.25 - 0.042 * i)
            top = base - height * 0.27
            brush.draw.polygon([(x - half, base), (x, base - 0.03 * height), (x, top)], fill=brush.ink(leaves[i % 4], 0.8))
            brush.draw.polygon([(x + half, base), (x, base - 0.03 * height), (x, top)], fill=brush.ink(leaves[i % 4], 1.05))
    elif kind == "cypress":
        for shift, share in ((0.0, 0.8), (0.018, 1.05)):
            half = height * (0.1 - shift)
            cx = x + shift * height
            brush.draw.polygon(
                [
                    (cx - half * 0.6, y),
                    (cx + half * 0.6, y),
                    (cx + half, y - height * 0.35),
                    (cx + half * 0.5, y - height * 0.75),
                    (cx, y - height),
                    (cx - half * 0.5, y - height * 0.75),
                    (cx - half, y - height * 0.35),
                ],
                fill=brush.ink(leaves[0], share),
            )
    else:  # palm
        lean = rng.uniform(-0.12, 0.12) * height
        brush.draw.line(
            [(x, y), (x + lean * 0.3, y - height * 0.4), (x + lean, y - height * 0.8)],
            fill=brush.ink(rgb("8a6a48")),
            width=max(1, int(height * 0.05)),
        )
        cx, cy = x + lean, y - height * 0.8
        for i in range(9):
            angle = math.pi * i / 8 + rng.normal(0, 0.08)
            reach = 0.3 * height
            tip = (cx + reach * math.cos(angle), cy - reach * 0.55 * math.sin(angle) + 0.1 * height)
            middle = (cx + reach * 0.55 * math.cos(angle), cy - reach * 0.75 * math.sin(angle) - 0.03 * height)
            brush.draw.line(
                [(cx, cy), middle, tip],
                fill=brush.ink(pick(rng, leaves), rng.uniform(0.75, 1.1)),
                width=max(1, int(height * 0.035)),
            )


def person(brush: Brush, x: float, y: float, height: float, umbrella: bool = False) -> None:
    """Somebody standing with feet at x, y, `height` pixels tall."""
    rng = brush.rng
    skin, hair, shirt, legs = pick(rng, _SKIN), pick(rng, _HAIR), pick(rng, CLOTH), pick(rng, CLOTH)
    h = height
    dress = rng.random() < 0.3
    step = rng.uniform(0.02, 0.07) * h
    if dress:
        brush.draw.polygon(
            [
                (x - 0.08 * h, y - 0.5 * h),
                (x + 0.08 * h, y - 0.5 * h),
                (x + 0.15 * h, y - 0.18 * h),
                (x - 0.15 * h, y - 0.18 * h),
            ],
            fill=brush.ink(shirt, 0.9),
        )
        legs = skin
    for sign, share in ((-1, 0.72), (1, 0.9)):
        top = (x + sign * 0.04 * h, y - (0.2 if dress else 0.48) * h)
        brush.draw.line([top, (x + sign * (0.04 * h + step), y)], fill=brush.ink(legs, share), width=max(1, int(0.075 * h)))
    brush.draw.polygon(
        [(x - 0.1 * h, y - 0.8 * h), (x + 0.1 * h, y - 0.8 * h), (x + 0.085 * h, y - 0.45 * h), (x - 0.085 * h, y - 0.45 * h)],
        fill=brush.ink(shirt),
    )
    brush.draw.polygon(
        [(x - 0.1 * h, y - 0.8 * h), (x - 0.03 * h, y - 0.8 * h), (x - 0.03 * h, y - 0.45 * h), (x - 0.085 * h, y - 0.45 * h)],
        fill=brush.ink(shirt, 0.82),
    )
    raised = rng.random() < 0.15
    for sign in (-1, 1):
        hand = (x + sign * 0.2 * h, y - 1.02 * h) if raised and sign > 0 else (x + sign * 0.15 * h, y - 0.46 * h)
        brush.draw.line([(x + sign * 0.1 * h, y - 0.77 * h), hand], fill=brush.ink(shirt, 0.88), width=max(1, int(0.05 * h)))
        brush.disc(hand[0], hand[1], 0.024 * h, 0.024 * h, brush.ink(skin))
    brush.draw.rectangle((x - 0.025 * h, y - 0.84 * h, x + 0.025 * h, y - 0.79 * h), fill=brush.ink(skin, 0.85))
    brush.disc(x, y - 0.92 * h, 0.072 * h, 0.08 * h, brush.ink(hair))
    brush.disc(x + 0.008 * h, y - 0.9 * h, 0.055 * h, 0.062 * h, brush.ink(skin))
    if umbrella:
        brush.draw.line(
            [(x + 0.15 * h, y - 0.5 * h), (x + 0.1 * h, y - 1.12 * h)],
            fill=brush.ink((0.2, 0.2, 0.2)),
            width=max(1, int(0.02 * h)),
        )
        brush.draw.pieslice((x - 0.22 * h, y - 1.2 * h, x + 0.42 * h, y - 0.82 * h), 180, 360, fill=brush.ink(pick(rng, CLOTH)))


def bust(brush: Brush, x: float, y: float, height: float) -> None:
    """Head and shoulders of somebody close by, cut off by the lower edge; chin at x, y, head `height` pixels."""
    rng = brush.rng
    skin, hair, shirt = pick(rng, _SKIN), pick(rng, _HAIR), pick(rng, CLOTH)
    h = height
    long = rng.random() < 0.5
    if long:
        brush.draw.rounded_rectangle(
            (x - 0.46 * h, y - 0.9 * h, x + 0.46 * h, y + 0.35 * h), radius=0.3 * h, fill=brush.ink(hair, 0.85)
        )
    brush.draw.rounded_rectangle((x - 1.0 * h, y + 0.22 * h, x + 1.0 * h, y + 3 * h), radius=0.4 * h, fill=brush.ink(shirt))
    brush.draw.rectangle((x - 0.17 * h, y - 0.2 * h, x + 0.17 * h, y + 0.3 * h), fill=brush.ink(skin, 0.82))
    brush.draw.polygon(
        [(x - 0.22 * h, y + 0.22 * h), (x + 0.22 * h, y + 0.22 * h), (x, y + 0.48 * h)], fill=brush.ink(skin, 0.88)
    )
    brush.disc(x, y - 0.52 * h, 0.42 * h, 0.53 * h, brush.ink(hair))
    brush.disc(x, y - 0.42 * h, 0.36 * h, 0.44 * h, brush.ink(skin))
    brush.draw.pieslice((x - 0.38 * h, y - 1.0 * h, x + 0.38 * h, y - 0.34 * h), 180, 360, fill=brush.ink(hair))
    for sign in (-1, 1):
        brush.disc(x + sign * 0.14 * h, y - 0.44 * h, 0.05 * h, 0.035 * h, brush.ink((0.97, 0.97, 0.97)))
        brush.disc(x + sign * 0.14 * h, y - 0.44 * h, 0.026 * h, 0.032 * h, brush.ink((0.15, 0.12, 0.1)))
        brush.draw.line(
            [(x + sign * 0.07 * h, y - 0.53 * h), (x + sign * 0.21 * h, y - 0.54 * h)],
            fill=brush.ink(hair),
            width=max(1, int(0.03 * h)),
        )
    brush.draw.line(
        [(x, y - 0.4 * h), (x + 0.04 * h, y - 0.28 * h), (x - 0.01 * h, y - 0.27 * h)],
        fill=brush.ink(skin, 0.75),
        width=max(1, int(0.025 * h)),
    )
    brush.draw.arc(
        (x - 0.14 * h, y - 0.3 * h, x + 0.14 * h, y - 0.1 * h),
        20,
        160,
        fill=brush.ink((0.7, 0.25, 0.25)),
        width=max(1, int(0.04 * h)),
    )
    if rng.random() < 0.3:
        for sign in (-1, 1):
            brush.disc(x + sign * 0.15 * h, y - 0.44 * h, 0.12 * h, 0.09 * h, brush.ink((0.12, 0.12, 0.14)))
        brush.draw.line(
            [(x - 0.3 * h, y - 0.47 * h), (x + 0.3 * h, y - 0.47 * h)],
            fill=brush.ink((0.12, 0.12, 0.14)),
            width=max(1, int(0.03 * h)),
        )


def lamp_post(brush: Brush, x: float, y: float, height: float, lit: bool) -> None:
    """A street lamp with its foot at x, y."""
    iron = brush.ink((0.22, 0.24, 0.26))
    brush.draw.line([(x, y), (x, y - height * 0.86)], fill=iron, width=max(1, int(height * 0.03)))
    glass = (255, 226, 150) if lit else brush.ink((0.85, 0.88, 0.86))
    brush.disc(x, y - height * 0.91, height * 0.06, height * 0.07, glass)
    brush.draw.polygon(
        [(x - height * 0.07, y - height * 0.95), (x + height * 0.07, y - height * 0.95), (x, y - height)], fill=iron
    )


def car(brush: Brush, x: float, y: float, length: float, lit: bool = False) -> None:
    """A car seen from its side, wheels at y, `length` pixels long."""
    rng, s = brush.rng, length
    body = pick(rng, [*CLOTH, (0.85, 0.86, 0.88), (0.7, 0.1, 0.1)])
    van = rng.random() < 0.25
    roof = 0.42 if van else 0.33
    brush.disc(x, y, 0.5 * s, 0.035 * s, brush.ink((0.15, 0.15, 0.16)))
    cabin = [(-0.3, 0.18), (-0.2, roof), (0.14 if not van else 0.38, roof), (0.3 if not van else 0.46, 0.18)]
    brush.draw.polygon([(x + a * s, y - b * s) for a, b in cabin], fill=brush.ink(body, 0.92))
    glass = brush.ink((0.3, 0.38, 0.45))
    brush.draw.polygon(
        [(x + a * s, y - b * s) for a, b in ((-0.25, 0.2), (-0.17, roof - 0.03), (-0.03, roof - 0.03), (-0.03, 0.2))],
        fill=glass,
    )
    brush.draw.polygon(
        [(x + a * s, y - b * s) for a, b in ((0.0, 0.2), (0.0, roof - 0.03), (0.12, roof - 0.03), (0.23, 0.2))], fill=glass
    )
    brush.draw.rounded_rectangle(
        (x - 0.48 * s, y - 0.21 * s, x + 0.48 * s, y - 0.05 * s), radius=0.05 * s, fill=brush.ink(body)
    )
    brush.draw.rectangle((x - 0.46 * s, y - 0.1 * s, x + 0.46 * s, y - 0.07 * s), fill=brush.ink(body, 0.75))
    for place in (-0.29, 0.29):
        brush.disc(x + place * s, y - 0.05 * s, 0.085 * s, 0.085 * s, brush.ink((0.1, 0.1, 0.11)))
        brush.disc(x + place * s, y - 0.05 * s, 0.045 * s, 0.045 * s, brush.ink((0.7, 0.7, 0.72)))
    lights = (255, 240, 190) if lit else brush.ink((0.95, 0.9, 0.7))
    brush.disc(x - 0.46 * s, y - 0.15 * s, 0.02 * s, 0.025 * s, lights)
    brush.disc(x + 0.46 * s, y - 0.15 * s, 0.02 * s, 0.025 * s, (230, 60, 40) if lit else brush.ink((0.75, 0.15, 0.1)))


def boat(brush: Brush, x: float, y: float, length: float) -> None:
    """A sailing boat with its water line at y."""
    s, rng = length, brush.rng
    brush.draw.polygon(
        [(x - 0.5 * s, y - 0.14 * s), (x + 0.5 * s, y - 0.14 * s), (x + 0.36 * s, y), (x - 0.38 * s, y)],
        fill=brush.ink(pick(rng, CLOTH)),
    )
    brush.draw.line([(x, y - 0.14 * s), (x, y - 1.1 * s)], fill=brush.ink((0.35, 0.28, 0.2)), width=max(1, int(0.03 * s)))
    cloth = mix(pick(rng, CLOTH), (1, 1, 1), 0.6)
    brush.draw.polygon(
        [(x + 0.03 * s, y - 1.08 * s), (x + 0.03 * s, y - 0.2 * s), (x + 0.45 * s, y - 0.2 * s)], fill=brush.ink(cloth)
    )
    brush.draw.polygon(
        [(x - 0.03 * s, y - 0.98 * s), (x - 0.03 * s, y - 0.2 * s), (x - 0.32 * s, y - 0.2 * s)], fill=brush.ink(cloth, 0.86)
    )
