"""Photos without time and position, put into made-up visits: who was where, when, and which camera knew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from landmark.recognition.recognizer import Recognizer
from landmark.tagging.schema import SHARD_TAGS

Kind = Literal["plain", "time-lapses", "wrong clocks"]
KINDS: tuple[Kind, ...] = ("plain", "time-lapses", "wrong clocks")
FRAMES = 10
"""Frames of a time-lapse."""
VISIT = (2, 5)
"""Landmark photos of a visit: fewest, most."""
TRIP = 4
"""Visits of a trip, which is one camera's folder."""
WITH_GPS = 0.7
"""Share of cameras that know where they are."""
START = datetime(2024, 1, 1)


@dataclass(frozen=True)
class Taken:
    """A photo as it was taken.

    Attributes:
        source: row of the photo in the catalog's table.
        setting: "landmark", "visit" (shows none, taken on a visit to one) or "away" (shows none, taken elsewhere).
        frame: of the source, in a time-lapse.
        folder: of the camera.
        time: camera clock.
        lat: of the camera [degrees]; None: it does not know.
        lon: of the camera [degrees].
    """

    source: int
    setting: str
    frame: int
    folder: str
    time: datetime | None
    lat: float | None
    lon: float | None

    @property
    def name(self) -> str:
        """Its path."""
        return f"{self.folder}/{self.setting}-{self.source:05}-{self.frame:02}.jpg"

    def sha256(self, source: str) -> str:
        """Of a file that isn't there: photos that are there twice are two photos."""
        return hashlib.sha256(f"{source}:{self.setting}:{self.frame}".encode()).hexdigest()


