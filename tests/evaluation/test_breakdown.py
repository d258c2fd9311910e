import numpy as np
import pandas as pd
import pytest

from landmark.evaluation.breakdown import breakdown_figures, by_aspect, by_training_photos
from landmark.evaluation.open_set import OpenSet
from landmark.recognition.centroids import Centroids
from tests.evaluation.samples import directions


def example() -> OpenSet:
    """Three landmarks: a 2 of 4 right, b 1 of 1, c 0 of 2; one other."""
    rows = [
        (0.9, "a", "a"), (0.8, "a", "a"), (0.2, "a", "a"), (0.9, "b", "a"),
        (0.9, "b", "b"), (0.1, "c", "c"), (0.9, "a", "c"), (0.1, "a", ""),
    ]  # fmt: skip
    score, predicted, truth = zip(*rows, strict=True)
    return OpenSet(np.array(score), np.array(predicted), np.array(truth))


def centroids() -> Centroids:
    landmark = np.array(["a", "a", "b", "c"], object)
    return Centroids(directions(4), landmark, np.array([5, 30, 8, 300]), np.array(["p"] * 4, object))


def test_by_training_photos_by_hand() -> None:
    table = by_training_photos(example(), 0.5, {"a": 35, "b": 9}).set_index("group")
    assert table.index.tolist() == ["rare", "uncommon"]
    # c was never trained on: rare, with b. 1 of 3 photos are right, 1 of 2 landmarks in the mean.
    assert table.loc["rare", ["landmarks", "photos"]].tolist() == [2, 3]
    assert table.loc["rare", "sensitivity"] == pytest.approx(1 / 3)
    assert table.loc["rare", "macro_sensitivity"] == pytest.approx((1 + 0) / 2)
    assert table.loc["uncommon", ["sensitivity", "training_photos"]].tolist() == [0.5, "10 to 49"]
    # 2 of 4 by Wilson
    z2 = 1.959963984540054**2
    half = np.sqrt(z2) * np.sqrt(0.25 / 4 + z2 / 64) / (1 + z2 / 4)
    assert table.loc["uncommon", "sensitivity_low"] == pytest.approx(0.5 - half)


EDGES = {0: "rare", 9: "rare", 10: "uncommon", 49: "uncommon", 50: "common", 199: "common", 200: "frequent", 10**6: "frequent"}


@pytest.mark.parametrize(("photos", "group"), EDGES.items())
def test_every_number_of_photos_has_one_group(photos: int, group: str) -> None:
    table = by_training_photos(example(), 0.5, dict.fromkeys("abc", photos))
    assert table["group"].tolist() == [group]
    assert table["photos"].tolist() == [7]
    assert table["sensitivity"].tolist() == pytest.approx([3 / 7])


def test_by_aspect_by_hand() -> None:
    aspect = np.array([0, 1, 1, 1, 2, 3, 3, -1])
    table = by_aspect(example(), 0.5, aspect, centroids())
    rows = table[["landmark", "aspect", "aspects", "support", "photos", "sensitivity"]].to_numpy().tolist()
    assert rows == [
        ["a", 2, 2, 5, 1, 1.0],
        ["a", 1, 2, 30, 3, pytest.approx(1 / 3)],
        ["b", 1, 1, 8, 1, 1.0],
        ["c", 1, 1, 300, 2, 0.0],
    ]
    figures = breakdown_figures(by_training_photos(example(), 0.5, {"a": 35, "b": 9}), table)
    assert figures == {
        "sensitivity_rare": pytest.approx(1 / 3),
        "sensitivity_uncommon": 0.5,
        "sensitivity_main_aspect": pytest.approx(1 / 3),
        "sensitivity_other_aspects": 1.0,
    }


def test_the_parts_make_the_whole() -> None:
    whole = example().figures(0.5)["sensitivity"]
    sizes = by_training_photos(example(), 0.5, {"a": 3, "b": 30, "c": 300})
    aspects = by_aspect(example(), 0.5, np.array([0, 1, 1, 0, 2, 3, 3, -1]), centroids())
    for table in (sizes, aspects):
        assert np.average(table["sensitivity"], weights=table["photos"]) == pytest.approx(whole)


def test_single_aspects_are_no_breakdown() -> None:
    one = Centroids(directions(3), np.array(["a", "b", "c"], object), np.array([5, 3, 8]), np.array(["p"] * 3, object))
    table = by_aspect(example(), 0.5, np.array([0, 0, 0, 0, 1, 2, 2, -1]), one)
    assert breakdown_figures(pd.DataFrame(columns=["group", "sensitivity"]), table) == {}
