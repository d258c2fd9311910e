"""What a tag job has to do: the listing laid over the shards, range by range, in bounded memory."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from landmark.tagging.shard import PhotoRow, ShardFolder
from landmark.tagging.source import Listed, Listing
from landmark.tagging.state import ShardRow, State


@dataclass(frozen=True)
class Wanted:
    """What the shards shall be like.

    Attributes:
        fingerprint: of the network.
        digest: of the recognizer.
        size: photos a shard [count].
    """

    fingerprint: str
    digest: str
    size: int


@dataclass
class Done:
    """Counts of photos that a job has read, embedded, and scored from kept embeddings."""

    read: int = 0
    embedded: int = 0
    rescored: int = 0


@dataclass(frozen=True)
class Block:
    """Photos that are a shard afterwards.

    Attributes:
        listed: its photos and versions, sorted; none: the old shard goes.
        content: digest of these.
        old: the shard that has its photos so far, if any.
        rest: first photo of the range's next block; the old shard has that one's photos until then.
        work: `keep` it as it is, `score` its embeddings anew, or `read` what is new in it.
    """

    listed: list[Listed]
    content: str
    old: ShardRow | None
    rest: bytes | None
    work: Literal["keep", "score", "read"]


def blocks(state: State, listing: Listing, wanted: Wanted) -> Generator[Block, None, None]:
    """All blocks in order. A shard's range goes from its first photo (the first shard's: from the start) to the next one's.

    The state may change behind a block that was given, but not before it.
    """
    shard, low = state.after(None), b""
    while True:
        following = None if shard is None else state.after(shard.first)
        high = None if following is None else following.first
        yield from _of_range(state, listing.between(low, high), shard, wanted)
        if following is None or high is None:
            return
        shard, low = following, high


def _of_range(state: State, photos: Iterator[Listed], shard: ShardRow | None, wanted: Wanted) -> Iterator[Block]:
    old, empty, first = shard, True, True
    for listed, rest in cut(photos, wanted.size):
        empty = False
        content = content_of(listed)
        if old is not None and content == old.content:
            # Behind photos that come before the shard's own, its row is not yet what it is to be: a new one is made.
            yield Block(listed, content, old, None, _same(state, old, wanted) if first else "read")
            old = None  # it keeps its photos: the blocks after it are all new
        else:
            yield Block(listed, content, old, rest, "read")
        first = False
    if empty and shard is not None:
        yield Block([], "", shard, None, "read")


def _same(state: State, old: ShardRow, wanted: Wanted) -> Literal["keep", "score", "read"]:
    folder = ShardFolder(state.shards_folder / old.id)
    if old.digest == wanted.digest and folder.tags_file(wanted.digest).is_file():
        return "keep"
    return "score" if folder.has_vectors(wanted.fingerprint) else "read"


def cut(photos: Iterable[Listed], size: int) -> Iterator[tuple[list[Listed], bytes | None]]:
    """Cut a range into blocks of `size` photos, the last of up to half as many more, or two of equal size.

    So a shard that gains a few photos stays one, and what a killed job has cut is cut alike by the next.

    Yields:
        A block, and the first photo of the next one (None: there is none).

    >>> [len(block) for block, _ in cut([(b"%d" % n, "") for n in range(25)], 10)]
    [10, 15]
    >>> [len(block) for block, _ in cut([(b"%d" % n, "") for n in range(27)], 10)]
    [10, 9, 8]
    """
    source, ahead = iter(photos), deque[Listed]()
    while True:
        ahead.extend(islice(source, 2 * size + 1 - len(ahead)))
        if not ahead:
            return
        take = len(ahead) if 2 * len(ahead) <= 3 * size else -(-len(ahead) // 2) if len(ahead) <= 2 * size else size
        block = [ahead.popleft() for _ in range(take)]
        yield block, ahead[0][0] if ahead else None


def content_of(listed: Iterable[Listed]) -> str:
    """Digest of photos and versions."""
    digest = hashlib.sha256()
    for photo, version in listed:
        digest.update(b"%d:%s%d:%s" % (len(photo), photo, len(version), version.encode()))
    return digest.hexdigest()


def old_rows(state: State, block: Block) -> dict[bytes, PhotoRow]:
    """What the old shard knows of its photos, by photo."""
    return {} if block.old is None else {row.photo: row for row in ShardFolder(state.shards_folder / block.old.id).photos()}
