"""What every shard of an index starts from, on disk: the trained empty lists and copies, and the queries to tune on."""

from __future__ import annotations

import hashlib
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.recognition.index import device as index_device
from landmark.recognition.index.design import Design, design
from landmark.recognition.index.folder import COPIES, LISTS
from landmark.recognition.index.goal import Goal
from landmark.recognition.index.source import VectorSource
from landmark.recognition.index.store import new_store
from landmark.storage import atomic_folder, read_bytes, read_json, sha256_file, write_json

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
HELD_OUT = 2000
"""Queries, at most, for tuning; where none are given, so many vectors (a tenth at most) are added only after it."""
ITERATIONS = 10
"""Rounds of k-means and of the rotation: FAISS's 25 and 50 take most of the training time and hardly change the codes."""
ROTATION_SAMPLE = 65_536
TRAINING, QUERIES = "training.json", "queries.npz"


@dataclass(frozen=True, eq=False)
class Training:
    """A folder that `train` wrote.

    Attributes:
        folder: it.
        key: sha256 of all that it was made from and holds; what is made from it carries the key.
        values: `training.json`.
    """

    folder: Path
    key: str
    values: dict[str, Any]

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Open a folder.

        Raises:
            LandmarkError: nothing was trained there, or it is damaged.
        """
        values = read_json(folder / TRAINING)
        for name, digest in values["files"].items():
            if sha256_file(folder / name) != digest:
                raise LandmarkError(f"{shown(folder / name)}: damaged (sha256 differs); delete {shown(folder)} and run again")
        return cls(folder, hashlib.sha256(read_bytes(folder / TRAINING)).hexdigest(), values)

    @property
    def way(self) -> Design:
        """How the index is built."""
        return Design(**self.values["made_from"]["design"])

    @property
    def device(self) -> str:
        """Cpu or gpu."""
        return str(self.values["made_from"]["device"])

    @property
    def count(self) -> int:
        """Vectors in all shards."""
        return int(self.values["made_from"]["count"])

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """Rows (first, stop) of each shard."""
        return [(int(first), int(stop)) for first, stop in self.values["made_from"]["ranges"]]

    def lists(self) -> Any | None:
        """Empty trained lists; None: the design has none."""
        return faiss.read_index(str(self.folder / LISTS)) if self.way.lists else None

    def copies(self) -> Any | None:
        """An empty index of copies; None: the design has none."""
        return faiss.read_index(str(self.folder / COPIES)) if self.way.copies else None

    def queries(self) -> tuple[Floats, NDArray[np.int64]]:
        """Queries [q, d] to tune on, in random order, and their rows [q]; no rows [0] where they are not stored vectors."""
        with np.load(self.folder / QUERIES, allow_pickle=False) as found:
            return found["queries"], found["rows"]


def train(
    folder: Path,
    source: VectorSource,
    goal: Goal,
    queries: Floats | None = None,
    seed: int = 0,
    way: Design | None = None,
    shards: int = 1,
) -> Training:
    """Train an index and write down what its shards need; what is there and was made from the same is taken.

    Args:
        folder: to write; what was there before, finished shards too, is removed if it was made from other things.
        source: unit vectors.
        goal: what to reach; `recall` and `max_bytes` matter again only when the index is put together.
        queries: unit vectors [q, d] that are not among the stored ones (None: some are held out).
        seed: of samples and k-means.
        way: how to build (None: what the policy says).
        shards: ranges of rows that are added on their own, at most.

    Raises:
        LandmarkError: vectors that are no unit vectors; too few to train.
        UsageError: no GPU.
    """
    device = index_device.choose(goal.device)
    way = way or design(source.count, source.dim, goal.max_bytes, device)
    made_from = {
        "source": source.digest(),
        "count": source.count,
        "dim": source.dim,
        "ranges": [list(pair) for pair in source.ranges(shards)],
        "design": asdict(way),
        "device": device,
        "k": goal.k,
        "training": goal.training,
        "seed": abs(seed),
        "queries": None if queries is None else hashlib.sha256(np.ascontiguousarray(queries).tobytes()).hexdigest(),
        "faiss": faiss.__version__,
    }
    if (folder / TRAINING).is_file() and read_json(folder / TRAINING).get("made_from") == made_from:
        log.info("index: trained before, going on in %s", shown(folder))
        return Training.load(folder)
    log.info(
        "index: %d vectors of %d numbers as %s, about %d bytes", source.count, source.dim, way.factory, way.bytes_estimated
    )
    random = np.random.default_rng(abs(seed))
    held = np.zeros(source.count, bool)
    if queries is None:
        held[random.choice(source.count, min(HELD_OUT, source.count // 10), replace=False)] = True
    size = min(goal.training or way.training, source.count - int(held.sum()))
    sample, asked, rows = _sample(source, held, size, random)
    if queries is not None:
        asked = queries[random.permutation(len(queries))[: 2 * HELD_OUT]]
    with atomic_folder(folder) as temporary:
        if way.lists:
            faiss.write_index(_trained(way, sample, abs(seed), device), str(temporary / LISTS))
        if way.copies:
            faiss.write_index(new_store(way.copies, sample), str(temporary / COPIES))
        np.savez(temporary / QUERIES, queries=asked, rows=rows)
        files = {path.name: sha256_file(path) for path in sorted(temporary.iterdir())}
        write_json(temporary / TRAINING, {"made_from": made_from, "files": files, "trained_on": size})
    return Training.load(folder)


def _sample(
    source: VectorSource, held: NDArray[np.bool_], size: int, random: np.random.Generator
) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Vectors to train on, in random order, those held out, and their rows, in one pass."""
    chosen = random.choice(np.flatnonzero(~held), size, replace=False)
    rows = np.flatnonzero(held)
    wanted = np.union1d(chosen, rows)
    found = source.take(wanted)
    sample = found[~held[wanted]][random.permutation(size)]
    order = random.permutation(len(rows))
    return sample, found[held[wanted]][order], rows[order]


