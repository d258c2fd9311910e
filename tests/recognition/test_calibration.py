from __future__ import annotations

import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import betabinom, binom

from landmark.config import CalibrationConfig
from landmark.errors import LandmarkError
from landmark.recognition.calibration import (
    Calibration,
    Scored,
    bank_similarity,
    calibrate,
    chooses,
    conformal_threshold,
    needed,
)
from landmark.recognition.confidence import PRIOR, fit_confidence
from tests.recognition.samples import unit


def hashes(count: int) -> list[str]:
    return [hashlib.sha256(str(n).encode()).hexdigest() for n in range(count)]


def scored(similarity: np.ndarray, bank: np.ndarray | float = 0.0, right: bool = False) -> Scored:
    return Scored(similarity, np.broadcast_to(np.asarray(bank, float), similarity.shape), np.full(len(similarity), right))


@pytest.mark.parametrize(
    ("count", "specificity", "rank"),
    # ceil((n + 1) * specificity), by hand.
    [(99, 0.99, 99), (100, 0.99, 100), (199, 0.99, 198), (659, 0.99, 654), (999, 0.999, 999), (9, 0.5, 5), (99, 0.07, 7)],
)
def test_the_order_statistic(count: int, specificity: float, rank: int) -> None:
    scores = np.random.default_rng(0).permutation(np.arange(1.0, count + 1))
    assert conformal_threshold(scores, specificity) == rank


@pytest.mark.parametrize(("specificity", "photos"), [(0.99, 99), (0.999, 999), (0.9, 9), (0.985, 66), (0.5, 1)])
def test_too_few_photos_are_refused_with_the_number_needed(specificity: float, photos: int) -> None:
    assert needed(specificity) == photos
    assert conformal_threshold(np.zeros(photos), specificity) == 0.0
    with pytest.raises(LandmarkError, match=rf"{photos - 1} non-landmark photos .* at least {photos} are needed"):
        conformal_threshold(np.zeros(photos - 1), specificity)


def test_nan_is_refused() -> None:
    with pytest.raises(LandmarkError, match="NaN"):
        conformal_threshold([0.1, math.nan, 0.2], 0.5)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=5, max_size=60),  # many ties
    st.sampled_from([0.5, 0.7, 0.8]),
)
def test_coverage_holds_exactly_over_all_ways_to_leave_one_out(values: list[int], specificity: float) -> None:
    # Exchangeability: whichever of the n + 1 photos is the new one, at most a share of 1 - specificity lies above.
    scores = np.array(values, float)
    above = sum(scores[n] > conformal_threshold(np.delete(scores, n), specificity) for n in range(len(scores)))
    assert above <= (1 - specificity) * len(scores) + 1e-9


@pytest.mark.parametrize("decimals", [None, 1])
def test_coverage_by_simulation(decimals: int | None) -> None:
    random = np.random.default_rng(1)
    runs, count, new = 400, 199, 500
    false = 0
    for _ in range(runs):
        scores = random.normal(size=count + new)
        if decimals is not None:
            scores = scores.round(decimals)
        false += int((scores[count:] > conformal_threshold(scores[:count], 0.95)).sum())
    # Without ties the false alarms of a run are beta-binomial, with 10 of the 200 order statistics above the threshold.
    spread = math.sqrt(runs * betabinom(new, 10, 190).var())
    assert false <= runs * new * 0.05 + 3 * spread
    if decimals is None:
        assert false >= runs * new * 0.05 - 3 * spread


def test_choosing_does_not_spend_the_guarantee() -> None:
    # Bank similarities without meaning: only noise for the choice to overfit to.
    random = np.random.default_rng(2)
    config = CalibrationConfig(specificity=0.9)
    landmarks = Scored(random.normal(1, 1, 50), random.normal(size=50), np.ones(50, bool))
    false = total = 0
    weights = set()
    for run in range(300):
        others = scored(random.normal(size=120), random.normal(size=120))
        names = [hashlib.sha256(f"{run}-{n}".encode()).hexdigest() for n in range(120)]
        made = calibrate(others, names, landmarks, config, others)
        weights.add(made.rescore_weight)
        new = made.score(random.normal(size=200), random.normal(size=200))
        false, total = false + int((new > made.threshold).sum()), total + 200
    assert len(weights) > 1
    assert false / total < 0.1 + 3 * math.sqrt(0.1 * 0.9 / 300 / 80)


