import re

import numpy as np

from landmark.evaluation import drawing
from landmark.evaluation.identification import Identification
from landmark.evaluation.protocol_plots import identification_figure, roc_figure
from landmark.evaluation.verification import Pairs


def texts(svg: str) -> str:
    assert svg.startswith("<svg ")
    assert drawing.INK not in svg
    return " ".join(re.findall(r">([^<>]+)</text>", svg))


def pairs(count: int = 2000, seed: int = 0) -> Pairs:
    rng = np.random.default_rng(seed)
    same = rng.random(count) < 0.2
    same[:2] = True, False
    return Pairs(rng.normal(size=count) - 3 * same, same)


def test_the_roc_curve_says_its_error_rates() -> None:
    one, other = pairs(), pairs(seed=1)
    labels = texts(roc_figure({"nearest reference": one, "mean over references": other}))
    assert f"nearest reference: EER {100 * one.eer:.1f} %, FPR at 95 % TPR {100 * one.fpr_at(0.95):.1f} %" in labels
    assert "mean over references" in labels
    assert "false positive rate" in labels


def test_perfect_and_useless_pairs_can_be_drawn() -> None:
    same = np.array([True, False])
    assert texts(roc_figure({"perfect": Pairs(np.array([0.0, 1.0]), same)}))
    assert texts(roc_figure({"useless": Pairs(np.array([1.0, 1.0]), same), "wrong": Pairs(np.array([1.0, 0.0]), same)}))


def test_millions_of_pairs_make_a_small_file() -> None:
    assert len(roc_figure({"many": pairs(200_000)})) < 100_000


def test_the_identification_curve_names_its_ranks_and_numbers() -> None:
    result = Identification(np.array([0, 1, 500, 0]), 20_000)
    labels = texts(identification_figure(result.curve()))
    for words in ("rank 1: 50.0 % among all", "rank 10: 75.0 % among all", "none", "1,000", "10,000", "distractors"):
        assert words in labels
    assert texts(identification_figure(Identification(np.array([0]), 3).curve((1,))))