def _trained(way: Design, sample: Floats, seed: int, device: str) -> Any:
    """Empty inverted lists, trained on a sample [n, d].

    Codes that will be scanned in registers are kept as plain codes of 4 bits here: those can be mapped and merged.
    """
    if len(sample) < 2 * max(way.lists, 256):
        raise LandmarkError(f"index: {len(sample)} vectors are too few to train {way.factory}; give {2 * max(way.lists, 256)}")
    index: Any = faiss.index_factory(sample.shape[1], way.lists_factory.removesuffix("fs"), faiss.METRIC_INNER_PRODUCT)
    ivf: Any = faiss.downcast_index(faiss.extract_index_ivf(index))
    ivf.cp.seed, ivf.cp.niter, ivf.cp.min_points_per_centroid = seed + 1, ITERATIONS, 1
    if "PQ" in way.lists_factory.rsplit(",", 1)[-1]:
        ivf.pq.cp.seed, ivf.pq.cp.niter, ivf.pq.cp.min_points_per_centroid = seed + 1, ITERATIONS, 1
        ivf.do_polysemous_training = False  # seconds for each sub-quantiser, and searching makes no use of it
        ivf.by_residual = not way.lists_factory.endswith("fs")
    lent: list[Any] = []
    if isinstance(index, faiss.IndexPreTransform):
        chain: Any = index.chain
        rotation: Any = faiss.downcast_VectorTransform(chain.at(0))
        # Left to itself it trains 8-bit codes whatever follows: 16 times the work for codes of 4 bits.
        shape: Any = faiss.ProductQuantizer(ivf.d, ivf.pq.M, ivf.pq.nbits)
        shape.cp.min_points_per_centroid = 1
        rotation.pq = shape
        lent.append(shape)
        rotation.niter, rotation.niter_pq, rotation.niter_pq_0 = ITERATIONS, 4, ITERATIONS
        rotation.max_train_points = ROTATION_SAMPLE
    on_gpu = index_device.for_clustering(int(ivf.d)) if device == "gpu" else None
    if on_gpu is not None:
        ivf.clustering_index = on_gpu.index
        lent.append(on_gpu.index)
    index.train(sample)
    ivf.clustering_index = None
    for each in lent:
        each.this.own(True)  # SWIG thinks that what is set belongs to the index, which never frees it
    if isinstance(index, faiss.IndexPreTransform):
        rotation.pq = None
    return index
