"""What tasks of Ray do of a tag job: they read the photos of a block. They need neither the recognizer nor torch."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from landmark.tagging.open_block import open_block
from landmark.tagging.ray_order import PIXELS, Order, to_block, to_trouble
from landmark.tagging.reading import Read, read_photo


def read_block(table: pa.Table, order: Order) -> pa.Table:
    """Read the photos of a block that are new or changed.

    Args:
        table: of `BLOCK`.
        order: what all workers are told.

    Returns:
        A table of `PIXELS`: the same photos.
    """
    count = len(table)
    read: list[dict[str, Any] | None] = [None] * count
    pixels: list[bytes | None] = [None] * count
    trouble = None
    try:
        with order.attempt("read", table["number"][0].as_py()):
            for row, found in _read(table, order):
                read[row] = asdict(found.row)
                pixels[row] = None if found.pixels is None else found.pixels.tobytes()
    except Exception as error:  # an error is an answer: a task that fails is only done again
        read, pixels, trouble = [None] * count, [None] * count, to_trouble(error)
    for name, values in (("read", read), ("pixels", pixels), ("trouble", [trouble] * count)):
        field = PIXELS.field(name)
        table = table.append_column(field, pa.array(values, field.type))
    return table


def _read(table: pa.Table, order: Order) -> Iterator[tuple[int, Read]]:
    """Photos that have to be read, by row; no photo's pixels twice."""
    opened = open_block(to_block(table), Path(order.shards), order.wanted, order.dim)
    rows = [row for row, (photo, _) in enumerate(opened.block.listed) if photo not in opened.rows]
    seen = set(opened.vectors)
    one = partial(read_photo, size=order.size, mode=order.resize, known=opened.same)
    with ThreadPoolExecutor(order.threads, thread_name_prefix="photos") as pool:
        try:
            found = pool.map(one, [opened.block.listed[row] for row in rows])
            for row, read in zip(rows, found, strict=True):
                yield row, Read(read.row, None) if read.row.sha256 in seen else read
                seen.add(read.row.sha256)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
