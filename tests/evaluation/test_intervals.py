import numpy as np
import pytest

from landmark.evaluation.intervals import wilson


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [  # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0000, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_published_intervals(successes: int, trials: int, low: float, high: float) -> None:
    measured_low, measured_high = wilson(successes, trials)
    assert measured_low == pytest.approx(low, abs=5e-5)
    assert measured_high == pytest.approx(high, abs=5e-5)


def test_bounds_solve_the_score_equation() -> None:
    # Wilson's bounds are where the score test is exactly at its quantile: |share - p| = z sqrt(p (1 - p) / n).
    successes, trials = np.array([1, 7, 50, 98]), np.array([3, 9, 100, 99])
    for bound in wilson(successes, trials, z=2.5):
        distance = np.abs(successes / trials - bound)
        np.testing.assert_allclose(distance, 2.5 * np.sqrt(bound * (1 - bound) / trials), rtol=1e-9)


def test_ends_are_exact_and_no_trials_say_nothing() -> None:
    low, high = wilson([0, 0, 5], [0, 5, 5])
    assert low[0] == 0
    assert high[0] == 1
    assert low[1] == 0
    assert high[2] == 1
    assert 0 < high[1] < 1
    assert low[2] == pytest.approx(1 - high[1])


def test_more_successes_than_trials_are_refused() -> None:
    with pytest.raises(ValueError, match="successes <= trials"):
        wilson(3, 2)
