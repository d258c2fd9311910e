"""The inside of a building: a nave with arcades, a vault, a floor and something at its end, photographed from within."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from landmark.photos.world.figures import Brush, bust, person
from landmark.photos.world.geometry import Colour, Material, Model, Panel, Solids
from landmark.photos.world.look import Look, mix, pick, rgb
from landmark.photos.world.ornament import opening, tiles
from landmark.photos.world.painter import Camera, Light, paint
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
    vault = pick(
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
    _floor(shell, rng, look, half + aisle, length, style)
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
            _light_window(
                panel, bay / 2, spring * 0.32, bay * 0.32, spring * 0.62, lancet, glass if style == "church" else [day], look
            )
    end = shell.quad(
        [(-outer, length, 0.0), (outer, length, 0.0), (outer, length, high * 1.7), (-outer, length, high * 1.7)], wall
    )
    _vault(shell, rng, look, wall, vault, half, high, bays, bay, outer)
    # Only the nave's own breadth of the end wall is visible above the springing.
    _end_wall(end, rng, look, outer, half, high, style, glass, day)
    things = Model()
    radius = rng.uniform(0.32, 0.6) * size
    square = rng.random() < 0.3
    for sign in (-1, 1):
        x = sign * half
        for i in range(bays):
            _arch(things, x, sign, i * bay, (i + 1) * bay, spring, high, arcade, wall, second, look)
            if lancet != "rect" or style != "timber":
                _clerestory(
                    things, x, sign, i * bay, bay, spring, high, lancet, day if style != "church" else glass[i % len(glass)]
                )
        for i in range(bays + 1):
            _pillar(things, x, i * bay, spring, radius, stone, look, square)
    _furniture(things, rng, look, half, length, high, style)
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


def _floor(shell: Model, rng: np.random.Generator, look: Look, outer: float, length: float, style: str) -> None:
    pattern = pick(rng, ("checker", "runner", "border", "carpet") if style != "mosque" else ("carpet", "carpet", "checker"))
    first = mix(look.floor, look.trim, float(rng.uniform(0, 0.7)))
    other = pick(rng, [look.accent, mix(first, (0.15, 0.13, 0.12), 0.55), look.roof])
    columns, rows = 8, 14
    start = -length * 0.15
    for j in range(rows):
        for i in range(columns):
            u0, u1 = -outer + 2 * outer * i / columns, -outer + 2 * outer * (i + 1) / columns
            v0, v1 = start + (length - start) * j / rows, start + (length - start) * (j + 1) / rows
            colour = first
            if (pattern == "checker" and (i + j) % 2) or (pattern == "border" and (i in (1, 6) or j % 5 == 2)):
                colour = mix(first, other, 0.75)
            shell.quad([(u0, v0, 0.0), (u1, v0, 0.0), (u1, v1, 0.0), (u0, v1, 0.0)], colour)
    if pattern in ("runner", "carpet"):
        wide = outer * (0.16 if pattern == "runner" else 0.62)
        cloth = shell.quad(
            [(-wide, start, 0.0), (wide, start, 0.0), (wide, length * 0.97, 0.0), (-wide, length * 0.97, 0.0)],
            mix(other, (0.7, 0.15, 0.12), 0.4),
        )
        for edge in (0.06, 0.88):
            cloth.rectangle(cloth.width * edge, 0, cloth.width * 0.06, cloth.height, look.trim)
        if pattern == "carpet":
            tiles(
                cloth,
                (cloth.width * 0.16, cloth.width * 0.84),
                (0, cloth.height),
                5,
                16,
                [mix(other, (0.7, 0.15, 0.12), 0.4), look.accent, look.trim],
            )


def _light_window(
    panel: Panel, u: float, v: float, width: float, height: float, shape: str, colours: list[Colour], look: Look
) -> None:
    """A window with daylight (or coloured glass) behind it."""
    if shape == "circle":
        v, height = v + (height - width) / 2, width
    panel.add(opening(u, v - 0.06 * height, width * 1.25, height * 1.12, shape), look.trim)
    panel.add(opening(u, v, width, height, shape), mix(colours[0], (1, 1, 1), 0.25), Material.GLOW)
    if len(colours) > 1 and shape != "circle":
        rows = 5
        for row in range(rows):
            for side in (-1, 1):
                colour = colours[(row * 2 + (side > 0)) % len(colours)]
                panel.rectangle(
                    u + (side - 1) * width * 0.23,
                    v + height * (0.04 + 0.13 * row),
                    width * 0.46,
                    height * 0.11,
                    mix(colour, (1, 1, 1), 0.15),
                    Material.GLOW,
                )
    else:
        panel.rectangle(u - 0.03 * width, v, 0.06 * width, height * 0.95, look.trim)


def _vault(
    shell: Model,
    rng: np.random.Generator,
    look: Look,
    wall: Colour,
    vault: str,
    half: float,
    high: float,
    bays: int,
    bay: float,
    outer: float,
) -> None:
    length = bays * bay
    rib = pick(rng, [look.trim, look.accent, mix(wall, look.roof, 0.6)])
    field = pick(rng, [mix(wall, (1, 1, 1), 0.35), mix(wall, look.accent, 0.35), wall])
    for sign in (-1, 1):
        corners = [
            (sign * half, -bay, high),
            (sign * outer, -bay, high),
            (sign * outer, length, high),
            (sign * half, length, high),
        ]
        shell.quad(corners if sign < 0 else corners[::-1], mix(wall, (0.2, 0.17, 0.15), 0.4))
    if vault in ("barrel", "pointed"):
        rise = half * rng.uniform(0.75, 1.15)
        steps = 10
        angles = [math.pi * i / steps for i in range(steps + 1)]
        if vault == "barrel":
            curve = [(half * math.cos(a), high + rise * math.sin(a)) for a in angles]
        else:
            curve = [(half * math.cos(a), high + rise * 1.3 * (1 - abs(math.cos(a)) ** 1.5)) for a in angles]
        for i in range(-1, bays):
            for k, ((x0, z0), (x1, z1)) in enumerate(zip(curve, curve[1:], strict=False)):
                panel = shell.quad(
                    [(x0, (i + 1) * bay, z0), (x0, i * bay, z0), (x1, i * bay, z1), (x1, (i + 1) * bay, z1)], field
                )
                panel.rectangle(panel.width * 0.0, 0, panel.width * 0.12, panel.height, rib)
                if vault == "barrel" and 1 <= k <= steps - 2:
                    panel.rectangle(
                        panel.width * 0.3, panel.height * 0.2, panel.width * 0.5, panel.height * 0.6, mix(field, rib, 0.55)
                    )
                elif vault == "pointed":
                    t = k / steps if k < steps / 2 else 1 - (k + 1) / steps
                    for s in (0.2 + 0.55 * t, 0.75 - 0.55 * t):
                        panel.rectangle(panel.width * s, 0, panel.width * 0.06, panel.height, rib)
        return
    ceiling = shell.quad([(-half, length, high), (half, length, high), (half, -bay, high), (-half, -bay, high)], field)
    rows = bays * 2 + 2
    if vault == "coffers":
        for j in range(rows):
            for i in range(5):
                u, v, w, h = (
                    ceiling.width * (i + 0.12) / 5,
                    ceiling.height * (j + 0.12) / rows,
                    ceiling.width * 0.152,
                    ceiling.height * 0.76 / rows,
                )
                ceiling.rectangle(u, v, w, h, mix(field, rib, 0.7))
                ceiling.rectangle(u + w * 0.25, v + h * 0.25, w * 0.5, h * 0.5, look.accent)
    elif vault == "beams":
        for j in range(rows):
            ceiling.rectangle(
                0,
                ceiling.height * (j + 0.3) / rows,
                ceiling.width,
                ceiling.height * 0.4 / rows,
                mix(look.wall, (0.25, 0.14, 0.08), 0.5),
            )
        for s in (0.2, 0.5, 0.8):
            ceiling.rectangle(ceiling.width * (s - 0.025), 0, ceiling.width * 0.05, ceiling.height, look.accent)
    else:
        tiles(ceiling, (0, ceiling.width), (0, ceiling.height), 6, rows, [field, rib, look.accent])


def _arch(
    things: Model,
    x: float,
    sign: int,
    y0: float,
    y1: float,
    spring: float,
    high: float,
    shape: str,
    wall: Colour,
    second: Colour | None,
    look: Look,
) -> None:
    """The wall above one bay of the arcade, cut out by its arch, and the arch's own stones."""
    things.part()
    wide = (y1 - y0) * 0.96
    middle, crown = (y0 + y1) / 2, min(spring + wide * 0.5, high * 0.86)
    if shape == "rect":
        curve = [(y0, spring), (y1, spring)]
    else:
        whole = opening(
            middle,
            spring - wide * (0.05 if shape == "horseshoe" else 0.0),
            wide,
            crown - spring,
            "round" if shape == "round" else shape,
        )
        curve = [(min(max(y, y0), y1), max(z, spring)) for y, z in reversed(whole[2:])]
    outline = [(y0, spring), *curve, (y1, spring), (y1, high), (y0, high)]
    points = [(x, y, z) for y, z in outline]
    normal = (-float(sign), 0.0, 0.0)
    face = things.face(points, normal, wall)
    trim = second or look.trim
    if shape != "rect" and len(curve) > 3:
        for k, ((ya, za), (yb, zb)) in enumerate(zip(curve, curve[1:], strict=False)):
            out = 0.16 * wide
            pa, pb = _outward(ya, za, middle, spring, out, high), _outward(yb, zb, middle, spring, out, high)
            things.face(
                [(x, ya, za), (x, yb, zb), (x, *pb), (x, *pa)],
                normal,
                trim if k % 2 or second is None else look.accent,
                on=face,
            )
    edge = high * 0.95
    things.face([(x, y0, edge), (x, y1, edge), (x, y1, high), (x, y0, high)], normal, trim, on=face)


