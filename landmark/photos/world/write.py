"""The generated sample on disk: which photos there are, drawn by several processes, written whole or not at all."""

from __future__ import annotations

import csv
import io
import math
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from landmark import storage
from landmark.config import WorldConfig
from landmark.errors import LandmarkError, UsageError
from landmark.photos.world.others import other_photo
from landmark.photos.world.places import Place, aspects_of, draw_places, landmark_photo

VERSION = 1
COLUMNS = ("landmark", "name", "city", "country", "region", "lat", "lon")
_MANIFEST = "world.json"
_OWN = {"landmarks", "others", "unknown", "landmarks.csv", _MANIFEST}
_CHUNK = 12
# Streams of random numbers: one a purpose, so that no photo's depends on how many others there are.
_LANDMARK, _OTHER = 4, 5
# Landmarks that the model never sees: two of kinds that it knows, two of kinds that it may not.
_UNKNOWN = (1_000_000, 1_000_013, 1_000_002, 1_000_015)


@dataclass(frozen=True)
class Job:
    """One photo to draw: where it goes (relative), what it shows (None: another thing), and its number there."""

    file: str
    place: Place | None
    aspect: str
    number: int


def write_world(out: Path, config: WorldConfig, processes: int | None = None) -> None:
    """Write the generated sample, or do nothing where it is there already.

    Writes OUT/landmarks/<id>/<aspect>_<n>.jpg, OUT/others/<what>_<n>.jpg, OUT/unknown/<id>_<aspect>_<n>.jpg (landmarks
    that no model is taught), OUT/landmarks.csv and OUT/world.json. The same config gives the same bytes, however many
    processes draw. A world of another config in the same place is replaced.

    Args:
        out: folder to write; new, empty, or an older world.
        config: how many landmarks and photos, their size, and the seed.
        processes: how many draw at once (None: one a core that this process may use).

    Raises:
        UsageError: the folder holds something that isn't a world.
        LandmarkError: it can't be written, or a drawing process died; what was there before is untouched.
    """
    out = Path(out)
    if _up_to_date(out, config):
        return
    places, unknown = plan(config)
    jobs = list(_jobs(config, places, unknown))
    with storage.atomic_folder(out) as folder:
        for name in sorted({os.path.dirname(job.file) for job in jobs}):  # noqa: PTH120
            (folder / name).mkdir(parents=True, exist_ok=True)
        _draw_all(folder, jobs, config, places, processes)
        (folder / "landmarks.csv").write_text(_table(places), encoding="utf-8", newline="")
        storage.write_json(folder / _MANIFEST, _manifest(config, len(jobs)))


