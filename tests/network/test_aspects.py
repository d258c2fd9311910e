from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster.hierarchy import fcluster, linkage

from landmark.config import CentroidsConfig
from landmark.network import aspects
from landmark.network.aspects import find_aspects, find_aspects_at, means_of


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def around(centres: np.ndarray, count: int, spread: float, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return unit(np.repeat(centres, count, axis=0) + random.normal(0, spread, (len(centres) * count, centres.shape[1])))


def partition(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in np.unique(labels[labels >= 0])}


def test_two_sides_and_a_stray_photo() -> None:
    # Sides at right angles are sqrt(2) = 1.41 apart; the stray photo is as far from both.
    rows = np.concatenate([around(np.eye(8)[:2], 5, 0.02), np.eye(8, dtype=np.float32)[7:]])
    labels = find_aspects(rows, CentroidsConfig())
    assert labels.tolist() in ([0] * 5 + [1] * 5 + [-1], [1] * 5 + [0] * 5 + [-1])


@pytest.mark.parametrize("cut", [0.5, 0.9, 1.2])
@pytest.mark.parametrize("method", ["average", "complete", "single", "ward"])
def test_agrees_with_scipy(method: str, cut: float) -> None:
    rows = around(np.random.default_rng(3).normal(size=(6, 16)), 9, 0.25)
    expected = fcluster(linkage(rows.astype(np.float64), method), cut, "distance")
    found = find_aspects(rows, CentroidsConfig(linkage=method, cut=cut, min_photos=1, max_centroids=99))
    assert partition(found) == partition(expected)


def test_too_small_clusters_leave_one_mean() -> None:
    rows = np.eye(6, dtype=np.float32)
    assert find_aspects(rows, CentroidsConfig()).tolist() == [0] * 6
    assert np.allclose(means_of(rows, np.zeros(6, np.int64)), np.full((1, 6), 6**-0.5))


def test_the_largest_are_kept() -> None:
    rows = np.concatenate([around(np.eye(8)[[n]], size, 0.01, n) for n, size in enumerate([3, 7, 4, 5])])
    labels = find_aspects(rows, CentroidsConfig(max_centroids=2))
    assert np.bincount(labels + 1).tolist() == [7, 7, 5]
    assert set(labels[3:10]) == {0}


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_photos(count: int) -> None:
    rows = np.eye(4, dtype=np.float32)[:count]
    labels = find_aspects(rows, CentroidsConfig())
    assert labels.tolist() == [0] * count
    assert means_of(rows, labels).shape == (min(count, 1), 4)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 40), st.sampled_from(["average", "complete", "ward", "single"]))
def test_the_order_of_the_photos_does_not_matter(seed: int, count: int, method: str) -> None:
    random = np.random.default_rng(seed)
    rows = around(random.normal(size=(3, 6)), count, 0.3, seed)
    settings_ = CentroidsConfig(linkage=method, cut=0.7)
    order = random.permutation(len(rows))
    labels = find_aspects(rows, settings_)
    assert (find_aspects(rows[order], settings_) == labels[order]).all()
    if labels.any():
        assert np.bincount(labels[labels >= 0]).min() >= settings_.min_photos
        assert labels.max() < settings_.max_centroids


def test_duplicates_and_opposites() -> None:
    rows = np.tile(np.eye(3, dtype=np.float32)[0], (6, 1))
    rows[3:] *= -1
    assert partition(find_aspects(rows, CentroidsConfig())) == {frozenset({0, 1, 2}), frozenset({3, 4, 5})}
    # Their one mean is zero: a unit vector must come out all the same.
    assert np.linalg.norm(means_of(rows, np.zeros(6, np.int64))) == pytest.approx(1.0)


def test_several_cuts_at_once_are_the_same_as_one_by_one() -> None:
    rows = around(np.random.default_rng(1).normal(size=(5, 12)), 8, 0.3)
    cuts = [np.inf, 1.1, 0.9, 0.6]
    for cut, labels in zip(cuts, find_aspects_at(rows, cuts, CentroidsConfig()), strict=True):
        expected = np.zeros(len(rows)) if cut == np.inf else find_aspects(rows, CentroidsConfig(cut=cut))
        assert (labels == expected).all()


def test_a_large_landmark_is_clustered_by_a_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.concatenate([around(np.eye(8)[:3], 60, 0.05), np.eye(8, dtype=np.float32)[7:]])
    whole = find_aspects(rows, CentroidsConfig())
    monkeypatch.setattr(aspects, "MAX_CLUSTERED", 60)
    sampled = find_aspects(rows, CentroidsConfig())
    assert partition(sampled) == partition(whole)
    order = np.random.default_rng(0).permutation(len(rows))
    assert (find_aspects(rows[order], CentroidsConfig()) == sampled[order]).all()
    assert find_aspects(rows, CentroidsConfig(min_photos=100)).tolist() == [0] * len(rows)