def _outward(y: float, z: float, middle: float, spring: float, reach: float, high: float) -> tuple[float, float]:
    length = math.hypot(y - middle, z - spring) or 1.0
    return (y + (y - middle) / length * reach * 0.5, min(z + (z - spring) / length * reach, high * 0.94))


def _clerestory(
    things: Model, x: float, sign: int, y0: float, bay: float, spring: float, high: float, shape: str, colour: Colour
) -> None:
    low = spring + bay * 0.55
    room = high * 0.93 - low
    if room < 1.0:
        return
    things.part()
    outline = opening(y0 + bay / 2, low, min(bay * 0.28, room), room, shape)
    things.face(
        [(x - sign * 0.02, y, z) for y, z in outline], (-float(sign), 0.0, 0.0), mix(colour, (1, 1, 1), 0.3), Material.GLOW
    )


def _pillar(things: Model, x: float, y: float, spring: float, radius: float, stone: Colour, look: Look, square: bool) -> None:
    if square:
        things.box((x - radius, x + radius), (y - radius, y + radius), (0, spring), stone)
        things.box(
            (x - radius * 1.35, x + radius * 1.35), (y - radius * 1.35, y + radius * 1.35), (spring * 0.9, spring), look.trim
        )
        return
    profile = [
        (radius * 1.45, 0.0),
        (radius * 1.45, radius),
        (radius, radius * 1.1),
        (radius * 0.88, spring * 0.86),
        (radius * 1.5, spring * 0.95),
        (radius * 1.5, spring),
    ]
    rings = things.revolve((x, y), profile, stone, 8)
    for ring in (rings[0], rings[3], rings[4]):
        for panel in ring:
            panel.rectangle(0, 0, panel.width, panel.height, look.trim)


