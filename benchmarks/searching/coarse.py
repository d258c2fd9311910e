"""Coarse centroids that the inverted files of FAISS share, computed once and counted in the build time of each."""

from __future__ import annotations

import time
from pathlib import Path

import faiss
import numpy as np

from benchmarks.searching.inputs import Array, Inputs
from landmark.storage import read_json, write_json

TRAINING = 64
"""Training vectors for each list."""
ITERATIONS = 10


def list_count(count: int) -> int:
    """Inverted lists: a power of two, about 4 sqrt(n), as FAISS's guidelines say, and at least 39 vectors each.

    >>> list_count(1_000_000), list_count(31_240)
    (4096, 512)
    """
    lists = 2
    while (2 * lists) ** 2 <= 32 * count and 78 * lists <= count:
        lists *= 2
    return lists


def sample(inputs: Inputs, size: int, seed: int = 0) -> Array:
    """Random stored vectors to train on [m, d]."""
    stored = inputs.vectors
    rows = np.random.default_rng([seed, 2]).choice(len(stored), min(size, len(stored)), replace=False)
    return np.ascontiguousarray(stored[np.sort(rows)])


def coarse(inputs: Inputs, folder: Path) -> tuple[Array, float]:
    """Centroids [lists, d], and the seconds that they took before, where the folder has them already (else 0)."""
    file, told = folder / f"{inputs.name}-coarse.npy", folder / f"{inputs.name}-coarse.json"
    lists = list_count(len(inputs.vectors))
    key = {"vectors": inputs.file.stat().st_mtime_ns, "lists": lists}
    if told.is_file() and read_json(told)["key"] == key:
        return np.load(file), float(read_json(told)["seconds"])
    begin = time.perf_counter()
    rows = sample(inputs, TRAINING * lists)
    kmeans = faiss.Kmeans(
        rows.shape[1],
        lists,
        niter=ITERATIONS,
        spherical=True,
        seed=1,
        min_points_per_centroid=1,
        max_points_per_centroid=TRAINING,
    )
    kmeans.train(rows)
    seconds = time.perf_counter() - begin
    centroids = np.asarray(kmeans.centroids, np.float32)
    np.save(file, centroids)
    write_json(told, {"key": key, "seconds": seconds})
    return centroids, 0.0
