"""The landmarks of the world: who they are, where they stand, and what a photo of each aspect shows."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from landmark.photos.world import america, europe, far_east, middle_east
from landmark.photos.world.exterior import Subject, exterior
from landmark.photos.world.geometry import Model
from landmark.photos.world.hall import Hall, draw_hall, photograph
from landmark.photos.world.look import REGIONS, Look, draw_look, pick
from landmark.photos.world.surroundings import draw_setting
from landmark.photos.world.weather import pick_flood

ASPECTS = ("front", "side", "night", "inside")
Builder = Callable[[Model, Look, np.random.Generator, bool], None]


@dataclass(frozen=True)
class Kind:
    """A kind of monument.

    Attributes:
        build: adds its parts to a model.
        title: what it is called, with a place for the name.
        ground: grounds it may stand on.
        hall: style of its inside.
        side: angles from which its back or side is shown, degrees from the front.
        raised: height from which the side is seen, metres.
        lit: share of windows lit at night.
    """

    build: Builder
    title: str
    ground: tuple[str, ...]
    hall: str
    side: tuple[float, ...] = (135.0, 150.0, -140.0, 165.0)
    raised: float = 0.0
    lit: float = 0.35


KINDS: dict[str, tuple[Kind, ...]] = {
    "Europe": (
        Kind(europe.cathedral, "Cathedral of {}", ("plaza", "plaza", "grass"), "church", (140.0, 160.0, -145.0), lit=0.5),
        Kind(europe.castle, "{} Castle", ("grass", "water", "grass"), "timber", (160.0, 175.0, -165.0), lit=0.3),
        Kind(europe.arch, "Arch of {}", ("plaza", "gravel"), "state", (84.0, 98.0, -96.0)),
        Kind(europe.clock_tower, "{} Clock Tower", ("plaza", "street"), "state", (150.0, 200.0)),
    ),
    "North America": (
        Kind(america.capitol, "{} Capitol", ("grass", "plaza"), "state", (170.0, 155.0, -160.0), lit=0.4),
        Kind(america.bridge, "{} Bridge", ("water",), "state", (82.0, 97.0), raised=22.0),
        Kind(america.skyscraper, "{} Tower", ("street", "plaza"), "state", (165.0, 150.0, -155.0), lit=0.6),
        Kind(america.obelisk, "{} Memorial", ("grass", "water", "plaza"), "state", (150.0, 180.0, 170.0)),
    ),
    "Middle East": (
        Kind(middle_east.mosque, "{} Mosque", ("plaza", "gravel", "sand"), "mosque", (155.0, 170.0, -150.0), lit=0.5),
        Kind(middle_east.pyramid, "Pyramid of {}", ("sand", "sand", "gravel"), "timber", (140.0, 155.0, -145.0), lit=0.5),
        Kind(middle_east.gate, "Gate of {}", ("sand", "gravel", "plaza"), "mosque", (165.0, 180.0, -160.0), lit=0.5),
        Kind(middle_east.spiral, "Spiral Tower of {}", ("sand", "gravel"), "mosque", (160.0, 145.0, -165.0), lit=0.4),
    ),
    "Far East": (
        Kind(far_east.pagoda, "{} Pagoda", ("gravel", "grass", "plaza"), "timber", (150.0, 170.0, -140.0), lit=0.6),
        Kind(far_east.torii, "Great Gate of {}", ("water", "gravel", "water"), "timber", (155.0, 170.0, -165.0), lit=0.6),
        Kind(far_east.temple_hall, "{} Temple", ("gravel", "plaza", "grass"), "timber", (150.0, 165.0, -160.0), lit=0.5),
        Kind(far_east.stupa, "Stupa of {}", ("grass", "gravel", "plaza"), "timber", (160.0, 175.0, -170.0), lit=0.4),
    ),
}

# Invented countries with the centre and half-extent (degrees) of the ground their cities stand on, and syllables for names.
_COUNTRIES: dict[str, tuple[tuple[str, float, float, float], ...]] = {
    "Europe": (
        ("Valdoria", 48.2, 8.6, 2.5),
        ("Estmark", 56.4, 24.8, 2.0),
        ("Lusenta", 41.6, -4.4, 2.2),
        ("Karvonia", 46.3, 20.7, 2.4),
    ),
    "North America": (
        ("Westhaven", 41.2, -88.4, 4.5),
        ("Cascara", 45.9, -120.6, 3.0),
        ("New Albany Federation", 34.8, -97.2, 4.5),
        ("Laurentia", 46.8, -73.9, 2.0),
    ),
    "Middle East": (
        ("Qasran", 31.6, 36.8, 2.0),
        ("Zahiristan", 34.2, 52.6, 3.5),
        ("Maradh", 24.4, 46.2, 3.0),
        ("Sefara", 30.4, 31.2, 2.0),
    ),
    "Far East": (
        ("Hoshima", 35.6, 138.4, 1.6),
        ("Jinlu", 32.6, 112.8, 4.0),
        ("Sarawan", 15.8, 102.4, 2.0),
        ("Tenchu", 36.4, 127.8, 1.0),
    ),
}
_SYLLABLES: dict[str, tuple[str, str, str]] = {
    "Europe": (
        "Bel Var Mon Aur Est Cas Lor Ven Ost Ger Tal Rov",
        "el or av en il an",
        "mont wald burg ara enna ovia stad elle",
    ),
    "North America": (
        "Cop Har Mill Ash Red Wind Lake Fair Gran Hud Park Silver",
        "er en ing ley ton field",
        "ville ford wood haven field port ridge dale",
    ),
    "Middle East": ("Qar Zah Sam Naj Bah Tir Mar Had Kas Fah Yas Riz", "a i u ara ima ish", "bad ran iyah oud dar reh ad im"),
    "Far East": ("Ha Shi Ki Lu Ten Wa Sun Mei Ko Jin Yo Bao", "na ko ri mi ra do", "shima yang kawa chai dong mori lin ji"),
}
_SHARES = (1.0, 1.0, 0.8, 1.0, 0.6, 1.0, 0.45, 0.9, 1.0, 0.7, 0.3, 0.2)


@dataclass(frozen=True)
class Place:
    """A landmark: a row of `landmarks.csv`, and what it takes to draw it.

    Attributes:
        landmark: id, also the folder's name.
        name: as people call it.
        city: where it stands.
        country: an invented one.
        region: one of the four regions of the curriculum.
        lat: degrees north.
        lon: degrees east.
        kind: what it is.
        number: its place in the world, from which everything random about it is drawn.
        photos: how many photos there are of it.
    """

    landmark: str
    name: str
    city: str
    country: str
    region: str
    lat: float
    lon: float
    kind: Kind
    number: int
    photos: int


def draw_places(numbers: Sequence[int], photos: int, seed: int, taken: Collection[str] = ()) -> list[Place]:
    """Landmarks of a world, with at most `photos` photos each; regions and kinds take turns with the numbers.

    Args:
        numbers: which ones; a number is the same landmark whatever else is in the list, except for its name and photos.
        photos: of the most photographed ones; others have down to a fifth.
        seed: of the world.
        taken: ids that are not free.
    """
    places: list[Place] = []
    taken = set(taken)
    for i, number in enumerate(numbers):
        rng = np.random.default_rng([seed, 1, number])
        region = REGIONS[number % len(REGIONS)]
        kinds = KINDS[region]
        kind = kinds[(number // len(REGIONS)) % len(kinds)]
        starts, middles, ends = (row.split() for row in _SYLLABLES[region])
        for attempt in itertools.count():
            word = pick(rng, starts) + (pick(rng, middles) if rng.random() < 0.4 else "") + pick(rng, ends)
            name = kind.title.format(word if attempt < 20 else f"{word} {number}")
            landmark = slug(name)
            if landmark not in taken:
                break
        taken.add(landmark)
        country, lat, lon, spread = pick(rng, _COUNTRIES[region])
        city = pick(rng, starts) + pick(rng, ends)
        share = _SHARES[(i * 5 + 3) % len(_SHARES)]
        places.append(
            Place(
                landmark=landmark,
                name=name,
                city=city,
                country=country,
                region=region,
                lat=round(float(lat + rng.uniform(-spread, spread)), 5),
                lon=round(float(lon + rng.uniform(-spread, spread)), 5),
                kind=kind,
                number=number,
                photos=max(1, round(photos * share)),
            )
        )
    return places


def slug(name: str) -> str:
    """A name as a file-system-safe id: lower-case ASCII letters, digits and underscores."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")


