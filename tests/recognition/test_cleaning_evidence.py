"""What speaks for a label and what against it, by hand, by a plain loop and by scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from landmark.recognition import cleaning_evidence
from landmark.recognition.cleaning_evidence import NOTHING, find_evidence, half_whitened
from tests.recognition.samples import unit


def at(*degrees: float) -> np.ndarray:
    return np.array([[math.cos(math.radians(d)), math.sin(math.radians(d))] for d in degrees], np.float32)


def test_half_whitening_is_pca_with_each_component_divided_by_the_fourth_root_of_its_variance() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(60, 8)) * np.arange(1, 9))
    pca = PCA().fit(vectors)
    variance = pca.explained_variance_ * (len(vectors) - 1) / len(vectors)
    expected = unit(pca.transform(vectors) / variance**0.25)
    # The axes may point either way: what counts is the similarities.
    found = half_whitened(vectors)
    assert found.shape == (60, 8)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-4)


def test_half_whitening_keeps_what_a_few_photos_span() -> None:
    vectors = unit(np.random.default_rng(0).normal(size=(4, 10)))
    assert half_whitened(vectors).shape == (4, 3)
    assert half_whitened(np.repeat(vectors[:1], 3, axis=0)).shape[1] <= 1


def test_evidence_by_hand() -> None:
    # Landmark 0 at 0, 10, 20 and 90 degrees, landmark 1 at 100 and 110; others at 180.
    vectors, landmark = at(0, 10, 20, 90, 100, 110), np.array([0, 0, 0, 0, 1, 1])
    everyone = np.ones(6, bool)
    # Of four witnesses the nearest two count, of two the nearest one, of the others all that are asked for.
    found = find_evidence(vectors, landmark, everyone, at(180), 5, (np.arange(6),))
    cos = [math.cos(math.radians(d)) for d in range(181)]
    own = [(cos[10] + cos[20]) / 2, cos[10], (cos[10] + cos[20]) / 2, (cos[70] + cos[80]) / 2, cos[10], cos[10]]
    rival = [cos[100], cos[90], cos[80], cos[10], (cos[10] + cos[80]) / 2, (cos[20] + cos[90]) / 2]
    np.testing.assert_allclose(found.own, own, atol=1e-6)
    np.testing.assert_allclose(found.rival, rival, atol=1e-6)
    assert found.rival_landmark.tolist() == [1, 1, 1, 1, 0, 0]
    assert (found.margin < 0).tolist() == [False, False, False, True, False, False]


def test_others_are_rivals_and_near_duplicates_do_not_vouch() -> None:
    vectors, landmark = at(0, 1, 50, 51, 150), np.array([0, 0, 0, 0, 1])
    found = find_evidence(vectors, landmark, np.ones(5, bool), at(2, 3), 1, (np.arange(5), np.array([0, 0, 1, 1, 2])))
    assert found.rival_landmark[:2].tolist() == [NOTHING, NOTHING]
    # Without its near-duplicate at 1 degree, the nearest of its landmark lies at 50.
    assert found.own[0] == pytest.approx(math.cos(math.radians(50)), abs=1e-6)
    assert np.isnan(found.own[4])


def test_only_witnesses_vouch_and_a_landmark_without_any_is_no_rival() -> None:
    vectors, landmark = at(0, 10, 20, 5), np.array([0, 0, 0, 1])
    found = find_evidence(
        vectors, landmark, np.array([False, False, True, False]), np.zeros((0, 2), np.float32), 5, (np.arange(4),)
    )
    assert found.own[0] == pytest.approx(math.cos(math.radians(20)), abs=1e-6)
    assert np.isnan(found.own[2])
    assert found.rival[:3].tolist() == [-1, -1, -1]
    assert found.rival_landmark[3] == 0


def test_the_rivals_looked_at_are_those_with_the_nearest_means(monkeypatch: pytest.MonkeyPatch) -> None:
    # Landmark 1 has the nearer mean (0 and 60 degrees), landmark 2 the nearer photo (20) beside one far off (170).
    vectors, landmark = at(25, 0, 60, 20, 170), np.array([0, 1, 1, 2, 2])
    arguments = (vectors, landmark, np.ones(5, bool), np.zeros((0, 2), np.float32), 1, (np.arange(5),))
    assert find_evidence(*arguments).rival_landmark[0] == 2
    monkeypatch.setattr(cleaning_evidence, "RIVALS", 1)
    assert find_evidence(*arguments).rival_landmark[0] == 1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 5), st.integers(5, 30), st.integers(0, 6), st.integers(1, 6))
def test_evidence_is_what_a_plain_loop_finds(seed: int, landmarks: int, photos: int, strangers: int, neighbours: int) -> None:
    random = np.random.default_rng(seed)
    vectors, others = unit(random.normal(size=(photos, 4))), unit(random.normal(size=(strangers, 4)).reshape(-1, 4))
    landmark = np.concatenate([np.arange(landmarks), random.integers(0, landmarks, photos)])[:photos]
    landmark = np.unique(landmark, return_inverse=True)[1]
    group, witness = random.integers(0, photos, photos), random.random(photos) < 0.7
    found = find_evidence(vectors, landmark, witness, others, neighbours, (np.arange(photos), group))
    for row in range(photos):
        seen = {NOTHING: np.sort(others @ vectors[row])[::-1][:neighbours]} if strangers else {}
        for number in range(landmark.max() + 1):
            count = int((witness & (landmark == number)).sum())
            mine = number == landmark[row]
            members = [
                i for i in range(photos) if witness[i] and landmark[i] == number and not (mine and group[i] == group[row])
            ]
            few = min(neighbours, math.ceil(count / 3))
            seen[number] = np.sort(vectors[members] @ vectors[row])[::-1][:few]
        own = seen.pop(int(landmark[row]))
        means = {number: float(values.mean()) for number, values in seen.items() if len(values)}
        assert found.rival[row] == pytest.approx(max(means.values(), default=-1.0), abs=1e-5)
        assert found.own[row] == pytest.approx(float(own.mean()), abs=1e-5) if len(own) else np.isnan(found.own[row])
