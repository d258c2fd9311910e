"""Objectives over pairs against hand calculations and pytorch-metric-learning's own forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from pytorch_metric_learning.losses import NPairsLoss, NTXentLoss, SelfSupervisedLoss

from landmark.network.objectives import Objective, make_objective
from tests.network.objectives.samples import at_angles, numbers, random_units, training

COUNTS = np.array([3, 3, 3])


def objective_of(dim: int = 2, **settings: object) -> Objective:
    return make_objective(training(**settings), COUNTS, dim)


def loss_of(objective: Objective, photos: torch.Tensor, targets: list[int]) -> float:
    return float(objective(photos, numbers(targets), torch.arange(len(targets))).detach())


def chord(angle: float) -> float:
    """Euclidean distance of two unit vectors."""
    return 2 * math.sin(abs(angle) / 2)


def test_contrastive_of_a_hand_calculated_batch() -> None:
    photos = at_angles(0.0, 0.4, 0.9, 2.5)
    objective = objective_of(loss="contrastive", margin=1.0)
    # Positive pair: 0.4 apart. Negative: 0.9 and 0.5 are nearer than the margin, the fourth photo is far from all.
    expected = chord(0.4) ** 2 / 2 + ((1 - chord(0.9)) ** 2 + (1 - chord(0.5)) ** 2) / 2 / 2
    assert loss_of(objective, photos, [1, 1, 2, 3]) == pytest.approx(expected, abs=1e-4)


def test_two_non_landmarks_are_no_pair_of_any_kind() -> None:
    photos = at_angles(0.0, 0.1, 0.9)
    pair = chord(0.9), chord(0.8)  # of the landmark with each of the two
    contrastive = sum((1 - distance) ** 2 for distance in pair) / 2 / 2
    assert loss_of(objective_of(loss="contrastive", margin=1.0), photos, [0, 0, 1]) == pytest.approx(contrastive, abs=1e-4)
    softmax = sum(math.log(1 + math.exp(10 * (math.cos(angle) - 0.5))) for angle in (0.9, 0.8)) / 2 / 2
    assert loss_of(objective_of(loss="pair_softmax"), photos, [0, 0, 1]) == pytest.approx(softmax, abs=1e-4)


def test_pair_softmax_is_cross_entropy_over_same_and_different() -> None:
    photos = at_angles(0.0, 0.4, 0.9)
    objective = objective_of(loss="pair_softmax", scale=4.0, margin=0.6)
    logits = {angle: 4 * (math.cos(angle) - 0.6) for angle in (0.4, 0.9, 0.5)}
    same = -math.log(math.exp(logits[0.4]) / (math.exp(logits[0.4]) + 1))
    different = [-math.log(1 / (math.exp(logits[angle]) + 1)) for angle in (0.9, 0.5)]
    assert loss_of(objective, photos, [1, 1, 2]) == pytest.approx((same + sum(different) / 2) / 2, abs=1e-4)


def test_npair_of_a_hand_calculated_batch() -> None:
    photos = at_angles(0.0, 0.3, 1.0, 1.5, -0.7)  # two pairs and a non-landmark
    objective = objective_of(loss="npair", scale=2.0)
    first = [math.cos(0.3), math.cos(1.5), math.cos(0.7)]  # anchor at 0: own positive, the other's, the non-landmark
    second = [math.cos(0.5), math.cos(0.7), math.cos(1.7)]  # anchor at 1: own positive at 1.5, the other's at 0.3, ...
    expected = [math.log(sum(math.exp(2 * c) for c in cosines)) - 2 * cosines[0] for cosines in (first, second)]
    assert loss_of(objective, photos, [1, 1, 2, 2, 0]) == pytest.approx(sum(expected) / 2, abs=1e-4)


def test_npair_without_lone_photos_is_that_of_pytorch_metric_learning() -> None:
    photos, targets = random_units(9, 6), [1, 2, 3, 3, 2, 1, 1, 2, 3]
    expected = NPairsLoss()(photos, numbers(targets))
    assert loss_of(objective_of(6, loss="npair", scale=1.0), photos, targets) == pytest.approx(expected.item(), abs=1e-5)


def test_ntxent_of_a_hand_calculated_batch() -> None:
    angles = [0.0, 1.0, 0.2, 1.7]  # first views of photos 0 and 1, then their second views
    objective = objective_of(loss="ntxent", scale=3.0)
    losses = []
    for i, partner in enumerate([2, 3, 0, 1]):
        others = [3 * math.cos(angles[i] - angle) for k, angle in enumerate(angles) if k != i]
        losses.append(math.log(sum(map(math.exp, others))) - 3 * math.cos(angles[i] - angles[partner]))
    loss = objective(at_angles(*angles), numbers([0, 0, 0, 0]), numbers([5, 8, 5, 8]))
    assert loss.item() == pytest.approx(sum(losses) / 4, abs=1e-4)
    assert objective.views == 2


def test_ntxent_is_that_of_pytorch_metric_learning_and_heeds_no_label() -> None:
    photos = random_units(12, 5)
    expected = SelfSupervisedLoss(NTXentLoss(temperature=0.1))(photos[:6], photos[6:])
    objective, rows = objective_of(5, loss="ntxent"), torch.arange(6).repeat(2)
    assert objective(photos, numbers([0] * 12), rows).item() == pytest.approx(expected.item(), rel=1e-5)
    assert objective(photos, numbers([1, 2] * 6), rows).item() == pytest.approx(expected.item(), rel=1e-5)


def test_what_pair_softmax_learned_is_carried_to_the_next_stage() -> None:
    before, after = objective_of(loss="pair_softmax"), objective_of(loss="pair_softmax")
    with torch.no_grad():
        before.cut.fill_(0.31)  # type: ignore[operator,union-attr]
    after.fill(before, {})
    assert after.cut.item() == pytest.approx(0.31)  # type: ignore[operator,union-attr]


def test_share_of_right_neighbours() -> None:
    objective = objective_of(loss="contrastive")
    # Neighbours: 0.0 and 0.1 each other's (same class); 1.0 and 1.2 each other's (not); 1.3's is 1.2 (same).
    assert objective.correct(at_angles(0.0, 0.1, 1.0, 1.2, 1.3), numbers([1, 1, 2, 3, 3])).item() == pytest.approx(0.8)
    assert objective.correct(at_angles(0.0), numbers([1])).item() == 0.0
