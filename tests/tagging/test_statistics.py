from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from landmark.tagging import statistics
from landmark.tagging.profile import CELLS, LOW, STEP, histogram

counts = st.lists(st.integers(0, 50), min_size=4, max_size=4).filter(any)


def test_psi_by_hand() -> None:
    """(25 - 50) ln(25 / 50) + (75 - 50) ln(75 / 50) percent = 0.17329 + 0.10137, of shares; with halves added nearly so."""
    assert statistics.psi([500_000, 500_000], [250_000, 750_000]) == pytest.approx(
        0.25 * (math.log(2) + math.log(1.5)), abs=1e-5
    )
    # Of 9 + 1 photos with halves: (9.5, 1.5) / 11 against (4.5, 6.5) / 11.
    by_hand = (4.5 - 9.5) / 11 * math.log(4.5 / 9.5) + (6.5 - 1.5) / 11 * math.log(6.5 / 1.5)
    assert statistics.psi([9, 1], [4, 6]) == pytest.approx(by_hand)


@given(counts, counts)
def test_psi_is_a_symmetric_divergence(a: list[int], b: list[int]) -> None:
    assert statistics.psi(a, a) == 0
    assert statistics.psi(a, b) >= 0
    assert statistics.psi(a, b) == pytest.approx(statistics.psi(b, a))


@pytest.mark.parametrize("seed", range(5))
def test_ks_as_scipy_has_it(seed: int) -> None:
    random = np.random.default_rng(seed)
    # On the grid of the histogram nothing is lost, ties included.
    a, b = (LOW + STEP * random.integers(low, high, size) for low, high, size in ((1500, 1900, 300), (1600, 2100, 170)))
    expected = stats.ks_2samp(a, b)
    assert statistics.ks(histogram(a), histogram(b)) == pytest.approx(expected.statistic)
    critical = statistics.ks_by_chance(300, 170, 0.001)
    assert stats.kstwobign.sf(critical * math.sqrt(300 * 170 / 470)) == pytest.approx(0.001, rel=1e-3)


@given(counts, counts)
def test_ks_is_a_distance(a: list[int], b: list[int]) -> None:
    first, second = np.array(a), np.array(b)
    assert 0 <= statistics.ks(first, second) == statistics.ks(second, first) <= 1
    assert statistics.ks(first, 3 * first) == pytest.approx(0)


def test_histogram_holds_every_value() -> None:
    made = histogram([-3.0, LOW, -1.0, 0.0005, 0.3, 5.0])
    assert made.sum() == 6
    assert np.flatnonzero(made).tolist() == [0, 1000, 2000, 2300, CELLS - 1]


@given(st.lists(st.integers(0, 30), min_size=1, max_size=40).filter(any), st.integers(2, 12))
def test_quantile_edges_part_the_photos(cells: list[int], bins: int) -> None:
    histogram_ = np.array(cells)
    edges = statistics.quantile_edges(histogram_, bins)
    assert edges == sorted(set(edges))
    assert len(edges) < bins
    parts = np.add.reduceat(histogram_, [0, *edges])
    assert parts.sum() == histogram_.sum()
    assert (parts > 0).all()


@pytest.mark.parametrize(
    ("table", "low", "high"),
    [((48, 80, 56, 70), 0.0524, 0.3339), ((3, 10, 9, 10), 0.1705, 0.8090), ((0, 10, 10, 10), 0.6075, 1.0)],
)
def test_difference_as_newcombe_published_it(table: tuple[int, int, int, int], low: float, high: float) -> None:
    """Table II of Stat. Med. 17, 873 (1998), method 10."""
    found = statistics.difference_interval(*table, 1.959964)
    assert found == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))


def test_g_as_scipy_has_it() -> None:
    table = [[30, 970], [60, 940]]
    expected = stats.chi2_contingency(table, correction=False, lambda_="log-likelihood")
    assert statistics.g_statistic(table) == pytest.approx(expected.statistic)
    found = statistics.landmark_changes({"a": 30, "b": 970}, {"a": 60, "b": 940}, 0.01, 2.0)
    assert found == [("a", 0.03, 0.06, pytest.approx(expected.pvalue))], "b changed by far less than a factor of two"


@pytest.mark.parametrize("seed", range(3))
def test_benjamini_hochberg_as_scipy_has_it(seed: int) -> None:
    p = np.sort(np.random.default_rng(seed).beta(0.3, 1, 50))
    assert statistics.benjamini_hochberg(p, 0.05) == int((stats.false_discovery_control(p) <= 0.05).sum())
    assert statistics.benjamini_hochberg([], 0.05) == 0


def test_psi_by_chance_holds() -> None:
    """Of 4,000 pairs of samples of one distribution about one in 50 exceeds what is said for a chance of 0.02."""
    random = np.random.default_rng(0)
    a, b = random.multinomial(3000, [0.1] * 10, 4000), random.multinomial(1000, [0.1] * 10, 4000)
    bound = statistics.psi_by_chance(10, 3000, 1000, 0.02)
    share = np.mean([statistics.psi(*pair) > bound for pair in zip(a, b, strict=True)])
    assert 0.013 < share < 0.027
