"""Building a search index in one process: trained, filled as one shard, put together and tuned."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from landmark.errors import UsageError
from landmark.recognition.index.design import Design
from landmark.recognition.index.goal import Goal
from landmark.recognition.index.merge import merge
from landmark.recognition.index.promise import SearchPoint
from landmark.recognition.index.rows import Rows
from landmark.recognition.index.shards import add_shard
from landmark.recognition.index.source import VectorSource
from landmark.recognition.index.training import train

Floats = NDArray[np.float32]


def build(
    folder: Path,
    source: VectorSource,
    rows: Rows,
    goal: Goal,
    queries: Floats | None = None,
    seed: int = 0,
    way: Design | None = None,
    draw: Callable[[list[SearchPoint], SearchPoint, Goal], str] | None = None,
) -> None:
    """Write a search index into an empty folder.

    The same as `train`, `add_shard` for each shard and `merge`, with one shard; what lies between them is kept beside the
    folder meanwhile. Memory: a block of 65,536 vectors, the training sample, the codes and ids; never all vectors.

    Args:
        folder: an empty one that takes its place when it is whole (`landmark.storage.atomic_folder`).
        source: unit vectors, read twice.
        rows: id and attributes of each vector.
        goal: what to reach.
        queries: unit vectors [q, d] that are not among the stored ones (None: some are held out).
        seed: of samples and k-means.
        way: how to build (None: what the policy says).
        draw: makes a picture (SVG) of the operating points and the chosen one, kept beside them.

    Raises:
        LandmarkError: vectors that are no unit vectors, a size or recall that can't be met (the best is named).
        UsageError: ids or queries that do not fit the vectors; no GPU.
    """
    check_rows(rows, source)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name.strip('.')}.", dir=folder.parent) as work:
        train(Path(work) / "work", source, goal, queries, seed, way)
        add_shard(Path(work) / "work", source, 0)
        merge(folder, Path(work) / "work", rows, goal, draw)


def check_rows(rows: Rows, source: VectorSource) -> None:
    """Whether there is an id for each vector.

    Raises:
        UsageError: there is not.
    """
    if len(rows) != source.count:
        raise UsageError(f"{rows.name}: {len(rows)} ids for {source.count} vectors; give one a vector, in the same order")
