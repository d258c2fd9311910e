"""Nearest-neighbour search by inner product over unit vectors. The only module that knows FAISS."""

from __future__ import annotations

import logging
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from landmark.config import IndexConfig
from landmark.errors import LandmarkError
from landmark.network.aspects import Array, Labels
from landmark.recognition.index import vector_file as index_file
from landmark.recognition.index.policy import PQ_CENTROIDS, OperatingPoint, Plan, plan
from landmark.recognition.vectors import check_vectors

log = logging.getLogger(__name__)

HELD_OUT = 1000
"""Queries, at most, for tuning; where none are given, so many vectors (a tenth at most) are added only after it."""
TRAINING_PER_LIST = 64
REFINE_FACTOR = 8
"""Candidates that are re-ranked for each result (index users ask for 4 to 8) ..."""
MIN_CANDIDATES = 128
"""... but never fewer than these in all: 8 candidates for one result found it for 86 % of queries, 80 for 99 %."""
WORTH = 0.002
"""Twice as many lists must add so much recall, or tuning goes on to re-ranking."""
SAME = 1e-6
MAX_GPU_PROBES = 2048


@dataclass
class _Engine:
    """FAISS's objects: a base index, copies of the vectors that re-rank its candidates, and what keeps their memory alive."""

    base: Any
    copies: Any = None
    owner: Any = None

    @classmethod
    def of(cls, index: Any) -> Self:
        """From what FAISS read."""
        if not isinstance(index, faiss.IndexRefine):
            return cls(index)
        return cls(faiss.downcast_index(index.base_index), faiss.downcast_index(index.refine_index), index)

    def whole(self, k: int = 1) -> Any:
        """One index, for k results; valid as long as this object."""
        if self.copies is None:
            return self.base
        index = faiss.IndexRefine(self.base, self.copies)
        index.k_factor = max(REFINE_FACTOR, MIN_CANDIDATES / k)
        return index

    def search(self, queries: Array, k: int) -> tuple[Array, Labels]:
        similarity, ids = self.whole(k).search(queries, k)
        return similarity, ids

    def refined(self, refine: str, rows: Array) -> _Engine:
        """The same base with copies of the vectors, of a kind such as "SQ8"."""
        copies = faiss.index_factory(rows.shape[1], refine, faiss.METRIC_INNER_PRODUCT)
        copies.train(rows[: TRAINING_PER_LIST * 256])
        copies.add(rows)
        return _Engine(self.base, copies, self.owner)

    def refill(self, rows: Array) -> None:
        """Empty the trained index and fill it again, so that ids are the numbers of these rows."""
        for part in (self.base, self.copies):
            if part is not None:
                part.reset()
                part.add(rows)

    def to(self, device: str) -> _Engine:
        """On "cpu" or "gpu": the base moves, the copies stay in main memory."""
        on_gpu = isinstance(self.owner, _resources())
        if device == "gpu" and not on_gpu:
            options, resources = faiss.GpuClonerOptions(), faiss.StandardGpuResources()
            # 64 x 8-bit PQ fits a GPU's shared memory only with lookup tables in float16; exact search stays exact.
            options.useFloat16 = not isinstance(self.base, faiss.IndexFlat)
            return _Engine(faiss.index_cpu_to_gpu(resources, 0, self.base, options), self.copies, resources)
        return _Engine(faiss.index_gpu_to_cpu(self.base), self.copies) if device == "cpu" and on_gpu else self

    def serialised(self) -> NDArray[np.uint8]:
        """As bytes [uint8], from the CPU's form."""
        on_cpu = self.to("cpu")
        return np.asarray(faiss.serialize_index(on_cpu.whole()))

    def check(self, values: dict[str, Any]) -> None:
        """Whether this is what `index.json` says. Raises ValueError."""
        exact = isinstance(self.base, faiss.IndexFlat)
        if not (exact or isinstance(self.base, faiss.IndexIVFPQ | faiss.IndexIVFScalarQuantizer)):
            raise ValueError(f"{type(self.base).__name__} is not used here")
        if not (self.copies is None or isinstance(self.copies, faiss.IndexScalarQuantizer)):
            raise ValueError(f"{type(self.copies).__name__} is not used here")
        for part in (self.base, *(() if self.copies is None else (self.copies,))):
            if part.metric_type != faiss.METRIC_INNER_PRODUCT:
                raise ValueError("it does not compare by inner product")
            if (part.ntotal, part.d) != (values["count"], values["dim"]):
                raise ValueError(f"{part.ntotal} vectors of {part.d} numbers, not {values['count']} of {values['dim']}")
        if exact == bool(values["nprobe"]) or values["nprobe"] > getattr(self.base, "nlist", 0):
            raise ValueError(f"nprobe {values['nprobe']} does not fit it")


