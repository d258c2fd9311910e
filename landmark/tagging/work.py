"""The work of a tag job: photos are read ahead by threads, embedded in batches, scored and kept a shard at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from landmark.network.embedder import Embedder
from landmark.recognition.recognizer import Recognizer
from landmark.tagging.plan import Block, Done, Wanted, old_rows
from landmark.tagging.progress import Bar
from landmark.tagging.reading import Read, now, read_photo
from landmark.tagging.scoring import Scorer
from landmark.tagging.shard import Floats, PhotoRow, ShardFolder
from landmark.tagging.state import ShardRow, State

REMOTE_WORKERS = 16
"""Threads that read from S3, where most of the time is spent waiting."""
NOT_FINITE = "the network gives no finite embedding"
OPEN_BLOCKS = 3
"""Blocks whose photos are being read at a time."""


@dataclass
class _Open:
    """A block in progress: `rows` and `vectors` of photos that are known, then of all.

    `before` is what the old shard has of its photos, `same` those of them that have an embedding, by sha256.
    """

    block: Block
    before: dict[bytes, PhotoRow] = field(default_factory=dict)
    same: dict[str, PhotoRow] = field(default_factory=dict)
    rows: dict[bytes, PhotoRow] = field(default_factory=dict)
    vectors: dict[str, Floats] = field(default_factory=dict)
    todo: int = 0
    waiting: list[Read] = field(default_factory=list)


class Work:
    """Does blocks, in order.

    Args:
        recognizer: what decides.
        state: which shards there are.
        wanted: what these shall be like.
        cache: folder for exported graphs.
        device: as in `Embedder`.
        workers: threads that read; 0: one a CPU thread, 16 where the photos lie in S3.
        remote: photos lie in S3.
    """

    def __init__(
        self, recognizer: Recognizer, state: State, wanted: Wanted, cache: Path, device: str, workers: int, remote: bool
    ) -> None:
        self._state, self._wanted = state, wanted
        self._network = recognizer.network
        self._scorer = Scorer(recognizer)
        self._embedder: Embedder | None = None
        self._make: Callable[[], Embedder] = lambda: Embedder(recognizer.network, device, cache=cache)
        self._workers = workers or (REMOTE_WORKERS if remote else len(os.sched_getaffinity(0)))
        self.done = Done()

    def run(self, blocks: Iterator[Block], bar: Bar) -> Done:
        """Do what is to be done; blocks to keep are passed over.

        Raises:
            LandmarkError: no space, no permission. What is done stays done.
            StorageUnavailable: S3 can't be reached.
        """
        queue: deque[tuple[_Open, Future[Read] | None]] = deque()
        source = self._photos(blocks)
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="photos")
        config = self._network.config
        whole = 0

        def refill() -> None:
            nonlocal whole
            limit = 4 * self._workers + 2 * (self._embedder.batch if self._embedder else 1)
            while len(queue) < limit and whole < OPEN_BLOCKS and (found := next(source, None)) is not None:
                opened, listed = found
                whole += listed is None
                future = listed and pool.submit(read_photo, listed, config.image_size, config.resize, opened.same)
                queue.append((opened, future))

        try:
            refill()
            while queue:
                opened, future = queue.popleft()
                if future is None:
                    whole -= 1
                    self._finish(opened)
                    bar.advance(len(opened.block.listed) if opened.block.work == "score" else 0)
                else:
                    self._take(opened, future.result())
                    bar.advance(1)
                refill()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return self.done

    def _photos(self, blocks: Iterator[Block]) -> Iterator[tuple[_Open, tuple[bytes, str] | None]]:
        """Photos to read, each with its block, and after a block's last one (block, None)."""
        for block in blocks:
            if block.work == "keep":
                continue
            opened = self._open(block)
            for listed in block.listed:
                if listed[0] not in opened.rows:
                    opened.todo += 1
                    yield opened, listed
            yield opened, None

    def _open(self, block: Block) -> _Open:
        opened = _Open(block, old_rows(self._state, block))
        if block.old is None:
            return opened
        # All embeddings of the old shard: a file that was only touched, or renamed within it, is the same photo.
        folder = ShardFolder(self._state.shards_folder / block.old.id)
        wanted = {row.sha256 for row in opened.before.values() if not row.reason}
        opened.vectors = folder.vectors(self._wanted.fingerprint, self._network.embedding_dim, wanted)
        opened.same = {row.sha256: row for row in opened.before.values() if row.sha256 in opened.vectors}
        for photo, version in block.listed:
            row = opened.before.get(photo)
            if row is None or row.version != version:
                continue
            final = row.reason and (row.reason != NOT_FINITE or block.old.fingerprint == self._wanted.fingerprint)
            if final or row.sha256 in opened.vectors:
                opened.rows[photo] = row
        return opened

    def _take(self, opened: _Open, read: Read) -> None:
        self.done.read += 1
        old = opened.before.get(read.row.photo)
        # Read again for another network, it's no new photo.
        known = old is not None and old.sha256 == read.row.sha256 and not old.reason
        opened.rows[read.row.photo] = replace(read.row, added=old.added) if old is not None and known else read.row
        if read.pixels is not None:
            opened.waiting.append(read)
            self._embedder = self._embedder or self._make()
            if len(opened.waiting) >= self._embedder.batch:
                self._embed(opened)

    def _embed(self, opened: _Open) -> None:
        reads, opened.waiting = opened.waiting, []
        first = {read.row.sha256: read.pixels for read in reads if read.row.sha256 not in opened.vectors}
        if not first or self._embedder is None:
            return
        rows = self._embedder(np.stack([pixels for pixels in first.values() if pixels is not None]))
        self.done.embedded += len(first)
        opened.vectors |= {key: row for key, row in zip(first, rows, strict=True) if np.isfinite(row).all()}

    def _finish(self, opened: _Open) -> None:
        """Score a block and put its shard in the place of the old one."""
        self._embed(opened)
        block, wanted, old = opened.block, self._wanted, opened.block.old
        parent = self._state.shards_folder
        before = None if old is None else (ShardFolder(parent / old.id), old.fingerprint)
        if not block.listed:
            self._state.replace(old, None)
        else:
            rows = [opened.rows[photo] for photo, _ in block.listed]
            rows = [row if row.reason or row.sha256 in opened.vectors else replace(row, reason=NOT_FINITE) for row in rows]
            good = [row for row in rows if not row.reason]
            dim = self._network.embedding_dim
            vectors = np.stack([opened.vectors[row.sha256] for row in good]) if good else np.zeros((0, dim), np.float32)
            tags = self._scorer.tags(good, vectors, now())
            tagged = sum(bool(landmark) for landmark in tags["landmark"].to_pylist())
            counts = (len(rows), len(rows) - len(good), tagged, block.content, wanted.fingerprint, wanted.digest)
            if block.work == "score" and not opened.todo and old is not None and before is not None:
                before[0].write_tags(tags, wanted.digest)
                self._state.replace(old, ShardRow(old.first, old.id, *counts))
                before[0].keep_only(wanted.digest, {wanted.fingerprint, old.fingerprint})
                self.done.rescored += len(good)
                return
            used = {row.sha256: opened.vectors[row.sha256] for row in good}
            made = ShardFolder.write(parent, rows, used, wanted.fingerprint, dim, tags, wanted.digest, before)
            self._state.replace(old, ShardRow(rows[0].photo, made.folder.name, *counts), block.rest)
        if before is not None and block.rest is None:
            before[0].remove()
