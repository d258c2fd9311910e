"""Embeddings drawn in two dimensions."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

PHOTO, CENTROID = "photo", "centroid"
# t-SNE needs about as many dimensions as there are directions that matter, and its time grows with them.
TSNE_INPUT = 50


def embedding_map(
    vectors: NDArray[np.float32],
    landmarks: NDArray[np.str_],
    centroids: NDArray[np.float32] | None = None,
    centroid_landmarks: NDArray[np.str_] | None = None,
    method: Literal["tsne", "pca"] = "tsne",
    limit: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Place photos and centroids in a plane, fitted together.

    Args:
        vectors: unit vectors of photos [n, d].
        landmarks: landmark of each photo [n]; "" for none.
        centroids: unit vectors [c, d].
        centroid_landmarks: landmark of each centroid [c].
        method: "tsne" (van der Maaten and Hinton, JMLR 2008) keeps neighbours together, distances between groups mean
            nothing; "pca" keeps the directions of largest variance. Fewer than 8 points are always placed by "pca".
        limit: largest number of photos; of more, a sample is drawn [count].
        seed: of the sample and of t-SNE.

    Returns:
        columns x, y, landmark, kind ("photo" or "centroid"), row (in `vectors` or in `centroids`).
    """
    chosen = np.arange(len(vectors))
    if len(chosen) > limit:
        chosen = np.sort(np.random.default_rng(seed).choice(len(vectors), limit, replace=False))
    points, labels, rows = [np.asarray(vectors)[chosen]], [np.asarray(landmarks, str)[chosen]], [chosen]
    kinds = [PHOTO] * len(chosen)
    if centroids is not None and centroid_landmarks is not None:
        points.append(np.asarray(centroids))
        labels.append(np.asarray(centroid_landmarks, str))
        rows.append(np.arange(len(centroids)))
        kinds += [CENTROID] * len(centroids)
    placed = _place(np.concatenate(points).astype(np.float64), method, seed)
    return pd.DataFrame(
        {"x": placed[:, 0], "y": placed[:, 1], "landmark": np.concatenate(labels), "kind": kinds, "row": np.concatenate(rows)}
    )


def _place(points: NDArray[np.float64], method: str, seed: int) -> NDArray[np.float64]:
    """Points [n, d] in the plane [n, 2]."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    count, dimensions = points.shape
    if count < 2:
        return np.zeros((count, 2))
    small = method == "pca" or count < 8
    reduced = PCA(min(2 if small else TSNE_INPUT, count, dimensions), random_state=seed).fit_transform(points)
    if small:
        return np.pad(reduced, ((0, 0), (0, 2 - reduced.shape[1])))
    tsne = TSNE(2, perplexity=min(30.0, (count - 1) / 3), init="pca", random_state=seed)
    # With more threads than free cores its threads wait for each other by spinning: 60 times slower was measured.
    with threadpool_limits(1):
        return np.asarray(tsne.fit_transform(reduced.astype(np.float32)), np.float64)
