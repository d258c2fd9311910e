"""Searchers of other libraries: hnswlib, usearch, Annoy. Each is imported only where it is measured."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.searching.by_faiss import EF_CONSTRUCTION, WIDTHS
from benchmarks.searching.inputs import Array, Inputs
from benchmarks.searching.measuring import K

LINKS = 16


class Hnswlib:
    """HNSW by the authors of its paper."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {"M": LINKS, "ef_construction": EF_CONSTRUCTION}
        self.threads = 1

    def build(self, inputs: Inputs, folder: Path, threads: int) -> None:
        """Insert one after another."""
        import hnswlib

        stored, self.threads = inputs.vectors, threads
        self.index = hnswlib.Index("ip", stored.shape[1])
        self.index.init_index(len(stored), M=LINKS, ef_construction=EF_CONSTRUCTION, random_seed=1)
        self.index.set_num_threads(threads)
        for start in range(0, len(stored), 65_536):
            self.index.add_items(stored[start : start + 65_536])

    def save(self, folder: Path) -> int:
        """Write it; its size there [bytes]."""
        self.index.save_index(str(folder / "index.hnswlib"))
        return (folder / "index.hnswlib").stat().st_size

    def settings(self, name: str = "") -> list[str]:
        """Values of ef."""
        return [f"ef={width}" for width in WIDTHS]

    def search(self, queries: Array, setting: str) -> NDArray[np.int64]:
        """Rows [q, 10]."""
        self.index.set_ef(int(setting.partition("=")[2]))
        return np.asarray(self.index.knn_query(queries, K, num_threads=self.threads)[0], np.int64)


class Usearch:
    """HNSW by usearch, vectors in float32 or 8 bits."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.facts: dict[str, Any] = {"dtype": kind, "connectivity": LINKS, "expansion_add": EF_CONSTRUCTION}
        self.threads = 1

    def build(self, inputs: Inputs, folder: Path, threads: int) -> None:
        """Insert one after another."""
        from usearch.index import Index

        stored, self.threads = inputs.vectors, threads
        # Its 8-bit vectors are compared by angle: they have lost their length.
        self.index = Index(
            ndim=stored.shape[1],
            metric="ip" if self.kind == "f32" else "cos",
            dtype=self.kind,
            connectivity=LINKS,
            expansion_add=EF_CONSTRUCTION,
        )
        for start in range(0, len(stored), 65_536):
            part = np.ascontiguousarray(stored[start : start + 65_536])
            self.index.add(np.arange(start, start + len(part)), part, threads=threads)

    def save(self, folder: Path) -> int:
        """Write it; its size there [bytes]."""
        self.index.save(str(folder / "index.usearch"))
        return (folder / "index.usearch").stat().st_size

    def settings(self, name: str = "") -> list[str]:
        """Values of expansion_search."""
        return [f"expansion={width}" for width in WIDTHS]

    def search(self, queries: Array, setting: str) -> NDArray[np.int64]:
        """Rows [q, 10]."""
        self.index.expansion_search = int(setting.partition("=")[2])
        return np.asarray(self.index.search(queries, K, threads=self.threads).keys, np.int64).reshape(-1, K)


class Annoy:
    """A forest of random splits; it has no search in batches: a pool of threads asks one query after another."""

    TREES = 50

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {"trees": self.TREES}
        self.threads = 1

    def build(self, inputs: Inputs, folder: Path, threads: int) -> None:
        """Insert, then split."""
        from annoy import AnnoyIndex

        stored, self.threads = inputs.vectors, threads
        self.index = AnnoyIndex(stored.shape[1], "angular")
        self.index.set_seed(1)
        for row, vector in enumerate(stored):
            self.index.add_item(row, vector)
        self.index.build(self.TREES, n_jobs=threads)

    def save(self, folder: Path) -> int:
        """Write it; its size there [bytes]. It is mapped afterwards."""
        self.index.save(str(folder / "index.annoy"))
        return (folder / "index.annoy").stat().st_size

    def settings(self, name: str = "") -> list[str]:
        """Values of search_k."""
        return [f"search_k={64 * width}" for width in WIDTHS]

    def search(self, queries: Array, setting: str) -> NDArray[np.int64]:
        """Rows [q, 10], -1 where there are fewer."""
        wide = int(setting.partition("=")[2])

        def one(query: Array) -> list[int]:
            rows = self.index.get_nns_by_vector(query, K, search_k=wide)
            return rows + [-1] * (K - len(rows))

        with ThreadPoolExecutor(self.threads) as pool:
            return np.array(list(pool.map(one, queries)), np.int64)
