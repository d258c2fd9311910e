"""A block in progress: what is known of its photos, and what is to be read."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from landmark.tagging.plan import Block, Wanted
from landmark.tagging.reading import Read
from landmark.tagging.shard import Floats, PhotoRow, ShardFolder

NOT_FINITE = "the network gives no finite embedding"


@dataclass
class Open:
    """A block in progress: `rows` and `vectors` of photos that are known, then of all.

    `before` is what the old shard has of its photos, `same` those of them that have an embedding, by sha256. `todo` photos are
    to be read; those in `waiting` are embedded next, those in `asked` (sha256) are or were among these.
    """

    block: Block
    before: dict[bytes, PhotoRow] = field(default_factory=dict)
    same: dict[str, PhotoRow] = field(default_factory=dict)
    rows: dict[bytes, PhotoRow] = field(default_factory=dict)
    vectors: dict[str, Floats] = field(default_factory=dict)
    todo: int = 0
    waiting: list[Read] = field(default_factory=list)
    asked: set[str] = field(default_factory=set)


def open_block(block: Block, shards: Path, wanted: Wanted, dim: int) -> Open:
    """Take what the old shard knows of a block.

    Args:
        block: what is to be a shard.
        shards: folder of all shards.
        wanted: what these shall be like.
        dim: length of an embedding.
    """
    opened = Open(block)
    if block.old is not None:
        folder = ShardFolder(shards / block.old.id)
        opened.before = {row.photo: row for row in folder.photos()}
        # All embeddings of the old shard: a file that was only touched, or renamed within it, is the same photo.
        good = {row.sha256 for row in opened.before.values() if not row.reason}
        opened.vectors = folder.vectors(wanted.fingerprint, dim, good)
        opened.same = {row.sha256: row for row in opened.before.values() if row.sha256 in opened.vectors}
        for photo, version in block.listed:
            row = opened.before.get(photo)
            if row is None or row.version != version:
                continue
            final = row.reason and (row.reason != NOT_FINITE or block.old.fingerprint == wanted.fingerprint)
            if final or row.sha256 in opened.vectors:
                opened.rows[photo] = row
    opened.todo = sum(photo not in opened.rows for photo, _ in block.listed)
    return opened
