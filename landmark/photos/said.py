"""What people said of photos in several files, as one: the later word holds. Light to import, for keys of steps."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from landmark import storage
from landmark.cache import content_key
from landmark.errors import UsageError
from landmark.names import shown
from landmark.photos.corrections import FILE, Correction, Corrections

log = logging.getLogger(__name__)


def read_said(places: Sequence[str]) -> dict[str, Correction]:
    """What holds, by sha256, of several places; where two contradict each other, what was said later.

    Args:
        places: folders that `landmark tag` wrote (nothing may have been said there yet), or files of corrections; local or
            s3://.

    Raises:
        UsageError: a place is not there.
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


def _of(place: str) -> dict[str, Correction]:
    is_file = place.endswith(".jsonl")
    if storage.is_s3(place):
        uri = place if is_file else storage.join(place, FILE)
        if not storage.exists(uri):
            if is_file or not storage.exists(place):
                raise UsageError(f"data.corrections: {shown(place)} is not there; mend the path or leave it out")
            return {}
        with tempfile.TemporaryDirectory(prefix="landmark-") as folder:
            copy = Path(folder) / FILE
            copy.write_bytes(storage.read_bytes(uri))
            return Corrections(copy, uri).current
    if not os.path.exists(place):  # noqa: PTH110 - False, not an error, for any name
        raise UsageError(f"data.corrections: {shown(place)} is not there; mend the path or leave it out")
    return Corrections(Path(place) if not os.path.isdir(place) else Path(place) / FILE).current  # noqa: PTH112