def test_rescoring_is_kept_only_if_it_helps() -> None:
    random = np.random.default_rng(3)
    common = random.normal(0, 0.2, 1000)  # what makes a photo similar to everything
    others = scored(0.3 + common[:600] + random.normal(0, 0.02, 600), common[:600])
    landmarks = scored(0.5 + common[600:] + random.normal(0, 0.02, 400), common[600:], right=True)
    helped = calibrate(others, hashes(600), landmarks, CalibrationConfig(), others)
    assert helped.rescore_weight in (0.75, 1.0)
    assert (landmarks.score(helped.rescore_weight) > helped.threshold).mean() > 0.99
    noise = replace(landmarks, bank=random.normal(0, 0.5, 400))
    unhelped = calibrate(replace(others, bank=random.normal(0, 0.5, 600)), hashes(600), noise, CalibrationConfig(), others)
    assert unhelped.rescore_weight == 0.0
    assert helped.n_choose + helped.n_calibrate == 600
    assert helped.n_choose == chooses(hashes(600)).sum()
    low, high = binom(600, 1 / 3).interval(0.9999)
    assert low <= helped.n_choose <= high


def test_never_and_always() -> None:
    random = np.random.default_rng(4)
    others, landmarks = scored(random.normal(size=300), 0.1), scored(random.normal(3, 1, 60), 0.1, right=True)
    never = calibrate(others, hashes(300), landmarks, CalibrationConfig(rescore="never"), others)
    assert (never.rescore_weight, never.n_calibrate, never.n_choose, never.tried) == (0.0, 300, 0, None)
    always = calibrate(others, hashes(300), landmarks, CalibrationConfig(rescore="always"), others)
    assert always.rescore_weight == 0.25
    with pytest.raises(LandmarkError, match="'always' needs non-landmark photos in the train split"):
        calibrate(others, hashes(300), landmarks, CalibrationConfig(rescore="always"), None)
    assert calibrate(others, hashes(300), landmarks, CalibrationConfig(), None).rescore_weight == 0.0


def test_a_small_split_all_goes_to_the_threshold() -> None:
    random = np.random.default_rng(5)
    others, landmarks = scored(random.normal(size=150), 0.1), scored(random.normal(3, 1, 60), 0.1, right=True)
    made = calibrate(others, hashes(150), landmarks, CalibrationConfig(), scored(random.normal(size=40)))
    assert (made.n_calibrate, made.n_choose) == (150, 0)
    with pytest.raises(LandmarkError, match="at least 99 are needed"):
        calibrate(others.only(np.arange(150) < 98), hashes(98), landmarks, CalibrationConfig(), None)
    with pytest.raises(LandmarkError, match="150 non-landmark photos but 3 sha256"):
        calibrate(others, hashes(3), landmarks, CalibrationConfig(), None)


def test_bank_similarity_is_the_mean_of_the_nearest() -> None:
    bank = unit(np.array([[1.0, 0], [0, 1], [3, 4], [4, 3]]))
    query = np.array([[1.0, 0]], np.float32)
    assert bank_similarity(query, bank, 2)[0] == pytest.approx(0.9)  # (1 + 0.8) / 2
    assert bank_similarity(query, bank, 99)[0] == pytest.approx(0.6)  # (1 + 0.8 + 0.6 + 0) / 4
    assert bank_similarity(bank, bank, 1, itself=True)[0] == pytest.approx(0.8)
    assert bank_similarity(query, None, 5).tolist() == [0.0]
    assert bank_similarity(bank[:1], bank[:1], 5, itself=True).tolist() == [0.0]


def test_confidence_is_the_posterior_where_that_is_known() -> None:
    # Two normal distributions of equal variance: log-odds = log(prior odds) + (x - 1/2) exactly for means 0 and 1.
    random = np.random.default_rng(6)
    slope, intercept = fit_confidence(random.normal(0, 1, 200_000), random.normal(1, 1, 200_000), np.ones(200_000, bool))
    assert slope == pytest.approx(1.0, abs=0.03)
    assert intercept == pytest.approx(math.log(PRIOR / (1 - PRIOR)) - 0.5, abs=0.03)


def test_wrong_candidates_count_at_their_share_of_a_collection() -> None:
    # A fifth of the landmark photos has a wrong candidate and scores like the others: P(right) is logistic still.
    random = np.random.default_rng(8)
    right = random.random(200_000) < 0.8
    slope, intercept = fit_confidence(random.normal(0, 1, 200_000), random.normal(0, 1, 200_000) + right, right)
    assert slope == pytest.approx(1.0, abs=0.03)
    assert intercept == pytest.approx(math.log(0.8 * PRIOR / (1 - 0.8 * PRIOR)) - 0.5, abs=0.03)


def test_few_photos_do_not_flatten_the_slope() -> None:
    # Means 0 and 5: log-odds = log(prior odds) + 5 x - 12.5 exactly. Smoothing at the prior gave a slope of 2.3.
    random = np.random.default_rng(9)
    found = [fit_confidence(random.normal(0, 1, 500), random.normal(5, 1, 1000), np.ones(1000, bool)) for _ in range(20)]
    slope, intercept = np.mean(found, axis=0)
    assert 3 < slope < 5  # Platt's smoothing flattens it, towards doubt
    even = (12.5 - math.log(PRIOR / (1 - PRIOR))) / 5
    assert even < -intercept / slope < even + 0.4