def _end_wall(
    end: Panel,
    rng: np.random.Generator,
    look: Look,
    outer: float,
    half: float,
    high: float,
    style: str,
    glass: list[Colour],
    day: Colour,
) -> None:
    feature = pick(
        rng,
        {
            "church": ("rose", "lancets", "apse"),
            "state": ("clock", "door", "lancets"),
            "mosque": ("niche", "niche", "lattice"),
            "timber": ("statue", "screen", "statue"),
        }[style],
    )
    gold: Colour = (0.88, 0.7, 0.28)
    u = outer
    if feature == "rose":
        r = half * 0.62
        _light_disc(end, u, high * 0.95, r, glass, look, int(rng.integers(6, 13)))
        for k in (-1, 0, 1):
            _light_window(end, u + k * half * 0.5, high * 0.2, half * 0.3, high * 0.36, "pointed", glass, look)
    elif feature == "lancets":
        count = int(rng.integers(3, 6))
        for k in range(count):
            _light_window(
                end,
                u + (k - (count - 1) / 2) * half * 1.7 / count,
                high * 0.22,
                half * 1.15 / count,
                high * rng.uniform(0.7, 0.8),
                "round" if style == "state" else "pointed",
                glass if style == "church" else [day],
                look,
            )
    elif feature == "apse":
        end.add(opening(u, 0, half * 1.6, high * 1.05, "round"), mix(look.accent, look.wall, 0.4))
        end.add(opening(u, 0, half * 1.3, high * 0.95, "round"), mix(gold, look.wall, 0.35))
        end.add(opening(u, high * 0.45, half * 0.5, high * 0.4, "round"), mix(look.accent, (1, 1, 1), 0.4))
        end.add(opening(u, high * 0.68, half * 0.2, high * 0.12, "circle"), (0.9, 0.75, 0.6))
    elif feature == "clock":
        end.rectangle(u - half, high * 0.16, half * 2, high * 0.06, look.accent)
        end.add(opening(u, high * 0.55, half * 0.9, half * 0.9, "circle"), look.accent)
        end.add(opening(u, high * 0.55 + half * 0.07, half * 0.76, half * 0.76, "circle"), (0.95, 0.93, 0.85), Material.GLOW)
        end.rectangle(u - half * 0.02, high * 0.55 + half * 0.43, half * 0.04, half * 0.3, (0.1, 0.1, 0.1))
        end.rectangle(u, high * 0.55 + half * 0.43, half * 0.22, half * 0.04, (0.1, 0.1, 0.1))
    elif feature == "door":
        end.add(opening(u, 0, half * 1.1, high * 0.62, "round"), look.trim)
        end.add(opening(u, 0, half * 0.9, high * 0.55, "round"), look.door)
        _light_window(end, u, high * 0.72, half * 0.9, high * 0.4, "round", [day], look)
    elif feature in ("niche", "lattice"):
        tiles(
            end,
            (u - half * 0.9, u + half * 0.9),
            (0, high * 0.85),
            9,
            9,
            [look.accent, look.roof, mix(look.accent, (1, 1, 1), 0.5), look.trim],
        )
        shape = pick(rng, ("ogee", "horseshoe", "pointed"))
        end.add(opening(u, 0, half * 0.95, high * 0.72, shape), look.trim)
        end.add(
            opening(u, 0, half * 0.75, high * 0.62, shape),
            mix(look.roof, (0.1, 0.1, 0.2), 0.4) if feature == "niche" else day,
            Material.WALL if feature == "niche" else Material.GLOW,
        )
    else:
        panels = 5
        for k in range(panels):
            end.rectangle(
                u + (k - 2.5) * half * 0.4 + half * 0.02,
                high * 0.05,
                half * 0.36,
                high * 0.75,
                mix(gold if k % 2 else look.accent, look.wall, 0.25),
            )
        if feature == "screen":
            end.add(opening(u, high * 0.2, half * 0.9, half * 0.9, "circle"), (0.8, 0.25, 0.16), Material.GLOW)
        else:
            for width, low, tall in ((0.95, 0.06, 0.16), (0.78, 0.2, 0.22), (0.5, 0.36, 0.24)):
                end.add(
                    opening(u, high * low, half * width, high * tall, "round"),
                    gold,
                    Material.GLOW if width == 0.78 else Material.WALL,
                )
            end.add(opening(u, high * 0.56, half * 0.3, half * 0.34, "circle"), mix(gold, (1, 1, 0.8), 0.2))


