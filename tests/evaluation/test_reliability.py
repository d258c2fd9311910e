from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss
from torchmetrics.classification import BinaryCalibrationError

from landmark.errors import LandmarkError
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.protocol_plots import reliability_figure
from landmark.evaluation.reliability import BINS, Confidences, drawn, rebased, reliability, to_prevalence


def sample(photos: int = 400, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    confidence = random.beta(0.6, 1.2, photos)
    return confidence, random.random(photos) < confidence**1.5


@pytest.mark.parametrize("seed", range(4))
def test_against_torchmetrics_and_scikit_learn(seed: int) -> None:
    confidence, right = sample(seed=seed)
    measured = Confidences(confidence, right)
    other = BinaryCalibrationError(n_bins=BINS, norm="l1")(torch.tensor(confidence), torch.tensor(right).int())
    assert measured.ece() == pytest.approx(float(other), abs=1e-6)
    weight = np.random.default_rng(seed).random(len(right))
    assert Confidences(confidence, right, weight).brier() == pytest.approx(
        brier_score_loss(right, confidence, sample_weight=weight)
    )
    share, mean = calibration_curve(right, confidence, n_bins=10)
    table = measured.bins(10)
    assert np.allclose(table["right"], share)
    assert np.allclose(table["confidence"], mean)
    share, mean = calibration_curve(right, confidence, n_bins=10, strategy="quantile")
    equal = measured.bins(10, equal_mass=True)
    assert (equal["photos"] == 40).all()
    assert np.allclose(equal["right"], share, atol=0.026)  # a photo at an edge may fall on either side of it
    assert np.allclose(equal["confidence"], mean, atol=0.01)


def test_by_hand() -> None:
    # Two bins: 0.2, 0.3 (one of two right), 0.9 (right, weight 2): 2/4 * |0.5 - 0.25| + 2/4 * |1 - 0.9| = 0.175.
    measured = Confidences(np.array([0.2, 0.3, 0.9]), np.array([False, True, True]), np.array([1.0, 1.0, 2.0]))
    assert measured.ece(2) == pytest.approx(0.175)
    # (0.04 + 0.49 + 2 * 0.01) / 4
    assert measured.brier() == pytest.approx(0.1375)
    table = measured.bins(2)
    assert table["photos"].tolist() == [2, 1]
    # Wilson of 1 of 2 (Kish: two photos of equal weight), and of 1 of 1: not of the weight 2.
    assert table["right_low"].tolist() == pytest.approx([0.0945, 0.2065], abs=1e-4)
    assert table["right_high"].tolist() == pytest.approx([0.9055, 1.0], abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 12), st.booleans(), st.integers(1, 4)), min_size=1, max_size=30),
    st.integers(1, 16),
    st.booleans(),
)
def test_a_weight_is_as_many_photos(rows: list[tuple[int, bool, int]], count: int, equal_mass: bool) -> None:
    confidence, right, weight = (np.array(column) for column in zip(*rows, strict=True))
    confidence = confidence / 12
    measured = Confidences(confidence, right, weight)
    repeated = Confidences(np.repeat(confidence, weight), np.repeat(right, weight))
    assert measured.ece(count, equal_mass) == pytest.approx(repeated.ece(count, equal_mass))
    assert measured.brier() == pytest.approx(repeated.brier())
    table = measured.bins(count, equal_mass)
    assert table["photos"].sum() == len(rows)
    assert table["weight"].sum() == pytest.approx(1)
    assert (table["start"] <= table["confidence"] + 1e-9).all()
    assert (table["confidence"] <= table["end"] + 1e-9).all()
    assert (table["right_low"] <= table["right"] + 1e-9).all()
    assert (table["right"] <= table["right_high"] + 1e-9).all()
    assert 0 <= measured.ece(count, equal_mass) <= 1


def test_a_true_probability_is_calibrated_and_half_of_it_is_not() -> None:
    random = np.random.default_rng(5)
    confidence = random.random(40_000)
    right = random.random(40_000) < confidence
    assert Confidences(confidence, right).ece() < 0.015
    assert Confidences(confidence / 2, right).ece() == pytest.approx(0.25, abs=0.01)
    assert Confidences(confidence / 2, right).ece(equal_mass=True) == pytest.approx(0.25, abs=0.01)


def test_rebasing_is_bayes() -> None:
    # Likelihood ratio 6 at a prior of 0.2: odds 1.5, and 6 at a prior of 0.5.
    assert rebased(0.6, 0.2, 0.5) == pytest.approx(6 / 7)
    assert rebased([0.0, 1.0], 0.02, 0.7).tolist() == [0.0, 1.0]
    confidence = np.linspace(0, 1, 11)
    assert np.allclose(rebased(rebased(confidence, 0.02, 0.6), 0.6, 0.02), confidence)


