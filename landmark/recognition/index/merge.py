"""Shards put together on disk to one index, tuned on the queries that it does not hold yet, and sealed."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.recognition.index import folder as index_folder
from landmark.recognition.index.design import Design
from landmark.recognition.index.engine import Engine, merged
from landmark.recognition.index.folder import COPIES, LISTS, PLOT, POINTS
from landmark.recognition.index.goal import Goal
from landmark.recognition.index.lists_file import join_lists, open_lists, pack_lists
from landmark.recognition.index.promise import SearchPoint
from landmark.recognition.index.rows import Rows
from landmark.recognition.index.shards import NEIGHBOURS, verify
from landmark.recognition.index.store import StoreWriter, open_store
from landmark.recognition.index.training import Training
from landmark.recognition.index.tune import Trial, tune
from landmark.storage import write_json

log = logging.getLogger(__name__)

SAME = 1e-3

Floats = NDArray[np.float32]


def merge(
    folder: Path,
    work: Path,
    rows: Rows,
    goal: Goal,
    draw: Callable[[list[SearchPoint], SearchPoint, Goal], str] | None = None,
) -> None:
    """Write an index into an empty folder from shards that were all added.

    The shards stay as they are: a merge that was broken off is done again from them. Memory: one list at a time, and ids and
    attributes; of codes scanned in registers all codes and their ids, which searching holds in memory too.

    Args:
        folder: an empty one that takes its place when it is whole (`landmark.storage.atomic_folder`).
        work: where `train` and `add_shard` wrote.
        rows: id and attributes of each vector.
        goal: what to reach.
        draw: makes a picture (SVG) of the operating points and the chosen one, kept beside them.

    Raises:
        LandmarkError: a shard is missing or damaged; a size or recall that can't be met (the best is named).
    """
    training = Training.load(work)
    parts = [verify(training, number) for number in range(len(training.ranges))]
    way, (asked, held) = training.way, training.queries()
    truth, similarity = _neighbours(parts)
    if way.copies:
        _copies(training, parts, folder / COPIES)
    plain = folder / f"plain-{LISTS}"
    if way.lists:
        _join(training, [part / LISTS for part in parts], plain)
        _place(way, plain, folder / LISTS)
    size = _size(folder, way, goal)
    if not len(held):
        # Of a stored vector itself, as rounded as float16 is; its length may be a little off too.
        fresh = similarity[:, 0] / np.einsum("ij,ij->i", asked, asked) < 1 - SAME
        if not fresh.all():
            log.warning("index: %d of %d queries are stored vectors themselves, not used", (~fresh).sum(), len(fresh))
        asked, truth, similarity = asked[fresh], truth[fresh], similarity[fresh]
    engine = Engine(_open(folder / LISTS), open_store(folder / COPIES) if way.copies else None)
    # A GPU compares with all centres of lists; the CPU's graph finds a little less, and the promise is to hold there too.
    if training.device == "gpu" and not engine.has_graph:
        engine.to_gpu()
    searchable = None
    if len(held):
        searchable = np.ones(training.count, bool)
        searchable[held] = False
    trial = Trial(engine, asked, truth, similarity, goal.k, size / training.count, searchable)
    exact = way.lists == 0 and way.copies == "Flat"
    chosen, points = tune(trial, goal.recall, exact, goal.strict, goal.milliseconds)
    if way.lists and len(held):
        _add_held(training, asked, held, plain, folder / LISTS)
        _size(folder, way, goal)
    plain.unlink(missing_ok=True)
    write_json(folder / POINTS, [asdict(point) for point in points])
    if draw is not None:
        (folder / PLOT).write_text(draw(points, chosen, goal), encoding="utf-8")
    index_folder.write_rows(folder, rows, np.ones(training.count, bool))
    values = {
        "factory": way.factory,
        "dim": training.values["made_from"]["dim"],
        "rows": training.count,
        "count": training.count,
        "built_rows": training.count,
        "k": goal.k,
        "recall": goal.recall,
        "nprobe": chosen.nprobe,
        "candidates": chosen.candidates,
        "recall_confirmed": chosen.confirmed,
        "recall_low": chosen.confirmed_low,
        "promised": (chosen.confirmed_low or 0.0) >= goal.recall,
        "milliseconds": chosen.milliseconds,
        "queries_tuned_on": len(asked),
        "threads": faiss.omp_get_max_threads(),
        "trained_on": training.values["trained_on"],
        "imbalance_built": Engine(_open(folder / LISTS), None).imbalance,
        "metric": "inner product of unit vectors",
    }
    index_folder.seal(folder, values)


def _open(path: Path) -> Any | None:
    return open_lists(path) if path.is_file() else None


def _size(folder: Path, way: Design, goal: Goal) -> int:
    """Bytes of lists and copies, which the policy could only estimate."""
    size = sum((folder / name).stat().st_size for name in (LISTS, COPIES) if (folder / name).is_file())
    if goal.max_bytes is not None and size > goal.max_bytes:
        raise LandmarkError(f"max-bytes {goal.max_bytes}: {way.factory} takes {size} bytes in fact; give a little more")
    return size


def _neighbours(parts: list[Path]) -> tuple[NDArray[np.int64], Floats]:
    """The true neighbours of each query among all shards: rows and similarities [q, m]."""
    found = None
    for part in parts:
        with np.load(part / NEIGHBOURS, allow_pickle=False) as own:
            pair = own["similarity"], own["truth"]
        found = pair if found is None else merged(*found, *pair)
    assert found is not None  # a source has a row, and so a shard
    return found[1], found[0]


def _copies(training: Training, parts: list[Path], out: Path) -> None:
    if len(parts) == 1:
        _same(parts[0] / COPIES, out)
        return
    with StoreWriter(out, training.copies()) as store:
        for part in parts:
            store.append_file(part / COPIES)


def _join(training: Training, parts: list[Path], out: Path) -> None:
    if len(parts) == 1:
        _same(parts[0], out)
    else:
        join_lists(training.lists(), parts, out)


def _place(way: Design, plain: Path, out: Path) -> None:
    """Plain lists as the design wants them."""
    out.unlink(missing_ok=True)
    if way.lists_factory.endswith("fs"):
        pack_lists(plain, out)
    else:
        _same(plain, out)


def _add_held(training: Training, asked: Floats, held: NDArray[np.int64], plain: Path, out: Path) -> None:
    """Add the vectors that were held out, each list's last entries."""
    lists: Any = training.lists()
    order = np.argsort(held)
    lists.add_with_ids(asked[order], held[order])
    last, whole = plain.with_name(f"held-{LISTS}"), plain.with_name(f"whole-{LISTS}")
    faiss.write_index(lists, str(last))
    join_lists(training.lists(), [plain, last], whole)
    _place(training.way, whole, out)
    last.unlink()
    whole.unlink()


def _same(path: Path, out: Path) -> None:
    """The same file at another place: a second name where the disk allows it, else a copy. Neither is ever written into."""
    try:
        os.link(path, out)
    except OSError:
        shutil.copyfile(path, out)
