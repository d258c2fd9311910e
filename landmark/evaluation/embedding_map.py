"""Embeddings drawn in two dimensions."""

from __future__ import annotations

import importlib.util
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.errors import UsageError

Method = Literal["tsne", "umap", "pca"]
PHOTO, CENTROID, QUERY = "photo", "centroid", "query"
NEIGHBOURS = 15  # of a point in UMAP's graph: its authors' default
# Both methods need about as many dimensions as there are directions that matter, and their time grows with them.
REDUCED = 50
# Points that spread less are copies of one photo: scikit-learn's t-SNE crashes on those (a division by zero, then a bad index).
SAME_PLACE = 1e-6


def embedding_map(
    vectors: NDArray[np.float32],
    landmarks: NDArray[np.str_],
    centroids: NDArray[np.float32] | None = None,
    centroid_landmarks: NDArray[np.str_] | None = None,
    method: Method = "tsne",
    limit: int = 2000,
    seed: int = 0,
    queries: NDArray[np.float32] | None = None,
) -> pd.DataFrame:
    """Place photos, centroids and queries in a plane, fitted together.

    Args:
        vectors: unit vectors of photos [n, d].
        landmarks: landmark of each photo [n]; "" for none.
        centroids: unit vectors [c, d].
        centroid_landmarks: landmark of each centroid [c].
        method: "tsne" (van der Maaten and Hinton, JMLR 2008) keeps neighbours together, distances between groups mean
            nothing; "umap" (McInnes, Healy and Melville, arXiv 1802.03426; the extra `umap`) keeps somewhat more of how
            groups lie; "pca" keeps the directions of largest variance. Fewer than 8 points are always placed by "pca".
        limit: largest number of photos; of more, a sample is drawn [count].
        seed: of the sample and of the method.
        queries: unit vectors [q, d] of photos to be found on the map; they have no landmark.

    Returns:
        columns x, y, landmark, kind ("photo", "centroid" or "query"), row (in `vectors`, `centroids` or `queries`).

    Raises:
        UsageError: "umap" without umap-learn.

    >>> table = embedding_map(np.eye(3, dtype=np.float32), np.array(["a", "b", ""]), method="pca")
    >>> table["landmark"].tolist(), table["kind"].tolist()
    (['a', 'b', ''], ['photo', 'photo', 'photo'])
    """
    check_method(method)
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
    if queries is not None:
        points.append(np.asarray(queries))
        labels.append(np.full(len(queries), ""))
        rows.append(np.arange(len(queries)))
        kinds += [QUERY] * len(queries)
    placed = _place(np.concatenate(points).astype(np.float64), method, seed)
    return pd.DataFrame(
        {"x": placed[:, 0], "y": placed[:, 1], "landmark": np.concatenate(labels), "kind": kinds, "row": np.concatenate(rows)}
    )


def check_method(method: Method) -> None:
    """Refuse a method that isn't installed, before any work is done.

    Raises:
        UsageError: says how to install it.
    """
    if method == "umap" and importlib.util.find_spec("umap") is None:
        raise UsageError("embedding map 'umap': umap-learn is not installed; pip install 'landmark[umap]', or use 'tsne'")


def _place(points: NDArray[np.float64], method: Method, seed: int) -> NDArray[np.float64]:
    """Points [n, d] in the plane [n, 2]."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    count, dimensions = points.shape
    if count < 2 or points.std(axis=0).max() < SAME_PLACE:
        return np.zeros((count, 2))
    small = method == "pca" or count < 8
    reduced = PCA(min(2 if small else REDUCED, count, dimensions), random_state=seed).fit_transform(points)
    if small:
        return np.pad(reduced, ((0, 0), (0, 2 - reduced.shape[1])))
    # With more threads than free cores their threads wait for each other by spinning: 60 times slower was measured.
    with threadpool_limits(1):
        if method == "umap":
            from umap import UMAP

            # Its own start, spectral, fails on graphs of separate groups; with a seed it runs on one thread anyway.
            neighbours = min(NEIGHBOURS, count - 1)
            placer = UMAP(n_components=2, n_neighbors=neighbours, init="pca", random_state=seed, n_jobs=1)
        else:
            placer = TSNE(2, perplexity=min(30.0, (count - 1) / 3), init="pca", random_state=seed)
        return np.asarray(placer.fit_transform(reduced.astype(np.float32)), np.float64)