def test_a_score_that_tells_nothing_leaves_the_share_of_right_ones() -> None:
    score = np.array([1.0, 2.0] * 500)
    slope, intercept = fit_confidence(score, -score, np.arange(1000) % 4 > 0)
    assert slope == 0
    assert 1 / (1 + math.exp(-intercept)) == pytest.approx(0.75 * PRIOR, rel=0.02)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.floats(-3, 3), st.floats(0.001, 5))
def test_confidence_is_a_monotone_probability(seed: int, shift: float, spread: float) -> None:
    random = np.random.default_rng(seed)
    right = random.random(30) < 0.8
    slope, intercept = fit_confidence(random.normal(0, spread, 40), random.normal(shift, spread, 30), right)
    made = Calibration(threshold=0.0, specificity=0.9, slope=slope, intercept=intercept)
    confidence = made.confidence(np.linspace(-1e3, 1e3, 101))
    assert ((confidence >= 0) & (confidence <= 1)).all()
    assert (np.diff(confidence) >= 0).all()


def test_perfectly_separated_scores_still_have_a_slope() -> None:
    slope, intercept = fit_confidence(np.zeros(100), np.ones(100), np.ones(100, bool))
    assert 0 < slope < 1000
    made = Calibration(threshold=0.5, specificity=0.99, slope=slope, intercept=intercept)
    assert made.confidence([0.0])[0] < 0.02
    assert made.confidence([1.0])[0] > 0.5


def test_nothing_to_fit_leaves_the_prior() -> None:
    made = fit_confidence(np.zeros(10), np.zeros(0), np.zeros(0, bool))
    assert Calibration(0.0, 0.9, slope=made[0], intercept=made[1]).confidence([5.0])[0] == pytest.approx(PRIOR)


def test_json_round_trip_and_refusals() -> None:
    made = Calibration(0.4, 0.99, 0.5, 5, 440, 20.0, -10.0, n_choose=219, tried={"0": 0.8, "0.5": 0.9})
    assert Calibration.from_json(made.to_json()) == made
    for change in ({"threshold": math.nan}, {"threshold": "high"}, {"specificity": 1.0}, {"slope": -1.0}, {"specificity": "a"}):
        with pytest.raises(LandmarkError, match="calibration"):
            Calibration.from_json({**made.to_json(), **change})
    for values in ([], {**made.to_json(), "extra": 1}, {"threshold": 0.4}):
        with pytest.raises(LandmarkError, match="expected the keys"):
            Calibration.from_json(values)


def test_thresholds_by_landmark_are_asked_for_and_move_the_scores() -> None:
    random = np.random.default_rng(11)
    strange, names = np.repeat([0.0, 2.0], 150) + random.normal(size=300), np.repeat(["dull", "striking"], 150)
    others = replace(scored(strange), landmark=names)
    landmarks = replace(scored(random.normal(6, 1, 50), right=True), landmark=np.repeat("striking", 50))
    one = calibrate(others, hashes(300), landmarks, CalibrationConfig(), None)
    assert one.own_thresholds == {}
    made = calibrate(others, hashes(300), landmarks, CalibrationConfig(per_landmark="auto"), None)
    expected = {name: conformal_threshold(strange[names == name], 0.99) for name in ("dull", "striking")}
    at = {name: made.own_thresholds.get(name, made.threshold) for name in expected}
    assert at == expected
    score = made.score([5.0, 5.0, 5.0], [0.0, 0.0, 0.0], made.moves(["dull", "striking", "never seen"]))
    np.testing.assert_allclose(score - made.threshold, 5.0 - np.array([*expected.values(), made.threshold]))
    assert (
        calibrate(replace(others, landmark=None), hashes(300), landmarks, CalibrationConfig(per_landmark="auto"), None) == one
    )
    with pytest.raises(LandmarkError, match="'landmark' must be 300 ids"):
        replace(others, landmark=names[:2])


def test_json_of_a_calibration_from_before_thresholds_by_landmark() -> None:
    made = Calibration(0.4, 0.99, 0.5, 5, 440, 20.0, -10.0, n_choose=219, tried={"0": 0.8, "0.5": 0.9})
    assert "own_thresholds" not in made.to_json()  # as older packages want it
    new = replace(made, own_thresholds={"arch": 0.5})
    assert Calibration.from_json(new.to_json()) == new
    for wrong in ({"arch": math.inf}, {"arch": "high"}, ["arch"]):
        with pytest.raises(LandmarkError, match="calibration"):
            Calibration.from_json({**new.to_json(), "own_thresholds": wrong})
