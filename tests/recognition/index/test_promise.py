"""Promises of recall: the confidence limit, ties, the frontier and the order of tests."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta

from landmark.recognition.index.promise import SearchPoint, certify, frontier, lower_limit, recall_shares


def test_the_limit_is_close_to_clopper_and_pearson_and_below_the_mean() -> None:
    """For values of 0 and 1 the exact limit is known (Clopper and Pearson, Biometrika 1934)."""
    random = np.random.default_rng(0)
    for hits in (700, 950, 990):
        values = random.permutation(np.arange(1000) < hits).astype(float)
        exact = beta.ppf(0.05, hits, 1000 - hits + 1)
        assert exact - 0.015 < lower_limit(values) < hits / 1000


def test_the_limit_is_wrong_at_most_as_often_as_said() -> None:
    random = np.random.default_rng(1)
    wrong = sum(lower_limit(random.binomial(10, 0.95, 300) / 10) > 0.95 for _ in range(200))
    assert wrong <= 20  # 5 % of 200 are 10; more than 20 has a probability of 0.1 %


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
@settings(max_examples=30, deadline=None)
def test_the_limit_is_a_share(values: list[float]) -> None:
    assert 0 <= lower_limit(values) <= 1


@pytest.mark.parametrize("values", [[], [1.2], [-0.1], [np.nan], [[0.5]]])
def test_what_is_no_share_is_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="lower_limit"):
        lower_limit(values)


def test_recall_counts_ties_once() -> None:
    truth, similarity = np.array([[4, 2, 9, 1]]), np.array([[0.9, 0.8, 0.8, 0.1]], np.float32)
    for found, share in (([4, 2], 1.0), ([4, 9], 1.0), ([2, 9], 1.0), ([4, 1], 0.5), ([-1, -1], 0.0)):
        assert recall_shares(np.array([found]), truth, similarity, 2)[0] == share
    assert recall_shares(np.array([[4, 2, -1]]), truth[:, :2], similarity[:, :2], 3)[0] == 1.0  # fewer rows than k


def point(recall: float, rate: float) -> SearchPoint:
    return SearchPoint(1, 0, recall, rate, 1.0)


def test_the_frontier() -> None:
    a, b, c, beaten = point(0.9, 100), point(0.95, 50), point(0.99, 10), point(0.94, 40)
    assert frontier([beaten, a, c, b]) == [c, b, a]


def test_the_fastest_point_before_the_first_failure_is_promised() -> None:
    path = [point(r, s) for r, s in ((0.99, 1), (0.97, 2), (0.9, 3), (0.98, 4))]
    measured = {1: 1.0, 2: 0.99, 3: 0.9, 4: 1.0}
    chosen, tested = certify(path, 0.95, lambda p: np.full(500, measured[int(p.queries_per_second)]))
    assert chosen is not None
    assert chosen.queries_per_second == 2  # the fourth comes after a failure
    assert len(tested) == 3
    assert certify(path, 0.9999, lambda p: np.full(500, 0.9))[0] is None
