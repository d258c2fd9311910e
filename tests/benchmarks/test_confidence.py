"""The comparison of confidences: what each way makes of scores whose answer is known, and how they are judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from benchmarks.confidence import IDEAL, compare, cross_validated, main, perfect, report
from benchmarks.confidence_ways import WAYS, Photos, isotonic, ours, platt, platt_weighted
from landmark.errors import UsageError
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.reliability import reliability
from landmark.recognition.confidence import PRIOR

CONFIG = """
name: none
home: home
data: {format: folder, source: landmarks}
network: {backbone: a, dim: 8, image_size: 32}
training: {stages: [{name: a, epochs: 1}]}
"""
ON = {"date": "2026-01-01", "cpu": "some", "cores": 2}


def photos(others: int = 300, landmarks: int = 200, seed: int = 0) -> Photos:
    """Scores of two normal distributions, two deviations apart; a tenth of the landmark photos is wrong."""
    random = np.random.default_rng(seed)
    shows = np.arange(others + landmarks) >= others
    right = shows & (random.random(len(shows)) < 0.9)
    score = random.normal(2.0 * right, 1)
    return Photos(score, score / 10, shows, right, np.arange(len(shows)))


def as_open_set(made: Photos) -> OpenSet:
    truth = np.where(made.shows, "a", "")
    return OpenSet(made.score, np.where(made.right | ~made.shows, "a", "b"), truth)


class Score(LogisticRegression):
    """A classifier that is sure as the score says."""

    def decision_function(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(X)[:, 0]


def test_platt_is_that_of_scikit_learn() -> None:
    made = photos()
    score = made.score[:, None]
    both = CalibratedClassifierCV(FrozenEstimator(Score().fit(score, made.right)), method="sigmoid", ensemble=False)
    other = both.fit(score, made.right).predict_proba(score)[:, 1]
    assert np.allclose(platt(made)(made), other, atol=1e-3)


def test_ours_knows_the_prior_and_platt_does_not() -> None:
    made, fresh = photos(20_000, 10_000), photos(20_000, 10_000, seed=1)
    weight = fresh.weight()
    share = PRIOR * 0.9
    assert (weight * ours(made)(fresh)).sum() == pytest.approx(share, rel=0.1)
    assert (weight * platt_weighted(made)(fresh)).sum() == pytest.approx(share, rel=0.1)
    assert (weight * isotonic(made)(fresh)).sum() == pytest.approx(share, rel=0.1)
    assert (weight * platt(made)(fresh)).sum() > 3 * share


def test_cross_validation_keeps_groups_together_and_prefers_what_is_true() -> None:
    made = photos(2000, 1000)
    losses = {name: cross_validated(way, made, 0) for name, (way, _) in WAYS.items()}
    assert losses["ours"] == min(losses.values())
    # Each photo twice: isotonic regression, which learns by heart, gains where a photo's twin is not in its fold.
    rows = np.tile(np.arange(300), 2)
    small = photos(200, 100).take(rows)
    apart = Photos(small.score, small.similarity, small.shows, small.right, np.arange(600))
    assert cross_validated(isotonic, apart, 0) < cross_validated(isotonic, small, 0)


def test_a_row_a_way_and_one_for_a_perfect_confidence() -> None:
    made, fresh = photos(400, 300), photos(300, 200, seed=1)
    test = as_open_set(fresh)
    tagged = test.accepted(1.5)
    table, measured = compare(made, test, fresh, tagged, seeds=2)
    assert table["way"].tolist() == [*WAYS, IDEAL]
    assert set(measured) == set(WAYS)
    table = table.set_index("way")
    assert table.loc["raw similarity", "ece_as_tested"] > 0.1
    assert (table["ece_lowest"] <= table["ece_highest"]).all()
    # No prior was meant, so that none is taken for another.
    assert (measured["raw similarity"].as_tested.confidence == np.clip(fresh.similarity, 0, 1)).all()
    text = report("Title", {"test, landmark": 200, "test, other": 300, "test, unknown landmark": 0}, table.reset_index(), 2, ON)
    assert text.count("\n| ") == 2 + len(WAYS) + 1
    assert "weighs as much as 33 landmark photos" in text  # 0.98 / 0.02 * 200 / 300
    assert "nan" not in text


def test_a_perfect_confidence_errs_less_with_more_photos() -> None:
    few, many = photos(300, 200), photos(30_000, 20_000)
    errors = []
    for made in (few, many):
        test = as_open_set(made)
        found = reliability(test, ours(photos(seed=3))(made), test.accepted(1.5))
        errors.append(perfect(found, 99)["ece_as_tested"])
    assert errors[1] < errors[0] / 3
    assert errors[1] < 0.01


def test_it_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "none.yaml"
    config.write_text(CONFIG)
    monkeypatch.setattr("sys.argv", ["confidence", "--config", str(config)])
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=r"finished run; first: landmark retrain .*none\.yaml"):
        main()
