"""One shard of an index: its rows coded into the trained lists, on its own, again if need be, and kept as one folder."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError, UsageError
from landmark.names import shown
from landmark.recognition.index import device as index_device
from landmark.recognition.index.engine import merged, nearest
from landmark.recognition.index.folder import COPIES, LISTS
from landmark.recognition.index.source import VectorSource
from landmark.recognition.index.store import StoreWriter
from landmark.recognition.index.training import Training
from landmark.storage import atomic_folder, read_json, sha256_file, write_json

log = logging.getLogger(__name__)

PART, NEIGHBOURS = "part.json", "neighbours.npz"


def add_shard(folder: Path, source: VectorSource, number: int) -> bool:
    """Code the rows of one shard, and find the true neighbours of the queries among them.

    A shard that is whole already is left as it is. Any number of processes, on any machines that see the folder and the
    vectors, may each do some of the shards, at the same time.

    Args:
        folder: `landmark.recognition.index.training.train` was called for it.
        source: the same vectors.
        number: of the shard, from 0.

    Returns:
        whether there was anything to do.

    Raises:
        LandmarkError: other vectors than those trained on; rows that are no unit vectors.
        UsageError: no such shard.
    """
    training = Training.load(folder)
    if not 0 <= number < len(training.ranges):
        raise UsageError(f"index: shard {number}: there are shards 0 to {len(training.ranges) - 1}")
    if is_added(training, number):
        return False
    if source.digest() != training.values["made_from"]["source"]:
        raise LandmarkError(f"{source.name}: the vectors have changed since {shown(folder)} was trained; run again")
    first, stop = training.ranges[number]
    with atomic_folder(part_of(training, number)) as temporary:
        similarity, truth = _fill(temporary, training, source, first, stop)
        np.savez(temporary / NEIGHBOURS, similarity=similarity, truth=truth)
        files = {path.name: {"bytes": path.stat().st_size, "sha256": sha256_file(path)} for path in sorted(temporary.iterdir())}
        write_json(temporary / PART, {"key": _key(training, number), "files": files})
    log.info("index: shard %d of %d: rows %d to %d", number + 1, len(training.ranges), first, stop - 1)
    return True


def part_of(training: Training, number: int) -> Path:
    """The folder of a shard."""
    return training.folder / f"part-{number:05d}"


def is_added(training: Training, number: int) -> bool:
    """Whether a shard is there, whole, and made from this training; a file whose bytes changed is noticed by `verify` only."""
    folder = part_of(training, number)
    if not (folder / PART).is_file():
        return False
    values = read_json(folder / PART)
    return values.get("key") == _key(training, number) and all(
        (folder / name).is_file() and (folder / name).stat().st_size == facts["bytes"]
        for name, facts in values["files"].items()
    )


def missing(training: Training) -> list[int]:
    """The shards that are still to be added."""
    return [number for number in range(len(training.ranges)) if not is_added(training, number)]


def verify(training: Training, number: int) -> Path:
    """The folder of a shard, after every byte of it was compared with its checksum.

    Raises:
        LandmarkError: it is not there, or damaged; a damaged one is removed, so that the next run makes it again.
    """
    folder = part_of(training, number)
    first, stop = training.ranges[number]
    if not is_added(training, number):
        raise LandmarkError(f"index: shard {number} (rows {first} to {stop - 1}) has not been added; run again")
    for name, facts in read_json(folder / PART)["files"].items():
        if sha256_file(folder / name) != facts["sha256"]:
            (folder / PART).unlink()
            raise LandmarkError(f"{shown(folder / name)}: damaged (sha256 differs); run again, shard {number} is made again")
    return folder


def _key(training: Training, number: int) -> str:
    return hashlib.sha256(f"{training.key} {number} {training.ranges[number]}".encode()).hexdigest()


def _fill(
    folder: Path, training: Training, source: VectorSource, first: int, stop: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Write lists and copies of a range of rows; the nearest of these rows to each query."""
    asked, rows = training.queries()
    held = np.sort(rows)
    k = int(training.values["made_from"]["k"])
    depth = min(2 * k + 8, training.count - len(held))
    similarity = np.full((len(asked), depth), -np.inf, np.float32)
    truth = np.full((len(asked), depth), -1, np.int64)
    lists, empty = training.lists(), training.copies()
    on_gpu = index_device.to_gpu(lists) if lists is not None and training.device == "gpu" else None
    target: Any = lists if on_gpu is None else on_gpu.index
    store = StoreWriter(folder / COPIES, empty) if empty is not None else None
    for start, block in source.blocks(first, stop):
        if store is not None:
            store.append(block)
        low, high = np.searchsorted(held, [start, start + len(block)])
        places = np.delete(np.arange(len(block)), held[low:high] - start)
        kept = block if len(places) == len(block) else block[places]
        if target is not None and len(places):
            target.add_with_ids(kept, places + start)
        if len(asked) and len(places):
            values, near = nearest(asked, kept, 0, depth)
            similarity, truth = merged(similarity, truth, values, places[near] + start)
    if store is not None:
        store.close()
    if lists is not None:
        if on_gpu is not None:
            index_device.take_back(on_gpu, lists)
        faiss.write_index(lists, str(folder / LISTS))
    return similarity, truth