class VectorIndex:
    """An index over unit vectors [n, d]; ids are the rows they were built from, 0..n-1.

    Attributes:
        kind: "exact", or FAISS's factory string (with what re-ranks, as in "IVF512,PQ32,Refine(SQ8)").
        dim: length d of the vectors.
        nprobe: inverted lists that are searched; 0: exact.
        operating_points: what was measured while tuning, in the order tried.
    """

    def __init__(
        self, engine: _Engine, kind: str, nprobe: int = 0, points: tuple[OperatingPoint, ...] = (), device: str = "cpu"
    ) -> None:
        self._engine = engine
        self.kind = kind
        self.dim = int(engine.base.d)
        self.nprobe = nprobe
        self.operating_points = points
        self.device = device
        if nprobe:
            engine.base.nprobe = nprobe

    def __len__(self) -> int:
        return int(self._engine.base.ntotal)

    @property
    def bytes(self) -> int:
        """Size of the saved index [bytes]."""
        return int(self._engine.serialised().nbytes)

    @classmethod
    def exact(cls, vectors: NDArray[Any]) -> Self:
        """An index that compares with every vector [n, d].

        Raises:
            LandmarkError: no unit vectors.
        """
        rows = check_vectors(vectors, "vectors")
        index = faiss.IndexFlatIP(rows.shape[1])
        index.add(rows)
        return cls(_Engine(index), "exact")

    @classmethod
    def build(cls, vectors: NDArray[Any], settings: IndexConfig, queries: NDArray[Any] | None = None, seed: int = 0) -> Self:
        """Build the index that the policy names for this many vectors, and tune it.

        nprobe doubles until recall@1 against exact search reaches `settings.recall`; if even all lists do not reach it,
        exact re-ranking is added, as far as `settings.max_bytes` allows; else the best that there is is taken, with a warning.

        Args:
            vectors: unit vectors [n, d].
            settings: recall, size, device.
            queries: unit vectors [q, d] that are not among the vectors (None: some vectors are held out while tuning).
            seed: of k-means and of the held-out sample.

        Raises:
            LandmarkError: vectors that are no unit vectors; a size that can't be met; 'gpu' where there is none.
        """
        rows = check_vectors(vectors, "vectors")
        if len(rows) == 0:
            raise LandmarkError("index: no vectors to build it from")
        asked = None if queries is None else check_vectors(queries, "queries", rows.shape[1])[:HELD_OUT]
        way = plan(len(rows), rows.shape[1], settings.max_bytes)
        log.info("index: %s", way.reason)
        device = _device(settings.device)
        if way.lists == 0:
            return cls.exact(rows).to_device(device)
        random = np.random.default_rng(abs(seed))
        held = np.zeros(len(rows), bool)
        if asked is None:
            held[random.choice(len(rows), min(HELD_OUT, len(rows) // 10), replace=False)] = True
            asked = rows[held]
        stored = rows[~held]
        base = _train(stored, way, random, seed, device)
        truth = _nearest(stored, asked)
        keep = truth.max(1) < 1 - SAME if not held.any() else np.ones(len(asked), bool)
        if not keep.all():
            log.warning("index: %d of %d queries are stored vectors themselves, not used for tuning", (~keep).sum(), len(keep))
        engine, kind, nprobe, points = _tune(base, stored, asked[keep], truth[keep], way, settings.recall)
        if held.any():
            engine.refill(rows)
        return cls(engine, kind, nprobe, tuple(points), device)

    def search(self, queries: NDArray[Any], k: int) -> tuple[Array, Labels]:
        """The most similar vectors of each query.

        Args:
            queries: unit vectors [q, d].
            k: how many.

        Returns:
            similarity float32 [q, k], falling, and ids int64 [q, k]; where fewer than k are found: -inf and -1.

        Raises:
            LandmarkError: k below 1, or queries that are no unit vectors of length d.
        """
        if k < 1:
            raise LandmarkError(f"search: k must be at least 1, got {k}")
        rows = check_vectors(queries, "queries", self.dim)
        similarity = np.full((len(rows), k), -np.inf, np.float32)
        ids = np.full((len(rows), k), -1, np.int64)
        near = min(k, len(self))
        if len(rows) and near:
            similarity[:, :near], ids[:, :near] = self._engine.search(rows, near)
            similarity[ids < 0] = -np.inf
        return similarity, ids

    def to_device(self, device: str) -> Self:
        """The same index on "cpu" or "gpu" (the first one).

        Raises:
            LandmarkError: no GPU that FAISS can use.
        """
        if device == self.device:
            return self
        device = _device(device)
        return type(self)(self._engine.to(device), self.kind, self.nprobe, self.operating_points, device)

    def save(self, folder: str | Path) -> None:
        """Write `index.faiss`, `index.json` (sizes, sha256) and `operating_points.json`; the folder is replaced as a whole."""
        index_file.save(
            Path(folder),
            self._engine.serialised(),
            {"kind": self.kind, "count": len(self), "dim": self.dim, "nprobe": self.nprobe},
            [asdict(point) for point in self.operating_points],
        )

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote, onto the CPU.

        Sizes and sha256 are checked before FAISS sees a byte, and what it made of them after.

        Raises:
            LandmarkError: missing, damaged, foreign, or of a newer version.
        """
        source = Path(folder)
        data, values, points = index_file.load(source)
        try:
            engine = _Engine.of(faiss.deserialize_index(data))
            engine.check(values)
            return cls(engine, values["kind"], values["nprobe"], tuple(OperatingPoint(**point) for point in points))
        except (RuntimeError, TypeError, ValueError) as error:
            reason = " ".join(str(error).split())[-160:]
            raise LandmarkError(f"index {source}: not an index of this project ({reason}); build it again") from error


def _train(rows: Array, way: Plan, random: np.random.Generator, seed: int, device: str) -> _Engine:
    index: Any = faiss.index_factory(rows.shape[1], way.factory, faiss.METRIC_INNER_PRODUCT)
    index.cp.seed = abs(seed) + 1
    if isinstance(index, faiss.IndexIVFPQ):
        index.by_residual = True
        index.pq.cp.seed = abs(seed) + 1
        # FAISS's 25 rounds over each of dozens of sub-spaces are most of the training time; codes hardly change after 10.
        index.pq.cp.niter = 10
    enough = TRAINING_PER_LIST * max(way.lists, PQ_CENTROIDS)
    sample = rows if len(rows) <= enough else rows[np.sort(random.choice(len(rows), enough, replace=False))]
    engine = _Engine(index).to(device)
    engine.base.train(sample)
    engine.base.add(rows)
    return engine


def _tune(
    base: _Engine, stored: Array, queries: Array, truth: Array, way: Plan, recall: float
) -> tuple[_Engine, str, int, list[OperatingPoint]]:
    """Search settings from cheap to dear until one reaches the recall; returns engine, kind, nprobe, all that was measured."""
    points: list[OperatingPoint] = []
    engines: dict[str, _Engine] = {}
    for refine in ("", *way.refine):
        kind = f"{way.factory},Refine({refine})" if refine else way.factory
        engine = engines[kind] = base.refined(refine, stored) if refine else base
        size = engine.serialised().nbytes / len(stored)
        nprobe = 1
        while nprobe <= min(way.lists, MAX_GPU_PROBES):
            engine.base.nprobe = nprobe
            start = time.perf_counter()
            _, ids = engine.search(queries, 1)
            rate = len(queries) / (time.perf_counter() - start)
            found = (ids[:, 0] >= 0) & ((queries * stored[ids[:, 0]]).sum(1) >= truth[:, 0] - SAME)
            points.append(OperatingPoint(kind, nprobe, float(found.mean()), rate, size))
            if points[-1].recall_at_1 >= recall:
                return engine, kind, nprobe, points
            if nprobe > 1 and points[-1].recall_at_1 < points[-2].recall_at_1 + WORTH:
                break
            nprobe *= 2
    best = max(points, key=lambda point: (point.recall_at_1, -point.nprobe))
    log.warning("index: recall@1 %.3f at best, %.3f was asked for; raise index.max_bytes", best.recall_at_1, recall)
    return engines[best.index], best.index, best.nprobe, points


def _nearest(stored: Array, queries: Array) -> Array:
    """Similarity [q, 1] of the nearest stored vector, by exact search."""
    similarity, _ = faiss.knn(queries, stored, 1, metric=faiss.METRIC_INNER_PRODUCT)
    return np.asarray(similarity, np.float32)


def _resources() -> tuple[type, ...]:
    return (faiss.StandardGpuResources,) if hasattr(faiss, "StandardGpuResources") else ()


def _device(wanted: str) -> str:
    available = getattr(faiss, "get_num_gpus", lambda: 0)() > 0
    if wanted == "gpu" and not available:
        raise LandmarkError("index.device 'gpu': FAISS finds no GPU; install the extra 'gpu', or use 'auto'")
    return "gpu" if available and wanted != "cpu" else "cpu"
