"""The work of a tag job: photos are read ahead by threads, embedded in batches, scored and kept a shard at a time."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from landmark.network.embedder import Embedder
from landmark.recognition.recognizer import Recognizer
from landmark.tagging.open_block import NOT_FINITE, Open, open_block
from landmark.tagging.plan import Block, Done, Wanted
from landmark.tagging.progress import Bar
from landmark.tagging.reading import Read, now, read_photo
from landmark.tagging.rescoring import Rescoring
from landmark.tagging.scoring import Scorer
from landmark.tagging.shard import ShardFolder, photo_table
from landmark.tagging.state import ShardRow, State

REMOTE_WORKERS = 16
"""Threads that read from S3, where most of the time is spent waiting."""
OPEN_BLOCKS = 3
"""Blocks whose photos are being read at a time."""


class BlockWork:
    """Makes shards of blocks whose photos are read already; none of them counts before its caller says so.

    Args:
        recognizer: what decides.
        shards: folder of all shards.
        wanted: what these shall be like.
        cache: folder for exported graphs; None: as in `Embedder`.
        device: as in `Embedder`.
        threads: CPU threads that embed; 0: as in `Embedder`.

    Attributes:
        done: photos of all blocks so far.
    """

    def __init__(
        self, recognizer: Recognizer, shards: Path, wanted: Wanted, cache: Path | None, device: str, threads: int = 0
    ) -> None:
        self._shards, self._wanted = shards, wanted
        self._network = recognizer.network
        self._scorer = Scorer(recognizer)
        self._embedder: Embedder | None = None
        self._make: Callable[[], Embedder] = lambda: Embedder(recognizer.network, device, threads, cache=cache)
        self.done = Done()

    def _open(self, block: Block) -> Open:
        return open_block(block, self._shards, self._wanted, self._network.embedding_dim)

    def _take(self, opened: Open, read: Read) -> None:
        self.done.read += 1
        old = opened.before.get(read.row.photo)
        # Read again for another network, it's no new photo.
        known = old is not None and old.sha256 == read.row.sha256 and not old.reason
        opened.rows[read.row.photo] = replace(read.row, added=old.added) if old is not None and known else read.row
        # Batches are made up alike whatever the number of threads: no photo is in them twice.
        if read.pixels is not None and read.row.sha256 not in opened.asked and read.row.sha256 not in opened.vectors:
            opened.asked.add(read.row.sha256)
            opened.waiting.append(read)
            self._embedder = self._embedder or self._make()
            if len(opened.waiting) >= self._embedder.batch:
                self._embed(opened)

    def _embed(self, opened: Open) -> None:
        reads, opened.waiting = opened.waiting, []
        if not reads or self._embedder is None:
            return
        rows = self._embedder(np.stack([read.pixels for read in reads if read.pixels is not None]))
        self.done.embedded += len(reads)
        opened.vectors |= {read.row.sha256: row for read, row in zip(reads, rows, strict=True) if np.isfinite(row).all()}

    def _finish(self, opened: Open) -> ShardRow | None:
        """Score a block and write its shard.

        Returns:
            What is to take the place of the old one; None: there are no photos any more.
        """
        self._embed(opened)
        block, wanted, old, dim = opened.block, self._wanted, opened.block.old, self._network.embedding_dim
        if not block.listed:
            return None
        rows = [opened.rows[photo] for photo, _ in block.listed]
        rows = [row if row.reason or row.sha256 in opened.vectors else replace(row, reason=NOT_FINITE) for row in rows]
        good = [row for row in rows if not row.reason]
        vectors = np.stack([opened.vectors[row.sha256] for row in good]) if good else np.zeros((0, dim), np.float32)
        # With more threads the product of one vector with the centroids differs in its last bit.
        with threadpool_limits(1, user_api="blas"):
            tags = self._scorer.tags(photo_table(good), vectors, now())
        tagged = sum(bool(landmark) for landmark in tags["landmark"].to_pylist())
        used = {row.sha256: opened.vectors[row.sha256] for row in good}
        before = None if old is None else (ShardFolder(self._shards / old.id), old.fingerprint)
        made = ShardFolder.write(self._shards, rows, used, wanted.fingerprint, dim, tags, wanted.digest, before)
        if block.work == "score" and not opened.todo:
            self.done.rescored += len(good)
        counts = (len(rows), len(rows) - len(good), tagged, block.content, wanted.fingerprint, wanted.digest)
        return ShardRow(rows[0].photo, made.folder.name, *counts)


class Work(BlockWork):
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
        super().__init__(recognizer, state.shards_folder, wanted, cache, device)
        self._state = state
        self._workers = workers or (REMOTE_WORKERS if remote else len(os.sched_getaffinity(0)))

    def run(self, blocks: Iterator[Block], bar: Bar) -> Done:
        """Do what is to be done; blocks to keep are passed over.

        Raises:
            LandmarkError: no space, no permission. What is done stays done.
            StorageUnavailable: S3 can't be reached.
        """
        threads = len(os.sched_getaffinity(0))
        rescoring = Rescoring(self._state, self._wanted, self._scorer, self._network.embedding_dim, threads)
        rest = rescoring.run(blocks, bar.advance)
        try:
            self._read(rest, bar)
        finally:
            rest.close()
        self.done.rescored += rescoring.photos
        return self.done

    def _read(self, blocks: Iterator[Block], bar: Bar) -> None:
        """Do blocks whose photos have to be looked at."""
        queue: deque[tuple[Open, Future[Read] | None]] = deque()
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
                    self._commit(opened.block, self._finish(opened))
                    bar.advance(len(opened.block.listed) - opened.todo if opened.block.work == "score" else 0)
                else:
                    self._take(opened, future.result())
                    bar.advance(1)
                refill()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _photos(self, blocks: Iterator[Block]) -> Iterator[tuple[Open, tuple[bytes, str] | None]]:
        """Photos to read, each with its block, and after a block's last one (block, None)."""
        for block in blocks:
            opened = self._open(block)
            for listed in [listed for listed in block.listed if listed[0] not in opened.rows]:
                yield opened, listed
            yield opened, None

    def _commit(self, block: Block, new: ShardRow | None) -> None:
        """Let a block's shard count, and remove the one that no block needs any more."""
        self._state.replace(block.old, new, block.rest)
        if block.old is not None and block.rest is None:
            ShardFolder(self._shards / block.old.id).remove()
