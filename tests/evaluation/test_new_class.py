import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torchmetrics.functional.retrieval import retrieval_reciprocal_rank

from landmark.errors import LandmarkError
from landmark.evaluation.new_class import NEW, Ranked


def sample(photos: int, candidates: int, seed: int) -> Ranked:
    rng = np.random.default_rng(seed)
    names = np.array([f"l{number}" for number in range(8)])
    landmark = np.stack([rng.permutation(names)[:candidates] for _ in range(photos)])
    score = -np.sort(-rng.integers(0, 12, (photos, candidates)) / 10, axis=1)  # ties are frequent
    score[rng.random(score.shape).cumsum(1) > 4] = -np.inf
    landmark[np.isinf(score)] = ""
    return Ranked(score, landmark, np.where(rng.random(photos) < 0.4, "", rng.choice(names, photos)))


def test_labels_by_hand() -> None:
    ranked = Ranked(
        np.array([[0.9, 0.8, 0.4, 0.3, 0.2]] * 2 + [[0.5, -np.inf, -np.inf, -np.inf, -np.inf]]),
        np.array([list("abcde")] * 2 + [["a", "", "", "", ""]]),
        np.array(["c", "e", ""]),
    )
    assert ranked.labels(0.5) == [["a", "b", NEW, "c", "d"], ["a", "b", NEW, "c", "d"], [NEW, "a"]]
    assert ranked.labels(0.1) == [list("abcde"), list("abcde"), ["a", NEW]]
    assert ranked.map_at_5(0.5) == pytest.approx((1 / 4 + 0 + 1) / 3)
    assert ranked.map_at_5(0.1) == pytest.approx((1 / 3 + 1 / 5 + 1 / 2) / 3)


@given(st.integers(1, 20), st.integers(1, 7), st.integers(0, 10_000), st.sampled_from([-1.0, 0.0, 0.3, 0.5, 0.55, 1.1, 2.0]))
@settings(max_examples=100, deadline=None)
def test_agrees_with_torchmetrics(photos: int, candidates: int, seed: int, threshold: float) -> None:
    ranked = sample(photos, candidates, seed)
    # With one right label, the average precision at 5 is the reciprocal of its rank.
    expected = []
    for labels, truth in zip(ranked.labels(threshold), ranked.truth, strict=True):
        target = torch.tensor([label == (truth or NEW) for label in labels])
        expected.append(float(retrieval_reciprocal_rank(torch.arange(len(labels), 0, -1.0), target, top_k=5)))
    assert ranked.map_at_5(threshold) == pytest.approx(np.mean(expected))


@given(st.integers(1, 20), st.integers(1, 7), st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_no_threshold_is_better_than_the_best(photos: int, candidates: int, seed: int) -> None:
    ranked = sample(photos, candidates, seed)
    tried = [-1.0, *np.arange(-0.05, 1.3, 0.05)]
    try:
        best = ranked.best_threshold()
    except LandmarkError:
        assert len({ranked.map_at_5(threshold) for threshold in tried}) == 1
        return
    assert ranked.map_at_5(best) == pytest.approx(max(ranked.map_at_5(threshold) for threshold in tried))


def test_the_threshold_lies_between_the_scores() -> None:
    ranked = Ranked(np.array([[0.9], [0.3]]), np.array([["a"], ["a"]]), np.array(["a", ""]))
    assert ranked.best_threshold() == pytest.approx(0.6)
    assert ranked.map_at_5(0.6) == 1.0


def test_one_kind_alone_has_a_threshold_too() -> None:
    score, landmark = np.array([[0.9, 0.1]]), np.array([["a", "b"]])
    known = Ranked(score, landmark, np.array(["b"]))
    assert known.map_at_5(known.best_threshold()) == 0.5
    new = Ranked(score, landmark, np.array([""]))
    assert new.map_at_5(new.best_threshold()) == 1.0


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(LandmarkError, match="no photos or no candidates"):
        Ranked(np.zeros((0, 5)), np.zeros((0, 5), str), np.zeros(0, str)).map_at_5(0.5)
    with pytest.raises(ValueError, match="must fall"):
        Ranked(np.array([[0.1, 0.2]]), np.array([["a", "b"]]), np.array(["a"]))
    with pytest.raises(ValueError, match="must be"):
        Ranked(np.array([[0.2, 0.1]]), np.array([["a", "b"]]), np.array(["a", "b"]))
