"""What was written beside which photo, so that a run with nothing new opens no sidecar."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import NamedTuple, Self

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.tagging.source import disk_errors

FORMAT = 1
OTHER = "other"
"""Digest of a sidecar that turned out to be another photo's."""


class Row(NamedTuple):
    """One photo's part of one sidecar.

    Attributes:
        photo: path or URI.
        sidecar: path or URI.
        version: of the sidecar when it was looked at last.
        digest: of what was wished for then, "" for nothing.
        confidence: that was wished for when it was written.
        declined: whether the user does not want it.
    """

    photo: str
    sidecar: str
    version: str
    digest: str
    confidence: float
    declined: bool


class SidecarState:
    """The rows, in one SQLite file. Use as a context manager.

    Raises:
        LandmarkError: damaged, of a newer version, or it can't be written.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        with disk_errors(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            self.base = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
            self.base.executescript(
                "pragma temp_store = file;"
                "create table if not exists sidecars (photo blob not null, sidecar blob not null, version text not null,"
                " digest text not null, confidence real not null, declined integer not null, primary key (photo, sidecar))"
                " without rowid;"
            )
            found = int(self.base.execute("pragma user_version").fetchone()[0])
        if found not in (0, FORMAT):
            raise LandmarkError(f"{shown(file)}: format {found}, this package reads {FORMAT}; update the package")
        self.base.execute(f"pragma user_version = {FORMAT}")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.base.close()

    def between(self, after: str | None, last: str | None) -> dict[str, list[Row]]:
        """Rows by photo, from behind one photo to another one (None: from the beginning, to the end)."""
        query, values = "select * from sidecars where 1", []
        if after is not None:
            query, values = query + " and photo > ?", [os.fsencode(after)]
        if last is not None:
            query, values = query + " and photo <= ?", [*values, os.fsencode(last)]
        rows: dict[str, list[Row]] = {}
        for photo, sidecar, version, digest, confidence, declined in self.base.execute(query, values):
            row = Row(os.fsdecode(photo), os.fsdecode(sidecar), version, digest, confidence, bool(declined))
            rows.setdefault(row.photo, []).append(row)
        return rows

    def ends(self, prefix: str) -> list[tuple[str, str]]:
        """First and last photo that there is a row of, for each bucket."""
        begin, ends = os.fsencode(prefix), []
        while row := self.base.execute("select min(photo) from sidecars where photo >= ?", (begin,)).fetchone():
            if row[0] is None or not row[0].startswith(os.fsencode(prefix)):
                break
            bucket = row[0][: row[0].index(b"/", len(prefix)) + 1]
            begin = bucket[:-1] + b"0"  # what comes after all that begins with `bucket`
            (last,) = self.base.execute("select max(photo) from sidecars where photo < ?", (begin,)).fetchone()
            ends.append((os.fsdecode(row[0]), os.fsdecode(last)))
        return ends

    def change(self, put: list[Row], delete: list[Row], versions: list[tuple[str, str, str]]) -> None:
        """Write rows, take rows away, and note that we changed sidecars that other rows know, too.

        Args:
            put: new or changed rows.
            delete: rows that go; a row in both stays.
            versions: sidecar, version before, version now.

        Raises:
            LandmarkError: no space; nothing has changed.
        """
        with disk_errors(self._file):
            self.base.execute("begin immediate")
            try:
                self.base.executemany(
                    "delete from sidecars where photo = ? and sidecar = ?",
                    [(os.fsencode(row.photo), os.fsencode(row.sidecar)) for row in delete],
                )
                self.base.executemany(
                    "insert or replace into sidecars values (?, ?, ?, ?, ?, ?)",
                    [(os.fsencode(row.photo), os.fsencode(row.sidecar), *row[2:]) for row in put],
                )
                self.base.executemany(
                    "update sidecars set version = ? where photo = ? and sidecar = ? and version = ?",
                    [(now, photo, sidecar, old) for side, old, now in versions for photo, sidecar in self._sharing(side)],
                )
                self.base.execute("commit")
            except BaseException:
                self.base.execute("rollback")
                raise

    def _sharing(self, sidecar: str) -> list[tuple[bytes, bytes]]:
        """Rows of a sidecar: of photos whose names begin as its own does."""
        begin = os.fsencode(sidecar[:-4])
        return self.base.execute(
            "select photo, sidecar from sidecars where photo >= ? and photo < ? and sidecar = ?",
            (begin, begin + b"\xff", os.fsencode(sidecar)),
        ).fetchall()
