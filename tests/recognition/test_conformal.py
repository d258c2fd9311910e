from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.errors import LandmarkError
from landmark.recognition.conformal import conformal_threshold, needed, own_thresholds

STRINGS = st.sampled_from("aaaabbbccd")


def test_by_hand() -> None:
    # At 0.75, three photos are needed: the threshold of three is the largest, of seven the sixth.
    scores = [1, 2, 3, 10, 11, 12, 13, 14, 15, 16, 5, 6, 7, 8]
    names = np.array([*"aaa", *"bbbbbbb", *"cdef"])
    # A further photo of "a" would be its fourth, more than is needed: its own three set its threshold. A further one of "c" or
    # of a landmark never seen would be taken together with c to f and, as it has no more than needed, "a": 1, 2, 3, 5, 6, 7, 8.
    assert own_thresholds(scores, names, 0.75) == (7.0, {"a": 3.0, "b": 15.0})
    assert own_thresholds(scores, names, 0.75, enough=4) == (7.0, {"b": 15.0})
    assert own_thresholds(scores, names, 0.75, enough=8) == (14.0, {})  # all of them: the twelfth of fourteen


def test_too_few_left_are_joined_by_the_next_larger_landmark() -> None:
    scores, names = [1, 2, 3, 4, 5, 6, 7, 20, 21, 22, 23, 30], np.array([*"aaaaaaa", *"bbbb", "c"])
    # Of "c" there would be two photos, too few: with "b" 20, 21, 22, 23, 30, of which the fifth. "b" is taken together with
    # "c" too, and "a" has its own: of seven the sixth.
    assert own_thresholds(scores, names, 0.75) == (30.0, {"a": 6.0})
    assert own_thresholds(range(3), np.array(["a", "a", "b"]), 0.75) == (2.0, {})
    with pytest.raises(LandmarkError, match="at least 3 are needed"):
        own_thresholds([1.0, 2.0], np.array(["a", "b"]), 0.75)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(STRINGS, st.integers(0, 6)), min_size=8, max_size=60), st.sampled_from([0.5, 0.7, 0.8]))
def test_coverage_holds_exactly_over_all_ways_to_leave_one_out(photos: list[tuple[str, int]], specificity: float) -> None:
    """Exchangeability: whichever photo of a landmark (or of all without their own) is new, few enough lie above."""
    names, scores = np.array([name for name, _ in photos]), np.array([score for _, score in photos], float)
    counts = {name: int((names == name).sum()) for name in set(names)}
    least = needed(specificity)
    most = least  # taken together: those with at most `least` photos, and the next larger ones while they are too few
    while 0 < sum(count for count in counts.values() if count <= most) <= least < len(photos):
        more = [count for count in counts.values() if count > most]
        if not more:
            break
        most = min(more)
    common = [name for name, count in counts.items() if count <= most]
    above = np.zeros(len(photos), bool)
    for new in range(len(photos)):
        threshold, own = own_thresholds(np.delete(scores, new), np.delete(names, new), specificity)
        above[new] = scores[new] > own.get(str(names[new]), threshold)
    for group in (*([name] for name in counts if name not in common), *([common] if common else [])):
        members = np.isin(names, group)
        assert above[members].sum() <= (1 - specificity) * members.sum() + 1e-9


def test_coverage_by_simulation_where_landmarks_differ() -> None:
    # Others come nearest to one landmark often and with high scores; one threshold for all tags too many of these.
    random = np.random.default_rng(2)
    runs, count, new, target = 300, 120, 400, 0.9
    false = {"own": np.zeros(3), "all": np.zeros(3)}
    seen = np.zeros(3)
    for _ in range(runs):
        name = random.choice(3, count + new, p=[0.3, 0.68, 0.02])
        score = random.normal(np.array([1.0, 0.0, 0.5])[name], 0.3)
        names = name.astype(str)
        threshold, own = own_thresholds(score[:count], names[:count], target)
        one = conformal_threshold(score[:count], target)
        used = np.array([own.get(str(n), threshold) for n in range(3)])[name[count:]]
        for n in range(3):
            of = name[count:] == n
            seen[n] += of.sum()
            false["own"][n] += (score[count:] > used)[of].sum()
            false["all"][n] += (score[count:] > one)[of].sum()
    assert (false["own"].sum() / seen.sum()) <= 1 - target + 0.005
    assert (false["own"][:2] / seen[:2] <= 1 - target + 0.01).all()
    assert false["all"][0] / seen[0] > 0.2, "one threshold for all keeps its promise on the whole only"
