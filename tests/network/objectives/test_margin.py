"""The margin loss against a hand calculation, its sampling against the density of distances on a sphere."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from landmark.network.objectives import Objective, make_objective
from tests.network.objectives.samples import at_angles, numbers, random_units, training


def objective_of(dim: int, **settings: object) -> Objective:
    return make_objective(training(loss="margin", **settings), np.array([3, 3, 3]), dim)


def test_margin_loss_of_a_hand_calculated_batch() -> None:
    # A pair and one negative: there is nothing else to draw. Distances 0.9 (positive), 1.1 and 1.3 (negative).
    far = 2 * math.asin(0.45)
    near = 2 * math.asin(0.55)
    photos = at_angles(0.0, far, near)
    between = 2 * math.sin(abs(near - far) / 2)
    loss = objective_of(2, margin=0.4)(photos, numbers([1, 1, 2]), torch.arange(3))
    # Each of the two anchors draws two triplets: (0.9, 1.1) and (0.9, d of the two others).
    positive = max(0.0, 0.4 + 0.9 - 1.2)
    negatives = [max(0.0, 0.4 + 1.2 - distance) for distance in (1.1, between)]
    assert loss.item() == pytest.approx((4 * positive + 2 * sum(negatives)) / 8, abs=1e-4)


def test_the_boundary_is_learned() -> None:
    objective = objective_of(6)
    (beta,) = objective.parameters()
    assert beta.item() == pytest.approx(1.2)
    objective(random_units(9, 6), numbers([1, 1, 1, 2, 2, 2, 0, 0, 0]), torch.arange(9)).backward()
    assert beta.grad is not None
    assert beta.grad.abs() > 0


def test_negatives_are_drawn_inversely_to_how_common_their_distance_is() -> None:
    dim = 5
    photos = torch.cat([random_units(2, dim, 1), random_units(40, dim, 2)])
    labels = numbers([1, 1, *range(10, 50)])
    miner = objective_of(dim).miner  # type: ignore[union-attr]
    torch.manual_seed(0)
    drawn = torch.cat([miner(photos, labels)[2][:2] for _ in range(1500)])  # type: ignore[operator]
    distance = (photos[0] - photos[2:]).norm(dim=1).double().numpy()
    # Section 4 of the paper: log q(d) = (n - 2) log d + (n - 3) / 2 * log(1 - d^2 / 4), and no negative beyond 1.4.
    clipped = np.maximum(distance, 0.5)
    weight = np.exp(-((dim - 2) * np.log(clipped) + (dim - 3) / 2 * np.log(1 - clipped**2 / 4))) * (clipped < 1.4)
    counted = np.bincount(drawn.numpy() - 2, minlength=40) / len(drawn)
    np.testing.assert_allclose(counted, weight / weight.sum(), atol=0.03)
