import numpy as np
import pytest

from landmark.config import CalibrationConfig, CentroidsConfig
from landmark.errors import LandmarkError
from landmark.evaluation.galleries import (
    ALL_PHOTOS,
    EARNED,
    FIXED_CUT,
    METHODS,
    ONE_MEAN,
    Split,
    gallery_baselines,
    make_gallery,
)
from tests.evaluation.samples import two_sided_world

CENTROIDS = CentroidsConfig(cut=0.9)


def test_galleries_by_hand() -> None:
    embeddings, table = two_sided_world()
    split = Split.of(table)
    means = make_gallery(ONE_MEAN, embeddings, table, split, CENTROIDS)
    assert means.landmark.tolist() == ["place_0", "place_1", "place_2", "place_3"]
    own = embeddings[(table["landmark"] == "place_1") & (table["split"] == "train")].mean(0)
    np.testing.assert_allclose(means.vectors[1], own / np.linalg.norm(own), atol=1e-6)
    clusters = make_gallery(FIXED_CUT, embeddings, table, split, CENTROIDS)
    assert clusters.landmark.tolist() == [f"place_{number}" for number in (0, 0, 1, 1, 2, 2, 3, 3)]
    photos = make_gallery(ALL_PHOTOS, embeddings, table, split, CENTROIDS)
    assert photos.vectors.shape == (4 * 24, embeddings.shape[1])
    similarity, row = photos.nearest(embeddings[split.train])
    np.testing.assert_allclose(similarity, 1, atol=1e-5)
    assert row.tolist() == list(range(96))


def test_two_aspects_deserve_two_centroids() -> None:
    embeddings, table = two_sided_world()
    results = gallery_baselines(embeddings, table, CENTROIDS, CalibrationConfig())
    assert results["method"].tolist() == [method for method in METHODS for _ in range(2)]
    assert results["rescored"].tolist() == [False, True] * 4
    assert (results["photos"] == 40).all()
    plain = results[~results["rescored"]].set_index("method")
    assert plain["vectors"].to_dict() == {ONE_MEAN: 4, FIXED_CUT: 8, EARNED: 8, ALL_PHOTOS: 96}
    # One mean of two orthogonal aspects is at 45 degrees to both: photos are less similar to it.
    assert plain.loc[FIXED_CUT, "sensitivity"] > plain.loc[ONE_MEAN, "sensitivity"]
    assert plain.loc[EARNED, "sensitivity"] == plain.loc[FIXED_CUT, "sensitivity"]
    assert (results["specificity"] > 0.95).all()
    assert (
        (results["sensitivity_low"] <= results["sensitivity"]) & (results["sensitivity"] <= results["sensitivity_high"])
    ).all()


def test_the_threshold_is_the_conformal_one() -> None:
    # 99 calibrate photos: the 99 % threshold is the highest of their scores, so all of them are rejected.
    embeddings, table = two_sided_world()
    split = Split.of(table)
    keep = np.flatnonzero(~split.calibrate)
    keep = np.concatenate([keep, np.flatnonzero(split.calibrate)[:99]])
    calibrate = np.flatnonzero(split.calibrate)[:99]
    highest = (embeddings[calibrate] @ make_gallery(ONE_MEAN, embeddings, table, split, CENTROIDS).vectors.T).max()
    others = split.test & (table["landmark"] == "").to_numpy() & table["known"].to_numpy()
    means = make_gallery(ONE_MEAN, embeddings, table, split, CENTROIDS).vectors
    expected = ((embeddings[others] @ means.T).max(1) <= highest).mean()
    results = gallery_baselines(
        embeddings[keep], table.iloc[keep].reset_index(drop=True), CENTROIDS, CalibrationConfig(), methods=[ONE_MEAN]
    )
    assert results["specificity"][0] == pytest.approx(expected)


def test_some_landmarks_alone() -> None:
    embeddings, table = two_sided_world()
    split = Split.of(table, ["place_1", "place_3"])
    ids = table["landmark"].to_numpy()
    assert set(ids[split.train]) == {"place_1", "place_3"}
    assert set(ids[split.test]) == {"", "place_1", "place_3"}
    assert split.test.sum() == 2 * 10 + 200 + 10
    assert not (split.calibrate & split.calibrate_landmarks).any()
    assert set(make_gallery(EARNED, embeddings, table, split, CENTROIDS).landmark) == {"place_1", "place_3"}


def test_without_a_bank_nothing_is_rescored() -> None:
    embeddings, table = two_sided_world()
    rows = ~Split.of(table).bank
    results = gallery_baselines(embeddings[rows], table[rows], CENTROIDS, CalibrationConfig(), methods=[ONE_MEAN, EARNED])
    assert results["rescored"].tolist() == [False, False]


@pytest.mark.parametrize(
    ("split", "landmark", "message"),
    [
        ("train", True, "no landmark photos in the train split"),
        ("calibrate", False, "no non-landmark photos in the calibrate split"),
        ("test", True, "no landmark photos in the test split"),
        ("test", False, "no non-landmark photos in the test split"),
    ],
)
def test_what_is_missing_is_named(split: str, landmark: bool, message: str) -> None:
    _, table = two_sided_world()
    rows = ~((table["split"] == split) & ((table["landmark"] != "") == landmark) & table["known"])
    with pytest.raises(LandmarkError, match=message):
        Split.of(table[rows])
