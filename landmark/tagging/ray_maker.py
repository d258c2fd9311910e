"""What an actor of Ray does of a tag job: it embeds the photos of a block, scores them and writes their shard."""

from __future__ import annotations

import os
import platform
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from landmark.recognition.recognizer import Recognizer
from landmark.storage import is_s3
from landmark.tagging.ray_order import MADE, Order, to_block, to_trouble
from landmark.tagging.reading import Pixels, Read
from landmark.tagging.shard import PhotoRow
from landmark.tagging.source import GONE
from landmark.tagging.work import BlockWork


class ShardMaker:
    """Makes shards; none of them counts before the driver says so.

    Args:
        order: what all workers are told.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self._work: _Work | None = None

    def __call__(self, table: pa.Table) -> pa.Table:
        """Make the shard of a block.

        Args:
            table: of `PIXELS`.

        Returns:
            A table of `MADE`, one row.
        """
        number, trouble = table["number"][0].as_py(), table["trouble"][0].as_py()
        answer: dict[str, Any] = {"number": number, "node": platform.node(), "trouble": trouble}
        if trouble is None:
            try:
                with self._order.attempt("made", number):
                    # Not in __init__: an actor that can't be made is only made again.
                    self._work = self._work or _Work(self._order)
                    answer |= self._work.make(table)
            except Exception as error:
                answer["trouble"] = to_trouble(error)
        return pa.table([pa.array([answer.get(field.name)], field.type) for field in MADE], schema=MADE)


class _Work(BlockWork):
    def __init__(self, order: Order) -> None:
        cache = Path(order.cache) if Path(order.cache).is_dir() else None
        threads = len(os.sched_getaffinity(0))
        super().__init__(Recognizer.load(order.recognizer), Path(order.shards), order.wanted, cache, order.device, threads)
        self._size = order.size

    def make(self, table: pa.Table) -> dict[str, Any]:
        before = replace(self.done)
        opened = self._open(to_block(table))
        lost = None
        for read, pixels in zip(table["read"].to_pylist(), table["pixels"], strict=True):
            if read is None:
                continue
            row = PhotoRow(**read)
            self._take(opened, Read(row, self._array(pixels.as_buffer()) if pixels.is_valid else None))
            if row.reason and row.version != GONE and not is_s3(os.fsdecode(row.photo)) and not os.path.lexists(row.photo):
                lost = lost or row.photo
        made = self._finish(opened)
        assert made is not None, "a block without photos is no worker's"
        counts = {"photos": made.photos, "unreadable": made.unreadable, "tagged": made.tagged}
        now = self.done
        return counts | {
            "shard": made.id,
            "read": now.read - before.read,
            "embedded": now.embedded - before.embedded,
            "lost": lost,
        }

    def _array(self, pixels: Any) -> Pixels:
        return np.frombuffer(pixels, np.uint8).reshape(self._size, self._size, 3)
