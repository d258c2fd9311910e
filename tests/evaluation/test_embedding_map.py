import importlib.util

import numpy as np
import pytest

from landmark.errors import UsageError
from landmark.evaluation.embedding_map import embedding_map

needs_umap = pytest.mark.skipif(importlib.util.find_spec("umap") is None, reason="the extra 'umap' is not installed")
METHODS = ["tsne", pytest.param("umap", marks=[needs_umap, pytest.mark.slow]), "pca"]


def groups(count: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three tight groups of unit vectors, far apart, and their means."""
    rng = np.random.default_rng(0)
    means = np.eye(3, 20, dtype=np.float32)
    vectors = np.repeat(means, count, 0) + 0.02 * rng.normal(size=(3 * count, 20)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.repeat(["a", "b", ""], count), means


@pytest.mark.parametrize("method", METHODS)
def test_groups_stay_together_with_their_centroids(method: str) -> None:
    vectors, landmarks, means = groups()
    table = embedding_map(vectors, landmarks, means[:2], np.array(["a", "b"]), method=method)
    photos = table[table["kind"] == "photo"]
    centres = photos.groupby("landmark")[["x", "y"]].mean()
    for row in table.itertuples():
        distance = ((centres - [row.x, row.y]) ** 2).sum(axis=1)
        assert distance.idxmin() == row.landmark
    assert table["kind"].tolist() == ["photo"] * 90 + ["centroid"] * 2
    assert table["row"].tolist() == [*range(90), 0, 1]


def test_many_photos_are_sampled_alike_for_a_seed() -> None:
    vectors, landmarks, _ = groups(100)
    first, again = (embedding_map(vectors, landmarks, method="pca", limit=50, seed=1) for _ in range(2))
    assert len(first) == 50
    assert first["row"].is_unique
    assert first.equals(again)
    assert (first["landmark"] == landmarks[first["row"]]).all()
    assert first["row"].tolist() != embedding_map(vectors, landmarks, method="pca", limit=50, seed=2)["row"].tolist()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_few_points(count: int) -> None:
    table = embedding_map(np.eye(count, 4, dtype=np.float32), np.full(count, "a"))
    assert len(table) == count
    assert np.isfinite(table[["x", "y"]].to_numpy()).all()


@pytest.mark.parametrize("method", METHODS)
def test_queries_lie_with_what_they_resemble(method: str) -> None:
    vectors, landmarks, means = groups()
    table = embedding_map(vectors, landmarks, means[:2], np.array(["a", "b"]), method=method, queries=means[[1, 0]])
    photos, queries = table[table["kind"] == "photo"], table[table["kind"] == "query"]
    assert queries[["landmark", "row"]].values.tolist() == [["", 0], ["", 1]]
    centres = photos.groupby("landmark")[["x", "y"]].mean()
    near = [((centres - [row.x, row.y]) ** 2).sum(axis=1).idxmin() for row in queries.itertuples()]
    assert near == ["b", "a"]


@pytest.mark.parametrize("method", ["tsne", pytest.param("umap", marks=[needs_umap, pytest.mark.slow])])
def test_a_map_is_the_same_for_a_seed(method: str) -> None:
    vectors, landmarks, _ = groups()
    first, again = (embedding_map(vectors, landmarks, method=method, seed=3) for _ in range(2))
    assert first.equals(again)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("distinct", [1, 2, 3])
def test_copies_of_few_photos(method: str, distinct: int) -> None:
    vectors = np.tile(np.eye(distinct, 6, dtype=np.float32), (20, 1))
    table = embedding_map(vectors, np.full(len(vectors), "a"), method=method)
    assert np.isfinite(table[["x", "y"]].to_numpy()).all()


def test_umap_that_is_not_installed_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"umap-learn is not installed; pip install 'landmark\[umap\]'"):
        embedding_map(np.eye(2, dtype=np.float32), np.array(["a", "b"]), method="umap")
