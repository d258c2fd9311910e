"""Which search index for how many vectors, in how many bytes, on which device: the written policy."""

from __future__ import annotations

from dataclasses import dataclass

from landmark.errors import LandmarkError

POINTS_PER_CENTROID = 39
"""Training vectors that FAISS wants at least for each k-means centroid (`ClusteringParameters.min_points_per_centroid`)."""
MIN_TO_TRAIN = POINTS_PER_CENTROID * 256
"""9,984: fewer vectors can't train 8-bit product quantisation honestly."""
SUBQUANTISERS = (96, 64, 56, 48, 40, 32, 28, 24, 20, 16, 12, 8, 4, 3, 2, 1)
"""Numbers of sub-quantisers that FAISS has GPU kernels for; an index built on the CPU must move to a GPU too."""
SUBVECTOR_DIMS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32)
"""Lengths of a sub-vector for which the GPU computes its tables."""
MOST_PARTS = 128
"""Sub-quantisers of a code without copies, at most: beyond half a byte for each dimension, copies are worth more."""
ID_BYTES = 8
HEADER_BYTES = 512
"""Of the files of lists and copies, at most."""
HNSW_FROM = 16_384
"""Lists from which the nearest ones are found by a graph (Malkov and Yashunin, 2018) instead of by comparing with all."""
HNSW_LINKS = 32
LIST_LIMIT = {"cpu": 65_536, "gpu": 262_144}
"""k-means costs lists x training vectors: more lists than these take days on the device."""
TRAINING_PER_LIST = 64
COPY_BYTES = {"Flat": 4, "SQfp16": 2, "SQ8": 1, "SQ6": 0.75}
"""Kinds of stored copies for exact re-ranking, richest first, and their bytes for each dimension."""


@dataclass(frozen=True)
class Design:
    """How to build a search index.

    Attributes:
        lists_factory: FAISS's factory string of the inverted lists; "": none, the copies are searched one by one.
        copies: kind of the stored copies that re-rank candidates ("Flat": float32, "SQfp16", "SQ8", "SQ6"), or "": none.
        lists: number of inverted lists.
        bytes_estimated: size of both [bytes].
    """

    lists_factory: str
    copies: str
    lists: int
    bytes_estimated: int

    def __post_init__(self) -> None:
        if not (self.lists_factory or self.copies):
            raise ValueError("a design needs lists, copies, or both")

    @property
    def factory(self) -> str:
        """As one string, as FAISS would write it: "OPQ64,IVF2048,PQ64x4fs,Refine(SQfp16)"."""
        refined = f"{self.lists_factory},Refine({self.copies})" if self.copies else self.lists_factory
        return refined if self.lists_factory else self.copies

    @property
    def training(self) -> int:
        """Vectors to train on."""
        return TRAINING_PER_LIST * max(self.lists, 256)


