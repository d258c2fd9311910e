"""Kept embeddings scored anew: a shard's photos, embeddings and tags as columns, two shards or more at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits

from landmark.tagging.plan import Block, Wanted
from landmark.tagging.reading import now
from landmark.tagging.scoring import Scorer
from landmark.tagging.shard import ShardFolder
from landmark.tagging.state import ShardRow, State

GROUP = 16
"""Shards that are put down in one transaction [count]: what a kill costs at most is scoring these again."""


class Rescoring:
    """Scores shards whose photos are as they were, with another recognizer of the same network.

    Args:
        state: which shards there are.
        wanted: what these shall be like.
        scorer: what decides.
        dim: length of an embedding.
        threads: that score at a time [count].
    """

    def __init__(self, state: State, wanted: Wanted, scorer: Scorer, dim: int, threads: int) -> None:
        self._state, self._wanted, self._scorer, self._dim, self._threads = state, wanted, scorer, dim, threads
        self._done: list[tuple[ShardRow, ShardRow]] = []
        self.photos = 0

    def run(self, blocks: Iterator[Block], advance: Callable[[int], None]) -> Generator[Block, None, None]:
        """Score what can be scored as a whole, and give back, in order, the blocks that have to be read.

        Raises:
            LandmarkError: no space, no permission. What is put down stays done.
        """
        waiting: deque[tuple[Block, Future[ShardRow | None] | None]] = deque()
        with threadpool_limits(1, user_api="blas"), ThreadPoolExecutor(self._threads, thread_name_prefix="scores") as pool:
            try:
                for block in blocks:
                    if block.work == "keep":
                        continue
                    waiting.append((block, pool.submit(self._scored, block) if block.work == "score" else None))
                    if len(waiting) > 2 * self._threads:
                        yield from self._settled(*waiting.popleft(), advance)
                while waiting:
                    yield from self._settled(*waiting.popleft(), advance)
            finally:
                for _, future in waiting:
                    if future is not None:
                        future.cancel()
                self._put_down()

    def _settled(self, block: Block, future: Future[ShardRow | None] | None, advance: Callable[[int], None]) -> Iterator[Block]:
        row = None if future is None else future.result()
        if row is None or block.old is None:
            yield block
            return
        self._done.append((block.old, row))
        self.photos += row.photos - row.unreadable
        advance(row.photos)
        if len(self._done) >= GROUP:
            self._put_down()

    def _put_down(self) -> None:
        done, self._done = self._done, []
        self._state.rescored([row for _, row in done])
        for old, row in done:
            ShardFolder(self._state.shards_folder / row.id).keep_only(row.digest, {row.fingerprint, old.fingerprint})

    def _scored(self, block: Block) -> ShardRow | None:
        """Write the tags of a block's shard; None: something of it is missing or damaged, it has to be looked at by photo."""
        old, wanted = block.old, self._wanted
        assert old is not None
        folder = ShardFolder(self._state.shards_folder / old.id)
        try:
            photos = folder.photo_table()
        except (OSError, pa.ArrowException, KeyError):
            return None
        for name, column in zip(("photo", "version"), zip(*block.listed, strict=True), strict=True):
            if not photos[name].combine_chunks().equals(pa.array(column, photos[name].type)):
                return None
        # What another network could not embed, this one may.
        if old.fingerprint != wanted.fingerprint and pc.any(pc.not_equal(photos["reason"], "")).as_py():
            return None
        good = photos.filter(pc.equal(photos["reason"], ""))
        vectors = folder.matrix(wanted.fingerprint, self._dim, good["sha256"].to_pylist())
        if vectors is None:
            return None
        tags = self._scorer.tags(good, vectors, now())
        folder.write_tags(tags, wanted.digest)
        tagged = pc.sum(pc.not_equal(tags["landmark"], "")).as_py() or 0
        counts = (len(photos), len(photos) - len(good), tagged)
        return ShardRow(old.first, old.id, *counts, block.content, wanted.fingerprint, wanted.digest)