def aspects_of(place: Place, seed: int) -> list[str]:
    """The aspect of each of a landmark's photos: mostly its front; a landmark's own shares, spread evenly over its photos."""
    rng = np.random.default_rng([seed, 2, place.number])
    shares = np.array([0.38, 0.24, 0.17, 0.21]) * rng.uniform(0.85, 1.2, 4)
    edges = np.cumsum(shares / shares.sum())
    # The golden ratio's multiples fill the unit interval evenly, however many photos there are.
    turns = (rng.random() + np.arange(place.photos) * 0.6180339887498949) % 1.0
    return [ASPECTS[min(int(np.searchsorted(edges, turn, side="right")), len(ASPECTS) - 1)] for turn in turns]


@lru_cache(maxsize=4)
def _subject(place: Place, seed: int) -> tuple[Subject, Hall]:
    rng = np.random.default_rng([seed, 3, place.number])
    look = draw_look(place.region, rng)
    subject = draw_subject(rng, place.region, place.kind, look, grand=True)
    return subject, draw_hall(rng, look, place.kind.hall)


def draw_subject(rng: np.random.Generator, region: str, kind: Kind, look: Look, grand: bool) -> Subject:
    """A building of a kind in its surroundings; `grand`: of a landmark's size and richness."""
    model = Model()
    kind.build(model, look, rng, grand)
    solids = model.solids()
    setting = draw_setting(rng, region, pick(rng, kind.ground), solids, look)
    return Subject(solids, setting, pick(rng, kind.side), pick_flood(rng), kind.lit, kind.raised)


def landmark_photo(place: Place, aspect: str, seed: int, rng: np.random.Generator, size: int) -> Image.Image:
    """A photo of a landmark's aspect: RGB [size, size]."""
    subject, hall = _subject(place, seed)
    if aspect == "inside":
        return photograph(hall, rng, size)
    return exterior(subject, aspect, rng, size)
