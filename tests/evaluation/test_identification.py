import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import hypergeom

from landmark.errors import LandmarkError
from landmark.evaluation import identification
from landmark.evaluation.identification import Identification, count_above
from tests.evaluation.samples import DIM, around


@given(
    st.integers(0, 7).flatmap(lambda m: st.tuples(st.just(m), st.lists(st.integers(0, m), min_size=1, max_size=4))),
    st.integers(0, 7),
    st.integers(1, 4),
    st.integers(0, 2),
)
@settings(max_examples=150, deadline=None)
def test_every_draw_tried(photos: tuple[int, list[int]], drawn: int, k: int, rivals: int) -> None:
    population, above = photos
    drawn = min(drawn, population)
    result = Identification(np.array(above), population, np.full(len(above), rivals))
    draws = list(itertools.combinations(range(population), drawn))
    # Of each photo, the first `count` distractors are ahead.
    hits = [1 + rivals + sum(one < count for one in draw) <= k for count in above for draw in draws]
    assert result.rank_k(k, drawn) == pytest.approx(np.mean(hits), abs=1e-9)


@pytest.mark.parametrize("drawn", [0, 1, 10, 1000, 100_000, 999_999, 1_000_000])
@pytest.mark.parametrize("above", [0, 1, 3, 40, 5000, 1_000_000])
def test_a_million_distractors_exactly(above: int, drawn: int) -> None:
    population = 1_000_000
    result = Identification(np.array([above]), population)
    if drawn * min(above, drawn) < 10**7:  # whole numbers, without rounding
        none = Fraction(math.comb(population - above, drawn), math.comb(population, drawn)) if above <= 40 else None
        if none is not None and drawn <= 1000:
            assert result.rank_k(1, drawn) == pytest.approx(float(none), abs=1e-8)
    for k in (1, 5):
        assert result.rank_k(k, drawn) == pytest.approx(float(hypergeom.cdf(k - 1, population, above, drawn)), abs=1e-6)


def test_curve() -> None:
    result = Identification(np.array([0, 2, 500]), 12_345, np.array([0, 0, 0]))
    curve = result.curve((1, 3))
    assert curve["distractors"].tolist() == [0, 10, 100, 1000, 10_000, 12_345]
    assert curve["rank_1"].iloc[0] == curve["rank_3"].iloc[0] == 1.0
    assert curve["rank_1"].iloc[-1] == pytest.approx(1 / 3)  # all of them: ranks 1, 3 and 501
    assert curve["rank_3"].iloc[-1] == pytest.approx(2 / 3)
    assert (np.diff(curve["rank_1"]) <= 0).all()
    assert (curve["rank_1_low"] <= curve["rank_1"]).all()
    assert (curve["rank_1"] <= curve["rank_1_high"]).all()
    assert Identification(np.array([0]), 10).curve()["distractors"].tolist() == [0, 10]


def test_counts_are_those_of_a_plain_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identification, "_SIMILARITIES", 64)  # many blocks
    rng = np.random.default_rng(0)
    photos, distractors = around(np.zeros(DIM), 7, 1.0, rng), around(np.zeros(DIM), 120, 1.0, rng)
    similarity = rng.uniform(-0.2, 0.4, 7).astype(np.float32)
    counts, total = count_above(photos, similarity, [distractors[:50], distractors[50:50], distractors[50:].astype(np.float16)])
    assert total == 120
    rounded = np.concatenate([distractors[:50], distractors[50:].astype(np.float16).astype(np.float32)])
    assert counts.tolist() == [int(sum(float(d @ p) >= s for d in rounded)) for p, s in zip(photos, similarity, strict=True)]


def test_an_equal_distractor_is_ahead() -> None:
    photo = np.array([[1.0, 0.0]], np.float32)
    counts, total = count_above(photo, np.array([1.0]), [photo])
    assert (counts.tolist(), total) == ([1], 1)
    assert Identification(counts, total).rank_k(1, 1) == 0.0


def test_what_cannot_be_measured_is_refused() -> None:
    photo = np.array([[1.0, 0.0]], np.float32)
    with pytest.raises(LandmarkError, match="no distractors"):
        count_above(photo, np.array([1.0]), [])
    with pytest.raises(LandmarkError, match="distractors: row 0 has length 2"):
        count_above(photo, np.array([1.0]), [2 * photo])
    with pytest.raises(LandmarkError, match="distractors: 3 dimensions where 2"):
        count_above(photo, np.array([1.0]), [np.eye(3)])
    with pytest.raises(LandmarkError, match="no photos to identify"):
        Identification(np.zeros(0, int), 5)
    with pytest.raises(ValueError, match=r"counts must lie in 0\.\.5"):
        Identification(np.array([6]), 5)
    with pytest.raises(ValueError, match="6 distractors of 5"):
        Identification(np.array([1]), 5).rank_k(1, 6)
