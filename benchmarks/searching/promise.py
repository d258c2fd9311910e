"""Whether what an index promises holds on queries that it has never seen, on landmark photos and on other data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits, make_blobs

from benchmarks.centroid_inputs import unit
from benchmarks.searching.by_ours import built, goal_of
from benchmarks.searching.inputs import Array, Inputs, true_neighbours
from benchmarks.searching.measuring import K
from landmark.errors import LandmarkError
from landmark.recognition.index.promise import recall_shares

ALLOWED = 0.005
"""So much under the promised recall the measured one may lie."""
RECALLS = (0.9, 0.95, 0.98)
DIMS = (32, 64, 128, 256)
SEEDS = (0, 1)
SHARE = 0.45
"""Limit as a share of exact search's bytes: copies in 8 bits fit, also beside what a small index has fixed."""
BLOBS, FRESH, LATENT = 20_000, 4000, 16


def promises(data: str, inputs: Inputs | None, folder: Path) -> list[dict[str, Any]]:
    """Promised and measured recall@10 on fresh queries.

    Args:
        data: "real": the photos, by all recalls and two seeds; "blobs": clusters of 16 dimensions of their own, turned into
            32 to 256; "digits": scanned digits of 64 pixels.
        inputs: of "real".
        folder: for the indexes.
    """
    rows = []
    if inputs is not None:
        for recall in RECALLS:
            for seed in SEEDS:
                rows.append(_one(data, inputs, folder, recall, seed))
    elif data == "blobs":
        for dim in DIMS:
            for seed in SEEDS:
                stored, fresh = blobs(dim, seed)
                rows.append(_one(f"blobs, {dim}", _inputs(stored, fresh, folder, "blobs"), folder, 0.95, seed))
    else:
        stored, fresh = digits()
        rows.append(_one(data, _inputs(stored, fresh, folder, data), folder, 0.95, 0))
    return rows


def blobs(dim: int, seed: int) -> tuple[Array, Array]:
    """Stored vectors [20,000, d] and fresh queries [4,000, d]: 200 clusters of low dimension, in a space of d."""
    points, _ = make_blobs(BLOBS + FRESH, n_features=LATENT, centers=200, cluster_std=3.0, random_state=seed)
    random = np.random.default_rng([seed, dim])
    turned = points @ random.normal(size=(LATENT, dim)) / LATENT**0.5
    rows = unit(turned + random.normal(0, 0.5, turned.shape))
    return rows[:BLOBS], rows[BLOBS:]


def digits() -> tuple[Array, Array]:
    """Stored images [1,397, 64] and fresh queries [400, 64]."""
    rows = unit(load_digits().data[np.random.default_rng(0).permutation(1797)])
    return rows[400:], rows[:400]


def _inputs(stored: Array, fresh: Array, folder: Path, name: str) -> Inputs:
    file = folder / f"{name}-promise.npy"
    np.save(file, stored)
    return Inputs(name, file, fresh, *true_neighbours(stored, fresh))


def _one(name: str, inputs: Inputs, folder: Path, recall: float, seed: int) -> dict[str, Any]:
    stored = inputs.vectors
    told = {"data": name, "count": len(stored), "dim": stored.shape[1], "seed": seed, "promised": recall}
    try:
        index = built(folder / f"{inputs.name}-promise", inputs.file, goal_of(inputs, SHARE, recall, strict=True), seed)
    except LandmarkError as error:
        return {**told, "refused": str(error)}
    found = np.asarray(index.search(inputs.queries, K)[1], np.int64)
    measured = float(recall_shares(found, inputs.truth, inputs.similarity, K).mean())
    return {**told, "factory": index.values["factory"], "queries": len(found), **judged(recall, measured)}


def judged(promised: float, measured: float) -> dict[str, Any]:
    """The measured recall, and whether the promise holds."""
    return {"measured": measured, "difference": measured - promised, "held": measured >= promised - ALLOWED}
