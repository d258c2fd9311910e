"""The pull to the centres against hand calculations, plain loops and pytorch's own gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.network.objectives import Centres
from tests.network.objectives.samples import training, unit_rows

REFRESHED, LEARNED = training(), training(centre_update="learned")


@pytest.mark.parametrize("update", [REFRESHED, LEARNED], ids=["refreshed", "learned"])
def test_centre_loss_of_a_hand_calculated_batch(update: object) -> None:
    centres = Centres(2, update)
    centres.place(unit_rows([1, 0], [0, 1], [-1, 0]), torch.tensor([1, 1, 2]))
    photos = unit_rows([1, 0], [0.6, 0.8], [0, 1], [0, -1])
    targets = torch.tensor([1, 1, 2, 0])
    # Squared distances to the nearest own centre: 0; to (0, 1): 0.36 + 0.04 = 0.4; to (-1, 0): 2; non-landmark: none.
    assert centres.nearest(photos, targets).tolist() == [0, 1, 2, -1]
    assert centres(photos, targets).item() == pytest.approx((0 + 0.4 + 2) / 2 / 4)


def test_non_landmarks_are_not_pulled_and_never_have_a_centre() -> None:
    centres = Centres(2, REFRESHED)
    centres.place(unit_rows([1, 0]), torch.tensor([1]))
    photos = unit_rows([0, 1], [1, 1]).requires_grad_()
    centres(photos, torch.tensor([0, 1])).backward()
    assert photos.grad is not None
    assert photos.grad[0].tolist() == [0, 0]
    assert photos.grad[1].abs().sum() > 0
    with pytest.raises(ValueError, match="no centre"):
        centres.place(unit_rows([1, 0]), torch.tensor([0]))


def test_centre_loss_gradient() -> None:
    centres = Centres(3, REFRESHED)
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
    centres = Centres(6, REFRESHED)
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


def test_learned_centres_are_stepped_by_the_optimiser_and_not_by_wens_rule() -> None:
    centres = Centres(2, LEARNED)
    centres.place(unit_rows([1, 0], [0, 1]), torch.tensor([1, 2]))
    assert [name for name, _ in centres.named_parameters()] == ["vectors"]
    photos, targets = unit_rows([0.6, 0.8], [1, 0]), torch.tensor([1, 0])
    centres.move(photos, targets, 0.5)
    assert torch.equal(centres.vectors.detach(), torch.eye(2))
    centres(photos, targets).backward()
    # (1/2n) |x - c / |c||^2 with n = 2: the part of (c - x) / n that lies along the sphere at c = (1, 0) is (0, -0.8) / 2.
    torch.testing.assert_close(centres.vectors.grad, torch.tensor([[0.0, -0.4], [0.0, 0.0]]))
    torch.optim.SGD(centres.parameters(), lr=1.0).step()
    assert (photos[0] @ centres.units()[0]).item() > 0.6, "it went towards the photo"
    torch.testing.assert_close(centres.units().norm(dim=1), torch.ones(2))


@pytest.mark.parametrize("update", [REFRESHED, LEARNED], ids=["refreshed", "learned"])
def test_a_batch_without_a_centre_has_a_zero_loss_with_a_gradient(update: object) -> None:
    centres = Centres(2, update)
    photos = unit_rows([0, 1]).requires_grad_()
    for _ in range(2):  # without any centres, and with none for this photo
        loss = centres(photos, torch.tensor([0]))
        loss.backward()
        assert loss.item() == 0
        assert all(parameter.grad is not None for parameter in centres.parameters())
        centres.place(unit_rows([1, 0]), torch.tensor([1]))
