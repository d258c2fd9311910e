"""Which index for how many vectors: the written policy, apart from the library that carries it out."""

from __future__ import annotations

from dataclasses import dataclass

from landmark.errors import LandmarkError

POINTS_PER_CENTROID = 39
"""Training vectors that FAISS wants at least for each k-means centroid (`ClusteringParameters.min_points_per_centroid`)."""
PQ_CENTROIDS = 256
MIN_TO_TRAIN = POINTS_PER_CENTROID * PQ_CENTROIDS
"""9,984: fewer vectors can't train 8-bit product quantisation honestly."""
SUBQUANTISERS = (96, 64, 56, 48, 40, 32, 28, 24, 20, 16, 12, 8, 4, 3, 2, 1)
"""Numbers of sub-quantisers that FAISS has GPU kernels for; an index built on the CPU must move to a GPU too."""
SUBVECTOR_DIMS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24, 28, 32)
"""Lengths of a sub-vector for which the GPU computes its tables."""
ID_BYTES = 8
FAR_LISTS = 65_536


@dataclass(frozen=True)
class Plan:
    """How to build an index.

    Attributes:
        factory: FAISS's factory string.
        lists: inverted lists; 0: exact search.
        refine: kinds of stored vectors for exact re-ranking that fit, cheapest first (factory strings).
        reason: in words, for the log.
    """

    factory: str
    lists: int
    refine: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class OperatingPoint:
    """What one setting of an index gives on held-out queries.

    Attributes:
        index: kind.
        nprobe: inverted lists that are searched (0: exact).
        recall_at_1: share of queries whose nearest vector is found.
        queries_per_second: on this machine, all queries at once.
        bytes_per_vector: size of the index over the number of vectors [bytes].
    """

    index: str
    nprobe: int
    recall_at_1: float
    queries_per_second: float
    bytes_per_vector: float


def plan(count: int, dim: int, max_bytes: int | None = None) -> Plan:
    """Choose an index by size.

    - fewer than 9,984 vectors (39 for each of 256 centroids): exact, `Flat`;
    - else `IVF<lists>,PQ<m>`: lists = the power of two nearest to 4 sqrt(n), at least 39 vectors a list, at most 65,536;
      m = one byte for eight dimensions, the largest number that divides them and that GPUs know; fewer if `max_bytes` asks;
    - a length that no such m divides: `IVF<lists>,SQ8`;
    - re-ranking by 8-bit, then by 16-bit copies where needed to reach the recall and `max_bytes` allows.

    Args:
        count: vectors n.
        dim: their length d.
        max_bytes: largest size of the index [bytes].

    Raises:
        LandmarkError: no index of this many vectors is that small.

    >>> plan(5_000, 256).factory
    'Flat'
    >>> plan(1_580_470, 512).factory
    'IVF4096,PQ64'
    """
    limit = float("inf") if max_bytes is None else max_bytes
    if count < MIN_TO_TRAIN:
        if 4 * count * dim > limit:
            raise LandmarkError(
                f"index.max_bytes {max_bytes}: {count} vectors of {dim} numbers take {4 * count * dim} bytes, "
                f"and fewer than {MIN_TO_TRAIN} cannot train a smaller index; raise it"
            )
        return Plan("Flat", 0, (), f"{count} vectors are too few to train product quantisation ({MIN_TO_TRAIN}): exact search")
    lists = 2
    while 2 * lists <= min(FAR_LISTS, count // POINTS_PER_CENTROID) and 2 * lists * 2 * lists <= 32 * count:
        lists *= 2
    fixed = 4 * lists * dim + (4 * PQ_CENTROIDS * dim)
    sizes = [m for m in SUBQUANTISERS if dim % m == 0 and dim // m in SUBVECTOR_DIMS and (dim // m >= 8 or m == 1)]
    codes = [(f"PQ{m}", m) for m in sizes] or [("SQ8", dim)]
    fitting = [(name, size) for name, size in codes if fixed + count * (size + ID_BYTES) <= limit]
    if not fitting:
        least = fixed + count * (codes[-1][1] + ID_BYTES)
        raise LandmarkError(f"index.max_bytes {max_bytes}: {count} vectors of {dim} numbers need at least {least}; raise it")
    name, size = fitting[0]
    used = fixed + count * (size + ID_BYTES)
    copies = (("SQ8", dim), ("SQfp16", 2 * dim))
    refine = tuple(kind for kind, each in copies if used + count * each <= limit and kind != name)
    return Plan(f"IVF{lists},{name}", lists, refine, f"{count} vectors: {lists} lists, {size} bytes a code")
