"""A recognizer among distractors: is the right landmark still the nearest?"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.errors import UsageError
from landmark.evaluation.identification import Identification, count_above
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.revisited.arrays import vector_blocks
from landmark.recognition.recognizer import Recognizer
from landmark.steps.embedding import Vectors
from landmark.steps.revisited import MultiScale
from landmark.storage import is_s3, list_files, shown

log = logging.getLogger(__name__)

NEVER = 1 << 40
"""Rivals of a photo whose landmark the recognizer does not have."""


def identify(recognizer: Recognizer, vectors: Vectors, open_set: OpenSet, source: str, home: Path) -> pd.DataFrame:
    """The curve by the number of distractors, of the test photos of landmarks.

    In the gallery are all centroids of the recognizer and the distractors. A photo's rank is 1 + the other landmarks whose
    nearest centroid is more similar than its own landmark's + the distractors that are at least as similar.

    Args:
        recognizer: what is measured.
        vectors: unit vectors of the test photos [n, d].
        open_set: what they show.
        source: distractors: embeddings (.npy [m, d], unit vectors by the same network), or a folder of such files or
            of photos.
        home: where embeddings of photos are kept.

    Returns:
        as `Identification.curve`.

    Raises:
        LandmarkError: embeddings that do not fit, or no landmark photos.
        UsageError: nothing of either kind in the folder.
    """
    photos = open_set.landmark_photo
    similarity, rivals = own_and_rivals(recognizer, vectors[photos], open_set.truth[photos])
    above, total = count_above(vectors[photos], similarity, distractors(recognizer, source, home))
    log.info("%s: %d distractors, %d photos", shown(source), total, len(above))
    return Identification(above, total, rivals).curve()


def own_and_rivals(
    recognizer: Recognizer, vectors: Vectors, truth: NDArray[np.str_]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Similarity of each photo to its landmark's nearest centroid [q], and how many other landmarks are nearer [q]."""
    owner = np.asarray(recognizer.centroids.landmark, dtype=str)
    order = np.argsort(owner, kind="stable")
    names, starts = np.unique(owner[order], return_index=True)
    column = np.searchsorted(names, truth).clip(max=len(names) - 1)
    similarity = np.full(len(vectors), 2.0, np.float32)  # of a landmark that is not there: nothing is nearer
    rivals = np.full(len(vectors), NEVER, np.int64)
    stored = recognizer.centroids.vectors[order]
    for start in range(0, len(vectors), block := max(1, (1 << 22) // len(stored))):
        rows = slice(start, start + block)
        nearest = np.maximum.reduceat(vectors[rows] @ stored.T, starts, axis=1)
        own = nearest[np.arange(len(nearest)), column[rows]]
        there = names[column[rows]] == truth[rows]
        similarity[rows][there] = own[there]
        rivals[rows][there] = (nearest > own[:, None]).sum(1)[there]
    return similarity, rivals


def distractors(recognizer: Recognizer, source: str, home: Path) -> Iterator[Vectors]:
    """Unit vectors [b, d], block by block: of a .npy file, of those in a folder, or of the photos in it."""
    dim = recognizer.network.embedding_dim
    if source.endswith(".npy"):
        yield from vector_blocks(source, dim)
        return
    if not is_s3(source) and not Path(source).is_dir():
        raise UsageError(f"--distractors: {shown(source)} is neither a .npy file nor a folder; give one of them")
    arrays = list(list_files(source, [".npy"]))
    for file in arrays:
        yield from vector_blocks(file, dim)
    if not arrays:
        unreadable: list[str] = []
        yield from MultiScale(recognizer.network, (1.0,), home / "embeddings").folder(source, unreadable)
        if unreadable:
            log.warning("%s: %d photos cannot be read; left out", shown(source), len(unreadable))
