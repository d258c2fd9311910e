"""The tables that users get, and the one that a shard keeps. docs/tags.md says the same in words."""

from __future__ import annotations

import pyarrow as pa

VERSION = 2
"""Of the tables; raised when a column changes its meaning or goes."""

RUNNER_UP = pa.struct([pa.field("landmark", pa.string()), pa.field("name", pa.string()), pa.field("similarity", pa.float32())])
TIME = pa.timestamp("ms", tz="UTC")

SCORED = [
    pa.field("photo", pa.string(), nullable=False),
    pa.field("sha256", pa.string(), nullable=False),
    pa.field("landmark", pa.string(), nullable=False),
    pa.field("name", pa.string(), nullable=False),
    pa.field("city", pa.string(), nullable=False),
    pa.field("country", pa.string(), nullable=False),
    pa.field("confidence", pa.float32(), nullable=False),
    pa.field("similarity", pa.float32(), nullable=False),
    pa.field("score", pa.float32(), nullable=False),
    pa.field("runners_up", pa.list_(RUNNER_UP), nullable=False),
    pa.field("reason", pa.string(), nullable=False),
    pa.field("width", pa.int32(), nullable=False),
    pa.field("height", pa.int32(), nullable=False),
    pa.field("taken_at", pa.timestamp("ms")),
    pa.field("lat", pa.float64()),
    pa.field("lon", pa.float64()),
    pa.field("added", TIME, nullable=False),
    pa.field("time", TIME, nullable=False),
]

SHARD_TAGS = pa.schema(SCORED)
"""Tags of one shard, as the model decides for each photo alone."""

TAGS = pa.schema([*SCORED, pa.field("decided_by", pa.string(), nullable=False), pa.field("model", pa.string(), nullable=False)])
"""`tags.parquet`; a line of `tags.jsonl` has the same keys in the same order, times as ISO 8601."""

PHOTOS = pa.schema(
    [
        pa.field("photo", pa.binary(), nullable=False),  # as the file system has it: need not be UTF-8
        pa.field("version", pa.string(), nullable=False),
        pa.field("reason", pa.string(), nullable=False),
        pa.field("sha256", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
        pa.field("taken_at", pa.timestamp("ms")),
        pa.field("lat", pa.float64()),
        pa.field("lon", pa.float64()),
        pa.field("added", TIME, nullable=False),
    ]
)
"""What a shard keeps of its photos, sorted by `photo`: what was read of them, or the `reason` why they can't be read."""
