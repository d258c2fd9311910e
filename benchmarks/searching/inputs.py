"""Vectors to search, real ones and made ones, with queries that are not among them and their true neighbours.

The recipe of the made vectors: a made photo = a random real photo of the pool (those that are no queries)
+ (a - b) / sqrt(2), a and b two random pool photos of one random landmark, brought to unit length. The noise has just the
covariance of real photos around their landmark's mean, so that neighbours mean something. They are asked twice:
- `made`: by other photos made in the same way. Among a million their neighbours are as near as real photos' would be: those
  of 31,240 stored real photos (similarity 0.56 of the first, 0.44 of the tenth, local dimension 20), carried on to 32 times as
  many, give about 0.68 and 0.60; these have 0.69 and 0.59;
- `far`: by real photos that the pool does not hold, which lie farther from all that is stored (0.54 and 0.48): harder.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.centroid_inputs import real_vectors, unit
from landmark.errors import UsageError
from landmark.recognition.index.engine import merged, nearest
from landmark.storage import read_json, write_json

RECIPE = (
    "a random real photo of the pool (those that are no queries) + (a - b)/sqrt(2), a and b two random pool photos of one "
    "random landmark, brought to unit length"
)
FAR = "far"
"""The made vectors, asked by real photos."""
DEPTH = 28
"""True neighbours that are kept: more than are asked for, so that copies of a photo count alike."""
BLOCK = 50_000
Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Inputs:
    """Stored vectors and queries that are not among them.

    Attributes:
        name: "real", "made" or "far".
        file: unit vectors [n, d], float32, .npy.
        queries: [q, d]; the first half is for choosing settings, the other for what is reported.
        truth: rows of the true neighbours [q, 28].
        similarity: theirs [q, 28].
    """

    name: str
    file: Path
    queries: Array
    truth: NDArray[np.int64]
    similarity: Array

    @property
    def vectors(self) -> Array:
        """The stored vectors, mapped [n, d]."""
        return np.asarray(np.load(self.file, mmap_mode="r", allow_pickle=False))

    @property
    def exact_bytes(self) -> int:
        """Bytes of exact search: the vectors in float32."""
        return int(self.vectors.size) * 4


def make_inputs(name: str, vectors: Path, folder: Path, queries: int, count: int, seed: int = 0) -> Inputs:
    """Write the stored vectors and the queries into a folder, or take them from there.

    Args:
        name: "real": what is stored are the real photos that are no queries; "made": see the recipe.
        vectors: .npz with the real embeddings.
        folder: keeps them, so that an interrupted benchmark goes on with the same ones.
        queries: real photos that are held out [count].
        count: vectors to make.
        seed: of all that is drawn.

    Raises:
        UsageError: more queries than half of the real photos.
        LandmarkError: no such file.
    """
    key = {
        "vectors": str(vectors),
        "queries": queries,
        "seed": seed,
        **({"count": count, "recipe": RECIPE} if name == "made" else {}),
    }
    place = folder / f"{name}-inputs.json"
    if not place.is_file() or read_json(place) != key:
        folder.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        _write(name, vectors, folder, queries, count, seed)
        write_json(place, key)
    return open_inputs(name, folder)


def open_inputs(name: str, folder: Path) -> Inputs:
    """What `make_inputs` wrote; "far" comes with "made"."""
    stored = folder / f"{'made' if name == FAR else name}.npy"
    with np.load(folder / f"{name}-queries.npz", allow_pickle=False) as content:
        return Inputs(name, stored, content["queries"], content["truth"], content["similarity"])


def _write(name: str, vectors: Path, folder: Path, queries: int, count: int, seed: int) -> None:
    real, landmark = real_vectors(vectors)
    if not 2 <= queries <= len(real) // 2:
        raise UsageError(f"--queries {queries}: between 2 and half of the {len(real)} real photos")
    order = np.random.default_rng([seed, 0]).permutation(len(real))
    asked, pool = real[order[:queries]], np.sort(order[queries:])
    file = folder / f"{name}.npy"
    if name == "real":
        np.save(file, real[pool])
    else:
        stored = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(count, real.shape[1]))
        for number, start in enumerate(range(0, count, BLOCK)):
            size = min(BLOCK, count - start)
            stored[start : start + size] = made(real[pool], landmark[pool], size, np.random.default_rng([seed, 1, number]))
        stored.flush()
        _ask(FAR, folder, file, asked)
        asked = made(real[pool], landmark[pool], queries, np.random.default_rng([seed, 2]))
    _ask(name, folder, file, asked)


def _ask(name: str, folder: Path, file: Path, queries: Array) -> None:
    truth, similarity = true_neighbours(np.load(file, mmap_mode="r"), queries)
    np.savez(folder / f"{name}-queries.npz", queries=queries, truth=truth, similarity=similarity)


def made(pool: Array, landmark: NDArray[np.int64], count: int, random: np.random.Generator) -> Array:
    """Made photos [count, d] by the recipe, from pool photos [n, d] and the landmark of each [n]."""
    return unit(pool[random.integers(0, len(pool), count)] + noise(pool, landmark, count, random))


def noise(pool: Array, landmark: NDArray[np.int64], count: int, random: np.random.Generator) -> Array:
    """(a - b) / sqrt(2) of two different photos a and b of a random landmark [count, d].

    Its covariance is that of a landmark's photos around their mean, averaged over the landmarks.
    """
    order = np.argsort(landmark, kind="stable")
    _, first, size = np.unique(landmark[order], return_index=True, return_counts=True)
    first, size = first[size > 1], size[size > 1]
    chosen = random.integers(0, len(first), count)
    one = random.integers(0, size[chosen])
    other = (one + random.integers(1, size[chosen])) % size[chosen]
    a, b = (pool[order[first[chosen] + place]] for place in (one, other))
    return np.asarray((a - b) / np.sqrt(2), np.float32)


def true_neighbours(stored: Array, queries: Array) -> tuple[NDArray[np.int64], Array]:
    """Rows and similarities of the nearest stored vectors by exact search, both [q, 28]."""
    depth = min(DEPTH, len(stored))
    similarity = np.full((len(queries), depth), -np.inf, np.float32)
    truth = np.full((len(queries), depth), -1, np.int64)
    for start in range(0, len(stored), BLOCK):
        values, rows = nearest(queries, np.ascontiguousarray(stored[start : start + BLOCK]), start, depth)
        similarity, truth = merged(similarity, truth, values, rows)
    return truth, similarity
