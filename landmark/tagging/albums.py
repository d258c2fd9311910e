"""Albums by country, city and landmark: folders of links to photos, or lists of them. docs/xmp.md says how to use them."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import logging
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq

from landmark.cache import locked
from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.storage import is_s3
from landmark.tagging import tables
from landmark.tagging.album_adoption import adopt
from landmark.tagging.album_files import AlbumFolder, InTheWay
from landmark.tagging.album_names import FileNames, Place, folders
from landmark.tagging.progress import Bar
from landmark.tagging.source import disk_errors

log = logging.getLogger(__name__)

FOLDER, TABLE = "albums", "albums.csv"
Kind = Literal["links", "lists"]
_COLUMNS = ["photo", "landmark", "name", "city", "country"]
_BATCH = 4096
_SAID = 10
"""Things in the way that are named one by one [count]."""


@dataclass(frozen=True)
class AlbumResult:
    """What there is now.

    Attributes:
        kind: "links", "lists" or "none".
        albums: landmarks.
        photos: in albums.
        made: links and lists made or changed.
        unchanged: as they were.
        removed: links and lists of ours that were withdrawn.
        failed: not made, for something that isn't ours has the place, or for want of permission.
        problem: why these are lists though links were asked for; "": they aren't.
    """

    kind: str
    albums: int
    photos: int
    made: int
    unchanged: int
    removed: int
    failed: int
    problem: str = ""

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def write_albums(out: Path, kind: Kind, *, progress: bool = True) -> AlbumResult:
    """Bring `DIR/albums` to what the tags say: `COUNTRY/CITY/LANDMARK/` with links, or `COUNTRY/CITY/LANDMARK.txt`.

    Only what changed is touched, and only what was made here is removed. Photos in S3 can't be linked to: they always
    stand in lists. On a file system without symbolic links all do, and the result says so.

    Args:
        out: folder of `tags.parquet`.
        kind: links or lists.
        progress: say on stderr how far it is.

    Raises:
        LandmarkError: no tags there, another process at it, no space, no folder can be made.
    """
    return _run(Path(out), kind, progress)


def remove_albums(out: Path) -> AlbumResult:
    """Remove what `write_albums` made; what the user put there stays.

    Args:
        out: folder of `tags.parquet`.

    Raises:
        LandmarkError: another process at it, no permission.
    """
    return _run(Path(out), "none", False)


def _run(out: Path, kind: Kind | Literal["none"], progress: bool) -> AlbumResult:
    if not (out / tables.PARQUET).is_file():
        raise LandmarkError(f"{shown(out / tables.PARQUET)}: not there; run `landmark tag` first")
    refuse = f"{shown(out)}: another process is writing this folder's albums; let it end, and run again"
    file = out / ".state" / "albums.sqlite"
    with locked(out / ".state" / "albums.lock", refuse=refuse), disk_errors(file):
        base = sqlite3.connect(file, isolation_level=None)
        try:
            result = _Albums(base, out, kind).run(progress)
        finally:
            base.close()
    log.info("%s: albums: %s", shown(out), ", ".join(f"{value} {name}" for name, value in asdict(result).items()))
    return result


@contextlib.contextmanager
def _readable(file: Path) -> Iterator[None]:
    try:
        yield
    except pa.ArrowException as error:
        raise LandmarkError(f"{shown(file)}: not a table of tags; run `landmark tag` again") from error


@dataclass
class _Albums:
    base: sqlite3.Connection
    out: Path
    kind: Kind | Literal["none"]
    counts: dict[str, Any] = field(default_factory=lambda: dict.fromkeys(("made", "unchanged", "removed", "failed"), 0))

    def run(self, progress: bool) -> AlbumResult:
        self.base.executescript(
            "pragma temp_store = file; pragma synchronous = normal;"
            "create table if not exists made (path text primary key, kind text not null, content text not null) without rowid;"
            "create temp table photos (landmark text, photo text, primary key (landmark, photo)) without rowid;"
            "create temp table wanted (path text primary key, kind text not null, content text not null,"
            " landmark text) without rowid;"
        )
        places = self._read() if self.kind != "none" else {}
        at = folders(places.values())
        photos = 0
        if self.kind == "none" and not (self.out / FOLDER).exists():
            return AlbumResult(self.kind, 0, 0, **self.counts)
        self.disk = AlbumFolder(self.out / FOLDER)
        (known,) = self.base.execute(
            "select (select user_version from pragma_user_version) or exists (select 1 from made)"
        ).fetchone()
        if not known:
            with _readable(self.out / tables.PARQUET):
                adopt(self.base, self.disk, self.out / tables.PARQUET)
        self.base.execute("pragma user_version = 1")
        with Bar(len(at), progress, "albums") as bar:
            for landmark in sorted(at, key=lambda name: at[name]):
                photos += self._want(landmark, at[landmark])
                bar.advance(1)
        problem = self._no_links()
        if problem:
            log.warning("%s: this file system has no symbolic links (%s); lists are made", shown(self.disk.root), problem)
            self.kind = "lists"
            self.base.execute("delete from wanted")
            photos = sum(self._want(landmark, at[landmark]) for landmark in at)
        if self.kind == "lists" and photos:
            self._add(TABLE, "list", self._csv(at, places), None)
        self._remove()
        self._make(at, places)
        if self.kind == "none":
            with contextlib.suppress(OSError):  # something of the user's is in it
                (self.out / FOLDER).rmdir()
        return AlbumResult(self.kind, len(at), photos, **self.counts, problem=problem)

    def _no_links(self) -> str:
        """Why the links that are wanted can't be made; tried only where none is there, so that a folder keeps its time."""
        if not self.base.execute("select 1 from wanted where kind = 'link' limit 1").fetchone():
            return ""
        made = self.base.execute("select path from made where kind = 'link' limit 1").fetchone()
        return "" if made and (self.disk.root / made[0]).is_symlink() else self.disk.no_links()

    def _read(self) -> dict[str, Place]:
        """Tagged photos by landmark, into the database; gives the landmarks."""
        places: dict[str, Place] = {}
        file = self.out / tables.PARQUET
        with _readable(file), pq.ParquetFile(file) as tags:
            for batch in tags.iter_batches(_BATCH, columns=_COLUMNS):
                rows = [row for row in batch.to_pylist() if row["landmark"]]
                self.base.execute("begin")
                self.base.executemany(
                    "insert or ignore into photos values (?, ?)", [(row["landmark"], row["photo"]) for row in rows]
                )
                self.base.execute("commit")
                for row in rows:
                    place = Place(row["landmark"], row["name"], row["city"], row["country"])
                    places.setdefault(row["landmark"], place)
        return places

    def _want(self, landmark: str, at: tuple[str, str, str]) -> int:
        """Note what a landmark's album is to hold."""
        folder, names, count, listed = "/".join(at), FileNames(), 0, False
        self.base.execute("begin")
        for photo in self._photos(landmark):
            count += 1
            if self.kind == "lists" or is_s3(photo):
                listed = True
                continue
            path = f"{folder}/{names.name(photo)}"
            self._add(path, "link", self.disk.target(path, photo), landmark)
        if listed:
            self._add(f"{folder}.txt", "list", self._text(landmark), landmark)
        self.base.execute("commit")
        return count

    def _add(self, path: str, kind: str, content: str | Iterator[str], landmark: str | None) -> None:
        if not isinstance(content, str):
            digest = hashlib.sha256()
            for line in content:
                digest.update(line.encode())
            content = digest.hexdigest()
        self.base.execute("insert or ignore into wanted values (?, ?, ?, ?)", (path, kind, content, landmark))

    def _photos(self, landmark: str) -> Iterator[str]:
        cursor = self.base.execute("select photo from photos where landmark = ? order by photo", (landmark,))
        return (photo for (photo,) in cursor)

    def _text(self, landmark: str) -> Iterator[str]:
        """A list as `landmark tag` takes one: a path or URI a line. A name with a line break stands in the table only."""
        for photo in self._photos(landmark):
            if (self.kind == "lists" or is_s3(photo)) and not set(photo) & {"\n", "\r"}:
                yield f"{photo}\n"

    def _csv(self, at: dict[str, tuple[str, str, str]], places: dict[str, Place]) -> Iterator[str]:
        class Line:
            def write(self, text: str) -> str:
                return text

        table = csv.writer(Line(), lineterminator="\n")
        yield str(table.writerow(["country", "city", "landmark", "name", "photo"]))
        for landmark in sorted(at, key=lambda name: at[name]):
            country, city, _ = at[landmark]
            for photo in self._photos(landmark):
                yield str(table.writerow([country, city, landmark, places[landmark].name, photo]))

    def _remove(self) -> None:
        """Take away what is ours and is wanted no more, then the folders that this leaves empty."""
        gone = self.base.execute(
            "select path, made.kind, made.content from made left join wanted using (path)"
            " where made.kind != 'folder' and (wanted.path is null or wanted.kind != made.kind)"
        ).fetchall()
        for path, kind, content in gone:
            if self.disk.reachable(path) and self.disk.remove(path, kind, content):
                self.counts["removed"] += 1
        self._forget([path for path, _, _ in gone])
        empty = self.base.execute(
            "select path from made where kind = 'folder' and not exists"
            " (select 1 from wanted where wanted.path >= made.path || '/' and wanted.path < made.path || '0')"
            " order by path desc"
        ).fetchall()
        self._forget([path for (path,) in empty if self.disk.reachable(path) and self._folder_gone(path)])

    def _folder_gone(self, path: str) -> bool:
        return self.disk.remove(path, "folder", "") or not (self.disk.root / path).is_dir()

    def _forget(self, paths: list[str]) -> None:
        self.base.execute("begin")
        self.base.executemany("delete from made where path = ?", [(path,) for path in paths])
        self.base.execute("commit")

    def _make(self, at: dict[str, tuple[str, str, str]], places: dict[str, Place]) -> None:
        """Make what is missing. What is new is noted first, so that nothing of ours is forgotten by a run that is killed."""
        last = ""
        query = (
            "select wanted.path, wanted.kind, wanted.content, wanted.landmark, made.content from wanted"
            " left join made on made.path = wanted.path and made.kind = wanted.kind where wanted.path > ?"
            f" order by wanted.path limit {_BATCH}"
        )
        while rows := self.base.execute(query, (last,)).fetchall():
            last = rows[-1][0]
            new = {way for path, *_ in rows if "/" in path for way in self.disk.missing(path.rpartition("/")[0])}
            first = [(path, kind, content) for path, kind, content, _, old in rows if old is None]
            self._note([*((way, "folder", "") for way in new), *first])
            changed_now = []
            for path, kind, content, landmark, old in rows:
                try:
                    if "/" in path:
                        self.disk.folder(path.rpartition("/")[0])
                    if kind == "link":
                        changed = self.disk.link(path, content, old)
                    else:
                        lines = self._text(landmark) if landmark is not None else self._csv(at, places)
                        changed = self.disk.list(path, lines, content, old)
                except InTheWay as error:
                    self.counts["failed"] += 1
                    if self.counts["failed"] <= _SAID:
                        log.warning("%s: %s; left as it is", shown(self.disk.root), shown(str(error)))
                    continue
                self.counts["made" if changed else "unchanged"] += 1
                if old not in (None, content):
                    changed_now.append((path, kind, content))
            self._note(changed_now)

    def _note(self, rows: list[tuple[str, str, str]]) -> None:
        self.base.execute("begin")
        self.base.executemany("insert or replace into made values (?, ?, ?)", rows)
        self.base.execute("commit")
