"""What was lost and won on the same photos: against hand calculations, SciPy's own tests and simulation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import xlogy
from scipy.stats import binomtest, multinomial

from landmark.registry.paired import (
    Paired,
    bootstrap_interval,
    holm,
    loss_p,
    margin_p,
    resampled,
    score,
    score_interval,
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


@given(st.integers(0, 40), st.integers(0, 40), st.integers(50, 2000), st.floats(0.005, 0.2))
def test_tangos_statistic_is_the_score_at_the_most_likely_loss(lost: int, won: int, same: int, margin: float) -> None:
    """The chance of a loss under the hypothesis, found by trying all instead of by the paper's formula."""
    count = lost + won + same
    lose = np.linspace(margin + 1e-9, (1 + margin) / 2 - 1e-9, 400001)
    win = lose - margin
    with np.errstate(divide="ignore", invalid="ignore"):
        likely = xlogy(lost, lose) + xlogy(won, win) + xlogy(same, 1 - lose - win)
    best = lose[np.argmax(likely)]
    variance = (2 * best - margin) - margin**2
    expected = (won - lost + count * margin) / np.sqrt(count * variance)
    assert score(won, lost, count, -margin) == pytest.approx(expected, rel=2e-3, abs=2e-3)


def test_tangos_own_example() -> None:
    # Tango 1998, table III: soft contact lenses, 43 of 44 pairs effective both ways, 1 lost, margin 0.1: Z = 1.709, p = 0.044
    assert score(0, 1, 44, -0.1) == pytest.approx(1.709, abs=5e-4)
    assert margin_p(1, 0, 44, 0.1) == pytest.approx(0.044, abs=5e-4)


@pytest.mark.parametrize(("count", "loss", "gain"), [(300, 0.012, 0.002), (625, 0.015, 0.005), (1000, 0.02, 0.01)])
def test_a_true_loss_of_the_margin_seldom_passes(count: int, loss: float, gain: float) -> None:
    """Over all outcomes, by their exact trinomial probabilities; the score test's own error is a point of percent or two."""
    passes = sum(
        float(multinomial.pmf([lost, won, count - lost - won], count, [loss, gain, 1 - loss - gain]))
        for lost in range(60)
        for won in range(60)
        if margin_p(lost, won, count, 0.01) <= 0.05
    )
    assert 0.01 < passes < 0.075


@given(st.integers(0, 40), st.integers(0, 40), st.integers(0, 500))
def test_lost_and_won_are_symmetric(lost: int, won: int, same: int) -> None:
    if not lost + won + same:
        return
    found, turned = pairs(lost, won, same), pairs(won, lost, same)
    assert (found.lost, found.won) == (turned.won, turned.lost) == (lost, won)
    assert found.difference == -turned.difference
    low, high = score_interval(lost, won, len(found), 0.05)
    assert score_interval(won, lost, len(found), 0.05) == pytest.approx((-high, -low), abs=1e-6)
    assert low <= found.difference <= high


def test_the_interval_is_wide_where_no_photo_differs() -> None:
    # z = sqrt(n d / (1 - d)) = 1.6449 where nothing differs: d = 2.7055 / (n + 2.7055)
    low, high = score_interval(0, 0, 100, 0.05)
    assert (low, high) == pytest.approx((-2.70554 / 102.70554, 2.70554 / 102.70554), rel=1e-4)
    assert score_interval(3, 0, 3, 0.05)[0] == -1.0
    assert score_interval(0, 0, 0, 0.05) == (0.0, 0.0)


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
