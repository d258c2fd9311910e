from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from landmark.config import CentroidsConfig
from landmark.errors import LandmarkError
from landmark.recognition import division, granularity
from landmark.recognition.centroids import Centroids, build_centroids, held_out
from tests.recognition.samples import around, unit, world

SETTINGS = CentroidsConfig()


def uris(count: int) -> list[str]:
    return [f"photo{n:04}.jpg" for n in range(count)]


def sensitivity(centroids: Centroids, photos: np.ndarray, ids: np.ndarray, others: np.ndarray) -> float:
    threshold = np.quantile((others @ centroids.vectors.T).max(1), 0.99)
    similarity = photos @ centroids.vectors.T
    right = centroids.landmark[similarity.argmax(1)].astype(str) == ids
    return float((right & (similarity.max(1) > threshold)).mean())


def test_a_centroid_is_the_mean_of_its_photos() -> None:
    rows = unit(np.array([[3.0, 4.0], [4.0, 3.0], [1.0, 1.0]]))
    made = build_centroids(rows, ["tower"] * 3, ["a", "b", "c"], SETTINGS)
    assert np.allclose(made.vectors, [[0.5**0.5, 0.5**0.5]])
    assert (made.landmark.tolist(), made.support.tolist(), made.medoid.tolist()) == (["tower"], [3], ["c"])
    assert made.cut.tolist() == [math.inf]


def test_several_aspects_are_earned_where_one_mean_meets_strangers() -> None:
    train, ids, test, _, others, strangers = world(0, aspects=3)
    one = build_centroids(train, ids, uris(len(ids)), CentroidsConfig(earned=False, cut=2.0))
    earned = build_centroids(train, ids, uris(len(ids)), SETTINGS, others=others)
    assert len(one) == 6
    assert set(earned.summary()["centroids"]) <= {3, 4}
    assert len(earned) < 21
    assert sensitivity(one, test, ids, strangers) < 0.2
    assert sensitivity(earned, test, ids, strangers) > 0.95


def test_one_mean_stays_where_a_landmark_has_one_aspect() -> None:
    random = np.random.default_rng(1)
    ids = np.repeat(["a", "b", "c"], 40)
    train = around(unit(random.normal(size=(3, 24))), 40, 0.25, random)
    others = unit(random.normal(size=(300, 24)))
    plain = build_centroids(train, ids, uris(120), CentroidsConfig(earned=False))
    earned = build_centroids(train, ids, uris(120), SETTINGS, others=others)
    assert len(plain) > 3  # so that there is something to earn
    assert earned.landmark.tolist() == ["a", "b", "c"]


def test_near_duplicates_prove_nothing() -> None:
    # Copies of one photo look like an aspect of their own to folds that split them.
    random = np.random.default_rng(2)
    views = unit(random.normal(size=(2, 16)) + 3 * np.eye(16)[0])
    rows = np.repeat(np.concatenate([around(view, 6, 0.3, random) for view in views]), 7, axis=0)
    rows = unit(rows + random.normal(0, 0.01, rows.shape))
    groups = np.repeat(np.arange(12), 7)
    divisions = division.divide(rows, groups, [math.inf, 0.2], SETTINGS, "tower", 0)
    split = division.divide(rows, np.arange(84), [math.inf, 0.2], SETTINGS, "tower", 0)
    assert len(divisions[1].vectors) == 12
    assert split[1].held_out.mean() > 0.95
    assert divisions[1].held_out.mean() < 0.75


def test_held_out_similarity_leaves_the_fold_out() -> None:
    rows = np.eye(10, dtype=np.float32)
    found = division.divide(rows, np.arange(10), [math.inf], SETTINGS, "x", 0)[0]
    assert found.held_out.max() == pytest.approx(0.0)
    assert (rows @ found.vectors.T).min() == pytest.approx(10**-0.5)


def test_order_of_photos_and_other_landmarks_do_not_matter() -> None:
    train, ids, *_, others, _ = world(3, aspects=2, landmarks=4)
    photos = np.array(uris(len(ids)), object)
    order = np.random.default_rng(0).permutation(len(ids))
    one = build_centroids(train, ids, photos, SETTINGS, others=others)
    two = build_centroids(train[order], ids[order], photos[order], SETTINGS, others=others)
    assert one.landmark.tolist() == two.landmark.tolist()
    assert one.medoid.tolist() == two.medoid.tolist()
    assert np.allclose(one.vectors, two.vectors, atol=1e-6)


def test_without_others_the_other_landmarks_set_the_threshold() -> None:
    train, ids, test, *_ = world(4, aspects=3)
    earned = build_centroids(train, ids, uris(len(ids)), SETTINGS)
    assert set(earned.landmark) == set(ids)
    right = earned.landmark[(test @ earned.vectors.T).argmax(1)].astype(str) == ids
    assert right.mean() > 0.95


