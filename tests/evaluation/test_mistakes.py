import numpy as np
import pytest

from landmark.evaluation.mistakes import examples, worst
from landmark.evaluation.open_set import OpenSet
from tests.evaluation.samples import open_set


def test_worst_by_hand() -> None:
    score = np.array([0.6, 0.9, 0.7, 0.8, 0.4, 0.1, 0.95, 0.3])
    predicted = np.array(["a", "a", "b", "b", "a", "b", "a", "a"])
    truth = np.array(["", "", "a", "a", "a", "a", "a", ""])
    test = OpenSet(score, predicted, truth)
    assert worst(test, 0.5, "false tag", 9).tolist() == [1, 0]
    assert worst(test, 0.5, "wrong", 9).tolist() == [3, 2]
    assert worst(test, 0.5, "missed", 9).tolist() == [5, 4]
    assert worst(test, 0.5, "missed", 1).tolist() == [5]
    assert worst(test, 0.99, "wrong", 9).tolist() == []


def test_examples_show_every_landmark_and_every_kind_of_mistake() -> None:
    test = open_set()
    rows = examples(test, 0.4, 9)
    outcome = test.outcome(0.4)[rows]
    assert len(set(rows.tolist())) == 9
    assert set(test.truth[rows][:3]) == {"colosseum", "eiffel_tower", "rialto_bridge"}
    assert (outcome[:6] == "right").all()
    assert set(outcome[6:]) == {"false tag", "wrong", "missed"}


@pytest.mark.parametrize("threshold", [-10.0, 10.0])
def test_examples_of_one_sided_outcomes(threshold: float) -> None:
    test = open_set()
    rows = examples(test, threshold, 12)
    assert len(set(rows.tolist())) == len(rows) == 12
    assert (test.predicted[rows] != "").all()
