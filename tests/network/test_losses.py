"""The losses against hand calculations, plain loops and pytorch's own gradients."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.config import StageConfig, TrainingConfig
from landmark.network.losses import Centres, ClassHead


def training(**changes: object) -> TrainingConfig:
    return TrainingConfig.model_validate({"stages": [StageConfig(name="all")], **changes})


def unit_rows(*rows: list[float]) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.tensor(rows, dtype=torch.float32), dim=1)


def test_centre_loss_of_a_hand_calculated_batch() -> None:
    centres = Centres(2)
    centres.place(unit_rows([1, 0], [0, 1], [-1, 0]), torch.tensor([1, 1, 2]))
    photos = unit_rows([1, 0], [0.6, 0.8], [0, 1], [0, -1])
    targets = torch.tensor([1, 1, 2, 0])
    # Squared distances to the nearest own centre: 0; to (0, 1): 0.36 + 0.04 = 0.4; to (-1, 0): 2; non-landmark: none.
    assert centres.nearest(photos, targets).tolist() == [0, 1, 2, -1]
    assert centres(photos, targets).item() == pytest.approx((0 + 0.4 + 2) / 2 / 4)


def test_non_landmarks_are_not_pulled_and_never_have_a_centre() -> None:
    centres = Centres(2)
    centres.place(unit_rows([1, 0]), torch.tensor([1]))
    photos = unit_rows([0, 1], [1, 1]).requires_grad_()
    centres(photos, torch.tensor([0, 1])).backward()
    assert photos.grad is not None
    assert photos.grad[0].tolist() == [0, 0]
    assert photos.grad[1].abs().sum() > 0
    with pytest.raises(ValueError, match="no centre"):
        centres.place(unit_rows([1, 0]), torch.tensor([0]))


def test_centre_loss_gradient() -> None:
    centres = Centres(3)
    centres.place(torch.eye(3), torch.tensor([1, 1, 2]))
    photos = torch.randn(5, 3, requires_grad=True, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([1, 2, 0, 1, 2])
    nearest = centres.nearest(photos, targets)
    loss = centres(photos, targets)
    loss.backward()
    expected = torch.zeros(5, 3)
    for i in range(5):
        if targets[i] != 0:  # d/dx (1/2n) |x - c|^2 = (x - c) / n
            expected[i] = (photos[i].detach() - centres.vectors[nearest[i]]) / 5
    assert photos.grad is not None
    torch.testing.assert_close(photos.grad, expected, atol=1e-6, rtol=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 1))
def test_centres_move_by_wens_rule(seed: int, rate: float) -> None:
    random = np.random.default_rng(seed)
    classes = np.array([1, 1, 2, 3])
    start = random.normal(size=(4, 6))
    start /= np.linalg.norm(start, axis=1, keepdims=True)
    photos = random.normal(size=(12, 6))
    photos /= np.linalg.norm(photos, axis=1, keepdims=True)
    targets = random.integers(0, 4, 12)
    centres = Centres(6)
    centres.place(torch.tensor(start, dtype=torch.float32), torch.tensor(classes))
    centres.move(torch.tensor(photos, dtype=torch.float32), torch.tensor(targets), rate)
    moved = start.copy()
    for j in range(4):  # the definition of Wen et al. (2016), equation 4, with photos assigned to the nearest centre
        total, count = np.zeros(6), 0
        for x, target in zip(photos, targets, strict=True):
            own = [k for k in range(4) if classes[k] == target]
            if own and max(own, key=lambda k: x @ start[k]) == j:
                total += start[j] - x
                count += 1
        moved[j] = start[j] - rate * total / (1 + count)
        moved[j] /= np.linalg.norm(moved[j])
    np.testing.assert_allclose(centres.vectors.numpy(), moved, atol=1e-5)


def test_softmax_is_cross_entropy_of_scaled_cosines() -> None:
    head = ClassHead(3, 2, training(loss="softmax", scale=10.0))
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 0.0, -1.0], [0.0, 2.0, 0.0]]))
    # cosines of (0.6, 0.8) with the three rows: 0.6, 0.8, -0.6
    logits = [6.0, 8.0, -6.0]
    expected = -8.0 + math.log(sum(math.exp(value) for value in logits))
    assert head(unit_rows([0.6, 0.8]), torch.tensor([1])).item() == pytest.approx(expected, abs=1e-5)


def test_arcface_adds_the_margin_to_the_angle_of_the_nearest_own_subcentre() -> None:
    head = ClassHead(2, 2, training(loss="subcenter_arcface", scale=8.0, margin=0.3, subcenters=2))
    angles = [0.2, 1.5, 2.0, 3.0]  # class 0: 0.2 and 1.5; class 1: 2.0 and 3.0
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[math.cos(a) for a in angles], [math.sin(a) for a in angles]]))
    photo = unit_rows([math.cos(0.5), math.sin(0.5)])
    own, other = 8 * math.cos(0.3 + 0.3), 8 * math.cos(1.5)
    expected = -own + math.log(math.exp(own) + math.exp(other))
    assert head(photo, torch.tensor([0])).item() == pytest.approx(expected, abs=1e-4)
    assert head.predict(photo).tolist() == [0]


@pytest.mark.parametrize("loss", ["softmax", "cosface", "arcface", "subcenter_arcface"])
def test_a_growing_head_keeps_what_it_learned_and_starts_new_classes_at_their_means(loss: str) -> None:
    settings_ = training(loss=loss)
    small, large = ClassHead(2, 4, settings_), ClassHead(3, 4, settings_)
    mean = unit_rows([0, 0, 0, 1])
    large.fill(small, {1: unit_rows([1, 0, 0, 0]), 2: mean})
    known = small.weight.shape[1]
    assert torch.equal(large.weight[:, :known], small.weight)
    assert large.predict(mean).tolist() == [2]
    rows = large.weight[:, known:].T
    assert len(torch.unique(rows.round(decimals=6), dim=0)) == len(rows), "equal rows would stay equal for ever"
