"""What Ray's workers are told, and the tables that go from one to the next, each a block, whole."""

from __future__ import annotations

import contextlib
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.storage import StorageUnavailable
from landmark.tagging.plan import Block, Wanted
from landmark.tagging.schema import PHOTOS
from landmark.tagging.state import ShardRow

TRIES = 4
"""A block is given up when so many workers have died of it."""

BLOCK = pa.schema(
    [
        pa.field("number", pa.int64()),
        pa.field("old", pa.string()),
        pa.field("before", pa.string()),
        pa.field("photo", pa.binary()),
        pa.field("version", pa.string()),
    ]
)
"""A block, a row a photo: its number in the job, its old shard and the network that embedded that (null: none)."""

PIXELS = pa.schema(
    [
        *BLOCK,
        pa.field("read", pa.struct([field.with_nullable(True) for field in PHOTOS])),
        pa.field("pixels", pa.large_binary()),
        pa.field("trouble", pa.string()),
    ]
)
"""A block that was read: what was read of photos that had to be, the network's input of those that are to be embedded."""

MADE = pa.schema(
    [
        pa.field("number", pa.int64()),
        pa.field("shard", pa.string()),
        *(pa.field(name, pa.int64()) for name in ("photos", "unreadable", "tagged", "read", "embedded")),
        pa.field("lost", pa.binary()),
        pa.field("node", pa.string()),
        pa.field("trouble", pa.string()),
    ]
)
"""A shard that was written, one row. `lost` is a photo that this node does not see; `trouble` ends the job."""

Kind = Literal["storage", "known", "deaths", "other"]


class Deaths(Exception):
    """Too many workers have died of a block."""


@dataclass(frozen=True)
class Order:
    """What all workers are told.

    Attributes:
        folder: of this job, which all nodes share: the recognizer, and a file for each block that is being worked on.
        shards: folder of all shards, likewise.
        wanted: what these shall be like.
        size: side of the network's input [pixels].
        resize: how photos are brought to it.
        dim: length of an embedding.
        cache: folder for exported graphs, used where a node has it.
        device: "cpu" or "gpu".
        threads: that read a block's photos.
    """

    folder: str
    shards: str
    wanted: Wanted
    size: int
    resize: Literal["squash", "crop"]
    dim: int
    cache: str
    device: str
    threads: int

    @property
    def recognizer(self) -> Path:
        """Where the recognizer is."""
        return Path(self.folder, "recognizer")

    @contextlib.contextmanager
    def attempt(self, what: str, number: int) -> Iterator[None]:
        """Work on a block. Ray gives one whose worker died to another worker, without end: here it's counted.

        Raises:
            Deaths: too many have died of it.
            LandmarkError: this node does not see the folder.
        """
        if not (self.recognizer / "recognizer.json").is_file():
            raise LandmarkError(
                f"{shown(self.folder)}: node {platform.node()} does not see it; --out must lie in a folder that all nodes of "
                "the cluster share, at the same path"
            )
        file = Path(self.folder, f"{what}-{number}")
        with file.open("ab") as marks:
            marks.write(b".")
            tries = marks.tell()
        if tries > TRIES:
            raise Deaths
        try:
            yield
        finally:
            file.unlink(missing_ok=True)


def to_table(number: int, block: Block) -> pa.Table:
    """A block as a table of `BLOCK`."""
    old = (None, None) if block.old is None else (block.old.id, block.old.fingerprint)
    photos, versions = zip(*block.listed, strict=True)
    columns = ([number] * len(photos), *([value] * len(photos) for value in old), photos, versions)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, BLOCK, strict=True)], schema=BLOCK)


def to_block(table: pa.Table) -> Block:
    """Of a block what workers need: its photos, and where the old shard is."""
    old, before = table["old"][0].as_py(), table["before"][0].as_py()
    shard = None if old is None else ShardRow(b"", old, 0, 0, 0, "", before, "")
    return Block(list(zip(table["photo"].to_pylist(), table["version"].to_pylist(), strict=True)), "", shard, None, "read")


def to_trouble(error: Exception) -> str:
    """An error as text for the driver: its kind, and what it says."""
    kind: Kind = "other"
    if isinstance(error, StorageUnavailable):
        kind = "storage"
    elif isinstance(error, LandmarkError):
        kind = "known"
    elif isinstance(error, Deaths):
        kind = "deaths"
    text = str(error) if kind != "other" else f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    return f"{kind}:{text}"
