import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

from landmark.errors import LandmarkError
from landmark.evaluation.open_set import OpenSet


def example() -> OpenSet:
    """Six landmark photos, four others, two of an unknown landmark; the figures below are worked out by hand."""
    rows = [  # score, predicted, truth, known
        (0.9, "eiffel", "eiffel", True),
        (0.8, "eiffel", "eiffel", True),
        (0.7, "louvre", "eiffel", True),
        (0.3, "eiffel", "eiffel", True),
        (0.6, "louvre", "louvre", True),
        (0.2, "eiffel", "louvre", True),
        (0.75, "eiffel", "", True),
        (0.4, "louvre", "", True),
        (0.3, "louvre", "", True),
        (0.1, "eiffel", "", True),
        (0.65, "louvre", "", False),
        (0.05, "louvre", "", False),
    ]
    score, predicted, truth, known = zip(*rows, strict=True)
    return OpenSet(np.array(score), np.array(predicted), np.array(truth), np.array(known))


def test_figures_by_hand() -> None:
    figures = example().figures(0.5)
    assert figures["sensitivity"] == pytest.approx(3 / 6)
    assert figures["specificity"] == pytest.approx(3 / 4)
    assert figures["unknown_specificity"] == pytest.approx(1 / 2)
    assert figures["top1"] == pytest.approx(4 / 6)
    assert figures["macro_sensitivity"] == pytest.approx((2 / 4 + 1 / 2) / 2)
    assert figures["threshold"] == 0.5
    # By rank: right, right, other, wrong, unknown, right, other, then a right one tied with an other (up to rank 9).
    assert figures["gap"] == pytest.approx((1 / 1 + 2 / 2 + 3 / 6 + 4 / 9) / 6)
    # 99 % of 4 others are all 4 of them: the threshold is the highest other, 0.75.
    assert figures["sensitivity_at_99"] == pytest.approx(2 / 6)
    assert figures["sensitivity_at_99_9"] == pytest.approx(2 / 6)
    # 3 of 6 by Wilson: centre .5, half-width z sqrt(.25/6 + z^2/144) / (1 + z^2/6)
    z2 = 1.959963984540054**2
    half = math.sqrt(z2) * math.sqrt(0.25 / 6 + z2 / 144) / (1 + z2 / 6)
    assert figures["sensitivity_low"] == pytest.approx(0.5 - half)
    assert figures["sensitivity_high"] == pytest.approx(0.5 + half)
    assert figures["specificity_low"] < 0.75 < figures["specificity_high"]


def test_a_score_equal_to_the_threshold_is_not_accepted() -> None:
    open_set = OpenSet(np.array([0.5, 0.5]), np.array(["a", "a"]), np.array(["a", ""]))
    assert open_set.figures(0.5)["sensitivity"] == 0
    assert open_set.figures(0.5)["specificity"] == 1
    assert open_set.figures(math.nextafter(0.5, 0))["sensitivity"] == 1


def test_ties_cannot_be_split_to_reach_a_specificity() -> None:
    # Ten others, nine of them tied at 0.4 and one at 0.9: half of them cannot be rejected without rejecting all nine.
    score = np.array([0.4] * 9 + [0.9] + [0.4, 0.5])
    truth = np.array([""] * 10 + ["a", "a"])
    open_set = OpenSet(score, np.full(12, "a"), truth)
    assert open_set.threshold_at(0.5) == 0.4
    assert open_set.sensitivity_at(0.5) == 0.5  # the landmark photo at 0.4 is tied, hence not accepted
    assert open_set.sensitivity_at(0.9) == 0.5
    assert open_set.sensitivity_at(0.91) == 0.0


def test_an_exactly_reached_share_asks_for_no_photo_more() -> None:
    # 0.07 * 100 > 7 in floating point; 7 of 100 others rejected is a specificity of 0.07 all the same.
    open_set = OpenSet(np.arange(101.0), np.full(101, "a"), np.array([""] * 100 + ["a"]))
    assert open_set.threshold_at(0.07) == 6.0
    assert open_set.threshold_at(0.0) == -math.inf


