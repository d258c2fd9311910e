"""The classification losses against hand calculations, and heads that grow."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from landmark.methods import METHODS
from landmark.network.objectives import ClassHead, Classification, make_objective
from landmark.network.objectives.dynamic_arcface import class_margins
from tests.network.objectives.samples import at_angles, numbers, training, unit_rows

CLASSIFICATION = [name for name, method in METHODS.items() if method.classification and name != "open_arcface"]


def head_of(counts: list[int], dim: int, **settings: object) -> ClassHead:
    objective = make_objective(training(**settings), np.array(counts), dim)
    assert isinstance(objective, Classification)
    return objective.head


def with_rows(head: ClassHead, rows: torch.Tensor) -> ClassHead:
    """The head with given vectors [rows, dim]."""
    with torch.no_grad():
        head.weight.copy_(rows.T)
    return head


def cross_entropy(logits: list[float], own: int) -> float:
    return math.log(sum(math.exp(value) for value in logits)) - logits[own]


def test_softmax_is_cross_entropy_of_scaled_cosines() -> None:
    head = with_rows(head_of([1, 1, 1], 2, loss="softmax", scale=10.0), torch.tensor([[1.0, 0.0], [0.0, 2.0], [-1.0, 0.0]]))
    # cosines of (0.6, 0.8) with the three rows: 0.6, 0.8, -0.6
    assert head(unit_rows([0.6, 0.8]), numbers([1])).item() == pytest.approx(cross_entropy([6, 8, -6], 1), abs=1e-5)


@pytest.mark.parametrize(("angle", "psi"), [(0.5, math.cos(1.0)), (2.0, -math.cos(4.0) - 2)])
def test_sphereface_multiplies_the_angle_and_falls_on_past_pi(angle: float, psi: float) -> None:
    # Equation 7 of the paper: (-1)^k cos(m t) - 2k for t in [k pi / m, (k + 1) pi / m], here with m = 2.
    head = with_rows(head_of([1, 1], 2, loss="sphereface", scale=8.0, margin=2), at_angles(0.0, 1.5))
    expected = cross_entropy([8 * psi, 8 * math.cos(angle - 1.5)], 0)
    assert head(at_angles(angle), numbers([0])).item() == pytest.approx(expected, abs=1e-4)


def test_cosface_takes_the_margin_off_the_cosine() -> None:
    head = with_rows(head_of([1, 1], 2, loss="cosface", scale=8.0, margin=0.3), at_angles(0.0, 1.5))
    expected = cross_entropy([8 * (math.cos(0.4) - 0.3), 8 * math.cos(1.1)], 0)
    assert head(at_angles(0.4), numbers([0])).item() == pytest.approx(expected, abs=1e-4)


def test_arcface_adds_the_margin_to_the_angle() -> None:
    head = with_rows(head_of([1, 1], 2, loss="arcface", scale=8.0, margin=0.3), at_angles(0.0, 1.5))
    expected = cross_entropy([8 * math.cos(0.7), 8 * math.cos(1.1)], 0)
    assert head(at_angles(0.4), numbers([0])).item() == pytest.approx(expected, abs=1e-4)


def test_subcentre_arcface_takes_the_nearest_own_subcentre() -> None:
    # class 0: 0.2 and 1.5; class 1: 2.0 and 3.0
    settings = {"loss": "subcenter_arcface", "scale": 8.0, "margin": 0.3, "subcenters": 2}
    head = with_rows(head_of([1, 1], 2, **settings), at_angles(0.2, 1.5, 2.0, 3.0))
    photo = at_angles(0.5)
    expected = cross_entropy([8 * math.cos(0.3 + 0.3), 8 * math.cos(1.5)], 0)
    assert head(photo, numbers([0])).item() == pytest.approx(expected, abs=1e-4)
    assert head.predict(photo).tolist() == [0]


def test_dynamic_arcface_has_a_margin_for_each_class() -> None:
    counts = [900, 1, 16]  # n^(-1/4) of the landmarks: 1 and 0.5, so margins 0.50 and 0.05
    head = with_rows(head_of(counts, 2, loss="dynamic_arcface", scale=8.0, subcenters=1), at_angles(0.0, 1.0, 2.0))
    photos, targets = at_angles(0.7, 0.7, 0.7), numbers([0, 1, 2])
    plain = [8 * math.cos(0.7), 8 * math.cos(0.3), 8 * math.cos(1.3)]
    with_margin = [8 * math.cos(0.7 + 0.05), 8 * math.cos(0.3 + 0.5), 8 * math.cos(1.3 + 0.05)]
    expected = [cross_entropy([with_margin[k] if k == own else plain[k] for k in range(3)], own) for own in range(3)]
    assert head(photos, targets).item() == pytest.approx(np.mean(expected), abs=1e-4)


def test_dynamic_arcface_with_equal_margins_is_subcentre_arcface() -> None:
    rows = torch.randn(9, 4, generator=torch.Generator().manual_seed(1))
    photos = torch.nn.functional.normalize(torch.randn(12, 4, generator=torch.Generator().manual_seed(2)), dim=1)
    photos[0] = -torch.nn.functional.normalize(rows[3], dim=0)  # past the angle where the cosine would rise again
    targets = numbers([1, *([1, 2] * 5), 1])
    dynamic = with_rows(head_of([0, 7, 7], 4, loss="dynamic_arcface"), rows)
    plain = with_rows(head_of([0, 7, 7], 4, loss="subcenter_arcface", margin=0.275), rows)
    assert dynamic(photos, targets).item() == pytest.approx(plain(photos, targets).item(), rel=1e-4)


def test_margins_as_the_authors_code_has_them() -> None:
    counts = np.array([3, 50, 1000, 7, 7, 2])
    shrunk = np.sqrt(1 / np.sqrt(counts[1:]))
    expected = (shrunk - shrunk.min()) / (shrunk.max() - shrunk.min()) * 0.45 + 0.05
    np.testing.assert_allclose(class_margins(counts)[1:], expected)
    assert class_margins(counts)[0] == 0.05, "nothing should gather at the non-landmark class"
    assert class_margins(np.array([9, 4, 4])).tolist() == [0.05, pytest.approx(0.275), pytest.approx(0.275)]


def test_proxy_nca_is_a_softmax_over_squared_distances() -> None:
    head = with_rows(head_of([1, 1], 2, loss="proxy_nca", scale=3.0), torch.tensor([[2.0, 0.0], [0.0, 1.0]]))
    # |(0.6, 0.8) - (1, 0)|^2 = 0.8, to (0, 1) it is 0.4
    expected = cross_entropy([-3 * 0.8, -3 * 0.4], 0)
    assert head(unit_rows([0.6, 0.8]), numbers([0])).item() == pytest.approx(expected, abs=1e-5)


def test_soft_triple_of_two_centres_a_class() -> None:
    settings = {"loss": "soft_triple", "scale": 5.0, "margin": 0.1, "subcenters": 2}
    angles = [0.0, 1.0, 2.0, 2.5]
    head = with_rows(head_of([1, 1], 2, **settings), at_angles(*angles))
    cosine = [math.cos(0.4 - angle) for angle in angles]

    def similarity(first: float, second: float) -> float:  # equation 6: a softmax with gamma = 0.1 weighs the centres
        weights = [math.exp(first / 0.1), math.exp(second / 0.1)]
        return (weights[0] * first + weights[1] * second) / sum(weights)

    own, other = similarity(*cosine[:2]), similarity(*cosine[2:])
    gathered = sum(math.sqrt(2 - 2 * math.cos(angle)) for angle in (1.0, 0.5)) / (2 * 2 * 1)  # equation 10: over C K (K - 1)
    expected = cross_entropy([5 * (own - 0.1), 5 * other], 0) + 0.2 * gathered
    assert head(at_angles(0.4), numbers([0])).item() == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("loss", CLASSIFICATION)
def test_a_growing_head_keeps_what_it_learned_and_starts_new_classes_at_their_means(loss: str) -> None:
    small, large = head_of([5, 5], 4, loss=loss), head_of([5, 5, 9], 4, loss=loss)
    mean = unit_rows([0, 0, 0, 1])
    large.fill(small, {1: unit_rows([1, 0, 0, 0]), 2: mean})
    known = small.weight.shape[1]
    assert torch.equal(large.weight[:, :known], small.weight)
    assert large.predict(mean).tolist() == [2]
    rows = large.weight[:, known:].T
    assert len(torch.unique(rows.round(decimals=6), dim=0)) == len(rows), "equal rows would stay equal for ever"


def test_a_name_that_is_no_classification_loss() -> None:
    with pytest.raises(ValueError, match="no classification loss 'triplet'"):
        ClassHead("triplet", np.array([1, 1]), 2, scale=1.0)


@pytest.mark.parametrize("loss", CLASSIFICATION)
def test_share_of_right_predictions(loss: str) -> None:
    objective = make_objective(training(loss=loss), np.array([5, 5]), 2)
    rows = objective.head.rows  # type: ignore[union-attr]
    with_rows(objective.head, at_angles(*[0.0] * rows, *[2.0] * rows))  # type: ignore[arg-type]
    photos = at_angles(0.1, 1.8, 1.9, 0.2)
    assert objective.correct(photos, numbers([0, 1, 0, 0])).item() == 0.75
