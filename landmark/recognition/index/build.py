"""Building a search index: trained on a sample, filled block by block, tuned on queries that it does not hold."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError, UsageError
from landmark.recognition.index import device as index_device
from landmark.recognition.index import folder as index_folder
from landmark.recognition.index.design import Design, design
from landmark.recognition.index.engine import Engine, merged, nearest
from landmark.recognition.index.folder import COPIES, LISTS, PLOT, POINTS
from landmark.recognition.index.promise import SearchPoint
from landmark.recognition.index.rows import Rows
from landmark.recognition.index.source import VectorSource
from landmark.recognition.index.store import StoreWriter, new_store, open_store
from landmark.recognition.index.tune import Trial, tune
from landmark.storage import write_json

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
HELD_OUT = 2000
"""Queries, at most, for tuning; where none are given, so many vectors (a tenth at most) are added only after it."""
ITERATIONS = 10
"""Rounds of k-means and of the rotation: FAISS's 25 and 50 take most of the training time and hardly change the codes."""
ROTATION_SAMPLE = 65_536


@dataclass(frozen=True)
class Goal:
    """What an index must reach.

    Attributes:
        recall: recall@k against exact search, to be promised.
        k: results a query.
        max_bytes: largest size of lists and copies [bytes]; None: any.
        device: auto, cpu or gpu.
        training: vectors to train on; None: 64 for each list.

    Raises:
        UsageError: out of range.
    """

    recall: float = 0.95
    k: int = 10
    max_bytes: int | None = None
    device: str = "auto"
    training: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.recall < 1:
            raise UsageError(f"recall {self.recall}: give a share between 0 and 1, such as 0.95")
        for name, value in (("k", self.k), ("max-bytes", self.max_bytes), ("training", self.training)):
            if value is not None and value < 1:
                raise UsageError(f"{name} {value}: must be at least 1")


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

    Memory: a block of 65,536 vectors, the training sample, the codes and ids; never all vectors.

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
    if len(rows) != source.count:
        raise UsageError(f"{rows.name}: {len(rows)} ids for {source.count} vectors; give one a vector, in the same order")
    device = index_device.choose(goal.device)
    way = way or design(source.count, source.dim, goal.max_bytes, device)
    log.info(
        "index: %d vectors of %d numbers as %s, about %d bytes", source.count, source.dim, way.factory, way.bytes_estimated
    )
    random = np.random.default_rng(abs(seed))
    held = np.zeros(source.count, bool)
    if queries is None:
        held[random.choice(source.count, min(HELD_OUT, source.count // 10), replace=False)] = True
    sample, asked = _sample(source, held, min(goal.training or way.training, source.count - int(held.sum())), random)
    asked = asked if queries is None else queries[random.permutation(len(queries))[: 2 * HELD_OUT]]
    engine, truth, similarity = _fill(folder, source, way, sample, asked, held, goal.k, device, abs(seed))
    size = _size(folder, way, goal)
    if queries is not None:
        fresh = similarity[:, 0] < 1 - 1e-6
        if not fresh.all():
            log.warning("index: %d of %d queries are stored vectors themselves, not used", (~fresh).sum(), len(fresh))
        asked, truth, similarity = asked[fresh], truth[fresh], similarity[fresh]
    trial = Trial(engine, asked, truth, similarity, goal.k, size / source.count, ~held if held.any() else None)
    chosen, points = tune(trial, goal.recall, exact=way.lists == 0 and way.copies == "Flat")
    if held.any() and engine.lists is not None:
        places = np.flatnonzero(held)
        engine.lists.add_with_ids(source.take(places), places)
        faiss.write_index(engine.lists, str(folder / LISTS))
        _size(folder, way, goal)
    write_json(folder / POINTS, [asdict(point) for point in points])
    if draw is not None:
        (folder / PLOT).write_text(draw(points, chosen, goal), encoding="utf-8")
    index_folder.write_rows(folder, rows, np.ones(source.count, bool))
    values = {
        "factory": way.factory,
        "dim": source.dim,
        "rows": source.count,
        "count": source.count,
        "built_rows": source.count,
        "k": goal.k,
        "recall": goal.recall,
        "nprobe": chosen.nprobe,
        "candidates": chosen.candidates,
        "recall_confirmed": chosen.confirmed,
        "recall_low": chosen.confirmed_low,
        "queries_tuned_on": len(asked),
        "threads": faiss.omp_get_max_threads(),
        "trained_on": len(sample),
        "imbalance_built": engine.imbalance,
        "metric": "inner product of unit vectors",
    }
    index_folder.seal(folder, values)


def _size(folder: Path, way: Design, goal: Goal) -> int:
    """Bytes of lists and copies, which the policy could only estimate."""
    size = sum((folder / name).stat().st_size for name in (LISTS, COPIES) if (folder / name).is_file())
    if goal.max_bytes is not None and size > goal.max_bytes:
        raise LandmarkError(f"max-bytes {goal.max_bytes}: {way.factory} takes {size} bytes in fact; give a little more")
    return size


def _sample(source: VectorSource, held: NDArray[np.bool_], size: int, random: np.random.Generator) -> tuple[Floats, Floats]:
    """Vectors to train on, in random order, and those held out, in one pass."""
    chosen = random.choice(np.flatnonzero(~held), size, replace=False)
    wanted = np.union1d(chosen, np.flatnonzero(held))
    found = source.take(wanted)
    asked = found[held[wanted]]
    return found[~held[wanted]][random.permutation(size)], asked[random.permutation(len(asked))]


def _fill(
    folder: Path,
    source: VectorSource,
    way: Design,
    sample: Floats,
    asked: Floats,
    held: NDArray[np.bool_],
    k: int,
    device: str,
    seed: int,
) -> tuple[Engine, NDArray[np.int64], Floats]:
    """Train, and in one pass write the copies, fill the lists with what is not held out, and find the true neighbours."""
    lists = trained(way, sample, seed, device) if way.lists else None
    on_gpu = index_device.to_gpu(lists) if lists is not None and device == "gpu" else None
    target = lists if on_gpu is None else on_gpu.index
    depth = min(2 * k + 8, source.count - int(held.sum()))
    similarity = np.full((len(asked), depth), -np.inf, np.float32)
    truth = np.full((len(asked), depth), -1, np.int64)
    store = StoreWriter(folder / COPIES, new_store(way.copies, sample)) if way.copies else None
    for start, block in source.blocks():
        if store is not None:
            store.append(block)
        places = np.flatnonzero(~held[start : start + len(block)])
        kept = block if len(places) == len(block) else block[places]
        if target is not None and len(places):
            target.add_with_ids(kept, places + start)
        if len(asked) and len(places):
            values, near = nearest(asked, kept, 0, depth)
            similarity, truth = merged(similarity, truth, values, places[near] + start)
    if store is not None:
        store.close()
    if lists is not None:
        lists = lists if on_gpu is None else index_device.to_cpu(on_gpu)
        faiss.write_index(lists, str(folder / LISTS))
    engine = Engine(lists, open_store(folder / COPIES) if way.copies else None)
    if device == "gpu":
        engine.to_gpu()
    return engine, truth, similarity


def trained(way: Design, sample: Floats, seed: int, device: str) -> Any:
    """Empty inverted lists, trained on a sample [n, d]."""
    if len(sample) < 2 * max(way.lists, 256):
        raise LandmarkError(f"index: {len(sample)} vectors are too few to train {way.factory}; give {2 * max(way.lists, 256)}")
    index: Any = faiss.index_factory(sample.shape[1], way.lists_factory, faiss.METRIC_INNER_PRODUCT)
    ivf: Any = faiss.downcast_index(faiss.extract_index_ivf(index))
    ivf.cp.seed, ivf.cp.niter, ivf.cp.min_points_per_centroid = seed + 1, ITERATIONS, 1
    shape = None
    if isinstance(ivf, faiss.IndexIVFPQ | faiss.IndexIVFPQFastScan):
        ivf.pq.cp.seed, ivf.pq.cp.niter, ivf.pq.cp.min_points_per_centroid = seed + 1, ITERATIONS, 1
    if isinstance(index, faiss.IndexPreTransform):
        chain: Any = index.chain
        rotation: Any = faiss.downcast_VectorTransform(chain.at(0))
        # Left to itself it trains 8-bit codes whatever follows: 16 times the work for codes of 4 bits.
        shape = faiss.ProductQuantizer(ivf.d, ivf.pq.M, ivf.pq.nbits)
        shape.cp.min_points_per_centroid = 1
        rotation.pq = shape
        rotation.niter, rotation.niter_pq, rotation.niter_pq_0 = ITERATIONS, 4, ITERATIONS
        rotation.max_train_points = ROTATION_SAMPLE
    on_gpu = index_device.to_gpu(index) if device == "gpu" else None
    (index if on_gpu is None else on_gpu.index).train(sample)
    if on_gpu is not None:
        return index_device.to_cpu(on_gpu)
    if shape is not None:
        rotation.pq = None
    return index
