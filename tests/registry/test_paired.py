"""What was lost and won on the same photos: against hand calculations, SciPy's own tests and simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from landmark.registry.paired import (
    Paired,
    bootstrap_interval,
    exact_interval,
    holm,
    loss_p,
    margin_p,
    resampled,
)


def pairs(lost: int, won: int, same: int = 0) -> Paired:
    before = np.array([True] * lost + [False] * won + [True] * same)
    after = np.array([False] * lost + [True] * won + [True] * same)
    return Paired(before, after, np.arange(len(before)))


@given(st.integers(0, 60), st.integers(0, 60))
def test_a_loss_is_tested_as_by_scipys_binomial_test(lost: int, won: int) -> None:
    expected = binomtest(lost, lost + won, 0.5, alternative="greater").pvalue if lost + won else 1.0
    assert loss_p(lost, won) == pytest.approx(expected)


def test_mcnemars_own_example() -> None:
    # Agresti, Categorical Data Analysis, 10.1: approval of the prime minister, 150 lost, 86 won; two-sided exact p.
    assert 2 * loss_p(150, 86) == pytest.approx(3.716e-05, rel=1e-3)


@given(st.integers(0, 40), st.integers(0, 40), st.integers(1, 2000), st.floats(0.001, 0.2))
def test_the_test_against_a_margin_is_a_binomial_test_of_the_photos_that_differ(
    lost: int, won: int, same: int, margin: float
) -> None:
    count, differ = lost + won + same, lost + won
    p = margin_p(lost, won, count, margin)
    if differ <= margin * count:
        assert p == 0
        return
    chance = (1 - margin * count / differ) / 2
    assert p == pytest.approx(binomtest(won, differ, chance, alternative="greater").pvalue)
    # With more won it is never harder to pass.
    assert margin_p(lost, won + 1, count + 1, 0.0) <= margin_p(lost, won, count, 0.0) + 1e-12


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 500))
def test_lost_and_won_are_symmetric(lost: int, won: int, same: int) -> None:
    if not lost + won + same:
        return
    found, turned = pairs(lost, won, same), pairs(won, lost, same)
    assert (found.lost, found.won) == (turned.won, turned.lost) == (lost, won)
    assert found.difference == -turned.difference
    low, high = exact_interval(lost, won, len(found), 0.05)
    assert exact_interval(won, lost, len(found), 0.05) == pytest.approx((-high, -low))
    assert low <= found.difference <= high


def test_the_interval_is_clopper_pearsons() -> None:
    # scipy: binomtest(7, 10).proportion_ci(0.9, "exact") = (0.39338, 0.91273); the difference is (2 p - 1) * 10 / 50
    ends = binomtest(7, 10).proportion_ci(0.9, "exact")
    expected = ((2 * ends.low - 1) / 5, (2 * ends.high - 1) / 5)
    assert exact_interval(3, 7, 50, 0.05) == pytest.approx(expected)


def test_a_group_counts_once() -> None:
    before = np.array([1, 1, 1, 1, 1, 0], bool)
    after = np.array([0, 0, 0, 1, 1, 1], bool)
    found = Paired(before, after, np.array([7, 7, 7, 7, 8, 9]))
    assert (found.lost, found.won) == (3, 1)
    assert found.by_group() == (3, 1, 1)
    even = Paired(np.array([1, 0], bool), np.array([0, 1], bool), np.array([1, 1]))
    assert even.by_group() == (1, 0, 0)


def test_the_bootstrap_draws_whole_groups() -> None:
    # One group of 50 photos all lost among 50 of one photo: with photos drawn alone the share lost would hardly move.
    before = np.ones(100, bool)
    after = np.array([False] * 50 + [True] * 50)
    found = resampled(Paired(before, after, np.array([0] * 50 + list(range(1, 51)))), 4000, 0)
    # P(the big group is not drawn in 51 draws) = (50/51)^51
    assert (found == 0).mean() == pytest.approx((50 / 51) ** 51, abs=0.03)


def test_the_bootstraps_spread_is_that_of_the_difference() -> None:
    found = pairs(30, 60, 910)
    # Var of the mean of net = ((b + c)/n - d^2) / n
    deviation = np.sqrt((0.09 - 0.03**2) / 1000)
    low, high = bootstrap_interval(found, 0.05, 4000, 0)
    assert low == pytest.approx(0.03 - 1.645 * deviation, abs=0.002)
    assert high == pytest.approx(0.03 + 1.645 * deviation, abs=0.002)


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_is_what_its_definition_says(values: list[float]) -> None:
    order = sorted(range(len(values)), key=lambda i: values[i])
    expected, worst = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        worst = max(worst, min(1.0, (len(values) - rank) * values[place]))
        expected[place] = worst
    assert holm(values) == pytest.approx(expected)


def test_columns_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"must all be \[n\]"):
        Paired(np.ones(3, bool), np.ones(2, bool), np.arange(3))
