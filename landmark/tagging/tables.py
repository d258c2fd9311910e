"""The tables that users get, put together from the shards a shard at a time, and swapped when they are whole."""

from __future__ import annotations

import csv
import itertools
import json
import os
import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from landmark.names import shown
from landmark.storage import atomic_files
from landmark.tagging.schema import TAGS
from landmark.tagging.shard import ShardFolder
from landmark.tagging.state import ShardRow, State

PARQUET, JSONL, UNREADABLE, SUMMARY = "tags.parquet", "tags.jsonl", "unreadable.csv", "tagging.json"
ROWS = 1 << 16
"""Rows a row group [count]: what is in memory at once."""


def write_tables(state: State, out: Path, model: str) -> None:
    """Write `tags.parquet`, `tags.jsonl` and `unreadable.csv`, sorted by photo; memory is independent of their length.

    Args:
        state: whose shards all have tags by the same recognizer.
        out: folder to write to.
        model: what stands in the column `model`.

    Raises:
        LandmarkError: no space or no permission; the old tables are untouched.
    """
    with (
        atomic_files(out / PARQUET, out / JSONL, out / UNREADABLE) as (parquet, jsonl, unreadable),
        pq.ParquetWriter(parquet, TAGS, compression="zstd") as writer,
        jsonl.open("w", encoding="utf-8") as lines,
        unreadable.open("w", encoding="utf-8", newline="") as rejects,
    ):
        table = csv.writer(rejects)
        table.writerow(["photo", "reason"])
        waiting: list[pa.Table] = []
        for shard in shards(state):
            folder = ShardFolder(state.shards_folder / shard.id)
            tags = pq.read_table(folder.tags_file(shard.digest))
            tags = tags.append_column(TAGS.field("model"), pa.array([model] * len(tags), pa.string())).cast(TAGS)
            # Escaped to ASCII: U+2028 and the like end a line for some readers.
            lines.writelines(json.dumps(_plain(row), separators=(",", ":")) + "\n" for row in tags.to_pylist())
            if shard.unreadable:
                table.writerows([shown(os.fsdecode(row.photo)), row.reason] for row in folder.photos() if row.reason)
            waiting.append(tags)
            if sum(map(len, waiting)) >= ROWS:
                writer.write_table(pa.concat_tables(waiting))
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting))


def shards(state: State) -> Iterator[ShardRow]:
    """All shards in order."""
    row = state.after(None)
    while row is not None:
        yield row
        row = state.after(row.first)


def sweep(out: Path) -> None:
    """Remove half tables of a killed job."""
    for file in out.glob(".*.tmp.*"):
        if re.fullmatch(r"\.[0-9a-f]{16}\.tmp\.(parquet|jsonl|csv|json|html)", file.name):
            file.unlink(missing_ok=True)


def stamp(out: Path) -> str:
    """Sizes and times of the tables, by which one that was changed or removed is noticed."""
    files = (out / name for name in (PARQUET, JSONL, UNREADABLE))
    return json.dumps(
        [[status.st_size, status.st_mtime_ns] for status in map(os.stat, itertools.takewhile(Path.is_file, files))]
    )


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {key: _time(value) if isinstance(value, datetime) else value for key, value in row.items()}


def _time(value: datetime) -> str:
    """ISO 8601; UTC ends in Z, a camera's clock has no zone.

    >>> _time(datetime(2026, 1, 2, 3, 4, 5))
    '2026-01-02T03:04:05.000'
    """
    text = value.replace(tzinfo=None).isoformat(timespec="milliseconds")
    return f"{text}Z" if value.tzinfo is not None else text