def sessions(landmark: NDArray[np.str_], known: NDArray[np.bool_], places: pd.DataFrame, kind: Kind, seed: int) -> list[Taken]:
    """Put photos into visits.

    The photos of a landmark are cut at random into visits of two to five; gaps are a few seconds (two fifths of them) or 1 to
    15 minutes; positions are 30 to 300 m from the landmark, one in ten visits is from 1 to 3 km away. Every photo that
    shows no landmark is there twice: on a visit drawn at random, and away from any (half of them within 1 to 20 km of a
    landmark, half anywhere), on a day of the same camera's trip. Four visits make a trip, which is a camera's folder.

    Args:
        landmark: ids [n] of the photos; "": none.
        known: [n], False: of a landmark that the model does not know.
        places: landmark, lat, lon.
        kind: "time-lapses": photos without a landmark are there as ten frames, two seconds apart, each scored the same;
            "wrong clocks": a third of the trips has one time for all photos, a third each photo's time anywhere in one hour
            for the whole trip.
        seed: of all that is drawn.

    Returns:
        Photos as taken.
    """
    random = np.random.default_rng(seed)
    where = {row.landmark: (float(row.lat), float(row.lon)) for row in places.itertuples()}
    visits: list[tuple[str, list[int]]] = []
    for name in sorted(set(landmark.tolist()) - {""}):
        rows = random.permutation(np.flatnonzero(landmark == name)).tolist()
        while rows:
            size = int(random.integers(VISIT[0], VISIT[1] + 1))
            visits.append((name, rows[:size]))
            rows = rows[size:]
    visits = [visits[number] for number in random.permutation(len(visits))]
    trips = -(-len(visits) // TRIP)
    gps = random.random(trips) < WITH_GPS
    others = np.flatnonzero(landmark == "")
    company: dict[int, list[int]] = {}
    for other, visit in zip(others.tolist(), random.integers(0, len(visits), len(others)).tolist(), strict=True):
        company.setdefault(visit, []).append(other)
    taken: list[Taken] = []
    for number, (name, rows) in enumerate(visits):
        trip = number // TRIP
        begin = START + timedelta(days=10 * trip + number % TRIP, hours=10)
        km = (1.0, 3.0) if random.random() < 0.1 else (0.03, 0.3)
        short = random.random(len(rows)) < 0.4
        gaps = np.where(short, random.uniform(2, 10, len(rows)), random.uniform(60, 900, len(rows)))
        times = np.cumsum(gaps)
        for row, after in zip(rows, times, strict=True):
            place = _around(where[name], km, random) if gps[trip] else (None, None)
            taken.append(Taken(row, "landmark", 0, f"/c/{trip:04}", begin + timedelta(seconds=int(after)), *place))
        for row in company.get(number, []):
            place = _around(where[name], (0.03, 0.3), random) if gps[trip] else (None, None)
            time = begin + timedelta(seconds=int(random.uniform(-600, times[-1] + 600)))
            taken += _frames(Taken(row, "visit", 0, f"/c/{trip:04}", time, *place), kind)
    names = sorted(where)
    for row in others.tolist():
        trip = int(random.integers(0, trips))
        near = _around(where[names[int(random.integers(0, len(names)))]], (1.0, 20.0), random)
        anywhere = (float(np.degrees(np.arcsin(random.uniform(-1, 1)))), float(random.uniform(-180, 180)))
        place = (near if random.random() < 0.5 else anywhere) if gps[trip] else (None, None)
        time = START + timedelta(
            days=10 * trip + int(random.integers(0, TRIP)), hours=16, seconds=int(random.uniform(0, 21600))
        )
        taken += _frames(Taken(row, "away", 0, f"/c/{trip:04}", time, *place), kind)
    return list(_wrong(taken, random)) if kind == "wrong clocks" else taken


def _around(place: tuple[float, float], km: tuple[float, float], random: np.random.Generator) -> tuple[float, float]:
    """A position at a distance drawn between two, in any direction."""
    distance, angle = random.uniform(*km), random.uniform(0, 2 * np.pi)
    lat = place[0] + distance * np.cos(angle) / 111.195
    return float(lat), float(place[1] + distance * np.sin(angle) / (111.195 * np.cos(np.radians(place[0]))))


def _frames(photo: Taken, kind: Kind) -> list[Taken]:
    assert photo.time is not None
    count = FRAMES if kind == "time-lapses" else 1
    return [replace(photo, frame=frame, time=photo.time + timedelta(seconds=2 * frame)) for frame in range(count)]


def _wrong(taken: list[Taken], random: np.random.Generator) -> Iterator[Taken]:
    for photo in taken:
        trip = int(photo.folder.rpartition("/")[2])
        if trip % 3 == 0:
            yield replace(photo, time=START)
        elif trip % 3 == 1:
            yield replace(photo, time=START + timedelta(seconds=int(random.integers(0, 3600))))
        else:
            yield photo


def tags(
    recognizer: Recognizer, taken: list[Taken], photos: list[str], vectors: NDArray[np.float32], positions: bool
) -> pa.Table:
    """What the model says of each photo alone, as a tag job keeps it.

    Args:
        recognizer: what decides.
        taken: the photos [n].
        photos: names of the sources [m].
        vectors: embeddings of the sources [m, d].
        positions: GPS counts (the veto).
    """
    source = [photo.source for photo in taken]
    lat, lon = (np.array([np.nan if v is None else v for v in values], np.float64) for values in (
        [photo.lat for photo in taken], [photo.lon for photo in taken]))  # fmt: skip
    scored = recognizer.score(vectors[source], *((lat, lon) if positions else (None, None)))
    given = scored["landmark"].where(scored["accepted"], "").tolist()
    columns = {
        "photo": [photo.name for photo in taken],
        "sha256": [photo.sha256(photos[photo.source]) for photo in taken],
        "landmark": given,
        "confidence": np.where(scored["landmark"] == "", 0.0, recognizer.calibration.confidence(scored["score"])),
        "similarity": scored["similarity"].to_numpy(np.float32),
        "score": scored["score"].to_numpy(np.float32),
        "runners_up": [
            [{**other, "name": ""} for other in candidates if other["landmark"] != landmark]
            for landmark, candidates in zip(given, scored["candidates"], strict=True)
        ],
        "reason": scored["reason"].tolist(),
        "taken_at": [photo.time for photo in taken],
        "lat": [photo.lat if positions else None for photo in taken],
        "lon": [photo.lon if positions else None for photo in taken],
    }
    fields = [SHARD_TAGS.field(name) for name in columns]
    return pa.table([pa.array(columns[field.name], field.type) for field in fields], schema=pa.schema(fields))
