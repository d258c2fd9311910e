"""Which photos there are, and in which version, before any is opened: a sorted listing on disk, in bounded memory."""

from __future__ import annotations

import contextlib
import csv
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from landmark.errors import LandmarkError, UsageError
from landmark.names import shown
from landmark.photos.listing import SUFFIXES
from landmark.storage import inside, is_s3, join, list_files, parent, s3_versions

Listed = tuple[bytes, str]
"""A photo (path or URI, as bytes of the file system) and its version."""

LISTS = (".txt", ".csv")
GONE = "gone"
"""Version of a photo that a list names and that isn't there."""


def identity(photos: str) -> str:
    """What tells one source from another: the absolute path, or the URI."""
    return photos.rstrip("/") if is_s3(photos) else join(photos)


def check_source(photos: str) -> None:
    """Say early what cannot be a source.

    Raises:
        UsageError: neither a folder, a list nor s3://, or not there.
    """
    if is_s3(photos) or os.path.isdir(photos):  # noqa: PTH112 - False, not an error, for any name
        return
    if not os.path.exists(photos):  # noqa: PTH110
        raise UsageError(f"{shown(photos)}: not there; give a folder of photos, a list of them (.txt, .csv) or s3://...")
    if not photos.lower().endswith(LISTS):
        raise UsageError(f"{shown(photos)}: give a folder of photos, a list of them (.txt, .csv) or s3://...")


def list_photos(photos: str, out: Path | None = None) -> Iterator[Listed]:
    """Photos of a source with their versions: size and time of the last change, or ETag and size in S3.

    Args:
        photos: folder, list or s3:// prefix.
        out: a folder whose pictures are none of the collection, should it lie inside.

    Raises:
        LandmarkError: a folder, list or S3 can't be read.
    """
    if is_s3(photos):
        yield from _objects(photos)
    elif os.path.isdir(photos):  # noqa: PTH112
        root = join(photos)
        own = f"{out}/" if out is not None and inside(out, root) else None
        for file in list_files(root, SUFFIXES):
            if not _hidden(file.removeprefix(root)) and not (own and file.startswith(own)):
                yield os.fsencode(file), _version(file)
    else:
        for named in _named(Path(photos)):
            if is_s3(named):
                yield next(_objects(named, only=True), (os.fsencode(named), GONE))
            else:
                yield os.fsencode(named), _version(named)


def _objects(uri: str, only: bool = False) -> Iterator[Listed]:
    bucket = uri.removeprefix("s3://").partition("/")[0]
    root = uri.rstrip("/")
    try:
        for key, etag, size in s3_versions(uri):
            photo = f"s3://{bucket}/{key}"
            if photo == root if only else photo.lower().endswith(tuple(SUFFIXES)) and not _hidden(photo.removeprefix(root)):
                yield os.fsencode(photo), f"{str(etag).strip(chr(34))}-{size}"
    except UsageError:
        if not only:
            raise


def _version(file: str) -> str:
    try:
        status = os.stat(file)  # noqa: PTH116 - a name may hold a null byte
    except (OSError, ValueError):
        return GONE
    # A file that may be read from now on is another one, though neither its size nor its time has changed.
    return f"{status.st_size}-{status.st_mtime_ns}{'' if os.access(file, os.R_OK) else '-closed'}"


def _hidden(relative: str) -> bool:
    return any(part.startswith(".") or part in ("__MACOSX", "@eaDir") for part in relative.split("/"))


def _named(file: Path) -> Iterator[str]:
    """Paths in a list; relative ones start where the list is."""
    folder = parent(str(file))
    try:
        # Names come back as the bytes they were, and so does one with a line break in a quoted cell.
        with file.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as lines:
            if file.suffix.lower() == ".csv":
                rows = csv.reader(lines)
                first = next(rows, [])
                column = first.index("photo") if "photo" in first else 0
                names = (row[column] for row in (rows if "photo" in first else _chain(first, rows)) if len(row) > column)
            else:
                names = (line.rstrip("\r\n") for line in lines)
            for name in names:
                if name.strip():
                    yield name if is_s3(name) else join(folder, name)
    except (OSError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or error
        raise LandmarkError(f"{shown(file)}: cannot be read ({reason}); give one path a line") from error


def _chain(first: list[str], rows: Iterator[list[str]]) -> Iterator[list[str]]:
    yield first
    yield from rows


class Listing:
    """A source's photos, sorted and each once, in a temporary SQLite file: memory does not grow with their number.

    Use as a context manager; the file goes at the end.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self.count = 0

    def __enter__(self) -> Listing:
        self._remove()
        self._base = sqlite3.connect(self._file, isolation_level=None)
        # Nothing in it outlives this process, so nothing has to survive a crash.
        self._base.executescript("pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -32768;")
        self._base.execute("create table listing (photo blob primary key, version text not null) without rowid")
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()
        self._remove()

    def fill(self, photos: Iterator[Listed]) -> None:
        """Take in a source; a photo that is named twice counts once.

        Raises:
            LandmarkError: no space.
        """
        with disk_errors(self._file):
            self._base.execute("begin")
            self._base.executemany("insert or ignore into listing values (?, ?)", photos)
            self._base.execute("commit")
            self.count = int(self._base.execute("select count(*) from listing").fetchone()[0])

    def between(self, low: bytes, high: bytes | None) -> Iterator[Listed]:
        """Photos from `low` up to, not including, `high` (None: to the end), in order."""
        query, bounds = "select photo, version from listing where photo >= ?", (low,)
        if high is None:
            yield from self._base.execute(query + " order by photo", bounds)
        else:
            yield from self._base.execute(query + " and photo < ? order by photo", (*bounds, high))

    def _remove(self) -> None:
        for end in ("", "-journal"):
            self._file.with_name(self._file.name + end).unlink(missing_ok=True)


@contextlib.contextmanager
def disk_errors(file: Path) -> Iterator[None]:
    """Turn SQLite's errors into one line."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise LandmarkError(f"{shown(file)}: cannot be written ({error}); free some space or give permission") from error
    except sqlite3.DatabaseError as error:
        raise LandmarkError(
            f"{shown(file)}: damaged ({error}); delete the folder {shown(file.parent)} and run again"
        ) from error
