"""Records of photos that were read before, so that a catalog is made again without reading what did not change.

A photo in S3 is known by its URI, ETag and size; a local one by its path, size, inode and times of change. A file changed
in the two seconds before it was read is read again next time: it might change once more within one tick of the clock.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import os
import sqlite3
import threading
import time
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path

from landmark import storage
from landmark.photos.listing import RAW_SUFFIXES

log = logging.getLogger(__name__)

SETTLED_NS = 2_000_000_000
"""A local file changed less than this before it was read may change again unnoticed [ns]."""
_CODE = "1"
"""Raised by hand when reading a photo gives another record."""
_BATCH = 256
_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    photo TEXT PRIMARY KEY, stamp TEXT NOT NULL, readers TEXT NOT NULL, record TEXT NOT NULL
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Record:
    """One file: what was read of it, or the reason why it can't be read.

    Attributes:
        photo: path or URI.
        reason: "" or why the file is a reject; the rest means nothing then.
        sha256: of the file's bytes, hex.
        width: upright [pixels].
        height: upright [pixels].
        taken_at: camera clock.
        lat: of the camera [degrees].
        lon: of the camera [degrees].
        phash: perceptual hash of 64 bits (ImageHash's phash: signs of the low frequencies of a DCT).
    """

    photo: str
    reason: str = ""
    sha256: str = ""
    width: int = 0
    height: int = 0
    taken_at: datetime | None = None
    lat: float | None = None
    lon: float | None = None
    phash: int = 0


def object_stamp(etag: str, size: int) -> str:
    """What tells an object's content from others of the same URI."""
    return f"{size}:{etag}"


def file_stamp(photo: str) -> tuple[str, bool] | None:
    """What tells a local file's content from others of the same path, and whether it has been at rest; None: not there."""
    try:
        status = os.stat(photo)  # noqa: PTH116 - a Path for each of a million photos takes seconds
    except (OSError, ValueError):
        return None
    changed = max(status.st_mtime_ns, status.st_ctime_ns)
    stamp = f"{status.st_size}:{status.st_mtime_ns}:{status.st_ctime_ns}:{status.st_dev}:{status.st_ino}"
    return stamp, time.time_ns() - changed > SETTLED_NS


class RecordCache:
    """Records by photo, in one SQLite file. Safe with several threads and processes; without the file all is read.

    Args:
        file: path; None: `photos.sqlite` in the folder of caches.
    """

    def __init__(self, file: Path | None = None) -> None:
        self.file = file or storage.cache_folder() / "photos.sqlite"
        self._lock = threading.Lock()
        self._pending: list[tuple[str, str, str, str]] = []
        # Another version of a decoder may read what this one can't, or read other pixels.
        self._readers = " ".join([_CODE, *(f"{name} {importlib.metadata.version(name)}" for name in _READERS)])
        self._raw = f"rawpy {importlib.metadata.version('rawpy')}"
        self._database: sqlite3.Connection | None = None
        try:
            self._database = storage.open_database(self.file, _SCHEMA)
        except (OSError, sqlite3.Error) as error:
            self._give_up(error)

    def __enter__(self) -> RecordCache:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._flush()
            if self._database is not None:
                self._database.close()
                self._database = None

    def get(self, photo: str, stamp: str) -> Record | None:
        """The record of a photo whose content is what it was; else None."""
        with self._lock:
            if self._database is None:
                return None
            try:
                row = self._database.execute(
                    "SELECT record FROM records WHERE photo = ? AND stamp = ? AND readers = ?", (photo, stamp, self._of(photo))
                ).fetchone()
                return None if row is None else _load(photo, row[0])
            except (sqlite3.Error, ValueError, TypeError, IndexError) as error:
                self._give_up(error)
                return None

    def put(self, record: Record, stamp: str) -> None:
        """Keep a record; it is on disk when the cache is closed, at the latest."""
        with self._lock:
            if self._database is None:
                return
            self._pending.append((record.photo, stamp, self._of(record.photo), _dump(record)))
            if len(self._pending) >= _BATCH:
                self._flush()

    def _of(self, photo: str) -> str:
        return f"{self._readers} {self._raw}" if photo.lower().endswith(tuple(RAW_SUFFIXES)) else self._readers

    def _flush(self) -> None:
        if self._database is None or not self._pending:
            return
        try:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?)", self._pending)
            self._database.execute("COMMIT")
        except sqlite3.Error as error:
            self._give_up(error)
        self._pending = []

    def _give_up(self, error: Exception) -> None:
        log.warning("%s: records are not kept (%s); every photo is read", storage.shown(self.file), error)
        if self._database is not None:
            self._database.close()
            self._database = None


_READERS = ("pillow", "pillow-heif", "imagehash")


def _dump(record: Record) -> str:
    _, *values = astuple(record)
    return json.dumps([value.isoformat() if isinstance(value, datetime) else value for value in values])


def _load(photo: str, text: str) -> Record:
    reason, sha256, width, height, taken_at, lat, lon, phash = json.loads(text)
    time_taken = None if taken_at is None else datetime.fromisoformat(taken_at)
    return Record(photo, reason, sha256, width, height, time_taken, lat, lon, phash)
