"""XMP sidecars beside a collection's photos, from `tags.parquet`: which file, when, and what could not be written.

Originals are never opened. A run in which nothing is new looks at folders and at times of sidecars, and opens none.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from landmark.cache import locked
from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.photos.correction import Correction
from landmark.photos.corrections import FILE as CORRECTIONS
from landmark.photos.corrections import Corrections
from landmark.storage import is_s3
from landmark.tagging import tables, xmp
from landmark.tagging.progress import Bar
from landmark.tagging.sidecar_job import Done, Job, left
from landmark.tagging.sidecar_objects import Objects
from landmark.tagging.sidecar_places import Folders, Place, names
from landmark.tagging.sidecar_rejects import Rejects
from landmark.tagging.sidecar_state import SidecarState

log = logging.getLogger(__name__)

REJECTS = "sidecars.csv"
STATE = Path(".state") / "sidecars.sqlite"
LANDMARKS = "landmarks.parquet"
BATCH = 4096
"""Photos at once [count]; after each batch the state is committed."""
AT_ONCE = 16
"""Sidecars that are written at once [count]: most of the time goes into waiting for the disk or S3."""
GROUPS = 16
"""Photos that a thread takes at once [count]: where nothing is to be done, the handing over costs most."""
_COLUMNS = ["photo", "landmark", "name", "city", "country", "confidence", "decided_by", "model"]
_SHA256 = "sha256"


@dataclass(frozen=True)
class SidecarResult:
    """What became of the sidecars, each a number of photos.

    Attributes:
        written: sidecars made or changed.
        unchanged: sidecars that say already what they should.
        withdrawn: our tags were taken out, the sidecar stays, for others put something in.
        removed: sidecars of ours that held nothing else, deleted.
        declined: landmarks that the user took out of the sidecar, and that stay out.
        failed: listed in `sidecars.csv`, left as they were.
    """

    written: int = 0
    unchanged: int = 0
    withdrawn: int = 0
    removed: int = 0
    declined: int = 0
    failed: int = 0

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def write_sidecars(out: Path, *, progress: bool = True, minimum: float = 0.0) -> SidecarResult:
    """Write the tags of a collection into XMP sidecars beside its photos; docs/xmp.md says what is in them.

    What was written before and no longer holds is withdrawn; what the user or another program put in stays. Killed, it goes
    on at the next call; with nothing new no file is written.

    Args:
        out: folder of `tags.parquet`.
        progress: say on stderr how far it is.
        minimum: least confidence of a tag; what a person confirmed is written in any case.

    Raises:
        LandmarkError: no tags there, another process at it, no space.
        StorageUnavailable: S3 can't be reached.
    """
    return _run(Path(out), minimum, False, progress)


def remove_sidecars(out: Path, *, progress: bool = True) -> SidecarResult:
    """Withdraw all that `write_sidecars` put beside a collection's photos, and what it noted there.

    Args:
        out: folder of `tags.parquet`.
        progress: say on stderr how far it is.

    Raises:
        LandmarkError: no tags there, another process at it, no space.
        StorageUnavailable: S3 can't be reached.
    """
    return _run(Path(out), 0.0, True, progress)


def _run(out: Path, minimum: float, forget: bool, progress: bool) -> SidecarResult:
    file = out / tables.PARQUET
    if not file.is_file():
        raise LandmarkError(f"{shown(file)}: not there; run `landmark tag` first")
    refuse = f"{shown(out)}: another process is writing this folder's sidecars; let it end, and run again"
    total = Done()
    with (
        locked(out / ".state" / "sidecars.lock", refuse=refuse),
        SidecarState(out / STATE) as state,
        _open(file) as tags,
        Rejects(out / REJECTS) as rejects,
        ThreadPoolExecutor(AT_ONCE) as pool,
        Bar(tags.metadata.num_rows, progress, "sidecars") as bar,
    ):
        places = _Places(state, tags)
        positions = _positions(out / LANDMARKS)
        said = Corrections(out / CORRECTIONS).current
        for after, last, rows in _batches(tags, [*_COLUMNS, _SHA256] if said else _COLUMNS):
            known = state.between(after, last)
            jobs = []
            for row in rows:
                photo = row["photo"]
                wish = None if forget else _wish(row, minimum, positions, said)
                place = places.of(photo)
                mine = known.pop(photo, [])
                found = place.find(photo)
                if wish is not None or found or mine:
                    job = Job(photo, wish, place, found, mine, forget)
                    if outcome := job.idle():
                        total.count(outcome)
                    else:
                        jobs.append(job)
            gone = (left(places.of(photo), photo, mine, forget) for photo, mine in known.items())
            jobs += [job for job in gone if job is not None]
            done = [each for some in pool.map(_together, _shared(jobs)) for each in some]
            for each in done:
                for name, count in each.counts.items():
                    total.counts[name] = total.counts.get(name, 0) + count
                rejects.write(each.failed)
            state.change(
                [row for each in done for row in each.put],
                [row for each in done for row in each.delete],
                [version for each in done for version in each.versions],
            )
            bar.advance(len(rows))
    result = SidecarResult(**total.counts)
    log.info(
        "%s: sidecars: %d written, %d as they were, %d withdrawn, %d removed, %d declined, %d failed",
        *(shown(out), *asdict(result).values()),
    )
    return result


def _shared(jobs: list[Job]) -> list[list[Job]]:
    """Jobs in groups: photos that may have one sidecar together are done one after another."""
    groups: dict[str, list[Job]] = {}
    photos = {job.photo for job in jobs}
    for job in jobs:
        photo = job.photo
        # What is called `a.jpg.xmp` may be the sidecar of `a.jpg` and of `a.jpg.png`.
        while (stem := names(photo)[1]) in photos and stem != photo:
            photo = stem
        groups.setdefault(stem, []).append(job)
    whole = list(groups.values())
    return [list(itertools.chain.from_iterable(whole[at : at + GROUPS])) for at in range(0, len(whole), GROUPS)]


def _together(jobs: list[Job]) -> list[Done]:
    return [job.run() for job in jobs]


class _Places:
    """The store of each photo; what lies beside photos in S3 is listed once, when the first of a bucket comes."""

    def __init__(self, state: SidecarState, tags: pq.ParquetFile) -> None:
        self._folders = Folders()
        self._objects: Objects | None = None
        buckets: dict[str, tuple[str, str]] = {}
        for batch in tags.iter_batches(BATCH, columns=["photo"]):
            for photo in batch.column(0).to_pylist():
                if is_s3(photo):
                    bucket = photo.removeprefix("s3://").partition("/")[0]
                    first, last = buckets.get(bucket, (photo, photo))
                    buckets[bucket] = (min(first, photo), max(last, photo))
        for first, last in state.ends("s3://"):
            bucket = first.removeprefix("s3://").partition("/")[0]
            others = buckets.get(bucket, (first, last))
            buckets[bucket] = (min(first, others[0]), max(last, others[1]))
        if buckets:
            self._objects = Objects(state.base)
            for first, last in buckets.values():
                self._objects.fill(first, last)
        self._state = state

    def of(self, photo: str) -> Place:
        if not is_s3(photo):
            return self._folders
        if self._objects is None:
            self._objects = Objects(self._state.base)
        return self._objects


def _wish(
    row: dict[str, Any],
    minimum: float,
    positions: dict[str, tuple[float | None, float | None]],
    said: dict[str, Correction],
) -> xmp.Wish | None:
    if not row["landmark"] or (row["confidence"] < minimum and row["decided_by"] != "person"):
        return None
    lat, lon = positions.get(row["landmark"], (None, None))
    word = said.get(row[_SHA256]) if said and row["decided_by"] == "person" else None
    time = word.time.astimezone(UTC) if word is not None and word.landmark == row["landmark"] else None
    return xmp.Wish(**{name: row[name] for name in _COLUMNS[1:]}, lat=lat, lon=lon, said=time)


def _positions(file: Path) -> dict[str, tuple[float | None, float | None]]:
    """Latitude and longitude by landmark; nothing where the table isn't there."""
    if not file.is_file():
        return {}
    try:
        table = pq.read_table(file, columns=["landmark", "lat", "lon"])
    except (OSError, pa.ArrowException) as error:
        raise LandmarkError(f"{shown(file)}: not a table of landmarks ({error}); run `landmark tag` again") from error
    return {str(row["landmark"]): (row["lat"], row["lon"]) for row in table.to_pylist()}


@contextlib.contextmanager
def _open(file: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(file) as tags:
            if missing := {*_COLUMNS, _SHA256} - set(tags.schema_arrow.names):
                raise LandmarkError(f"{shown(file)}: without the column {min(missing)}; run `landmark tag` again")
            yield tags
    except pa.ArrowException as error:
        raise LandmarkError(f"{shown(file)}: not a table of tags; run `landmark tag` again") from error


def _batches(tags: pq.ParquetFile, columns: list[str]) -> Iterator[tuple[str | None, str | None, list[dict[str, Any]]]]:
    """Rows in pieces that share out the whole order of photos: from behind one (None: the beginning) to another (None: end)."""
    after: str | None = None
    rows: list[dict[str, Any]] = []
    for batch in tags.iter_batches(BATCH, columns=columns):
        if rows:
            yield after, rows[-1]["photo"], rows
            after = rows[-1]["photo"]
        rows = batch.to_pylist()
    yield after, None, rows
