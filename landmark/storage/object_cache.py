"""Objects of S3 kept on this machine, so that none is downloaded twice: bounded, the longest unused goes first.

An entry is only taken if the server, a listing or a known sha256 says that it is still the object's content, and only if
its own sha256 holds. A cache that can't be written (disk full, no permission) is done without.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from landmark.errors import UsageError
from landmark.storage.local_cache import cache_folder, open_database

log = logging.getLogger(__name__)

VARIABLE = "LANDMARK_OBJECT_CACHE_BYTES"
DEFAULT_BYTES = 10_000_000_000
KEEP_FREE = 1_000_000_000
"""Free space that the cache leaves to everything else on its disk [bytes]."""
LARGEST = 8
"""An object larger than this part of the bound would push out too much, and isn't kept."""
_ABANDONED = 600.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    name TEXT PRIMARY KEY, etag TEXT NOT NULL, sha256 TEXT NOT NULL, bytes INTEGER NOT NULL,
    used REAL NOT NULL, whole INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS objects_used ON objects (used);
CREATE TABLE IF NOT EXISTS total (bytes INTEGER NOT NULL);
INSERT INTO total SELECT 0 WHERE NOT EXISTS (SELECT 1 FROM total);
CREATE TRIGGER IF NOT EXISTS added AFTER INSERT ON objects BEGIN UPDATE total SET bytes = bytes + new.bytes; END;
CREATE TRIGGER IF NOT EXISTS removed AFTER DELETE ON objects BEGIN UPDATE total SET bytes = bytes - old.bytes; END;
"""
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Entry:
    """One object on this machine.

    Attributes:
        name: what it is kept under.
        etag: of the object when it was downloaded.
        sha256: of its bytes, hex.
        size: [bytes].
    """

    name: str
    etag: str
    sha256: str
    size: int


class ObjectCache:
    """Objects in `folder`, at most `limit` bytes of them.

    Safe with several threads and processes.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self._database: sqlite3.Connection | None = None
        self._lock = threading.RLock()
        self._warned = False

    def find(self, endpoint: str, bucket: str, key: str) -> Entry | None:
        """What is kept of an object, whether or not it is still its content."""
        name = hashlib.sha256("\0".join((endpoint, bucket, key)).encode("utf-8", "surrogatepass")).hexdigest()

        def look() -> Entry | None:
            row = self._sql("SELECT etag, sha256, bytes FROM objects WHERE name = ? AND whole", name)
            return Entry(name, *row[0]) if row else None

        return self._without_fail(look) if self.limit else None

    def read(self, entry: Entry) -> bytes | None:
        """Its bytes; None if they are gone or damaged."""

        def take() -> bytes | None:
            data = self._file(entry.name, entry.sha256).read_bytes()
            if hashlib.sha256(data).hexdigest() != entry.sha256:
                self._drop(entry)
                return None
            self._use(entry)
            return data

        return self._without_fail(take)

    def copy(self, entry: Entry, target: Path) -> bool:
        """Copy its bytes to a file; False if they are gone or damaged."""

        def take() -> bool:
            with self._file(entry.name, entry.sha256).open("rb") as file:
                if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
                    self._drop(entry)
                    return False
            self._use(entry)
            shutil.copyfile(self._file(entry.name, entry.sha256), target)
            return True

        return bool(self._without_fail(take))

    def add(self, endpoint: str, bucket: str, key: str, etag: str, content: bytes | Path, sha256: str | None = None) -> None:
        """Keep an object; the longest unused ones make room for it.

        Args:
            endpoint, bucket, key: which object.
            etag: of the object that the content is.
            content: its bytes, or a file that holds them.
            sha256: of the content, hex, where it is known.
        """
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        if size * LARGEST > self.limit:
            return
        name = hashlib.sha256("\0".join((endpoint, bucket, key)).encode("utf-8", "surrogatepass")).hexdigest()

        def put() -> None:
            digest = sha256 or _digest(content)
            self.folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self.folder).free < size + KEEP_FREE or not self._reserve(Entry(name, etag, digest, size)):
                return
            file = self._file(name, digest)
            part = file.with_suffix(".part")
            try:
                file.parent.mkdir(parents=True, exist_ok=True)
                if isinstance(content, bytes):
                    part.write_bytes(content)
                else:
                    shutil.copyfile(content, part)
                part.replace(file)
            except BaseException:
                part.unlink(missing_ok=True)
                self._sql("DELETE FROM objects WHERE name = ? AND NOT whole", name)
                raise
            self._sql("UPDATE objects SET whole = 1 WHERE name = ? AND sha256 = ?", name, digest)

        self._without_fail(put)

    def _reserve(self, entry: Entry) -> bool:
        """Make room and take it; False where another thread or process writes the same object just now."""
        gone: list[tuple[str, str]] = []
        now = time.time()
        with self._lock:
            database = self._open()
            database.execute("BEGIN IMMEDIATE")
            try:
                here = database.execute("SELECT sha256, whole, used FROM objects WHERE name = ?", (entry.name,)).fetchone()
                if here is not None and not here[1] and now - here[2] < _ABANDONED:
                    database.execute("ROLLBACK")
                    return False
                if here is not None:
                    gone.append((entry.name, here[0]))
                    database.execute("DELETE FROM objects WHERE name = ?", (entry.name,))
                total = database.execute("SELECT bytes FROM total").fetchone()[0]
                for name, sha256, size in (
                    database.execute("SELECT name, sha256, bytes FROM objects ORDER BY used").fetchall()
                    if (total + entry.size > self.limit)
                    else ()
                ):
                    if total + entry.size <= self.limit:
                        break
                    gone.append((name, sha256))
                    database.execute("DELETE FROM objects WHERE name = ?", (name,))
                    total -= size
                database.execute(
                    "INSERT INTO objects VALUES (?, ?, ?, ?, ?, 0)", (entry.name, entry.etag, entry.sha256, entry.size, now)
                )
                # Within the transaction: else another one's file of the same content could go.
                for name, sha256 in gone:
                    file = self._file(name, sha256)
                    file.unlink(missing_ok=True)
                    file.with_suffix(".part").unlink(missing_ok=True)
                database.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    database.execute("ROLLBACK")
                raise
        return True

    def _drop(self, entry: Entry) -> None:
        self._sql("DELETE FROM objects WHERE name = ? AND sha256 = ? AND whole", entry.name, entry.sha256)
        self._file(entry.name, entry.sha256).unlink(missing_ok=True)

    def _use(self, entry: Entry) -> None:
        self._sql("UPDATE objects SET used = ? WHERE name = ?", time.time(), entry.name)

    def _file(self, name: str, sha256: str) -> Path:
        return self.folder / name[:2] / f"{name[:40]}-{sha256[:16]}.object"

    def _sql(self, statement: str, *values: object) -> list[tuple[str, str, int]]:
        with self._lock:
            return self._open().execute(statement, values).fetchall()

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = open_database(self.folder / "objects.sqlite", _SCHEMA)
        return self._database

    def _without_fail(self, work: Callable[[], Result]) -> Result | None:
        try:
            return work()
        except FileNotFoundError:  # evicted by another process between look and read
            return None
        except (OSError, sqlite3.Error) as error:
            if not self._warned:
                log.warning("%s: objects are not kept (%s); each is downloaded whenever it is needed", self.folder, error)
                self._warned = True
            return None


def _digest(content: bytes | Path) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_caches: dict[tuple[Path, int], ObjectCache] = {}
_caches_lock = threading.Lock()
_inherited: list[ObjectCache] = []


def _forked() -> None:
    """A forked child opens its own: SQLite's connections can't be shared, nor closed by it, and a lock may be held for ever."""
    global _caches_lock
    _inherited.extend(_caches.values())
    _caches.clear()
    _caches_lock = threading.Lock()


os.register_at_fork(after_in_child=_forked)


def object_cache() -> ObjectCache:
    """The cache of this environment: `objects` in the folder of caches, bounded by LANDMARK_OBJECT_CACHE_BYTES (0: off).

    Raises:
        UsageError: the variable is no number of bytes.
    """
    text = os.environ.get(VARIABLE) or str(DEFAULT_BYTES)
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"{VARIABLE}={text}: expected a number of bytes, 0 for no cache")
    key = (cache_folder() / "objects", int(text))
    with _caches_lock:
        if key not in _caches:
            _caches[key] = ObjectCache(*key)
        return _caches[key]