def design(count: int, dim: int, max_bytes: int | None = None, device: str = "cpu") -> Design:
    """Choose a search index.

    - fewer than 9,984 vectors: no lists; copies in float32, or smaller ones if `max_bytes` asks;
    - lists: a power of two, about 4 sqrt(n), of codes scanned in registers 2 sqrt(n), at least 39 vectors a list; an HNSW graph
      finds them from 16,384 on;
    - with copies that fit `max_bytes` (the richest that does; without a limit float16): codes of 4 bits for 4 dimensions after
      an OPQ rotation, scanned in registers (`x4fs`; André et al., "Cache locality is not enough", 2015); on a GPU, which
      has no such kernel, residual codes of 8 bits for 8 dimensions;
    - where no copies fit: OPQ and residual 8-bit codes, as many sub-quantisers as fit, at most one for two dimensions;
    - vectors of fewer than 8 dimensions: scalar quantisation.

    Args:
        count: vectors n.
        dim: their length d.
        max_bytes: largest size of lists and copies [bytes].
        device: "cpu" or "gpu", where it is searched.

    Raises:
        LandmarkError: no index of this many vectors is that small.

    >>> design(1_000_000, 256).factory
    'OPQ64,IVF2048,PQ64x4fs,Refine(SQfp16)'
    >>> design(1_000_000, 256, 300_000_000 + 7_000_000).factory
    'OPQ64,IVF2048,PQ64x4fs,Refine(SQ8)'
    """
    limit = float("inf") if max_bytes is None else max_bytes
    kinds = [kind for kind in COPY_BYTES if max_bytes is not None or kind != "Flat"]
    if count < MIN_TO_TRAIN:
        options = [Design("", kind, 0, HEADER_BYTES + int(count * dim * each)) for kind, each in COPY_BYTES.items()]
    else:
        refined = _refined_code(dim, device)
        options = [_sized(count, dim, _lists(count, device, refined[1]), refined, kind) for kind in kinds]
        options += [_sized(count, dim, _lists(count, device, code[1]), code, "") for code in _alone(dim, device)]
    for option in options:
        if option.bytes_estimated <= limit:
            return option
    least = min(option.bytes_estimated for option in options)
    raise LandmarkError(f"max-bytes {max_bytes}: {count} vectors of {dim} numbers need at least {least} bytes; raise it")


def _lists(count: int, device: str, code: str) -> int:
    # Codes scanned in registers are so cheap that finding the nearest of more lists costs more than it spares.
    limit = (8 if code.endswith("fs") else 32) * count
    lists = 2
    while 2 * lists <= min(LIST_LIMIT[device], count // POINTS_PER_CENTROID) and (2 * lists) ** 2 <= limit:
        lists *= 2
    return lists


def _refined_code(dim: int, device: str) -> tuple[str, str, int]:
    """(what comes before the lists, the code, its bytes) of the code whose candidates are re-ranked."""
    if dim < 8:
        return "", "SQ8", dim
    if device == "gpu":
        alone = _alone(dim, device)
        fitting = [code for code in alone if code[2] * 8 <= dim]
        return fitting[0] if fitting else alone[-1]
    parts = dim // 4
    return _rotation(parts, 4 * parts, dim), f"PQ{parts}x4fs", (parts + 1) // 2


def _alone(dim: int, device: str) -> list[tuple[str, str, int]]:
    """8-bit codes, richest first: those that a GPU has kernels for, and on the CPU others too that keep nearly all of dim."""
    if dim < 8:
        return [("", "SQ8", dim)]
    fitting = {m for m in SUBQUANTISERS if m <= dim and dim // m in SUBVECTOR_DIMS and 10 * m * (dim // m) >= 9 * dim}
    if device == "cpu":
        fitting |= {m for m in range(4, min(MOST_PARTS, dim // 2) + 1, 4) if 100 * m * (dim // m) >= 97 * dim}
    return [(_rotation(m, m * (dim // m), dim), f"PQ{m}", m) for m in sorted(fitting, reverse=True)] or [("", "SQ8", dim)]


def _rotation(parts: int, kept: int, dim: int) -> str:
    return f"OPQ{parts}," if kept == dim else f"OPQ{parts}_{kept},"


def _sized(count: int, dim: int, lists: int, code: tuple[str, str, int], copies: str) -> Design:
    rotation, name, size = code
    graph = f"_HNSW{HNSW_LINKS}" if lists >= HNSW_FROM else ""
    fixed = 4 * dim * (lists + 256 + (dim if rotation else 0)) + (lists * (8 * HNSW_LINKS + 48) if graph else 0)
    each = size + ID_BYTES + dim * COPY_BYTES.get(copies, 0)
    # Codes are packed 32 to a block: on average half a block of each list is empty.
    empty = lists * 16 * size if name.endswith("fs") else 0
    return Design(f"{rotation}IVF{lists}{graph},{name}", copies, lists, HEADER_BYTES + int(fixed + count * each) + empty)
