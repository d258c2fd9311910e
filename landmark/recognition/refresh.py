"""Refreshing the centroids of many landmarks: in parallel processes, going on where a killed run stopped.

Each landmark's clustering is kept under the sha256 of its embeddings, so only landmarks whose photos or network changed are
clustered again; of landmarks that share a block with those, the division is chosen again from the clusterings that are kept.
"""

from __future__ import annotations

import logging
import mmap
import multiprocessing
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from landmark.cache import locked
from landmark.child import follow_parent
from landmark.config import CentroidsConfig
from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.network.aspects import MAX_CLUSTERED, Array, Labels
from landmark.recognition.blocks import Member, make_blocks
from landmark.recognition.centroids import NONE, Centroids, assemble
from landmark.recognition.granularity import Strangers
from landmark.recognition.refresh_block import Part, Recipe, solve
from landmark.recognition.refresh_store import RefreshStore
from landmark.recognition.vectors import check_vectors
from landmark.storage import atomic_file

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 10.0
AHEAD = 2
"""Blocks at work or waiting in each further process; more would only take memory."""
_CHUNK = 16_384


@dataclass(frozen=True, eq=False)
class Refreshed:
    """Refreshed centroids and what it took.

    Attributes:
        centroids: of all landmarks.
        landmarks: number of landmarks.
        clustered: landmarks that were clustered now; the others had been before.
        seconds: time of the whole [s].
    """

    centroids: Centroids
    landmarks: int
    clustered: int
    seconds: float


@dataclass(frozen=True)
class Mapped:
    """An array in a file, opened by each process for itself: its pages are shared, and none is copied between processes."""

    file: str
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def open(self) -> NDArray[Any]:
        """The array, read only."""
        return np.memmap(self.file, dtype=self.dtype, mode="r", offset=self.offset, shape=self.shape)


def refresh_centroids(
    embeddings: NDArray[np.floating],
    landmark: Sequence[str] | NDArray[Any],
    photos: Sequence[str] | NDArray[Any],
    settings: CentroidsConfig,
    folder: str | Path,
    *,
    rows: Labels | None = None,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    others: Array | None = None,
    seed: int = 0,
    workers: int = 0,
) -> Refreshed:
    """`build_centroids` for many landmarks, with the same result.

    Memory is bounded by the processes times one block, about 0.6 GiB each, whatever the number of landmarks, besides ids: of
    a landmark with more than `MAX_CLUSTERED` photos a sample is clustered (see `find_aspects`), and 16 bytes a number of its
    own embeddings are held (2 GB for half a million photos of 256). After a kill, the same
    call goes on after the last whole block. A script that calls this guards its own work by `if __name__ == "__main__"`, since
    new processes import it.

    Args:
        embeddings: unit vectors [N, d]; best an array mapped from a file (`np.load(..., mmap_mode="r")`): one that is not is
            written to a file in `folder` first.
        landmark: id of each photo's landmark [n].
        photos: URI of each [n].
        settings: linkage, cut, validity, cap.
        folder: where clusterings are kept from one refresh to the next; two refreshes of one folder wait for each other.
        rows: of the embeddings, those that are these photos [n] (None: all).
        groups: near-duplicate group of each photo [n] (None: each photo is its own).
        others: unit vectors [m, d] of non-landmark photos.
        seed: of the folds.
        workers: processes, this one among them; 0: one a CPU thread; 1: this process alone.

    Raises:
        LandmarkError: as `build_centroids`; a process that was killed, a folder that cannot be written. What was finished
            before is kept.
    """
    begin = time.monotonic()
    check_vectors(embeddings[:0], "embeddings of landmark photos")
    chosen = np.arange(len(embeddings)) if rows is None else np.asarray(rows, np.int64)
    if len(chosen) and (chosen.min() < 0 or chosen.max() >= len(embeddings)):
        raise LandmarkError(f"centroids: rows must lie between 0 and {len(embeddings) - 1}")
    if others is not None:
        others = check_vectors(others, "embeddings of non-landmark photos", embeddings.shape[1])
    blocks = make_blocks(len(chosen), landmark, photos, groups)
    if not blocks:
        raise LandmarkError(NONE)
    recipe = Recipe(settings, seed, Strangers.of(others, seed))
    count = workers or _threads()
    store = RefreshStore(Path(folder))
    landmarks = sum(map(len, blocks))
    for member in chain.from_iterable(blocks):
        if len(member.rows) > MAX_CLUSTERED:
            message = "centroids: landmark '%s' has %d photos: %d drawn at random are clustered, the others join the nearest"
            log.info(message, shown(member.name), len(member.rows), MAX_CLUSTERED)
    busy = f"centroids: another process refreshes {folder}; waiting for it"
    with locked(store.folder / "lock", wait=busy), _on_disk(embeddings, chosen, store.folder) as (mapped, chosen):
        # The longest first, so that none is left over at the end.
        blocks = sorted(blocks, key=lambda block: -sum(len(member.rows) for member in block))
        tasks = ([replace(member, rows=chosen[member.rows]) for member in block] for block in blocks)
        log.info("centroids: %d landmarks, %d photos; %d processes", landmarks, len(chosen), min(count, len(blocks)))
        store.index = store.read_index()
        parts, used, clustered = [], [], 0
        progress = _Progress(landmarks)
        for made, name, new in _solve_all(tasks, min(count, len(blocks)), _Context(mapped, recipe, store.folder, store.index)):
            parts += made
            used.append(name)
            clustered += new
            progress.advance(len(made))
        store.prune(used)
    seconds = time.monotonic() - begin
    log.info("centroids: %d landmarks in %.1f s; %d clustered, the rest unchanged", landmarks, seconds, clustered)
    return Refreshed(assemble(parts), landmarks, clustered, seconds)


