"""The landmarks that a photo is most similar to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.network.aspects import Array, Labels
from landmark.recognition.centroids import Centroids
from landmark.recognition.index.engine import nearest
from landmark.recognition.vectors import check_vectors

LANDMARK_COLUMNS = {"landmark", "name", "lat", "lon"}
_FEW = 4096
"""Centroids up to which a photo's similarity to all of them is looked at."""
_SIMILARITIES = 1 << 22
"""At once: 16 MB."""


class CandidateSearch:
    """Search by landmark over the centroids; exact, since there are few next to the photos.

    Attributes:
        ids: landmark ids, sorted [l].
        owner: position in `ids` of each centroid's landmark [c].
    """

    def __init__(self, centroids: Centroids) -> None:
        self.ids, owner, counts = np.unique(centroids.landmark.astype(str), return_inverse=True, return_counts=True)
        self.owner: Labels = owner.astype(np.int64)
        self._vectors = check_vectors(centroids.vectors, "centroids")
        self._largest = int(counts.max())
        self._first = np.concatenate([[0], np.cumsum(counts)[:-1]])
        self._by_landmark = np.ascontiguousarray(self._vectors[np.argsort(self.owner, kind="stable")].T)

    def best(self, embeddings: Array, count: int) -> tuple[Array, Labels]:
        """The most similar distinct landmarks.

        Args:
            embeddings: unit vectors [n, d].
            count: landmarks wanted.

        Returns:
            similarity [n, count] of each to its nearest centroid, falling, and positions in `ids` [n, count]; -inf and -1
            where there are fewer landmarks.
        """
        similarity = np.full((len(embeddings), count), -np.inf, np.float32)
        found = np.full((len(embeddings), count), -1, np.int64)
        chunk = len(embeddings) if len(self.owner) > _FEW else max(1, _SIMILARITIES // len(self.owner))
        for start in range(0, len(embeddings), max(1, chunk)):
            part = slice(start, start + chunk)
            best = self._of_all if len(self.owner) <= _FEW else self._of_nearest
            best(embeddings[part], similarity[part], found[part])
        return similarity, found

    def _of_all(self, embeddings: Array, similarity: Array, found: Labels) -> None:
        """Fill in the most similar landmarks, by the similarity to every centroid."""
        whole = np.maximum.reduceat(embeddings @ self._by_landmark, self._first, axis=1)
        count = min(found.shape[1], len(self.ids))
        best = np.argpartition(-whole, count - 1, axis=1)[:, :count] if count < len(self.ids) else _all(whole)
        best.sort(axis=1)  # of equally similar ones the first
        order = np.argsort(-np.take_along_axis(whole, best, 1), axis=1, kind="stable")
        found[:, :count] = np.take_along_axis(best, order, 1)
        similarity[:, :count] = np.take_along_axis(whole, found[:, :count], 1)

    def _of_nearest(self, embeddings: Array, similarity: Array, found: Labels) -> None:
        """Fill in the most similar landmarks, by so many nearest centroids that they are among them."""
        # In the worst case, all centroids of count - 1 landmarks come first.
        depth = (found.shape[1] - 1) * self._largest + 1
        near, rows = nearest(embeddings, self._vectors, 0, depth)
        landmarks = self.owner[rows]
        order = np.argsort(landmarks, axis=1, kind="stable")
        ordered = np.take_along_axis(landmarks, order, 1)
        first = np.ones(landmarks.shape, bool)
        np.put_along_axis(first, order[:, 1:], ordered[:, 1:] != ordered[:, :-1], 1)
        rank = np.cumsum(first, axis=1) - 1
        photo, place = np.nonzero(first & (rank < found.shape[1]))
        similarity[photo, rank[photo, place]] = near[photo, place]
        found[photo, rank[photo, place]] = landmarks[photo, place]

    def best_of(self, embedding: Array, allowed: NDArray[np.bool_]) -> tuple[float, int]:
        """Similarity and position of the most similar landmark among some.

        Args:
            embedding: unit vector [d].
            allowed: which landmarks may be it [l].

        Returns:
            (-1.0, -1) if none may.
        """
        rows = np.flatnonzero(allowed[self.owner])
        if len(rows) == 0:
            return -1.0, -1
        similarity = self._vectors[rows] @ embedding
        return float(similarity.max()), int(self.owner[rows[similarity.argmax()]])


def _all(whole: Array) -> Labels:
    return np.tile(np.arange(whole.shape[1]), (len(whole), 1))


def rows_of(landmarks: pd.DataFrame, ids: NDArray[Any]) -> pd.DataFrame:
    """The landmarks table in the order of the centroids' landmarks [l].

    Raises:
        LandmarkError: a column or a landmark is missing, or there twice.
    """
    missing = sorted(LANDMARK_COLUMNS - set(landmarks.columns))
    if missing:
        raise LandmarkError(f"recognizer: the landmarks table has no column '{missing[0]}'")
    keyed = landmarks.assign(landmark=landmarks["landmark"].astype(str)).drop_duplicates("landmark").set_index("landmark")
    unknown = sorted(set(ids) - set(keyed.index))
    if unknown or len(keyed) < len(landmarks):
        what = f"no landmark '{unknown[0]}', which has centroids" if unknown else "a landmark twice"
        raise LandmarkError(f"recognizer: the landmarks table has {what}; give one row a landmark")
    rows = keyed.loc[list(ids)].reset_index()
    rows["name"] = rows["name"].fillna("").astype(object)
    rows["name"] = rows["name"].where(rows["name"] != "", rows["landmark"])
    rows[["lat", "lon"]] = rows[["lat", "lon"]].astype(float)
    return rows
