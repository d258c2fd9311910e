"""What people said of photos in several files, as one: the later word holds. Light to import, for keys of steps."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from landmark import storage
from landmark.cache import content_key
from landmark.errors import UsageError
from landmark.names import shown
from landmark.photos.corrections import FILE, Correction, Corrections
from landmark.storage.transfer import fetch_file

log = logging.getLogger(__name__)

TAGS_FILE, SUMMARY_FILE = "tags.parquet", "tagging.json"
_BATCH = 1 << 16


def read_said(places: Sequence[str]) -> dict[str, Correction]:
    """What holds, by sha256, of several places; where two contradict each other, what was said later.

    Where a folder has `tags.parquet`, a photo that was renamed or moved since is where that table has it.

    Args:
        places: folders that `landmark tag` wrote (nothing may have been said there yet), or files of corrections; local or
            s3://.

    Raises:
        UsageError: a place is not there, or no such folder.
        LandmarkError: a file can't be read, is damaged, or of a newer version.
    """
    held: dict[str, Correction] = {}
    conflicts = 0
    for place in places:
        for sha256, said in _of(place).items():
            other = held.setdefault(sha256, said)
            conflicts += other.landmark != said.landmark
            if said.time >= other.time:
                held[sha256] = said
    if conflicts:
        log.warning("data.corrections: %d photos are said to show two things in two places; the later word holds", conflicts)
    return held


def said_key(places: Sequence[str]) -> str:
    """SHA-256 (hex) of what a catalog takes from corrections: photos, what each shows, and the stamps of local files.

    Raises:
        UsageError: a place is not there.
        LandmarkError: a file can't be read, is damaged, or of a newer version.
    """
    return content_key({"rows": list(_rows(read_said(places)))})


def _rows(held: dict[str, Correction]) -> Iterator[list[str | int | None]]:
    for sha256 in sorted(held):
        said = held[sha256]
        try:
            status = None if storage.is_s3(said.photo) else os.stat(said.photo)  # noqa: PTH116 - a name may hold a null byte
        except (OSError, ValueError):
            status = None
        stamp = [None, None] if status is None else [status.st_size, status.st_mtime_ns]
        yield [sha256, said.photo, said.landmark, *stamp]


def photos_of(table: Path, sha256: Collection[str]) -> dict[str, list[str]]:
    """Where photos are by a `tags.parquet`, read in bounded memory: paths or URIs [sorted] by sha256.

    Those of other sha256 than given are left out; there are none, with a warning, where the table is damaged.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    wanted, found = pa.array(sorted(sha256), pa.string()), dict[str, list[str]]()
    try:
        with pq.ParquetFile(table) as file:
            for batch in file.iter_batches(_BATCH, columns=["sha256", "photo"], use_threads=False):
                for row in batch.filter(pc.is_in(batch["sha256"], wanted)).to_pylist():
                    found.setdefault(row["sha256"], []).append(row["photo"])
    except (OSError, pa.ArrowException, KeyError) as error:
        log.warning("%s: damaged (%s); run `landmark tag` again", shown(table), " ".join(str(error).split())[:200])
        return {}
    return {digest: sorted(photos) for digest, photos in found.items()}


def _of(place: str) -> dict[str, Correction]:
    is_file = place.endswith(".jsonl")
    if storage.is_s3(place):
        return _of_s3(place, is_file)
    if not os.path.exists(place):  # noqa: PTH110 - False, not an error, for any name
        raise _not_there(place)
    if not os.path.isdir(place):  # noqa: PTH112
        return Corrections(Path(place)).current
    folder = Path(place)
    if not (folder / FILE).exists():
        return _silent(place)
    return _moved(Corrections(folder / FILE).current, folder / TAGS_FILE)


def _of_s3(place: str, is_file: bool) -> dict[str, Correction]:
    uri = place if is_file else storage.join(place, FILE)
    if not storage.exists(uri):
        if is_file or not storage.exists(place):
            raise _not_there(place)
        return _silent(place)
    with tempfile.TemporaryDirectory(prefix="landmark-") as name:
        folder = Path(name)
        (folder / FILE).write_bytes(storage.read_bytes(uri))
        said = Corrections(folder / FILE, uri).current
        if said and not is_file and storage.exists(table := storage.join(place, TAGS_FILE)):
            fetch_file(table, folder / TAGS_FILE)
        return _moved(said, folder / TAGS_FILE)


def _silent(place: str) -> dict[str, Correction]:
    """Nothing, of a folder that `landmark tag` wrote."""
    if not any(storage.exists(storage.join(place, name)) for name in (SUMMARY_FILE, TAGS_FILE)):
        raise UsageError(
            f"data.corrections: {shown(place)} has neither tags nor {FILE}; name a folder that `landmark tag` wrote, or a copy"
        )
    log.info("data.corrections: nothing was said of the photos of %s yet", shown(place))
    return {}


def _not_there(place: str) -> UsageError:
    return UsageError(f"data.corrections: {shown(place)} is not there; mend the path or leave it out")


def _moved(said: dict[str, Correction], table: Path) -> dict[str, Correction]:
    """What was said, of photos where they are now."""
    if not said or not table.is_file():
        return said
    places = photos_of(table, said)
    return {sha256: _found(word, places.get(sha256, [])) for sha256, word in said.items()}


def _found(word: Correction, photos: Sequence[str]) -> Correction:
    """A correction with the first of its photos that is there: that of which it was said, or another of the same content."""
    for photo in sorted(photos, key=lambda photo: photo != word.photo):
        # In S3 each answer takes time: one that has not moved is taken to be there.
        if (photo == word.photo and storage.is_s3(photo)) or storage.exists(photo):
            return replace(word, photo=photo)
    return word
