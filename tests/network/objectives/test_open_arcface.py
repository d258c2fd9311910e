"""Sub-centre ArcFace with a threshold in place of a non-landmark class, against hand calculations."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from landmark.network.objectives import Classification, make_objective
from landmark.network.objectives.open_arcface import OpenArcFace
from tests.network.objectives.samples import at_angles, numbers, training, unit_rows


def head_of(classes: int, dim: int, **settings: object) -> OpenArcFace:
    objective = make_objective(training(loss="open_arcface", **settings), np.full(classes, 3), dim)
    assert isinstance(objective, Classification)
    assert isinstance(objective.head, OpenArcFace)
    return objective.head


def with_centres(head: OpenArcFace, rows: torch.Tensor, threshold: float) -> OpenArcFace:
    with torch.no_grad():
        head.weight.copy_(rows.T)
        head.threshold.fill_(threshold)
    return head


def cross_entropy(logits: list[float], own: int) -> float:
    return math.log(sum(math.exp(value) for value in logits)) - logits[own]


def test_a_landmark_photo_must_beat_the_threshold_and_the_other_landmarks_by_the_margin() -> None:
    # Two landmarks of two sub-centres each: at 0.0 and 2.0, and at 1.0 and 3.0. The photo at 0.3 is nearest to 0.0 and to 1.0.
    head = with_centres(head_of(3, 2, scale=8.0, margin=0.2, subcenters=2), at_angles(0.0, 2.0, 1.0, 3.0), 0.4)
    expected = cross_entropy([8 * 0.4, 8 * math.cos(0.5), 8 * math.cos(0.7)], 1)
    assert head(at_angles(0.3), numbers([1])).item() == pytest.approx(expected, abs=1e-5)


def test_a_photo_without_a_landmark_must_stay_below_the_threshold() -> None:
    head = with_centres(head_of(3, 2, scale=8.0, margin=0.2, subcenters=1), at_angles(0.0, 1.0), 0.4)
    expected = cross_entropy([8 * 0.4, 8 * math.cos(0.3), 8 * math.cos(0.7)], 0)
    assert head(at_angles(0.3), numbers([0])).item() == pytest.approx(expected, abs=1e-5)


def test_nothing_draws_photos_without_a_landmark_together() -> None:
    head = with_centres(head_of(3, 3, subcenters=1), unit_rows([1, 0, 0], [0, 1, 0]), 0.3)
    photo = unit_rows([0.3, 0.3, 0.9]).requires_grad_()
    head(photo, numbers([0])).backward()
    assert photo.grad is not None
    down = -photo.grad[0]
    assert down[0] < 0
    assert down[1] < 0
    assert down[2] == 0, "the direction that no landmark lies in is neither sought nor shunned"


def test_the_threshold_learns_to_lie_between() -> None:
    head = with_centres(head_of(2, 2, scale=16.0, margin=0.0, subcenters=1), at_angles(0.0), 0.0)
    optimiser = torch.optim.SGD([head.threshold], lr=0.05)
    photos = torch.cat([at_angles(*[math.acos(0.8)] * 4), at_angles(*[math.acos(0.2)] * 4)])
    for _ in range(300):
        optimiser.zero_grad()
        head(photos, numbers([1] * 4 + [0] * 4)).backward()
        optimiser.step()
    assert head.threshold.item() == pytest.approx(0.5, abs=0.01)  # by symmetry


def test_predicts_none_below_the_threshold() -> None:
    head = with_centres(head_of(3, 2, subcenters=2), at_angles(0.0, 2.0, 1.0, 3.0), math.cos(0.2))
    assert head.predict(at_angles(0.1, 0.45, 1.1, 2.1, 2.95)).tolist() == [1, 0, 2, 1, 2]


def test_a_growing_head_keeps_what_it_learned() -> None:
    small, large = head_of(2, 4), head_of(3, 4)
    with torch.no_grad():
        small.threshold.fill_(0.7)
    mean = unit_rows([0, 0, 0, 1])
    large.fill(small, {1: unit_rows([1, 0, 0, 0]), 2: mean})
    known = small.weight.shape[1]
    assert torch.equal(large.weight[:, :known], small.weight)
    assert large.threshold.item() == pytest.approx(0.7)
    assert large.predict(mean).tolist() == [2]
    rows = large.weight[:, known:].T
    assert len(torch.unique(rows.round(decimals=6), dim=0)) == len(rows), "equal sub-centres would stay equal for ever"


def test_the_first_head_starts_every_landmark_at_its_means() -> None:
    head = head_of(3, 4)
    means = {1: unit_rows([1, 0, 0, 0], [0, 1, 0, 0]), 2: unit_rows([0, 0, 1, 0])}
    head.fill(None, means)
    assert head.predict(torch.cat([means[1], means[2]])).tolist() == [1, 1, 2]
