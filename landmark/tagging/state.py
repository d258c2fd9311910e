"""What a tag job knows from one run to the next: which shards there are. The truth of it is one SQLite file.

`DIR/.state/shards/<id>/` holds a shard's files; it counts once `state.sqlite` names it, so a job that is killed leaves whole
shards only, and folders that are not named are removed when the next one starts.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path
from typing import Self

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.tagging.source import disk_errors

FORMAT = 1


@dataclass(frozen=True)
class ShardRow:
    """One shard: the photos from `first` up to the next shard's first.

    Attributes:
        first: its first photo, the key by which shards are sorted.
        id: name of its folder.
        photos: how many.
        unreadable: how many of them can't be read.
        tagged: how many of them have a landmark.
        content: digest of its photos and their versions.
        fingerprint: of the network that embedded them.
        digest: of the recognizer that scored them.
    """

    first: bytes
    id: str
    photos: int
    unreadable: int
    tagged: int
    content: str
    fingerprint: str
    digest: str


class State:
    """The shards of one output folder. Close it at the end, or use it as a context manager.

    Raises:
        LandmarkError: damaged, of a newer version, or it can't be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.shards_folder = folder / "shards"
        self._file = folder / "state.sqlite"
        with disk_errors(self._file):
            self._base = sqlite3.connect(self._file, isolation_level=None)
            self._base.executescript(
                "pragma synchronous = full;"
                "create table if not exists shards (first blob primary key, id text not null unique, photos integer not null,"
                " unreadable integer not null, tagged integer not null, content text not null, fingerprint text not null,"
                " digest text not null) without rowid;"
                "create table if not exists facts (key text primary key, value text not null) without rowid;"
            )
            found = int(self.fact("format", str(FORMAT)))
        if found != FORMAT:
            raise LandmarkError(f"{shown(self._file)}: format {found}, this package reads {FORMAT}; update the package")
        self.set_fact("format", str(FORMAT))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._base.close()

    def fact(self, key: str, default: str = "") -> str:
        """A kept value."""
        row = self._base.execute("select value from facts where key = ?", (key,)).fetchone()
        return default if row is None else str(row[0])

    def set_fact(self, key: str, value: str) -> None:
        """Keep a value."""
        if self.fact(key) != value:
            with disk_errors(self._file):
                self._base.execute("insert or replace into facts values (?, ?)", (key, value))

    @property
    def generation(self) -> str:
        """Changes whenever a shard does."""
        return self.fact("generation", "0")

    def after(self, first: bytes | None) -> ShardRow | None:
        """The next shard in order (None: the first one)."""
        where, values = ("", ()) if first is None else (" where first > ?", (first,))
        row = self._base.execute(f"select {_COLUMNS} from shards{where} order by first limit 1", values).fetchone()
        return None if row is None else ShardRow(*row)

    def holding(self, photo: bytes) -> ShardRow | None:
        """The shard in whose range a photo is, whether it has it or not; None: there are no shards."""
        query = f"select {_COLUMNS} from shards where first <= ? order by first desc limit 1"
        row = self._base.execute(query, (photo,)).fetchone()
        return self.after(None) if row is None else ShardRow(*row)

    def totals(self) -> dict[str, int]:
        """Shards, photos, unreadable and tagged ones."""
        names = ("shards", "photos", "unreadable", "tagged")
        row = self._base.execute("select count(*), total(photos), total(unreadable), total(tagged) from shards").fetchone()
        return {name: int(value) for name, value in zip(names, row, strict=True)}

    def replace(self, old: ShardRow | None, new: ShardRow | None, rest: bytes | None = None) -> None:
        """Put a shard in the place of another one, or of its first part, all at once.

        Args:
            old: the shard that goes (None: none).
            new: the shard that comes (None: none).
            rest: the old shard stays for the photos from this one on.

        Raises:
            LandmarkError: no space, no permission; nothing has changed.
        """
        left = replace(old, first=rest, content="") if old is not None and rest is not None else None
        self._put([] if old is None else [old], [row for row in (new, left) if row is not None])

    def rescored(self, shards: Sequence[ShardRow]) -> None:
        """Put down that shards have other tags, all at once.

        Raises:
            LandmarkError: no space, no permission; nothing has changed.
        """
        if shards:
            self._put(shards, shards)

    def _put(self, gone: Sequence[ShardRow], come: Sequence[ShardRow]) -> None:
        with disk_errors(self._file):
            self._base.execute("begin immediate")
            try:
                self._base.executemany("delete from shards where id = ?", [(row.id,) for row in gone])
                self._base.executemany(f"insert into shards ({_COLUMNS}) values ({_MARKS})", map(astuple, come))
                self._base.execute(
                    "insert into facts values ('generation', '1') on conflict(key) do update set value = value + 1"
                )
                self._base.execute("commit")
            except BaseException:
                self._base.execute("rollback")
                raise

    def sweep(self) -> None:
        """Remove folders of shards that do not count: of a killed job, or replaced ones."""
        if not self.shards_folder.is_dir():
            return
        with os.scandir(self.shards_folder) as entries:
            for entry in entries:
                if self._base.execute("select 1 from shards where id = ?", (entry.name,)).fetchone() is None:
                    shutil.rmtree(entry.path, ignore_errors=True)


_COLUMNS = ", ".join(field.name for field in fields(ShardRow))
_MARKS = ", ".join("?" * len(fields(ShardRow)))
