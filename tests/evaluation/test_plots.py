import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from landmark.evaluation import drawing, plots
from landmark.evaluation.embedding_map import embedding_map
from landmark.evaluation.open_set import OpenSet
from tests.evaluation.samples import around, directions, open_set

HOSTILE = '<script>alert("x")</script> & $\\frac{1}{0}$ \u202e "quoted"'


def texts(svg: str) -> list[str]:
    """Texts of a figure; fails where it is no well-formed XML."""
    return ["".join(node.itertext()).strip() for node in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def points(count: int = 60) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    centres = directions(2)
    vectors = np.concatenate([around(centre, count // 2, 0.3, rng) for centre in centres])
    landmarks = np.repeat(["bad", ""], count // 2)
    return embedding_map(vectors, landmarks, centres[:1], np.array(["bad"]), method="pca")


def test_the_axis_is_labelled_in_specificity_and_the_point_is_marked() -> None:
    test = open_set(4000)
    svg = plots.sensitivity_curve({"this model": test, "frozen network": open_set(4000, seed=1)}, 0.4)
    labels = texts(svg)
    assert {"50 %", "90 %", "99 %", "99.9 %"} <= set(labels)
    assert {"this model", "frozen network"} <= set(labels)
    figures = test.figures(0.4)
    assert f"operating point: {figures['sensitivity']:.1%} at {figures['specificity']:.1%}".replace("%", " %") in labels


def test_between_two_specificities_the_higher_one_counts() -> None:
    # Others at 0.1 and 0.3: specificity 0, 0.5 from 0.1 on, 1 from 0.3 on. Right photos above: 3, 2 and 1.
    score, truth = np.array([0.1, 0.3, 0.1, 0.2, 0.4]), np.array(["", "", "a", "a", "a"])
    error, sensitivity = plots.operating_steps(OpenSet(score, np.full(5, "a"), truth), 0.01)
    np.testing.assert_allclose(error, [1, 1, 0.5, 0.5, 0.01])
    np.testing.assert_allclose(sensitivity, [1, 2 / 3, 2 / 3, 1 / 3, 1 / 3])


@pytest.mark.parametrize("threshold", [-9.0, 9.0])
def test_perfect_and_useless_results_can_be_drawn(threshold: float) -> None:
    perfect = OpenSet(np.array([0.9, 0.8, 0.1, -np.inf]), np.array(["a", "b", "a", ""]), np.array(["a", "b", "", ""]))
    assert texts(plots.sensitivity_curve({"m": perfect}, threshold))
    assert texts(plots.score_histograms(perfect, threshold))


def test_histograms_count_each_kind_of_photo() -> None:
    test = open_set()
    labels = texts(plots.score_histograms(test, 0.4))
    for name, chosen in (
        ("landmark, right candidate", test.correct),
        ("landmark, wrong candidate", test.landmark_photo & ~test.correct),
        ("no landmark", test.other_photo),
        ("unknown landmark", test.unknown_photo),
    ):
        assert any(label.startswith(f"{name}: {chosen.sum()} photos") for label in labels)


def test_training_curves_name_stages_and_quantities() -> None:
    rows = [
        {
            "step": step,
            "stage": "Europe" if step < 50 else HOSTILE,
            "epoch": step // 10,
            "loss": 1 / (1 + step),
            "accuracy": 0.5,
        }
        for step in range(100)
    ]
    rows[3]["centre_loss"] = 0.2
    labels = texts(plots.training_curves(rows))
    assert {"Europe", "loss", "centre loss", "accuracy", "step"} <= set(labels)
    assert "epoch" not in labels


def test_stages_of_one_epoch_have_a_width(monkeypatch: pytest.MonkeyPatch) -> None:
    spans = []
    monkeypatch.setattr(plots.Axes, "axvspan", lambda axes, start, end, **style: spans.append((start, end)))
    plots.training_curves([{"step": 40, "stage": "a", "loss": 2.0}, {"step": 100, "stage": "b", "loss": 1.0}])
    assert spans == [(0, 40), (40, 100)]


def test_one_logged_row_is_enough() -> None:
    assert "loss" in texts(plots.training_curves([{"step": 0, "stage": "all", "epoch": 0, "loss": 1.0}]))


@pytest.mark.parametrize("count", [60, 2000])
def test_names_are_text_and_nothing_else(count: int) -> None:
    svg = plots.embedding_figure(points(count), {"bad": HOSTILE})
    assert "<script" not in svg
    assert any("alert" in text and "\\frac" in text for text in texts(svg))


@pytest.mark.filterwarnings("error")
def test_names_of_any_script() -> None:
    name = "故宫 مسجد Ελλάς"
    assert name in texts(plots.embedding_figure(points(), {"bad": name}))


def test_many_dots_do_not_make_a_large_file() -> None:
    assert len(plots.embedding_figure(points(2000), {})) < 400_000


def test_colours_follow_the_page_and_ids_do_not_collide() -> None:
    test = open_set()
    figures = [
        plots.sensitivity_curve({"m": test}, 0.4),
        plots.score_histograms(test, 0.4),
        plots.embedding_figure(points(), {}),
        plots.training_curves([{"step": 0, "stage": "all", "loss": 1.0}]),
    ]
    ids: list[str] = []
    for svg in figures:
        assert svg.startswith("<svg ")
        assert "currentColor" in svg
        assert drawing.INK not in svg
        assert drawing.GRID not in svg
        tree = ET.fromstring(svg)
        own = [node.attrib["id"] for node in tree.iter() if "id" in node.attrib]
        used = {value.removeprefix("#") for node in tree.iter() for key, value in node.attrib.items() if key.endswith("href")}
        assert {name for name in used if not name.startswith("data:")} <= set(own)
        ids += own
    assert len(ids) == len(set(ids))


def test_the_same_result_gives_the_same_picture() -> None:
    assert plots.score_histograms(open_set(), 0.4) == plots.score_histograms(open_set(), 0.4)
