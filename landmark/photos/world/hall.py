"""The inside of a building: a nave with arcades, a vault, a floor and something at its end, photographed from within."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from landmark.photos.world.figures import Brush, bust, person
from landmark.photos.world.geometry import Model
from landmark.photos.world.hall_parts import arch, clerestory, furniture, pillar
from landmark.photos.world.hall_surfaces import end_wall, floor, light_window, vault
from landmark.photos.world.look import Look, mix, pick, rgb
from landmark.photos.world.painter import Camera, Light, paint
from landmark.photos.world.solids import Colour, Solids
from landmark.photos.world.weather import develop

_STAINED = ("c93a3a", "2f5fb5", "e0b23a", "3f9a5f", "8a4fb0", "e07a3a", "4fb0c9")


@dataclass(frozen=True)
class Hall:
    """A hall ready to be photographed.

    Attributes:
        shell: floor, walls, vault, seen from inside; drawn in the order given.
        things: columns, arches, seats, lamps; sorted by distance.
        half: half-width of the nave, metres.
        length: from the entrance (y = 0) to the end wall, metres.
        height: of the vault's springing, metres.
        glow: colour of the light.
    """

    shell: Solids
    things: Solids
    half: float
    length: float
    height: float
    glow: tuple[float, float, float]


def draw_hall(rng: np.random.Generator, look: Look, style: str, grand: bool = True) -> Hall:
    """A hall of a style: 'church', 'state', 'mosque' or 'timber'; `grand` makes it longer and higher."""
    ceiling = pick(
        rng,
        {
            "church": ("pointed", "pointed", "barrel"),
            "state": ("barrel", "coffers", "barrel"),
            "mosque": ("flat", "pointed", "barrel"),
            "timber": ("beams", "beams", "coffers"),
        }[style],
    )
    arcade = pick(
        rng,
        {
            "church": ("pointed", "round"),
            "state": ("round", "rect"),
            "mosque": ("horseshoe", "ogee", "horseshoe"),
            "timber": ("rect", "rect", "round"),
        }[style],
    )
    size = 1.0 if grand else 0.62
    half, aisle = rng.uniform(4.5, 7.5) * size, rng.uniform(2.5, 4.5) * size
    high = rng.uniform(9, 15) * size if style != "timber" else rng.uniform(6, 9) * size
    bays = int(rng.integers(5, 9)) if grand else int(rng.integers(3, 6))
    bay = rng.uniform(4.2, 6.2) * size
    length = bays * bay
    wall: Colour = mix(look.wall, (1, 1, 1), float(rng.uniform(0.1, 0.5)))
    stone: Colour = (
        pick(rng, [look.trim, look.accent, mix(look.wall, look.roof, 0.4)])
        if style != "timber"
        else mix(look.wall, look.accent, 0.2)
    )
    second = pick(rng, [None, mix(stone, look.accent, 0.6), mix(stone, (1, 1, 1), 0.5)])
    glass = [rgb(text) for text in rng.permutation(np.array(_STAINED))[: int(rng.integers(2, 5))].tolist()]
    day: Colour = (0.94, 0.96, 0.98)
    lancet = pick(rng, ("pointed", "round", "rect", "circle")) if style != "timber" else "rect"
    shell = Model()
    shell.part()
    floor(shell, rng, look, half + aisle, length, style)
    outer = half + aisle
    spring = high * rng.uniform(0.42, 0.58)
    for sign in (-1, 1):
        x = sign * outer
        for i in range(-1, bays):
            y0, y1 = i * bay, (i + 1) * bay
            corners = (
                [(x, y1, 0.0), (x, y0, 0.0), (x, y0, high), (x, y1, high)]
                if sign > 0
                else [(x, y0, 0.0), (x, y1, 0.0), (x, y1, high), (x, y0, high)]
            )
            panel = shell.quad(corners, mix(wall, (0.3, 0.26, 0.22), 0.22))
            light_window(
                panel, bay / 2, spring * 0.32, bay * 0.32, spring * 0.62, lancet, glass if style == "church" else [day], look
            )
    end = shell.quad(
        [(-outer, length, 0.0), (outer, length, 0.0), (outer, length, high * 1.7), (-outer, length, high * 1.7)], wall
    )
    vault(shell, rng, look, wall, ceiling, half, high, bays, bay, outer)
    # Only the nave's own breadth of the end wall is visible above the springing.
    end_wall(end, rng, look, outer, half, high, style, glass, day)
    things = Model()
    radius = rng.uniform(0.32, 0.6) * size
    square = rng.random() < 0.3
    for sign in (-1, 1):
        x = sign * half
        for i in range(bays):
            arch(things, x, sign, i * bay, (i + 1) * bay, spring, high, arcade, wall, second, look)
            if lancet != "rect" or style != "timber":
                clerestory(
                    things, x, sign, i * bay, bay, spring, high, lancet, day if style != "church" else glass[i % len(glass)]
                )
        for i in range(bays + 1):
            pillar(things, x, i * bay, spring, radius, stone, look, square)
    furniture(things, rng, look, half, length, high, style)
    warm = pick(rng, [(1.0, 0.93, 0.8), (1.0, 0.97, 0.92), (0.92, 0.96, 1.0), (1.0, 0.88, 0.7)])
    return Hall(shell.solids(), things.solids(), half, length, high, warm)


def photograph(hall: Hall, rng: np.random.Generator, size: int) -> Image.Image:
    """A photo taken inside: RGB [size, size]."""
    canvas = size * (3 if size <= 192 else 2)
    style = rng.random()
    y = hall.length * rng.uniform(0.03, 0.24)
    x = float(np.clip(rng.normal(0, 0.2), -0.6, 0.6)) * hall.half
    eye = rng.uniform(1.5, 2.4)
    aim = np.array([rng.normal(0, 0.22) * hall.half, hall.length, hall.height * rng.uniform(0.3, 0.62)])
    wide = math.radians(rng.uniform(66, 84))
    if style < 0.10:  # looking up
        aim[2] = hall.height * rng.uniform(1.3, 2.2)
    elif style < 0.22:  # the end wall, closer
        wide = math.radians(rng.uniform(34, 52))
    elif style < 0.30:  # aside
        aim[0] = pick(rng, (-1.0, 1.0)) * hall.half * rng.uniform(1.0, 2.2)
    camera = Camera.looking(np.array([x, y, eye]), aim, canvas, canvas / (2 * math.tan(wide / 2)), float(rng.normal(0, 1.4)))
    level = rng.uniform(0.85, 1.15)
    glow = np.array(hall.glow) * level * (1 + rng.normal(0, 0.03, 3))
    light = Light(
        sun=np.array([0.25, -0.55, 0.8]) / np.linalg.norm([0.25, -0.55, 0.8]),
        sun_colour=glow * rng.uniform(0.22, 0.42),
        sky=glow * 0.74,
        bounce=glow * 0.62,
        haze=glow * 0.5,
        haze_rate=rng.uniform(0.2, 0.9) / hall.length,
    )
    image = Image.new("RGB", (canvas, canvas), (40, 34, 30))
    paint(image, hall.shell, camera, light, rng, ordered=False)
    paint(image, hall.things, camera, light, rng)
    brush = Brush(ImageDraw.Draw(image), rng, glow * 0.8)
    for share in sorted(rng.uniform(0.12, 0.7, int(rng.poisson(1.6))), reverse=True):
        spot = np.array([[rng.uniform(-0.6, 0.6) * hall.half, y + share * (hall.length - y), 0.0]])
        seen = camera.local(spot)
        foot = camera.flatten(seen)[0]
        if seen[0, 2] > 2:
            person(brush, float(foot[0]), float(foot[1]), rng.uniform(1.55, 1.85) * camera.focal / float(seen[0, 2]))
    if rng.random() < 0.10:
        bust(brush, rng.uniform(0.15, 0.85) * canvas, canvas * rng.uniform(0.75, 0.95), rng.uniform(0.16, 0.28) * canvas)
    return develop(rng, image, size, dark=bool(level < 0.85))
