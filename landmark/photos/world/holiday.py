"""A collection as one brings it home: days in the world's cities, a few photos of the landmark there, many of other things."""

from __future__ import annotations

import csv
import io
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from landmark import storage
from landmark.config import WorldConfig
from landmark.errors import UsageError
from landmark.photos.world.others import other_photo
from landmark.photos.world.places import ASPECTS, Place, landmark_photo
from landmark.photos.world.write import cores, plan, sexagesimal

FIRST_DAY = datetime(2025, 5, 3)
LANDMARK_SHARE = 0.25
"""Far more than in life, where 1 to 3 % of photos show a landmark: a sample should have something to show."""
_HOLIDAY = 9
"""Stream of random numbers: no photo is one of the world's own."""


@dataclass(frozen=True)
class Shot:
    """One photo to draw.

    Attributes:
        file: where it goes, relative.
        place: the landmark that it shows; None: another thing.
        aspect: of the landmark.
        number: of its stream of random numbers.
        time: the camera's clock.
        spot: latitude and longitude [degrees], if the camera knew.
    """

    file: str
    place: Place | None
    aspect: str
    number: int
    time: datetime
    spot: tuple[float, float] | None


def write_holiday(out: Path, config: WorldConfig, photos: int, processes: int | None = None) -> int:
    """Write a collection of photos of one world, none of which is in that world's own folders.

    Writes OUT/<day> <city>/IMG_<n>.jpg with EXIF time in all and a position in two of three, and OUT.csv beside the folder:
    what each photo shows (photo,landmark). A tenth of the visits is of landmarks that no model is taught.

    Args:
        out: folder to write; it must not be there.
        config: of the world: its landmarks, and the size of a photo.
        photos: how many.
        processes: how many draw at once (None: one a core).

    Returns:
        Photos that show a landmark [count].

    Raises:
        UsageError: the folder is there.
        LandmarkError: it can't be written.
    """
    if out.exists():
        raise UsageError(f"{storage.shown(out)}: is there already; name a new folder for the collection")
    shots = plan_shots(config, photos)
    with storage.atomic_folder(out) as folder:
        for name in sorted({Path(shot.file).parent for shot in shots}):
            (folder / name).mkdir(parents=True)
        chunks = [shots[start : start + 12] for start in range(0, len(shots), 12)]
        with ProcessPoolExecutor(processes or cores(), mp_context=multiprocessing.get_context("spawn")) as pool:
            for future in [pool.submit(_draw, folder, chunk, config) for chunk in chunks]:
                future.result()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("photo", "landmark"))
    writer.writerows((f"{out.name}/{shot.file}", shot.place.landmark if shot.place else "") for shot in shots)
    storage.write_bytes(out.with_name(f"{out.name}.csv"), text.getvalue().encode())
    return sum(shot.place is not None for shot in shots)


def plan_shots(config: WorldConfig, photos: int) -> list[Shot]:
    """When and where the photos are taken: visits of a landmark are bursts of two to six, with people and food between."""
    rng = np.random.default_rng([config.seed % 2**63, _HOLIDAY])
    known, unknown = plan(config)
    shots: list[Shot] = []
    day = FIRST_DAY
    while len(shots) < photos:
        strange = bool(unknown) and rng.random() < 0.1
        place = (unknown if strange else known)[int(rng.integers(len(unknown if strange else known)))]
        visit = int(rng.integers(2, 7))
        rest = round(visit * (1 / LANDMARK_SHARE - 1))
        moments = sorted(rng.integers(0, 10 * 3600, rest).tolist())
        start = int(rng.integers(0, 9 * 3600))
        moments = [(moment, False) for moment in moments] + [
            (start + gap, True) for gap in np.cumsum(rng.integers(3, 60, visit)).tolist()
        ]
        folder = f"{day:%Y-%m-%d} {place.city}"
        for seconds, shows in sorted(moments):
            if len(shots) == photos:
                break
            # A camera knows where it is to some tens of metres; other things are photographed all over the town.
            spread = 0.0015 if shows else 0.02
            spot = (place.lat + rng.normal(0, spread), place.lon + rng.normal(0, spread)) if rng.random() < 0.67 else None
            aspect = ASPECTS[int(rng.choice(len(ASPECTS), p=(0.5, 0.25, 0.15, 0.1)))]
            shots.append(
                Shot(
                    f"{folder}/IMG_{len(shots) + 1:04d}.jpg",
                    place if shows else None,
                    aspect,
                    len(shots),
                    day + timedelta(hours=9, seconds=int(seconds)),
                    spot,
                )
            )
        day += timedelta(days=int(rng.integers(1, 4)))
    return shots


def _draw(folder: Path, shots: list[Shot], config: WorldConfig) -> None:
    seed = config.seed % 2**63
    for shot in shots:
        rng = np.random.default_rng([seed, _HOLIDAY, shot.number])
        if shot.place is None:
            image = other_photo(rng, config.size)[1]
        else:
            image = landmark_photo(shot.place, shot.aspect, seed, rng, config.size)
        exif = Image.Exif()
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = f"{shot.time:%Y:%m:%d %H:%M:%S}"
        if shot.spot is not None:
            lat, lon = shot.spot
            exif.get_ifd(ExifTags.IFD.GPSInfo).update(
                {
                    ExifTags.GPS.GPSLatitudeRef: "N" if lat >= 0 else "S",
                    ExifTags.GPS.GPSLatitude: sexagesimal(lat),
                    ExifTags.GPS.GPSLongitudeRef: "E" if lon >= 0 else "W",
                    ExifTags.GPS.GPSLongitude: sexagesimal(lon),
                }
            )
        data = io.BytesIO()
        image.save(data, "JPEG", quality=90, exif=exif)
        (folder / shot.file).write_bytes(data.getvalue())
