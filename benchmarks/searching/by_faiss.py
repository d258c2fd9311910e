"""Searchers of FAISS: exact, inverted files, graphs, and the choice of autofaiss."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.searching.coarse import TRAINING, coarse, list_count, sample
from benchmarks.searching.inputs import Array, Inputs
from benchmarks.searching.measuring import K

ADDED = 65_536
"""Vectors added at once."""
EF_CONSTRUCTION = 100
PROBES = (1, 2, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
WIDTHS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
"""Close enough that no method loses much to the next setting above a recall."""
REFINED = (4, 16, 32)
"""Times the results that are compared again with the copies."""
ROUNDS = 10
TRAINED = 65_536
"""Vectors that codes are trained on."""


class FaissEngine:
    """Any index of FAISS, searched with settings as its `ParameterSpace` writes them: "nprobe=16"."""

    def __init__(self, settings: list[str]) -> None:
        self.facts: dict[str, Any] = {}
        self.index: Any = None
        self._settings = settings
        self._at = ""

    def settings(self, name: str = "") -> list[str]:
        """From cheap to dear."""
        return self._settings

    def save(self, folder: Path) -> int:
        """Write it; its size there [bytes]."""
        file = folder / "index.faiss"
        faiss.write_index(self.index, str(file))
        return file.stat().st_size

    def search(self, queries: Array, setting: str) -> NDArray[np.int64]:
        """Rows [q, 10]."""
        if setting != self._at and setting:
            space: Any = faiss.ParameterSpace()
            space.set_index_parameters(self.index, setting)
            self._at = setting
        return np.asarray(self.index.search(queries, K)[1], np.int64)

    def fill(self, inputs: Inputs) -> None:
        """Add all stored vectors."""
        stored = inputs.vectors
        for start in range(0, len(stored), ADDED):
            self.index.add(np.ascontiguousarray(stored[start : start + ADDED]))


class Exact(FaissEngine):
    """All vectors compared, in float32."""

    def __init__(self) -> None:
        super().__init__([""])

    def build(self, inputs: Inputs, folder: Path | None = None, threads: int = 0) -> None:
        """Copy them."""
        self.index = faiss.IndexFlatIP(inputs.queries.shape[1])
        self.fill(inputs)


class Inverted(FaissEngine):
    """Inverted lists around shared centroids, with any code of the factory: "Flat", "PQ64", "SQ8", "RaBitQ4"."""

    def __init__(self, code: str, rotation: str = "", refine: str = "") -> None:
        settings = [f"nprobe={probes}" for probes in PROBES]
        if refine:
            settings = [f"{setting},k_factor_rf={factor}" for setting in settings[1::2] for factor in REFINED]
        super().__init__(settings)
        self.code, self.rotation, self.refine = code, rotation, refine

    def build(self, inputs: Inputs, folder: Path, threads: int) -> None:
        """Train the codes on residuals, and fill the lists."""
        dim = inputs.queries.shape[1]
        centroids, seconds = coarse(inputs, folder)
        key = f"IVF{list_count(len(inputs.vectors))},{self.code}"
        self.facts = {"key": ",".join(part for part in (self.rotation, key, self.refine) if part), "shared_seconds": seconds}
        self.index = faiss.index_factory(dim, self.facts["key"], faiss.METRIC_INNER_PRODUCT)
        rows = sample(inputs, min(TRAINED, TRAINING * len(centroids)))
        base: Any = faiss.downcast_index(self.index.base_index) if self.refine else self.index
        if self.rotation:
            turn: Any = faiss.downcast_VectorTransform(base.chain.at(0))
            turn.train(rows)
            centroids = turn.apply(centroids)
        ivf: Any = faiss.downcast_index(faiss.extract_index_ivf(base))
        ivf.quantizer.add(np.ascontiguousarray(centroids))
        shorten(ivf)
        self.index.train(rows)
        self.fill(inputs)


def shorten(ivf: Any) -> None:
    """Train the codes as ours are: 10 rounds (FAISS's 25 hardly change them), and without what only polysemous search uses."""
    if isinstance(ivf, faiss.IndexIVFPQ):
        ivf.pq.cp.niter, ivf.do_polysemous_training = ROUNDS, False


class Graph(FaissEngine):
    """HNSW (Malkov and Yashunin, 2018) with vectors in float32 or 8 bits."""

    def __init__(self, key: str) -> None:
        super().__init__([f"efSearch={width}" for width in WIDTHS])
        self.facts = {"key": key, "efConstruction": EF_CONSTRUCTION}

    def build(self, inputs: Inputs, folder: Path, threads: int) -> None:
        """Insert one after another."""
        self.index = faiss.index_factory(inputs.queries.shape[1], self.facts["key"], faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = EF_CONSTRUCTION
        self.index.train(sample(inputs, TRAINED))
        self.fill(inputs)


class Autofaiss(FaissEngine):
    """What autofaiss's own function chooses for so many vectors in so many bytes, with FAISS's own training made shorter.

    Its `build_index` fails beside a FAISS of today (it names the arguments of `faiss.OPQMatrix`, which takes them by position
    only), and trains the rotation for most of an hour. So its key is built by FAISS's factory: the lists on the fewest
    training vectors that autofaiss admits (31 a list), the rotation in fewer rounds. Settings: a sweep, and the one that
    autofaiss chooses by itself, within its default of 10 ms a query.

    Args:
        share: its limit as a share of exact search's bytes; None: its default of 16 GB.
    """

    FEWEST = 31

    def __init__(self, share: float | None) -> None:
        super().__init__([])
        self.share = share

    def build(self, inputs: Inputs, folder: Path, threads: int) -> None:
        """Take the first of its keys."""
        from autofaiss.external.optimize import get_optimal_hyperparameters, get_optimal_index_keys_v2

        count, dim = inputs.vectors.shape
        limit = "16G" if self.share is None else f"{int(self.share * inputs.exact_bytes)}B"
        keys = get_optimal_index_keys_v2(count, dim, limit)
        if not keys:
            raise ValueError(f"autofaiss knows no index of {count} vectors in {limit}")
        self.facts = {"key": keys[0], "limit": limit}
        self.index = faiss.index_factory(dim, keys[0], faiss.METRIC_INNER_PRODUCT)
        if isinstance(self.index, faiss.IndexPreTransform):
            self._train(inputs)
        elif not self.index.is_trained:
            self.index.train(sample(inputs, self.FEWEST * list_count(count)))
        self.fill(inputs)
        own = str(get_optimal_hyperparameters(self.index, keys[0], max_speed_ms=10.0))
        self.facts["own_setting"] = own
        name, values = ("efSearch", WIDTHS) if "HNSW" in keys[0].partition(",")[0] else ("nprobe", PROBES)
        wide = "quantizer_efSearch={}," if "_HNSW" in keys[0] else ""
        self._settings = [f"{wide.format(max(64, 2 * value))}{name}={value}" for value in values]

    def _train(self, inputs: Inputs) -> None:
        ivf: Any = faiss.downcast_index(faiss.extract_index_ivf(self.index))
        rotation: Any = faiss.downcast_VectorTransform(self.index.chain.at(0))
        shape = faiss.ProductQuantizer(ivf.d, ivf.pq.M, ivf.pq.nbits)
        rotation.pq = shape
        rotation.niter, rotation.niter_pq, rotation.niter_pq_0 = ROUNDS, 4, ROUNDS
        rotation.max_train_points = TRAINED
        shorten(ivf)
        self.index.train(sample(inputs, max(TRAINED, self.FEWEST * ivf.nlist)))
        rotation.pq = None
