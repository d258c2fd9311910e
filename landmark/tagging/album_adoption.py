"""Links of an earlier job whose state was deleted: known again by what they are, so that they can be withdrawn."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from landmark.tagging.album_files import AlbumFolder
from landmark.tagging.album_names import both, safe

BATCH = 4096


def adopt(base: sqlite3.Connection, disk: AlbumFolder, tags: Path) -> int:
    """Note as made here what only we can have made: `COUNTRY/CITY/LANDMARK/NAME` by our names, to a photo by its name.

    The photo must be one of the collection, or not be there any more. Folders on the way are noted, too: they go once they
    are empty.

    Args:
        base: with the table `made`.
        disk: the albums.
        tags: `tags.parquet`.

    Returns:
        Links noted.
    """
    base.execute("create temp table if not exists maybe (path text primary key, content text, photo text, ours integer)")
    base.execute("begin")
    base.execute("delete from maybe")
    base.executemany("insert into maybe values (?, ?, ?, ?)", _links(disk))
    base.execute("create index if not exists maybe_photo on maybe (photo)")
    if base.execute("select 1 from maybe where not ours limit 1").fetchone():
        with pq.ParquetFile(tags) as file:
            for batch in file.iter_batches(BATCH, columns=["photo"]):
                photos = [(photo,) for photo in batch.column(0).to_pylist()]
                base.executemany("update maybe set ours = 1 where photo = ?", photos)
    ways: set[str] = set()
    for (path,) in base.execute("select path from maybe where ours"):
        country, city, landmark, _ = path.split("/")
        ways |= {country, f"{country}/{city}", f"{country}/{city}/{landmark}"}
    base.executemany("insert or ignore into made values (?, 'folder', '')", [(way,) for way in ways])
    count = base.execute("insert or ignore into made select path, 'link', content from maybe where ours").rowcount
    base.execute("commit")
    return count


def _links(disk: AlbumFolder) -> Iterator[tuple[str, str, str, bool]]:
    """Links of our form: path, text, photo, and whether that is gone."""
    for country in _folders(disk.root):
        for city in _folders(country):
            for landmark in _folders(city):
                for file in _entries(landmark):
                    if not file.is_symlink():
                        continue
                    content = os.fspath(file.readlink())
                    path = f"{country.name}/{city.name}/{landmark.name}/{file.name}"
                    photo = os.path.normpath(os.path.join(disk.folder_of(path), content))  # noqa: PTH118
                    if file.name in both(photo) and _written(path) and _written(content):
                        yield path, content, photo, not os.path.lexists(photo)


def _folders(folder: Path) -> list[Path]:
    return [entry for entry in _entries(folder) if not entry.is_symlink() and entry.is_dir() and entry.name == safe(entry.name)]


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []


def _written(text: str) -> bool:
    """Whether it is text; what is not UTF-8 isn't in the tables, either."""
    return text.isascii() or text.encode("utf-8", "ignore").decode() == text
