"""A shard's folder: what was read of its photos, their embeddings, their tags. Each file is whole or not there.

`photos.parquet`, `<fingerprint>/` (embeddings by one network, see `network.shards`), `tags-v<schema>-<digest>.parquet` (by one
recognizer). Embeddings of the network before this one are kept, so that a roll-back embeds nothing.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from landmark.network.shards import Shards
from landmark.storage import atomic_file, atomic_folder
from landmark.tagging.schema import PHOTOS, VERSION

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
_SHORT = 16


@dataclass(frozen=True, slots=True)
class PhotoRow:
    """What was read of a photo; `reason` says why it can't be read, and then the rest means nothing.

    Attributes:
        photo: path or URI, as bytes of the file system.
        version: of the file, when it was listed.
        reason: "" or why it can't be read.
        sha256: of the file's bytes, hex.
        width: upright [pixels].
        height: upright [pixels].
        taken_at: camera clock.
        lat: of the camera [degrees].
        lon: of the camera [degrees].
        added: when this version was read first, UTC.
    """

    photo: bytes
    version: str
    reason: str
    sha256: str
    width: int
    height: int
    taken_at: datetime | None
    lat: float | None
    lon: float | None
    added: datetime


class ShardFolder:
    """The files of one shard.

    Args:
        folder: where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def write(
        cls,
        parent: Path,
        rows: Sequence[PhotoRow],
        vectors: Mapping[str, Floats],
        fingerprint: str,
        dim: int,
        tags: pa.Table,
        digest: str,
        before: tuple[ShardFolder, str] | None = None,
    ) -> ShardFolder:
        """Write a new shard, under a name of its own.

        Args:
            parent: folder of all shards.
            rows: its photos, sorted.
            vectors: embedding [d] by sha256.
            fingerprint: of the network that made them.
            dim: d.
            tags: of the photos that can be read.
            digest: of the recognizer that made these.
            before: the shard whose place it takes, and the network that was in use then.

        Raises:
            LandmarkError: no space, no permission; nothing is left.
        """
        made = cls(parent / secrets.token_hex(8))
        with atomic_folder(made.folder) as folder:
            pq.write_table(photo_table(rows), folder / "photos.parquet", compression="zstd")
            keys = list(vectors)
            if keys:
                Shards(folder / fingerprint[:_SHORT], dim).write(keys, np.stack([vectors[key] for key in keys]))
            else:
                (folder / fingerprint[:_SHORT]).mkdir()
            _write(tags, folder / _tags_name(digest))
            if before is not None and before[1] != fingerprint:
                before[0]._link(before[1], folder)
        return made

    def photo_table(self) -> pa.Table:
        """Its photos, sorted: a table of `PHOTOS`.

        Raises:
            OSError, ArrowException: the file is damaged.
        """
        with pq.ParquetFile(self.folder / "photos.parquet") as file:
            return file.read(use_threads=False).select(PHOTOS.names).cast(PHOTOS)

    def photos(self) -> list[PhotoRow]:
        """Its photos, sorted; none, with a warning, where the file is damaged."""
        try:
            table = self.photo_table()
            return [PhotoRow(*row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)]
        except (OSError, pa.ArrowException, KeyError, TypeError) as error:
            log.warning("shard %s is damaged (%s): its photos are read again", self.folder, " ".join(str(error).split())[:200])
            return []

    def has_vectors(self, fingerprint: str) -> bool:
        """Whether it keeps embeddings of a network."""
        return (self.folder / fingerprint[:_SHORT]).is_dir()

    def vectors(self, fingerprint: str, dim: int, sha256: Iterable[str]) -> dict[str, Floats]:
        """Kept embeddings [d] by sha256; damaged ones are left out."""
        if not self.has_vectors(fingerprint):
            return {}
        keys = sorted(set(sha256))
        wanted = {key: position for position, key in enumerate(keys)}
        return {
            keys[position]: row
            for positions, rows in Shards(self.folder / fingerprint[:_SHORT], dim).read(wanted)
            for position, row in zip(positions, rows, strict=True)
        }

    def matrix(self, fingerprint: str, dim: int, sha256: Sequence[str]) -> Floats | None:
        """Kept embeddings [n, d] of photos by sha256 [n]; None where one is missing or damaged."""
        return Shards(self.folder / fingerprint[:_SHORT], dim).whole(sha256)

    def tags(self, digest: str) -> pa.Table:
        """Its tags by a recognizer, of `SHARD_TAGS`."""
        with pq.ParquetFile(self.tags_file(digest)) as file:
            return file.read(use_threads=False)

    def tags_file(self, digest: str) -> Path:
        """Where its tags by a recognizer are."""
        return self.folder / _tags_name(digest)

    def write_tags(self, tags: pa.Table, digest: str) -> None:
        """Add the tags by another recognizer."""
        with atomic_file(self.tags_file(digest)) as temporary:
            _write(tags, temporary)

    def keep_only(self, digest: str, fingerprints: Iterable[str]) -> None:
        """Remove tags by other recognizers and embeddings by other networks."""
        kept = {"photos.parquet", _tags_name(digest), *(fingerprint[:_SHORT] for fingerprint in fingerprints)}
        for entry in list(self.folder.iterdir()):
            if entry.name not in kept:
                shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _link(self, fingerprint: str, folder: Path) -> None:
        source, target = self.folder / fingerprint[:_SHORT], folder / fingerprint[:_SHORT]
        if source.is_dir() and not target.exists():
            try:
                shutil.copytree(source, target, copy_function=os.link)
            except (OSError, shutil.Error):  # a file system without links
                shutil.rmtree(target, ignore_errors=True)
                shutil.copytree(source, target)


def photo_table(rows: Sequence[PhotoRow]) -> pa.Table:
    """Photos as a table of `PHOTOS`."""
    columns = zip(*map(astuple, rows), strict=True) if rows else ((),) * len(PHOTOS)
    arrays = [pa.array(column, field.type) for column, field in zip(columns, PHOTOS, strict=True)]
    return pa.Table.from_arrays(arrays, schema=PHOTOS)


def _write(tags: pa.Table, file: Path) -> None:
    # Of so few rows dictionaries and statistics only cost time.
    pq.write_table(tags, file, compression="zstd", use_dictionary=False, write_statistics=False)


def _tags_name(digest: str) -> str:
    return f"tags-v{VERSION}-{digest[:_SHORT]}.parquet"
