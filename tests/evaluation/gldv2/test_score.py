"""Against the published cases of the official code (tensorflow/models, research/delf, metrics_test.py) and the definition."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.errors import LandmarkError, UsageError
from landmark.evaluation.gldv2.score import gap, map_at_100
from landmark.evaluation.open_set import OpenSet

RECOGNITION = {"01": ["0", "12"], "02": ["100", "200", "300"], "03": ["1"], "04": [], "05": []}
RECOGNISED = {"02": ("0", 0.01), "03": ("1", 10.0), "04": ("150", 15.0)}
RETRIEVAL = {"01": ["a", "b"], "02": ["a"], "03": ["c", "d", "e"], "04": ["c"]}
RETRIEVED = {"02": ["f", "a"], "03": ["d"], "04": ["c", "d"]}


def test_the_official_cases() -> None:
    assert gap(RECOGNISED, RECOGNITION) == pytest.approx(0.166667, abs=1e-6)
    assert map_at_100(RETRIEVED, RETRIEVAL) == pytest.approx(0.458333, abs=1e-6)


def plain_gap(predictions: dict[str, tuple[str, float]], solution: dict[str, list[str]]) -> float:
    """The definition with the official order: score falling, then id, then class, both rising."""
    total, correct = 0.0, 0
    order = sorted(predictions.items(), key=lambda item: (-item[1][1], item[0], item[1][0]))
    for rank, (photo, (landmark, _)) in enumerate(order, start=1):
        if landmark in solution[photo]:
            correct += 1
            total += correct / rank
    return total / sum(1 for landmarks in solution.values() if landmarks)


def plain_map(predictions: dict[str, list[str]], solution: dict[str, list[str]]) -> float:
    total = 0.0
    for query, ranked in predictions.items():
        seen: set[str] = set()
        found, sum_of_precisions = 0, 0.0
        for rank, photo in enumerate(ranked[:100], start=1):
            if photo in solution[query] and photo not in seen:
                found += 1
                sum_of_precisions += found / rank
            seen.add(photo)
        if solution[query]:
            total += sum_of_precisions / min(len(solution[query]), 100)
    return total / len(solution)


@given(st.integers(1, 30), st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_gap_is_the_definition(photos: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    ids = [f"{number:x}" for number in rng.permutation(photos)]
    solution = {photo: [str(name) for name in rng.choice(4, rng.integers(0, 3), replace=False)] for photo in ids}
    solution[ids[0]] = ["1"]
    # Few distinct scores: ties are what is easily got wrong.
    predictions = {photo: (str(rng.integers(4)), float(rng.integers(3))) for photo in ids if rng.random() < 0.8}
    assert gap(predictions, solution) == pytest.approx(plain_gap(predictions, solution))


@given(st.integers(1, 8), st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_map_is_the_definition(queries: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    solution = {f"q{q}": [f"i{i}" for i in rng.choice(300, rng.integers(0, 150), replace=False)] for q in range(queries)}
    predictions = {
        query: [f"i{i}" for i in rng.integers(0, 300, rng.integers(0, 140))] for query in solution if rng.random() < 0.8
    }
    assert map_at_100(predictions, solution) == pytest.approx(plain_map(predictions, solution))


def test_more_than_a_hundred_relevant_photos_are_found_in_full() -> None:
    photos = [f"i{number}" for number in range(150)]
    assert map_at_100({"q": photos}, {"q": photos}) == 1.0


@given(st.integers(1, 40), st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_without_equal_scores_both_gaps_are_one(photos: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = np.where(rng.random(photos) < 0.5, rng.choice(["a", "b"], photos), "")
    truth[0] = "a"
    predicted, score = rng.choice(["a", "b"], photos), rng.permutation(photos).astype(float)
    ids = [f"{number:04d}" for number in range(photos)]
    official = gap(
        {photo: (str(landmark), float(value)) for photo, landmark, value in zip(ids, predicted, score, strict=True)},
        {photo: [str(landmark)] if landmark else [] for photo, landmark in zip(ids, truth, strict=True)},
    )
    assert official == pytest.approx(OpenSet(score, predicted, truth).gap())


def test_equal_scores_are_ranked_by_id() -> None:
    solution = {"1": ["a"], "2": ["a"]}
    assert gap({"2": ("x", 0.5), "1": ("a", 0.5)}, solution) == 0.5
    assert gap({"2": ("a", 0.5), "1": ("x", 0.5)}, solution) == 0.25
    # The project's own figure gives tied photos the precision at the end of their group, whichever is right.
    assert OpenSet(np.array([0.5, 0.5]), np.array(["a", "x"]), np.array(["a", "a"])).gap() == 0.25


def test_nothing_predicted_is_zero() -> None:
    assert gap({}, {"1": ["a"]}) == 0.0
    assert map_at_100({}, {"1": ["a"], "2": []}) == 0.0


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(LandmarkError, match="no photo of the solution shows a landmark"):
        gap({}, {"1": []})
    with pytest.raises(LandmarkError, match="no queries"):
        map_at_100({}, {})
    with pytest.raises(UsageError, match="'9' has a prediction"):
        gap({"9": ("a", 1.0)}, {"1": ["a"]})
    with pytest.raises(UsageError, match="'9' has a prediction"):
        map_at_100({"9": ["a"]}, {"1": ["a"]})
