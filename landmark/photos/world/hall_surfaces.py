"""Floor, windows, vault and end wall of a hall, seen from inside."""

from __future__ import annotations

import itertools
import math

import numpy as np

from landmark.photos.world.geometry import Model, Panel
from landmark.photos.world.look import Look, mix, pick
from landmark.photos.world.ornament import (
    opening,
    tiles,
)
from landmark.photos.world.solids import Colour, Material


def floor(shell: Model, rng: np.random.Generator, look: Look, outer: float, length: float, style: str) -> None:
    """A floor of slabs in a pattern, perhaps under a carpet."""
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


def light_window(
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


def vault(
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
    """What closes a nave above: a vault with ribs, beams, coffers or a flat painted ceiling; and the aisles' ceilings."""
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
            for k, ((x0, z0), (x1, z1)) in enumerate(itertools.pairwise(curve)):
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


def end_wall(
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
    """The wall at the far end, with what its builders wanted seen first."""
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
        light_disc(end, u, high * 0.95, r, glass, look, int(rng.integers(6, 13)))
        for k in (-1, 0, 1):
            light_window(end, u + k * half * 0.5, high * 0.2, half * 0.3, high * 0.36, "pointed", glass, look)
    elif feature == "lancets":
        count = int(rng.integers(3, 6))
        for k in range(count):
            light_window(
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
        light_window(end, u, high * 0.72, half * 0.9, high * 0.4, "round", [day], look)
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


def light_disc(panel: Panel, u: float, v: float, radius: float, colours: list[Colour], look: Look, petals: int) -> None:
    """A wheel of coloured glass with daylight behind it, centred at u, v."""
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
