import numpy as np
import pytest

from landmark.evaluation.embedding_map import embedding_map


def groups(count: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three tight groups of unit vectors, far apart, and their means."""
    rng = np.random.default_rng(0)
    means = np.eye(3, 20, dtype=np.float32)
    vectors = np.repeat(means, count, 0) + 0.02 * rng.normal(size=(3 * count, 20)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.repeat(["a", "b", ""], count), means


@pytest.mark.parametrize("method", ["tsne", "pca"])
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