def test_blocks_and_samples_bound_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    train, ids, test, _, others, strangers = world(5, aspects=3)
    monkeypatch.setattr("landmark.recognition.blocks.BLOCK", 2)
    monkeypatch.setattr(granularity, "MAX_JUDGES", 80)
    earned = build_centroids(train, ids, uris(len(ids)), SETTINGS, others=others)
    assert sensitivity(earned, test, ids, strangers) > 0.9


@pytest.mark.parametrize("strangers", [0, 40])
def test_one_landmark_after_another_is_judged_as_all_together(strangers: int) -> None:
    train, ids, *_, others, _ = world(8, aspects=3, landmarks=5)
    rows = [train[ids == name] for name in np.unique(ids)]
    groups = [np.arange(len(own)) for own in rows]
    cuts = [math.inf, 1.0, 0.7]
    divisions = [division.divide(own, part, cuts, SETTINGS, "x", 0) for own, part in zip(rows, groups, strict=True)]
    bank = granularity.Strangers.of(others[:strangers], 0)
    judge = granularity.Judge(divisions, groups, lambda number, place: rows[number][place], bank, 0)
    choice = np.array([0, 2, 1, 0, 2])
    for landmark, results in judge.alternatives(choice):
        for height, result in enumerate(results):
            there = choice.copy()
            there[landmark] = height
            assert (result == judge.hits(there)).all()
        choice[landmark] = (choice[landmark] + 1) % 3
    assert choice.tolist() == [1, 0, 2, 1, 0]


def test_a_landmark_with_one_photo() -> None:
    rows = unit(np.concatenate([np.eye(4)[:1], np.eye(4)[1:2] + 0.1 * np.eye(4)[1:]]))
    made = build_centroids(rows, ["a", "b", "b", "b"], uris(4), SETTINGS, others=unit(np.ones((5, 4))))
    assert made.landmark.tolist() == ["a", "b"]
    assert made.support.tolist() == [1, 3]


def test_held_out_recognition_is_worse_than_stored_recognition() -> None:
    random = np.random.default_rng(6)
    rows = unit(random.normal(size=(60, 256)))
    ids = np.repeat(["a", "b"], 30)
    made = build_centroids(rows, ids, uris(60), SETTINGS)
    stored = made.landmark[(rows @ made.vectors.T).argmax(1)] == ids
    _, right = held_out(rows, ids, made, SETTINGS)
    assert stored.mean() > 0.9  # photos are near the mean that they are part of
    assert 0.2 < right.mean() < 0.8  # noise has no landmark


def test_saved_and_loaded(tmp_path: Path) -> None:
    train, ids, *_ = world(7, aspects=2)
    made = build_centroids(train, ids, [f"s3://bucket/ü {n}.jpg" for n in range(len(ids))], SETTINGS)
    made.save(tmp_path / "centroids.parquet")
    read = Centroids.load(tmp_path / "centroids.parquet")
    for name in ("vectors", "landmark", "support", "medoid", "cut"):
        assert (getattr(made, name) == getattr(read, name)).all()
    assert read.vectors.dtype == np.float32


@pytest.mark.parametrize("damage", ["cut off", "no parquet", "no column", "missing"])
def test_damaged_files_are_refused(tmp_path: Path, damage: str) -> None:
    file = tmp_path / "centroids.parquet"
    build_centroids(unit(np.ones((3, 4))), ["a"] * 3, uris(3), SETTINGS).save(file)
    if damage == "cut off":
        file.write_bytes(file.read_bytes()[:-40])
    elif damage == "no parquet":
        file.write_bytes(b"PAR1")
    elif damage == "no column":
        pd.DataFrame({"landmark": ["a"]}).to_parquet(file)
    else:
        file.unlink()
    with pytest.raises(LandmarkError, match=r"centroids\.parquet"):
        Centroids.load(file)


@pytest.mark.parametrize(
    ("rows", "ids", "photos", "message"),
    [
        (np.eye(3), ["a", "b"], uris(3), "2 landmark ids"),
        (np.eye(3), ["a", "b", ""], uris(3), "without a landmark"),
        (2 * np.eye(3), ["a", "b", "c"], uris(3), "row 0 has length 2"),
        (np.eye(3), ["a", "b", "c"], uris(2), "2 photos"),
        (np.zeros((0, 3)), [], [], "none"),
    ],
)
def test_wrong_input_is_refused(rows: np.ndarray, ids: list[str], photos: list[str], message: str) -> None:
    with pytest.raises(LandmarkError, match=message):
        build_centroids(rows, ids, photos, SETTINGS)
