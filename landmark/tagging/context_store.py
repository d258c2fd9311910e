"""Candidates of a collection's photos that context could change or that could change others, in one temporary SQLite file.

Only photos within reach of a landmark are kept, a few percent; memory does not grow with their number.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from landmark.tagging.source import disk_errors

DCF = re.compile(r"[1-9][0-9]{2}[0-9A-Za-z_]{5}")
"""Folders that a camera makes one after another (DCF, JEITA CP-3461: 100ABCDE to 999ABCDE): one burst may lie in two."""
NEIGHBOURS = 4
"""Neighbours looked at on each side, the nearest in time: a time-lapse of thousands costs no more than a burst."""
SECOND = 1000
"""[ms]; EXIF's clock has no more."""
CACHE_KIB = 32 << 10
_BATCH = 2048


class Candidate(NamedTuple):
    """One candidate of one photo in one roll; `time` [ms] and position are None where they are not known."""

    sha: bytes
    roll: int
    time: int | None
    lat: float | None
    lon: float | None
    landmark: int
    odds: float
    given: int
    sure: int


class Near(NamedTuple):
    """A neighbour's evidence."""

    sha: bytes
    time: int
    lat: float | None
    lon: float | None
    landmark: int


_ASKED = 500
"""Photos that are asked for at a time [count]; SQLite has a limit."""


class Lift(NamedTuple):
    """What context makes of a photo: `landmark` -1 takes its landmark away; `by` is what decided."""

    sha: bytes
    landmark: int
    total: float
    support: float
    by: str
    supporter: bytes | None


def roll(photo: str) -> int:
    """The film that a photo is on: its folder, or the folder above the numbered ones that a camera makes; as a number.

    >>> roll("/a/DCIM/100APPLE/1.jpg") == roll("/a/DCIM/101APPLE/2.jpg") != roll("/a/DCIM/trip/2.jpg")
    True
    """
    folder = photo.rpartition("/")[0]
    above, _, name = folder.rpartition("/")
    if DCF.fullmatch(name):
        folder = above
    return int.from_bytes(hashlib.blake2b(folder.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big", signed=True)


class ContextStore:
    """The file. Close it at the end: it is removed.

    Args:
        file: where; one that is there is replaced.

    Raises:
        LandmarkError: no space or no permission.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        with disk_errors(file):
            self.remove()
            self._base = sqlite3.connect(file, isolation_level=None)
            # Nothing in it outlives the job: no journal, no syncing.
            self._base.executescript(
                f"pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -{CACHE_KIB};"
                "create table photo (sha blob not null, roll integer not null, time integer, lat real, lon real,"
                " landmark integer not null, odds real not null, given integer not null, sure integer not null,"
                " primary key (sha, roll, landmark)) without rowid;"
                "create table lift (sha blob primary key, landmark integer not null, total real not null,"
                " support real not null, by text not null, supporter blob) without rowid;"
                "begin"
            )

    def add(self, candidates: Iterable[Candidate]) -> None:
        """Keep candidates; a copy in the same roll is the same photo."""
        with disk_errors(self.file):
            self._base.executemany("insert or ignore into photo values (?, ?, ?, ?, ?, ?, ?, ?, ?)", candidates)

    def index(self) -> None:
        """Make ready to look for neighbours."""
        with disk_errors(self.file):
            self._base.execute("create index sure on photo (roll, landmark, time, sha) where sure and time is not null")
            self._base.execute("create index unsure on photo (roll, landmark, time, sha) where not sure and time is not null")
            self._base.execute("create index any_sure on photo (roll, time, sha) where sure and time is not null")

    def unsure(self) -> Iterator[list[Candidate]]:
        """Candidates of photos that are not sure, all of a photo's in one batch, by sha256."""
        cursor = self._base.execute("select * from photo order by sha, roll, landmark")
        batch: list[Candidate] = []
        for _, rows in groupby(map(Candidate._make, cursor), key=lambda row: row.sha):
            photo = list(rows)
            if not any(row.sure for row in photo):
                batch += photo
            if len(batch) >= _BATCH:
                yield batch
                batch = []
        if batch:
            yield batch

    def near(self, row: Candidate, window: int, sure: bool = True, any_landmark: bool = False) -> list[Near]:
        """Other photos of a photo's roll with its candidate (or `any_landmark`), the nearest in time, within `window` [ms].

        Photos of the same second are left out: thousands have it where a clock stands still or a scanner wrote it, and frames
        of one burst that have it are one photo seen twice.
        """
        name = "any_sure" if any_landmark else "sure" if sure else "unsure"
        what = "sure" if sure else "not sure"
        same, values = ("", ()) if any_landmark else (" and landmark = ?", (row.landmark,))
        found: list[Near] = []
        if row.time is None:
            return found
        sides = (
            ("time <= ? and time >= ?", row.time - SECOND, row.time - window, "desc"),
            ("time >= ? and time <= ?", row.time + SECOND, row.time + window, "asc"),
        )
        for between, begin, end, order in sides:
            query = (
                f"select sha, time, lat, lon, landmark from photo indexed by {name} where {what} and time is not null"
                f" and roll = ?{same} and {between} and sha <> ? order by time {order}, sha limit {NEIGHBOURS}"
            )
            found += map(Near._make, self._base.execute(query, (row.roll, *values, begin, end, row.sha)))
        return found

    def lift(self, lifts: Iterable[Lift]) -> None:
        """Note what context makes of photos."""
        with disk_errors(self.file):
            self._base.executemany("insert into lift values (?, ?, ?, ?, ?, ?)", lifts)

    def bound(self, most: int) -> None:
        """Leave each supporter its `most` surest photos."""
        with disk_errors(self.file):
            self._base.execute(
                "delete from lift where sha in (select sha from (select sha, row_number() over (partition by supporter"
                " order by total desc, sha) as place from lift where supporter is not null) where place > ?)",
                (most,),
            )

    def among(self, shas: list[bytes]) -> dict[bytes, Lift]:
        """What context makes of those of these photos that it changes."""
        found: dict[bytes, Lift] = {}
        for start in range(0, len(shas), _ASKED):
            some = shas[start : start + _ASKED]
            rows = self._base.execute(f"select * from lift where sha in ({', '.join('?' * len(some))})", some)
            found |= {row[0]: Lift._make(row) for row in rows}
        return found

    def counts(self) -> dict[str, Any]:
        """Photos kept and changed."""
        kept = self._base.execute("select count(distinct sha) from photo").fetchone()[0]
        return {"kept": kept, "changed": self._base.execute("select count(*) from lift").fetchone()[0]}

    def close(self) -> None:
        """Remove the file."""
        self._base.close()
        self.remove()

    def remove(self) -> None:
        """Remove what a killed job left."""
        with suppress(FileNotFoundError):
            self.file.unlink()