def test_per_landmark_by_hand() -> None:
    table = example().per_landmark(0.5).set_index("landmark")
    assert table.loc["eiffel", ["photos", "wrong", "missed", "false_tags"]].tolist() == [4, 1, 1, 1]
    assert table.loc["louvre", ["photos", "wrong", "missed", "false_tags"]].tolist() == [2, 0, 1, 1]
    assert table["sensitivity"].tolist() == [0.5, 0.5]
    assert (table["low"] < 0.5).all()
    assert (table["high"] > 0.5).all()


def test_a_landmark_without_test_photos_appears_when_it_is_given() -> None:
    open_set = OpenSet(np.array([0.9, 0.9, 0.1]), np.array(["a", "b", "c"]), np.array(["a", "", ""]))
    table = open_set.per_landmark(0.5).set_index("landmark")
    assert sorted(table.index) == ["a", "b"]
    assert table.loc["b", "photos"] == 0
    assert math.isnan(table.loc["b", "sensitivity"])
    assert (table.loc["b", "low"], table.loc["b", "high"]) == (0, 1)
    assert open_set.figures(0.5)["macro_sensitivity"] == 1.0


def test_confusions_by_hand() -> None:
    table = example().confusions(0.5)
    rows = list(table.itertuples(index=False, name=None))
    assert rows == [("", True, "eiffel", 1, 0.75), ("eiffel", True, "louvre", 1, 0.7), ("", False, "louvre", 1, 0.65)]
    assert example().confusions(1.0).empty


def test_outcomes_by_hand() -> None:
    expected = ["right", "right", "wrong", "missed", "right", "missed", "false tag", "rejected", "rejected", "rejected"]
    assert example().outcome(0.5).tolist() == [*expected, "false tag", "rejected"]


def test_no_proposal_is_never_accepted() -> None:
    open_set = OpenSet(np.array([9.0, 8.0, 7.0]), np.array(["", "a", ""]), np.array(["a", "a", ""]))
    figures = open_set.figures(-math.inf)
    assert figures["sensitivity"] == 0.5
    assert figures["specificity"] == 1.0
    assert figures["gap"] == 0.5


@pytest.mark.parametrize(
    ("truth", "message"),
    [(["", ""], "no test photo shows a landmark"), (["a", "a"], "shows anything but a landmark")],
)
def test_one_sided_sets_are_refused(truth: list[str], message: str) -> None:
    open_set = OpenSet(np.array([0.1, 0.2]), np.array(["a", "a"]), np.array(truth))
    with pytest.raises(LandmarkError, match=message):
        open_set.figures(0.5)
    with pytest.raises(LandmarkError, match=message):
        open_set.curve()


def test_impossible_rows_are_refused() -> None:
    a = np.array(["a", "a"])
    with pytest.raises(ValueError, match=r"all be \[n\]"):
        OpenSet(np.array([0.1]), a, a)
    with pytest.raises(ValueError, match="row 1 is NaN"):
        OpenSet(np.array([0.1, np.nan]), a, a)
    with pytest.raises(ValueError, match="known landmark"):
        OpenSet(np.array([0.1, 0.2]), a, a, np.array([True, False]))


# Few distinct scores, so that ties are frequent.
photos = st.lists(
    st.tuples(
        st.one_of(st.integers(-3, 3).map(float), st.floats(-3, 3), st.just(-math.inf)),
        st.sampled_from(["", "a", "b", "c"]),
        st.sampled_from(["", "", "a", "b", "c", "?"]),
    ),
    max_size=40,
).map(lambda rows: [*rows, (0.0, "a", "a"), (0.0, "b", "")])


def as_open_set(rows: list[tuple[float, str, str]]) -> OpenSet:
    score, predicted, truth = zip(*rows, strict=True)
    known = np.array([t != "?" for t in truth])
    return OpenSet(np.array(score), np.array(predicted), np.array([t.strip("?") for t in truth]), known)


def plain_figures(rows: list[tuple[float, str, str]], threshold: float) -> dict[str, float]:
    """The definitions, a photo at a time."""
    right = landmarks = rejected = others = 0
    for score, predicted, truth in rows:
        accepted = score > threshold and predicted != ""
        if truth in ("a", "b", "c"):
            landmarks += 1
            right += accepted and predicted == truth
        elif truth == "":
            others += 1
            rejected += not accepted
    return {"sensitivity": right / landmarks, "specificity": rejected / others}


