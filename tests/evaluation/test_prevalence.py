import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_score

from landmark.errors import LandmarkError
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.prevalence import at_prevalence, prevalence_figures, share_right
from tests.evaluation.samples import open_set


def test_a_textbook_case() -> None:
    # A test with sensitivity and specificity 0.9 at a prevalence of 1 %: PPV 0.009 / (0.009 + 0.099) = 8.3 %.
    assert share_right(0.01, 0.0, right=0.9, wrong=0.0, false=0.1, fooled=0.0) == pytest.approx(0.0833, abs=5e-5)
    # In 10,000 photos: 200 landmarks (160 right, 10 wrong), 100 unknown (20 tagged), 9,700 others (97 tagged).
    assert share_right(0.02, 0.01, right=0.8, wrong=0.05, false=0.01, fooled=0.2) == pytest.approx(160 / (170 + 20 + 97))
    assert np.isnan(share_right(0.02, 0.0, 0, 0, 0, 0))


@given(st.integers(0, 1000), st.floats(-0.2, 1.2))
@settings(max_examples=50, deadline=None)
def test_is_the_precision_of_reweighted_photos(seed: int, threshold: float) -> None:
    photos = open_set(200, seed)
    accepted = photos.accepted(threshold)
    for row in at_prevalence(photos, threshold).to_dict("records"):
        p, u = row["prevalence"], row["unknown"]
        weight = np.select(
            [photos.landmark_photo, photos.unknown_photo],
            [p / photos.landmark_photo.sum(), u / photos.unknown_photo.sum()],
            (1 - p - u) / photos.other_photo.sum(),
        )
        expected = precision_score(photos.correct, accepted, sample_weight=weight, zero_division=np.nan)
        assert row["tags_right"] == pytest.approx(expected, nan_ok=True)
        if accepted.any():
            assert row["tags_right_low"] <= row["tags_right"] <= row["tags_right_high"] + 1e-12


def test_the_limits_hold_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    right, false, p = 0.7, 0.01, 0.02
    true = share_right(p, 0.0, right, 0.0, false, 0.0)
    truth = np.repeat(["a", ""], [500, 1000])
    held = 0
    for _ in range(300):
        score = np.where(truth == "a", rng.random(1500) < right, rng.random(1500) < false).astype(float)
        row = at_prevalence(OpenSet(score, np.full(1500, "a"), truth), 0.5, [p]).iloc[0]
        held += row["tags_right_low"] <= true <= row["tags_right_high"]
    assert held / 300 >= 0.95


def test_names() -> None:
    figures = prevalence_figures(at_prevalence(open_set(), 0.4))
    for percent in (1, 2, 3):
        for ending in ("", "_low", "_high"):
            assert 0 <= figures[f"tags_right_at_{percent}_percent{ending}"] <= 1
            assert f"tags_right_at_{percent}_percent_with_unknown{ending}" in figures
    assert figures["tags_right_at_1_percent"] < figures["tags_right_at_3_percent"]
    assert "tags_right_at_1_percent" not in prevalence_figures(at_prevalence(open_set(), 99.0))  # no tags, no share


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(LandmarkError, match="no test photo shows a landmark"):
        at_prevalence(OpenSet(np.array([0.1]), np.array(["a"]), np.array([""])), 0.5)
    with pytest.raises(ValueError, match=r"must lie in 0\.\.0\.5"):
        at_prevalence(open_set(), 0.5, [1.0])
