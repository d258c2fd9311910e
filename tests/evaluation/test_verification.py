import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve
from torchmetrics.functional.classification import binary_auroc, binary_eer

from landmark.errors import LandmarkError
from landmark.evaluation import verification
from landmark.evaluation.verification import Pairs, make_pairs
from tests.evaluation.samples import around, directions


def test_by_hand() -> None:
    # Same pairs at 1, 2, 4; different ones at 3, 5, 6, 7: at a threshold of 3, 2 of 3 and 1 of 4 are accepted.
    pairs = Pairs(np.array([1, 2, 4, 3, 5, 6, 7.0]), np.array([1, 1, 1, 0, 0, 0, 0], bool))
    false, true, threshold = pairs.roc
    assert threshold.tolist() == [-np.inf, 1, 2, 3, 4, 5, 6, 7]
    assert true.tolist() == pytest.approx([0, 1 / 3, 2 / 3, 2 / 3, 1, 1, 1, 1])
    assert false.tolist() == [0, 0, 0, 0.25, 0.25, 0.5, 0.75, 1]
    assert pairs.auc == pytest.approx(11 / 12)  # of the 12 comparisons, 4 > 3 alone is wrong
    assert pairs.fpr_at(0.95) == 0.25
    assert pairs.fpr_at(2 / 3) == 0.0
    # Between (0.25, 2/3) and (0.25, 1) the curve crosses true = 1 - false at false = 0.25.
    assert pairs.eer == pytest.approx(0.25)


def test_perfect_and_useless() -> None:
    same = np.array([True, True, False, False])
    perfect = Pairs(np.array([0.1, 0.2, 0.8, 0.9]), same)
    assert (perfect.eer, perfect.auc, perfect.fpr_at(0.95)) == (0, 1, 0)
    useless = Pairs(np.full(4, 0.5), same)
    assert (useless.eer, useless.auc, useless.fpr_at(0.95)) == (0.5, 0.5, 1)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 30), st.integers(0, 10_000))
@settings(max_examples=100, deadline=None)
def test_agrees_with_scikit_learn(positives: int, negatives: int, values: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    same = np.repeat([True, False], [positives, negatives])
    distance = rng.integers(0, values, len(same)) / values  # ties are frequent
    pairs = Pairs(distance, same)
    false, true, _ = roc_curve(same, -distance, drop_intermediate=False)
    np.testing.assert_allclose(pairs.roc[0], false)
    np.testing.assert_allclose(pairs.roc[1], true)
    assert pairs.auc == pytest.approx(roc_auc_score(same, -distance))
    assert pairs.fpr_at(0.95) == pytest.approx(false[true >= 0.95].min())
    # At the equal error rate, the straight lines of scikit-learn's curve give both errors alike.
    upper = np.max([np.interp(pairs.eer + e, false, true) for e in (0, 1e-9)])
    assert upper >= 1 - pairs.eer - 1e-6
    assert np.interp(pairs.eer - 1e-9, false, true) <= 1 - pairs.eer + 1e-6


def test_agrees_with_torchmetrics() -> None:
    rng = np.random.default_rng(0)
    same = rng.random(20_000) < 0.3
    distance = rng.normal(size=len(same)) - 1.5 * same
    pairs = Pairs(distance, same)
    score = torch.sigmoid(torch.tensor(-distance))
    assert pairs.auc == pytest.approx(float(binary_auroc(score, torch.tensor(same).int())), abs=1e-5)
    # torchmetrics takes the nearest point of the curve, not the crossing: 20,000 pairs are that close.
    assert pairs.eer == pytest.approx(float(binary_eer(score, torch.tensor(same).int())), abs=5e-4)


@pytest.mark.parametrize("over", ["minimum", "mean"])
def test_pairs_are_those_of_two_plain_loops(over: verification.Over, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "_SIMILARITIES", 40)  # many blocks
    rng = np.random.default_rng(1)
    places = directions(4)
    labels = np.array(list("dbac"))
    owner = rng.integers(0, 4, 17)
    owner[:4] = range(4)
    references = np.concatenate([around(places[row], 1, 0.8, rng) for row in owner])
    shown = rng.integers(0, 4, 9)
    photos = np.concatenate([around(places[row], 1, 0.8, rng) for row in shown])
    pairs = make_pairs(photos, labels[shown], references, labels[owner], over)
    expected = []
    for photo, landmark in zip(photos, labels[shown], strict=True):
        for other in "abcd":
            distances = 1 - references[labels[owner] == other] @ photo
            expected.append((distances.min() if over == "minimum" else distances.mean(), landmark == other))
    np.testing.assert_allclose(pairs.distance, [distance for distance, _ in expected], atol=1e-6)
    assert pairs.same.tolist() == [same for _, same in expected]


def test_too_many_pairs_are_drawn_from() -> None:
    rng = np.random.default_rng(0)
    references, labels = around(np.zeros(24), 300, 1.0, rng), np.repeat([f"{n:03d}" for n in range(100)], 3)
    photos, shown = around(np.zeros(24), 200, 1.0, rng), np.array([f"{n % 100:03d}" for n in range(200)])
    few = make_pairs(photos, shown, references, labels, max_pairs=4000)
    assert few.same.sum() == 200
    assert 3500 < len(few.same) < 5000
    whole = make_pairs(photos, shown, references, labels)
    assert len(whole.same) == 20_000
    assert few.auc == pytest.approx(whole.auc, abs=0.05)
    again = make_pairs(photos, shown, references, labels, max_pairs=4000)
    assert again.distance.tolist() == few.distance.tolist()


def test_photos_of_a_landmark_without_references_are_left_out() -> None:
    places = directions(3)
    pairs = make_pairs(places, np.array(["a", "b", "c"]), places[:2], np.array(["a", "b"]))
    assert pairs.same.tolist() == [True, False, False, True]


def test_what_cannot_be_measured_is_refused() -> None:
    places = directions(3)
    one = np.array(["a", "a", "a"])
    with pytest.raises(LandmarkError, match="1 landmarks have references"):
        make_pairs(places, one, places, one)
    with pytest.raises(LandmarkError, match="0 photos show one of them"):
        make_pairs(places, np.array(["x", "y", "z"]), places, np.array(["a", "b", "a"]))
    with pytest.raises(LandmarkError, match="all 2 pairs are of the same landmark"):
        Pairs(np.array([0.1, 0.2]), np.array([True, True]))
    with pytest.raises(LandmarkError, match="all 0 pairs"):
        Pairs(np.zeros(0), np.zeros(0, bool))
    with pytest.raises(ValueError, match="without NaN"):
        Pairs(np.array([0.1, np.nan]), np.array([True, False]))
    with pytest.raises(LandmarkError, match="verification: photos: 23 dimensions"):
        make_pairs(places[:, :23], one, places, one)