def plain_gap(rows: list[tuple[float, str, str]]) -> float:
    """sum(precision@i * correct_i) / number of photos with a landmark; the end of a tie counts for all in it."""
    ranked = sorted((row for row in rows if row[1] != ""), key=lambda row: -row[0])
    total = 0.0
    for score, predicted, truth in ranked:
        if predicted == truth:
            above = [row for row in ranked if row[0] >= score]
            total += sum(p == t for _, p, t in above) / len(above)
    return total / sum(truth in ("a", "b", "c") for _, _, truth in rows)


@settings(deadline=None)
@given(photos, st.one_of(st.integers(-4, 4).map(float), st.floats(-4, 4)))
def test_figures_agree_with_the_plain_definitions(rows: list[tuple[float, str, str]], threshold: float) -> None:
    open_set = as_open_set(rows)
    figures = open_set.figures(threshold)
    for name, value in plain_figures(rows, threshold).items():
        assert figures[name] == pytest.approx(value)
    assert figures["gap"] == pytest.approx(plain_gap(rows))


@settings(deadline=None)
@given(photos, st.sampled_from([0.0, 0.07, 0.5, 0.9, 0.99, 0.999, 1.0]))
def test_threshold_at_is_the_smallest_that_reaches_the_specificity(rows: list[tuple[float, str, str]], target: float) -> None:
    open_set = as_open_set(rows)
    threshold = open_set.threshold_at(target)
    reached = plain_figures(rows, threshold)
    assert reached["specificity"] >= target - 1e-12
    assert open_set.sensitivity_at(target) == pytest.approx(reached["sensitivity"])
    lower = [score for score, _, _ in rows if score < threshold]
    if lower:
        assert plain_figures(rows, max(lower))["specificity"] < target


@settings(deadline=None)
@given(photos)
def test_curve_holds_every_operating_point_once(rows: list[tuple[float, str, str]]) -> None:
    curve = as_open_set(rows).curve()
    assert curve["threshold"].is_monotonic_increasing
    assert curve["threshold"].is_unique
    assert curve["sensitivity"].is_monotonic_decreasing
    assert curve["specificity"].is_monotonic_increasing
    assert curve["specificity"].iloc[-1] == 1
    assert curve["sensitivity"].iloc[-1] == 0
    for point in curve.itertuples():
        plain = plain_figures(rows, point.threshold)
        assert (point.sensitivity, point.specificity) == pytest.approx((plain["sensitivity"], plain["specificity"]))


@settings(deadline=None)
@given(photos, st.randoms(use_true_random=False))
def test_the_order_of_photos_does_not_matter(rows: list[tuple[float, str, str]], random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert as_open_set(shuffled).figures(0.5) == pytest.approx(as_open_set(rows).figures(0.5))


@settings(deadline=None)
@given(photos, st.floats(-4, 4))
def test_tables_add_up(rows: list[tuple[float, str, str]], threshold: float) -> None:
    open_set = as_open_set(rows)
    outcome = open_set.outcome(threshold).tolist()
    table = open_set.per_landmark(threshold)
    assert table["photos"].sum() == open_set.landmark_photo.sum()
    assert table["missed"].sum() == outcome.count("missed")
    assert table["wrong"].sum() == outcome.count("wrong")
    assert table["false_tags"].sum() == outcome.count("false tag")
    confused = open_set.confusions(threshold)
    assert confused["photos"].sum() == outcome.count("wrong") + outcome.count("false tag")


def test_gap_is_sklearns_average_precision_scaled_to_the_landmark_photos() -> None:
    rng = np.random.default_rng(3)
    truth = rng.choice(["", "a", "b"], 500)
    predicted = np.where(rng.random(500) < 0.7, np.where(truth == "", "a", truth), "b")
    score = np.round(rng.random(500), 2)
    open_set = OpenSet(score, predicted, truth)
    correct = (predicted == truth) & (truth != "")
    expected = average_precision_score(correct, score) * correct.sum() / (truth != "").sum()
    assert open_set.gap() == pytest.approx(expected)
