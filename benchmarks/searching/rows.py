"""The rows of the comparison: what is built how, the packages it needs, and about how long it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.searching.engine import Engine

OURS = "ours"


@dataclass(frozen=True)
class Row:
    """One way of searching.

    Attributes:
        label: in tables.
        family: rows of one family share a colour.
        make: makes the engine; called in the process that measures it.
        minutes: about how long it takes for a million vectors of 256 numbers on two threads.
        packages: to be installed, beside the project's own.
    """

    label: str
    family: str
    make: Callable[[], Engine]
    minutes: float
    packages: tuple[str, ...] = ()

    @property
    def ours(self) -> bool:
        """Whether it is this project's index."""
        return self.family == OURS


def _exact() -> Engine:
    from benchmarks.searching.by_faiss import Exact

    return Exact()


def _inverted(code: str, rotation: str = "", refine: str = "") -> Callable[[], Engine]:
    def make() -> Engine:
        from benchmarks.searching.by_faiss import Inverted

        return Inverted(code, rotation, refine)

    return make


def _graph(key: str) -> Callable[[], Engine]:
    def make() -> Engine:
        from benchmarks.searching.by_faiss import Graph

        return Graph(key)

    return make


def _autofaiss(share: float | None) -> Callable[[], Engine]:
    def make() -> Engine:
        from benchmarks.searching.by_faiss import Autofaiss

        return Autofaiss(share)

    return make


def _hnswlib() -> Engine:
    from benchmarks.searching.by_others import Hnswlib

    return Hnswlib()


def _usearch(kind: str) -> Callable[[], Engine]:
    def make() -> Engine:
        from benchmarks.searching.by_others import Usearch

        return Usearch(kind)

    return make


def _annoy() -> Engine:
    from benchmarks.searching.by_others import Annoy

    return Annoy()


def _ours(share: float | None) -> Callable[[], Engine]:
    def make() -> Engine:
        from benchmarks.searching.by_ours import Ours

        return Ours(share)

    return make


AUTOFAISS = ("autofaiss", "embedding-reader", "fire")
ROWS = {
    "exact": Row("exact (faiss)", "exact", _exact, 1.5),
    "ours-0.3": Row("ours, at most 0.3 of the bytes", OURS, _ours(0.3), 3),
    "ours": Row("ours, no limit", OURS, _ours(None), 3),
    "ours-0.1": Row("ours, at most 0.1 of the bytes", OURS, _ours(0.1), 4),
    "ivf-pq64": Row("IVF-PQ, 64 bytes", "IVF-PQ", _inverted("PQ64"), 3),
    "ivf-pq128": Row("IVF-PQ, 128 bytes", "IVF-PQ", _inverted("PQ128"), 4),
    "rabitq": Row("IVF-RaBitQ, 1 bit", "IVF-RaBitQ", _inverted("RaBitQ", "RR"), 2),
    "rabitq4": Row("IVF-RaBitQ, 4 bits", "IVF-RaBitQ", _inverted("RaBitQ4", "RR"), 3),
    "rabitq-sq8": Row("IVF-RaBitQ, 1 bit, SQ8 copies", "IVF-RaBitQ", _inverted("RaBitQfs", "RR", "Refine(SQ8)"), 3),
    "ivf-sq8": Row("IVF-SQ8", "IVF-SQ8", _inverted("SQ8"), 2),
    "ivf-flat": Row("IVF-flat", "IVF-flat", _inverted("Flat"), 2),
    "hnsw-sq8": Row("HNSW, SQ8 (faiss)", "HNSW (faiss)", _graph("HNSW16_SQ8"), 6),
    "hnsw": Row("HNSW (faiss)", "HNSW (faiss)", _graph("HNSW16"), 7),
    "hnswlib": Row("HNSW (hnswlib)", "HNSW (hnswlib)", _hnswlib, 6, ("hnswlib",)),
    "usearch-i8": Row("HNSW, i8 (usearch)", "usearch", _usearch("i8"), 7, ("usearch",)),
    "usearch": Row("HNSW (usearch)", "usearch", _usearch("f32"), 8, ("usearch",)),
    "annoy": Row("Annoy, 50 trees", "Annoy", _annoy, 4, ("annoy",)),
    "autofaiss": Row("autofaiss, no limit", "autofaiss", _autofaiss(None), 6, AUTOFAISS),
    "autofaiss-0.1": Row("autofaiss, at most 0.1 of the bytes", "autofaiss", _autofaiss(0.1), 14, AUTOFAISS),
    "autofaiss-0.3": Row("autofaiss, at most 0.3 of the bytes", "autofaiss", _autofaiss(0.3), 18, AUTOFAISS),
}
"""In the order in which they are measured: what decides first, what takes longest last."""
