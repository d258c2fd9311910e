"""A small made-up world of embeddings: landmarks with one or several aspects, and other things."""

from __future__ import annotations

import numpy as np


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def around(centres: np.ndarray, count: int, spread: float, random: np.random.Generator) -> np.ndarray:
    centres = np.atleast_2d(centres)
    noise = random.normal(0, spread, (len(centres) * count, centres.shape[1]))
    return unit(np.repeat(centres, count, axis=0) + noise)


def world(seed: int, aspects: int, dim: int = 32, landmarks: int = 6, photos: int = 48) -> tuple[np.ndarray, ...]:
    """(embeddings, landmark ids) to train on, the same to test on, and others to train and to test on."""
    random = np.random.default_rng(seed)
    ids = np.repeat([f"landmark{n}" for n in range(landmarks)], photos)
    centres = [unit(random.normal(size=(aspects, dim))) for _ in range(landmarks)]
    # Others lie near the middles between aspects, where one mean of all aspects lies too.
    middles = unit(np.stack([centre.mean(0) for centre in centres]))
    train, test = (np.concatenate([around(centre, photos // aspects, 0.12, random) for centre in centres]) for _ in range(2))
    others, strangers = (around(unit(middles + 0), 50, 0.2, random) for _ in range(2))
    return train, ids, test, ids, others, strangers