@dataclass(frozen=True, eq=False)
class _Context:
    """What every process needs, sent to it once."""

    mapped: Mapped
    recipe: Recipe
    folder: Path
    index: dict[bytes, str]


Result = tuple[list[Part], str, int]


class _Solver:
    """Solves blocks in one process."""

    current: _Solver

    def __init__(self, context: _Context) -> None:
        self.embeddings = context.mapped.open()
        self.recipe = context.recipe
        self.store = RefreshStore(context.folder, context.index)

    def __call__(self, block: list[Member]) -> Result:
        solved = solve(block, self.embeddings, self.recipe, self.store.recall, self.store.recall_choice)
        name = self.store.write(solved)
        self.store.close()
        return solved.parts, name, solved.clustered


def _start(contexts: multiprocessing.Queue[_Context]) -> None:
    """In a new process."""
    follow_parent()
    _Solver.current = _Solver(contexts.get())


def _solve(block: list[Member]) -> Result:
    return _Solver.current(block)


def _solve_all(tasks: Iterator[list[Member]], workers: int, context: _Context) -> Iterator[Result]:
    """Results as they are finished, in any order."""
    here = _Solver(context)
    if workers == 1:
        yield from map(here, tasks)
        return
    try:
        spawn = multiprocessing.get_context("spawn")
        # What is given to a process as it starts is waited for, forever where it dies before it has read that; a queue is not.
        contexts = spawn.Queue()
        contexts.cancel_join_thread()
        for _ in range(workers - 1):
            contexts.put(context)
        with ProcessPoolExecutor(workers - 1, spawn, _start, (contexts,)) as pool:
            waiting: set[Future[Result]] = set()
            try:
                for block in tasks:
                    if len(waiting) < (workers - 1) * AHEAD:
                        waiting.add(pool.submit(_solve, block))
                        continue
                    # The others take seconds to start, and then have enough to do: this process works as they do.
                    yield here(block)
                    done, waiting = wait(waiting, timeout=0)
                    yield from (future.result() for future in done)
                while waiting:
                    done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in done)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    except BrokenProcessPool as error:
        raise LandmarkError(
            "centroids: a process was killed (out of memory?) or did not start; what was finished is kept: "
            "run again with fewer processes"
        ) from error


@contextmanager
def _on_disk(embeddings: NDArray[np.floating], rows: Labels, folder: Path) -> Iterator[tuple[Mapped, Labels]]:
    """The embeddings in a file, and the rows in it: the file that they are mapped from, else one that is made of the rows."""
    for left in (*folder.glob("embeddings-*.raw"), *folder.glob(".*.tmp.raw")):
        left.unlink(missing_ok=True)
    # Only a map as it was opened knows its place in the file; a part of one, or one with private changes, does not.
    array, base = cast(Any, embeddings), cast(Any, embeddings.base)
    whole = isinstance(embeddings, np.memmap) and isinstance(base, mmap.mmap) and embeddings.flags.c_contiguous
    if whole and array.mode == "r" and array.filename is not None:
        yield Mapped(str(array.filename), array.dtype.str, array.shape, int(array.offset)), rows
        return
    file = folder / f"embeddings-{secrets.token_hex(8)}.raw"
    try:
        with atomic_file(file) as temporary, temporary.open("wb") as stream:
            for start in range(0, len(rows), _CHUNK):
                stream.write(np.ascontiguousarray(embeddings[rows[start : start + _CHUNK]]).tobytes())
        yield Mapped(str(file), embeddings.dtype.str, (len(rows), embeddings.shape[1]), 0), np.arange(len(rows))
    finally:
        file.unlink(missing_ok=True)


class _Progress:
    """A line in the log now and then: how far, how fast, how long still."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.begin = self.last = time.monotonic()

    def advance(self, landmarks: int) -> None:
        self.done += landmarks
        now = time.monotonic()
        if now - self.last >= PROGRESS_SECONDS:
            self.last = now
            rate = self.done / (now - self.begin)
            left = (self.total - self.done) / rate
            log.info("centroids: %d of %d landmarks, %.1f/s, %.0f s left", self.done, self.total, rate, left)


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