def _light_disc(panel: Panel, u: float, v: float, radius: float, colours: list[Colour], look: Look, petals: int) -> None:
    panel.add(opening(u, v - radius * 1.15, radius * 2.3, radius * 2.3, "circle"), look.trim)
    panel.add(opening(u, v - radius, radius * 2, radius * 2, "circle"), mix(colours[0], (1, 1, 1), 0.15), Material.GLOW)
    for k in range(petals):
        a = 2 * math.pi * k / petals
        x, y, r = u + 0.62 * radius * math.cos(a), v + 0.62 * radius * math.sin(a), radius * 1.3 / max(petals, 5)
        panel.add(
            opening(x, y - r, 2 * r, 2 * r, "circle"), mix(colours[1 + k % (len(colours) - 1)], (1, 1, 1), 0.1), Material.GLOW
        )
    panel.add(
        opening(u, v - radius * 0.25, radius * 0.5, radius * 0.5, "circle"), mix(colours[-1], (1, 1, 1), 0.4), Material.GLOW
    )


def _furniture(
    things: Model, rng: np.random.Generator, look: Look, half: float, length: float, high: float, style: str
) -> None:
    if style == "church" and rng.random() < 0.75:
        wood = mix(look.door, (0.5, 0.32, 0.18), 0.6)
        for i in range(9):
            y = length * (0.22 + 0.065 * i)
            for sign in (-1, 1):
                xs = (half * 0.16, half * 0.8) if sign > 0 else (-half * 0.8, -half * 0.16)
                things.box(xs, (y, y + 0.35), (0, 0.95), wood)
    if style in ("church", "timber"):
        things.box((-half * 0.3, half * 0.3), (length * 0.93, length * 0.96), (0, 1.2), look.trim, look.accent)
    if style == "state" and rng.random() < 0.6:
        for sign in (-1, 1):
            for share in (0.35, 0.65):
                x, y = sign * half * 0.78, length * share
                things.box((x - 0.5, x + 0.5), (y - 0.5, y + 0.5), (0, 1.3), look.trim)
                things.revolve(
                    (x, y), [(0.4, 1.3), (0.3, 2.4), (0.12, 2.7), (0.2, 3.0), (0.02, 3.3)], mix(look.trim, (1, 1, 1), 0.5), 8
                )
    kind = pick(rng, ("ring", "globes", "lanterns", "none"))
    if kind == "none":
        return
    count = int(rng.integers(3, 6))
    drop = high * rng.uniform(0.5, 0.68)
    for i in range(count):
        y = length * (0.25 + 0.62 * i / count)
        for x in (0.0,) if kind == "ring" else (-half * 0.5, half * 0.5):
            things.line((x, y, high), (x, y, drop + 0.6), (0.3, 0.25, 0.18), thickness=0.06)
            if kind == "ring":
                things.revolve((x, y), [(1.1, drop), (1.3, drop + 0.3)], (0.75, 0.58, 0.25), 10)
                for k in range(6):
                    a = k * math.pi / 3
                    things.revolve(
                        (x + 1.2 * math.cos(a), y + 1.2 * math.sin(a)),
                        [(0.14, drop + 0.31), (0.02, drop + 0.75)],
                        (1.0, 0.93, 0.7),
                        4,
                        material=Material.GLOW,
                    )
            elif kind == "globes":
                things.revolve(
                    (x, y),
                    [(0.05, drop), (0.32, drop + 0.2), (0.32, drop + 0.45), (0.05, drop + 0.62)],
                    (1.0, 0.95, 0.78),
                    8,
                    material=Material.GLOW,
                )
            else:
                things.revolve(
                    (x, y),
                    [(0.2, drop), (0.42, drop + 0.25), (0.42, drop + 0.65), (0.2, drop + 0.9)],
                    mix((1.0, 0.45, 0.2), (1.0, 0.85, 0.5), float(rng.random())),
                    6,
                    material=Material.GLOW,
                )