def plan(config: WorldConfig) -> tuple[list[Place], list[Place]]:
    """The landmarks of a world, and those that no model is taught."""
    seed = _seed(config)
    places = draw_places(range(config.landmarks), config.photos, seed)
    each = max(1, config.photos // 4)
    unknown = draw_places(_UNKNOWN, each, seed, taken=[place.landmark for place in places])
    return places, unknown


def _seed(config: WorldConfig) -> int:
    return config.seed % 2**63


def _manifest(config: WorldConfig, photos: int) -> dict[str, object]:
    return {"kind": "landmark world", "version": VERSION, "config": config.model_dump(), "photos": photos}


def _up_to_date(out: Path, config: WorldConfig) -> bool:
    """Whether `out` holds this very world.

    Raises:
        UsageError: it holds something else than a world.
    """
    if not out.exists():
        return False
    if not out.is_dir():
        raise UsageError(f"{storage.shown(out)}: is a file; name a new or empty folder for the world")
    found = {entry.name for entry in out.iterdir()}
    if not found:
        return False
    strangers = sorted(found - _OWN)
    if strangers or _MANIFEST not in found:
        what = f"'{strangers[0]}'" if strangers else f"no {_MANIFEST}"
        raise UsageError(f"{storage.shown(out)}: holds something other than a world ({what}); name a new or empty folder")
    try:
        manifest = storage.read_json(out / _MANIFEST)
    except LandmarkError as error:
        raise UsageError(f"{storage.shown(out / _MANIFEST)}: not a world's manifest; name a new or empty folder") from error
    if not isinstance(manifest, dict) or manifest.get("kind") != "landmark world":
        raise UsageError(f"{storage.shown(out / _MANIFEST)}: not a world's manifest; name a new or empty folder")
    present = sum(1 for _ in out.rglob("*.jpg"))
    return manifest == _manifest(config, present) and (out / "landmarks.csv").is_file()


def _jobs(config: WorldConfig, places: list[Place], unknown: list[Place]) -> Iterator[Job]:
    for place in places:
        for number, aspect in enumerate(aspects_of(place, _seed(config))):
            yield Job(f"landmarks/{place.landmark}/{aspect}_{number:04d}.jpg", place, aspect, number)
    for place in unknown:
        for number, aspect in enumerate(aspects_of(place, _seed(config))):
            yield Job(f"unknown/{place.landmark}_{aspect}_{number:04d}.jpg", place, aspect, number)
    for number in range(config.others):
        # What an other photo shows is drawn with it, so the worker completes the name.
        yield Job(f"others/{{what}}_{number:04d}.jpg", None, "", number)


def _draw_all(folder: Path, jobs: list[Job], config: WorldConfig, places: list[Place], processes: int | None) -> None:
    """Draw all photos; neighbours in the list stay together, so that a landmark is built once or twice."""
    chunks = [jobs[i : i + _CHUNK] for i in range(0, len(jobs), _CHUNK)]
    workers = processes or min(cores(), math.ceil(len(chunks) / 3))
    if workers <= 1 or multiprocessing.current_process().daemon:
        for chunk in chunks:
            _draw(folder, chunk, config, places)
        return
    # Not forked: the caller may hold threads (torch, a server) whose locks a fork would copy.
    context = multiprocessing.get_context("spawn")
    try:
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            for future in [pool.submit(_draw, folder, chunk, config, places) for chunk in chunks]:
                future.result()
    except BrokenProcessPool as error:
        raise LandmarkError(f"{storage.shown(folder)}: a drawing process died; free some memory, and run again") from error


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _draw(folder: Path, jobs: list[Job], config: WorldConfig, places: list[Place]) -> None:
    seed = _seed(config)
    for job in jobs:
        stream = [seed, _OTHER, job.number] if job.place is None else [seed, _LANDMARK, job.place.number, job.number]
        rng = np.random.default_rng(np.random.SeedSequence(stream))
        name = job.file
        if job.place is None:
            what, image = other_photo(rng, config.size)
            name = name.format(what=what)
            spot = _elsewhere(rng, places)
        else:
            image = landmark_photo(job.place, job.aspect, seed, rng, config.size)
            spot = (job.place.lat + rng.normal(0, 0.0015), job.place.lon + rng.normal(0, 0.0015))
        exif = _exif(rng, spot, night=job.aspect == "night")
        # Encoded first: libjpeg writing straight into a full disk leaves half a photo and no clear error.
        data = io.BytesIO()
        image.save(data, "JPEG", quality=88, exif=exif)
        (folder / name).write_bytes(data.getvalue())


def _elsewhere(rng: np.random.Generator, places: list[Place]) -> tuple[float, float]:
    """Where a photo of something else was taken: often in a landmark's own city."""
    if rng.random() < 0.6:
        place = places[int(rng.integers(len(places)))]
        return place.lat + rng.normal(0, 0.03), place.lon + rng.normal(0, 0.03)
    return rng.uniform(-45, 62), rng.uniform(-170, 175)


def _exif(rng: np.random.Generator, spot: tuple[float, float], night: bool) -> Image.Exif:
    """What the camera noted: a time in most photos, a position in about a third."""
    exif = Image.Exif()
    moment = rng.integers([2014, 1, 1, 20 if night else 8, 0, 0], [2026, 13, 29, 24 if night else 20, 60, 60]).tolist()
    timed, placed = rng.random() < 0.7, rng.random() < 0.3
    if timed:
        text = "{:04d}:{:02d}:{:02d} {:02d}:{:02d}:{:02d}".format(*moment)
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = text
    if placed:
        lat, lon = spot
        exif.get_ifd(ExifTags.IFD.GPSInfo).update(
            {
                ExifTags.GPS.GPSLatitudeRef: "N" if lat >= 0 else "S",
                ExifTags.GPS.GPSLatitude: sexagesimal(lat),
                ExifTags.GPS.GPSLongitudeRef: "E" if lon >= 0 else "W",
                ExifTags.GPS.GPSLongitude: sexagesimal(lon),
            }
        )
    return exif


def sexagesimal(degrees: float) -> tuple[float, float, float]:
    """Degrees, minutes and seconds of an angle's size."""
    whole, minutes = divmod(round(abs(degrees) * 3600, 2), 3600)
    return (float(whole), float(minutes // 60), round(minutes % 60, 2))


def _table(places: list[Place]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(
        [getattr(place, column) for column in COLUMNS] for place in sorted(places, key=lambda place: place.landmark)
    )
    return text.getvalue()
