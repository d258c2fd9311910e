"""An index built in shards, on one machine or many: train once, add each shard on its own, merge on disk."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landmark.errors import LandmarkError, UsageError
from landmark.names import shown
from landmark.recognition.index import folder as index_folder
from landmark.recognition.index import merge as index_merge
from landmark.recognition.index import shards as index_shards
from landmark.recognition.index import training as index_training
from landmark.recognition.index.build import check_rows
from landmark.recognition.index.goal import Goal
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.index.source import BLOCK, VectorSource
from landmark.recognition.index.training import Training
from landmark.steps.index import check_place, draw, read_queries, read_rows
from landmark.storage import StorageUnavailable, atomic_folder

log = logging.getLogger(__name__)

Engine = Callable[["Job", Sequence[int]], Mapping[int, BaseException]]
"""Adds these shards, each tried again where that may help; the errors of those that failed at last."""
TRIES = 4
_FOR_GOOD = (FileNotFoundError, NotADirectoryError, IsADirectoryError, PermissionError)


@dataclass(frozen=True)
class Job:
    """What is to be built; plain values, so that any process on any machine that sees the paths can do a part of it.

    Attributes:
        vectors: .npy, .npz, .parquet, or a folder of these: unit vectors.
        out: folder of the index. Beside it lies `.NAME.shards` while it is built.
        shards: parts of the work, at most: files, or ranges of a .npy file of whole blocks of 65,536 rows.
        goal: what to reach.
        ids: file of ids and attributes, a row a vector (None: 0, 1, 2, ...).
        queries: vectors to tune on that are not among the stored ones (None: some are held out).
        seed: of samples and k-means.
    """

    vectors: str
    out: str
    shards: int
    goal: Goal
    ids: str | None = None
    queries: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.shards < 1:
            raise UsageError(f"shards {self.shards}: must be at least 1")
        # Whoever does a part of it may have another working folder.
        for name in ("vectors", "out", "ids", "queries"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, str(Path(getattr(self, name)).resolve()))

    @property
    def place(self) -> Path:
        """Folder of the index."""
        return Path(self.out)

    @property
    def work(self) -> Path:
        """Folder of what is made on the way; gone when the index is there."""
        return self.place.parent / f".{self.place.name}.shards"


def train(job: Job) -> list[int]:
    """Train, or take what was trained of the same; the shards that are still to be added.

    Raises:
        LandmarkError, UsageError: see `landmark.recognition.index.training.train`.
    """
    source = VectorSource.of(job.vectors)
    check_rows(read_rows(job.ids, source), source)
    asked = read_queries(job.queries, source)
    made = index_training.train(job.work, source, job.goal, asked, job.seed, shards=job.shards)
    if len(made.ranges) < job.shards:
        log.warning(
            "index: %d shards, not %d: a file is divided only if it is .npy, in %d rows", len(made.ranges), job.shards, BLOCK
        )
    return index_shards.missing(made)


def add(job: Job, number: int) -> bool:
    """Add one shard; whether there was anything to do."""
    return index_shards.add_shard(job.work, VectorSource.of(job.vectors), number)


def merge(job: Job) -> dict[str, Any]:
    """Put the shards together, tune, and put the index in its place; what `SearchIndex.info` says.

    Raises:
        LandmarkError: see `landmark.recognition.index.merge.merge`. The shards are kept: another recall may be asked for.
    """
    rows = read_rows(job.ids, VectorSource.of(job.vectors))
    with atomic_folder(job.place) as temporary:
        index_merge.merge(temporary, job.work, rows, job.goal, draw)
    shutil.rmtree(job.work, ignore_errors=True)
    return SearchIndex.load(job.place, verify=False).info()


def build_in_shards(job: Job, engine: Engine) -> dict[str, Any]:
    """Build an index in shards and put it in its place as a whole.

    After an error, or a kill, the same job goes on where it ended: what was trained and the shards that were added are kept.

    Args:
        job: what to build; an index that is there stays in use until the new one is whole.
        engine: who adds the shards.

    Raises:
        LandmarkError: shards that failed for good, named; see `train` and `merge` too.
    """
    check_place(job.place, Path(job.vectors))
    with index_folder.writer(job.place):
        todo = train(job)
        check_all(job, engine(job, todo) if todo else {})
        return merge(job)


def may_pass(error: BaseException | None) -> bool:
    """Whether a shard that failed with this may succeed when it is tried again: the disk, the network, the memory."""
    seen = 0
    while error is not None and seen < 10:
        if isinstance(error, MemoryError | StorageUnavailable | InterruptedError):
            return True
        if isinstance(error, OSError) and not isinstance(error, _FOR_GOOD):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def check_all(job: Job, failed: Mapping[int, BaseException]) -> None:
    """Name the shards that failed.

    Raises:
        LandmarkError: any did.
    """
    if not failed:
        return
    ranges = Training.load(job.work).ranges
    number = min(failed)
    first, stop = ranges[number]
    error = failed[number]
    reason = " ".join(str(error).split())[:300] or type(error).__name__
    others = f", and shards {', '.join(str(other) for other in sorted(failed)[1:])} too" if len(failed) > 1 else ""
    raise LandmarkError(
        f"{shown(job.vectors)}: shard {number} of {len(ranges)} (rows {first} to {stop - 1}) could not be added{others}: "
        f"{reason}; mend that and run the same command again: what is done is kept while the vectors stay the same"
    ) from error
