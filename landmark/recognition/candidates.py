"""The landmarks that a photo is most similar to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from landmark.network.aspects import Array, Labels
from landmark.recognition.centroids import Centroids
from landmark.recognition.index.engine import nearest
from landmark.recognition.vectors import check_vectors


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

    def best(self, embeddings: Array, count: int) -> tuple[Array, Labels]:
        """The most similar distinct landmarks.

        Args:
            embeddings: unit vectors [n, d].
            count: landmarks wanted.

        Returns:
            similarity [n, count] of each to its nearest centroid, falling, and positions in `ids` [n, count]; -inf and -1
            where there are fewer landmarks.
        """
        # In the worst case, all centroids of count - 1 landmarks come first.
        depth = (count - 1) * self._largest + 1
        near, rows = nearest(embeddings, self._vectors, 0, depth)
        landmarks = self.owner[rows]
        similarity = np.full((len(embeddings), count), -np.inf, np.float32)
        found = np.full((len(embeddings), count), -1, np.int64)
        for photo in range(len(embeddings)):
            _, first = np.unique(landmarks[photo], return_index=True)
            first = np.sort(first)[:count]
            similarity[photo, : len(first)] = near[photo, first]
            found[photo, : len(first)] = landmarks[photo, first]
        return similarity, found

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
