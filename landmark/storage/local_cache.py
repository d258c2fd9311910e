"""Where caches of this machine lie, and the SQLite files that keep their books: safe with several processes."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

BUSY_SECONDS = 30.0


def cache_folder() -> Path:
    """The folder of caches: LANDMARK_CACHE, else `cache` in LANDMARK_HOME, else `landmark` in the user's cache folder (XDG)."""
    if own := os.environ.get("LANDMARK_CACHE"):
        return Path(own)
    if home := os.environ.get("LANDMARK_HOME"):
        return Path(home).resolve() / "cache"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "landmark"


def open_database(file: Path, schema: str) -> sqlite3.Connection:
    """Open a cache's SQLite file, made where there is none; a damaged one is made anew, for a cache may be lost.

    Args:
        file: path; missing folders are made.
        schema: SQL that makes what isn't there yet.

    Raises:
        OSError, sqlite3.Error: it can't be opened or written.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _open(file, schema)
    except sqlite3.OperationalError:  # locked, read-only, disk full: nothing is damaged
        raise
    except sqlite3.DatabaseError:
        for suffix in ("", "-wal", "-shm"):
            Path(f"{file}{suffix}").unlink(missing_ok=True)
        return _open(file, schema)


def _open(file: Path, schema: str) -> sqlite3.Connection:
    connection = sqlite3.connect(file, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        # With a write-ahead log, readers don't wait for a writer; a crash of the machine may lose the last entries only.
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        with contextlib.closing(connection.cursor()) as cursor:
            cursor.executescript(f"BEGIN IMMEDIATE; {schema} COMMIT;")
    except BaseException:
        connection.close()
        raise
    return connection
