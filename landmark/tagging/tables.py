"""The tables that users get, put together from the shards a shard at a time, and swapped when they are whole."""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
import os
import re
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from landmark.names import shown
from landmark.storage import atomic_files
from landmark.tagging.json_lines import as_json, iso_times, json_lines
from landmark.tagging.schema import TAGS
from landmark.tagging.shard import ShardFolder
from landmark.tagging.state import ShardRow, State

PARQUET, JSONL, CSV, UNREADABLE, SUMMARY = "tags.parquet", "tags.jsonl", "tags.csv", "unreadable.csv", "tagging.json"
ROWS = 1 << 16
"""Rows a row group [count]: what is in memory at once."""
LINES = 1 << 13
"""Lines of JSON that are made at a time [count]."""
AHEAD = 16
"""Shards whose tags are read ahead [count]."""


Final = Callable[[pa.Table], pa.Table]
"""Makes final rows (`TAGS`) of a shard's (`SHARD_TAGS`), in the same order."""


def by_model_alone(model: str) -> Final:
    """Final rows that are as the model decided; `model` stands in the column of that name."""

    def final(tags: pa.Table) -> pa.Table:
        for name, value in (("decided_by", "model"), ("model", model)):
            tags = tags.append_column(TAGS.field(name), pa.repeat(pa.scalar(value), len(tags)))
        return tags.cast(TAGS)

    return final


def write_tables(state: State, out: Path, final: Final | str, with_csv: bool = False) -> int:
    """Write `tags.parquet`, `tags.jsonl`, `unreadable.csv` and perhaps `tags.csv`, sorted by photo, in bounded memory.

    Args:
        state: whose shards all have tags by the same recognizer.
        out: folder to write to.
        final: makes final rows, a shard at a time, in order, in the caller's thread; a text: see `by_model_alone`.
        with_csv: write `tags.csv` too; else an old one goes.

    Returns:
        Photos with a landmark [count].

    Raises:
        LandmarkError: no space or no permission; the old tables are untouched.
    """
    decide = by_model_alone(final) if isinstance(final, str) else final
    names = (PARQUET, JSONL, UNREADABLE, *([CSV] if with_csv else []))
    tagged = 0
    with (
        atomic_files(*(out / name for name in names)) as (parquet, jsonl, unreadable, *tables),
        contextlib.ExitStack() as stack,
        ThreadPoolExecutor(len(os.sched_getaffinity(0)), thread_name_prefix="tables") as pool,
    ):
        writer = stack.enter_context(pq.ParquetWriter(parquet, TAGS, compression="zstd"))
        lines = stack.enter_context(jsonl.open("wb"))
        rejects = stack.enter_context(unreadable.open("w", encoding="utf-8", newline=""))
        sheets = [stack.enter_context(pa_csv.CSVWriter(file, flat(TAGS.empty_table()).schema)) for file in tables]
        table = csv.writer(rejects)
        table.writerow(["photo", "reason"])

        def write(rows: pa.Table) -> None:
            made = [pool.submit(json_lines, rows.slice(start, LINES)) for start in range(0, len(rows), LINES)]
            writer.write_table(rows)
            for sheet in sheets:
                sheet.write_table(flat(rows))
            for part in made:
                lines.write(part.result())

        waiting: list[pa.Table] = []
        for shard, tags in _read_ahead(state, pool):
            if shard.unreadable:
                photos = ShardFolder(state.shards_folder / shard.id).photos()
                table.writerows([shown(os.fsdecode(row.photo)), row.reason] for row in photos if row.reason)
            waiting.append(decide(tags))
            tagged += len(tags) - (pc.sum(pc.equal(waiting[-1]["landmark"], "")).as_py() or 0)
            if sum(map(len, waiting)) >= ROWS:
                write(pa.concat_tables(waiting))
                waiting = []
        if waiting:
            write(pa.concat_tables(waiting))
    if not with_csv:
        (out / CSV).unlink(missing_ok=True)
    return tagged


def _read_ahead(state: State, pool: ThreadPoolExecutor) -> Iterator[tuple[ShardRow, pa.Table]]:
    """All shards in order, with their tags."""

    def read(shard: ShardRow) -> pa.Table:
        return ShardFolder(state.shards_folder / shard.id).tags(shard.digest)

    found, ahead = shards(state), deque[tuple[ShardRow, Future[pa.Table]]]()
    while True:
        ahead.extend((shard, pool.submit(read, shard)) for shard in itertools.islice(found, AHEAD - len(ahead)))
        if not ahead:
            return
        shard, tags = ahead.popleft()
        yield shard, tags.result()


def flat(tags: pa.Table) -> pa.Table:
    """A table as CSV takes it: times as ISO 8601, runners-up as JSON."""
    columns = {}
    for field in tags.schema:
        column = tags[field.name].combine_chunks()
        if pa.types.is_timestamp(field.type):
            column = iso_times(column)
        columns[field.name] = as_json(column) if pa.types.is_nested(field.type) else column
    return pa.table(columns)


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


def stamp(out: Path, *more: str) -> str:
    """Sizes and times of the tables, and of other files in `out`, by which one that was changed or removed is noticed."""
    files = (out / name for name in (PARQUET, JSONL, UNREADABLE, *more))
    return json.dumps(
        [[status.st_size, status.st_mtime_ns] for status in map(os.stat, itertools.takewhile(Path.is_file, files))]
    )
