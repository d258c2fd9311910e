from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from landmark.recognition.calibration import Calibration
from landmark.recognition.context import decide, log_odds, near_support, neighbour_support

ANY = st.floats(allow_nan=True, allow_infinity=True)


def test_log_odds_are_those_of_the_confidence() -> None:
    calibration = Calibration(threshold=0.3, specificity=0.99, slope=20.0, intercept=-8.0)
    odds = float(log_odds(calibration, [0.45])[0])
    assert odds == pytest.approx(1.0)  # 20 * 0.45 - 8
    chance = float(calibration.confidence([0.45])[0])
    assert math.log(chance / (1 - chance)) == pytest.approx(odds)


@given(arrays(np.float64, 5, elements=ANY), st.floats(0.01, 100), st.floats(0, 5))
def test_support_by_a_position_is_bounded(km: np.ndarray, near_km: float, most: float) -> None:
    support = near_support(km, near_km, most)
    assert ((support >= 0) & (support <= most)).all()
    assert (support[np.isnan(km) | (km >= 2 * near_km)] == 0).all()


@given(arrays(np.float64, 5, elements=ANY), arrays(np.float64, 5, elements=ANY), st.floats(0, 5), st.floats(0, 5))
def test_support_by_neighbours_is_bounded(seconds: np.ndarray, km: np.ndarray, burst: float, visit: float) -> None:
    support = neighbour_support(seconds, km, 30, burst, 3600, visit, 1.0)
    assert ((support >= 0) & (support <= max(burst, visit))).all()
    assert (support[~(np.abs(seconds) <= 3600) | (km > 1.0)] == 0).all()


def test_decisions_by_hand() -> None:
    photo = np.array([0, 0, 1, 2, 2, 3])
    odds = np.array([-1.0, -1.4, 0.5, -2.0, -2.0, 0.5])
    support = np.array([0.0, 1.0, -1.0, 0.0, 0.0, -0.2])
    own = np.array([False, False, True, False, False, True])
    first, accepted = decide(photo, odds, support, own, -0.5)
    # 0: the second overtakes (-0.4); 1: taken away (-0.5 is not above); 2: neither, the first of equals; 3: 0.3 is enough.
    assert first.tolist() == [1, 2, 3, 5]
    assert accepted.tolist() == [True, False, False, True]


def test_what_was_given_stays_where_nothing_speaks_against_it() -> None:
    first, accepted = decide(np.array([0]), np.array([-0.5000001]), np.array([0.0]), np.array([True]), -0.5)
    assert first.tolist() == [0]
    assert accepted.tolist() == [True]
