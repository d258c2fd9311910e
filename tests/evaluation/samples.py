"""Small made-up data for the tests of evaluation."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd

from landmark.evaluation.open_set import OpenSet

DIM = 24


def directions(count: int, seed: int = 0) -> np.ndarray:
    """Orthonormal vectors [count, DIM]."""
    rng = np.random.default_rng(seed)
    return np.linalg.qr(rng.normal(size=(DIM, count)))[0].T.astype(np.float32)


def around(centre: np.ndarray, count: int, spread: float, rng: np.random.Generator) -> np.ndarray:
    """Unit vectors [count, DIM] near a direction."""
    vectors = centre + spread / np.sqrt(DIM) * rng.normal(size=(count, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def two_sided_world(landmarks: int = 4, seed: int = 0, spread: float = 0.5) -> tuple[np.ndarray, pd.DataFrame]:
    """Embeddings and a catalog's table: each landmark has two aspects, orthogonal to each other; others lie anywhere."""
    rng = np.random.default_rng(seed)
    aspects = directions(2 * landmarks, seed)
    vectors, rows = [], []

    def add(embeddings: np.ndarray, landmark: str, split: str, known: bool = True) -> None:
        vectors.append(embeddings)
        for _ in embeddings:
            photo = f"/photos/{landmark or 'others'}/{len(rows)}.jpg"
            sha256 = hashlib.sha256(photo.encode()).hexdigest()
            rows.append((photo, landmark, split, sha256, len(rows), known))

    for number in range(landmarks):
        for side in (0, 1):
            for split, count in (("train", 12), ("calibrate", 3), ("test", 5)):
                add(around(aspects[2 * number + side], count, spread, rng), f"place_{number}", split)
    for split, count in (("train", 100), ("calibrate", 400), ("test", 200)):
        add(around(np.zeros(DIM), count, 1.0, rng), "", split)
    add(around(np.zeros(DIM), 10, 1.0, rng), "", "test", known=False)
    table = pd.DataFrame(rows, columns=["photo", "landmark", "split", "sha256", "group", "known"])
    return np.concatenate(vectors), table


def open_set(photos: int = 300, seed: int = 0) -> OpenSet:
    """Predictions that are mostly right, with mistakes of every kind and photos of unknown landmarks."""
    rng = np.random.default_rng(seed)
    ids = np.array(["colosseum", "eiffel_tower", "rialto_bridge"])
    truth = np.where(rng.random(photos) < 0.6, rng.choice(ids, photos), "")
    known = (truth != "") | (rng.random(photos) < 0.8)
    right = rng.random(photos) < 0.8
    predicted = np.where((truth != "") & right, truth, rng.choice(ids, photos))
    score = np.where((truth != "") & right, 0.6, 0.2) + 0.15 * rng.normal(size=photos)
    return OpenSet(score, predicted, truth, known)