def collection() -> OpenSet:
    """Four landmark photos, one of them with a wrong candidate; four others, two of them of an unknown landmark."""
    return OpenSet(
        np.arange(8.0),
        np.array(["a", "a", "b", "b", "a", "a", "", "a"]),
        np.array(["a", "a", "a", "b", "", "", "", ""]),
        np.array([True, True, True, True, True, True, True, False]),
    )


def test_weights_and_draws_have_the_prevalence() -> None:
    test = collection()
    weight = to_prevalence(test, 0.02)
    assert weight.sum() == pytest.approx(1)
    assert weight[:4].tolist() == pytest.approx([0.005] * 4)
    assert weight[4:].tolist() == pytest.approx([0.245] * 4)
    rows = drawn(test, 0.02, 1000, seed=3)
    assert test.landmark_photo[rows].sum() == 20
    assert len(rows) == 1000
    assert (drawn(test, 0.02, 1000, seed=3) == rows).all()
    assert (drawn(test, 0.02, 1000, seed=4) != rows).any()


def test_the_figures_by_hand() -> None:
    test = collection()
    confidence = np.array([0.95, 0.5, 0.92, 0.97, 0.01, 0.01, 0.0, 0.03])
    found = reliability(test, confidence, confidence > 0.4)
    figures = found.figures
    # In a collection: right ones weigh 0.005 each, so do wrong ones; the others 0.245.
    others = 0.245 * (0.01 + 0.01 + 0.0 + 0.03)
    # The last of 15 bins is 14/15 = 0.933 to 1, the one before it has 0.92.
    tagged = 0.005 * (abs((1 - 0.95) + (1 - 0.97)) + abs(0 - 0.92) + abs(1 - 0.5))
    assert figures["ece"] == pytest.approx(others + tagged)
    assert figures["ece_tagged"] == pytest.approx(tagged / 0.02)
    assert figures["ece_noticeable"] == pytest.approx(tagged / 0.02)
    squares = 0.005 * (0.05**2 + 0.5**2 + 0.92**2 + 0.03**2) + 0.245 * (2 * 0.01**2 + 0.03**2)
    assert figures["brier"] == pytest.approx(squares)
    assert figures["precision_at_confidence_90"] == pytest.approx(2 / 3)
    assert figures["precision_at_confidence_90_with_unknown"] == pytest.approx(2 / 3)
    assert figures["precision_at_confidence_90_low"] < 2 / 3 < figures["precision_at_confidence_90_high"]
    assert figures["tags_at_confidence_90"] == 3
    assert figures["sensitivity_at_confidence_90"] == 0.5
    assert found.as_tested.confidence[0] == pytest.approx(0.95 * 49 / (0.95 * 49 + 0.05))  # half of them show a landmark
    assert [name for name, *_ in found.parts()] == ["all", "tagged", "confidence above 0.05"]


def test_what_no_photo_tells_is_left_out() -> None:
    test = collection()
    found = reliability(test, np.full(8, 0.01), np.zeros(8, bool))
    assert {"ece_tagged", "ece_noticeable", "precision_at_confidence_90"} & set(found.figures) == set()
    assert all(math.isfinite(value) for value in found.figures.values())
    assert found.figures["tags_at_confidence_90"] == 0
    assert [name for name, *_ in found.parts()] == ["all"]


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match=r"must lie in 0\.\.1"):
        Confidences(np.array([1.1]), np.array([True]))
    with pytest.raises(ValueError, match=r"must lie in 0\.\.1"):
        Confidences(np.array([math.nan]), np.array([True]))
    with pytest.raises(ValueError, match=r"must all be \[n\]"):
        Confidences(np.array([0.1, 0.2]), np.array([True]))
    with pytest.raises(ValueError, match="finite number"):
        Confidences(np.array([0.1]), np.array([True]), np.array([-1.0]))
    with pytest.raises(ValueError, match="at least 1"):
        Confidences(np.array([0.1]), np.array([True])).bins(0)
    empty = Confidences(np.zeros(0), np.zeros(0, bool))
    assert math.isnan(empty.ece())
    assert math.isnan(empty.brier())
    with pytest.raises(LandmarkError, match="no test photo shows a landmark"):
        to_prevalence(OpenSet(np.zeros(2), np.array(["a", "a"]), np.array(["", ""])), 0.02)


def test_the_figure_draws_every_bin() -> None:
    confidence, right = sample()
    measured = Confidences(confidence, right)
    svg = reliability_figure({"as tested": measured, "<b>": measured.only(confidence > 0.5)})
    assert svg.startswith("<svg")
    assert f"as tested: ECE {measured.ece():.3f}" in svg
    assert "<b>" not in svg
    assert reliability_figure({"as tested": measured, "<b>": measured.only(confidence > 0.5)}) == svg
