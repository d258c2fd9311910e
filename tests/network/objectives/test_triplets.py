"""Objectives over triplets against hand calculations and plain loops."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.methods import Miner
from landmark.network.objectives import Objective, make_objective
from landmark.network.objectives.base import own_classes
from landmark.network.objectives.triplets import TripletMiner
from tests.network.objectives.samples import at_angles, numbers, random_units, training

COUNTS = np.array([3, 3, 3])


def objective_of(dim: int = 2, **settings_: object) -> Objective:
    return make_objective(training(**settings_), COUNTS, dim)


def loss_of(objective: Objective, photos: torch.Tensor, targets: list[int]) -> float:
    return float(objective(photos, numbers(targets), torch.arange(len(targets))).detach())


def squared(angle: float) -> float:
    return 2 - 2 * math.cos(angle)


def by_hand(miner: Miner, photos: np.ndarray, labels: list[int], margin: float) -> set[tuple[int, int, int]]:
    """What each miner is defined to take, in plain loops."""
    distance = ((photos[:, None] - photos[None]) ** 2).sum(2)
    everything = {
        (a, p, n)
        for a, p, n in itertools.product(range(len(labels)), repeat=3)
        if a != p and labels[a] == labels[p] and labels[a] != labels[n]
    }
    if miner == "semihard":
        return {(a, p, n) for a, p, n in everything if 0 < distance[a, n] - distance[a, p] <= margin}
    if miner == "batch_hard":
        hardest = set()
        for anchor in {a for a, _, _ in everything}:
            own = [p for a, p, _ in everything if a == anchor]
            other = [n for a, _, n in everything if a == anchor]
            hardest.add((anchor, max(own, key=lambda p: distance[anchor, p]), min(other, key=lambda n: distance[anchor, n])))
        return hardest
    return everything


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=9), st.integers(0, 1000))
@pytest.mark.parametrize("miner", ["random", "semihard", "batch_hard", "batch_all"])
def test_miners_take_what_their_definition_says(miner: Miner, targets: list[int], seed: int) -> None:
    photos = random_units(len(targets), 4, seed)
    labels = own_classes(numbers(targets))
    found = list(zip(*(part.tolist() for part in TripletMiner(miner, 0.3)(photos, labels)), strict=True))
    expected = by_hand(miner, photos.double().numpy(), labels.tolist(), 0.3)
    if miner == "random":
        assert set(found) <= expected
        anchors = {a for a, _, _ in expected}
        assert {a for a, _, _ in found} == anchors
    else:
        assert set(found) == expected
        assert len(found) == len(expected)
    assert all(targets[anchor] > 0 for anchor, _, _ in found), "a non-landmark is a negative and nothing else"


def test_triplet_of_a_hand_calculated_batch() -> None:
    photos, targets = at_angles(0.0, 0.5, 0.6, 3.0), [1, 1, 2, 0]
    # Anchor 0.0 with positive 0.5: 0.6 is farther, within the margin (semi-hard). Anchor 0.5: 0.6 is nearer than 0.0 (hard).
    first = squared(0.5) - squared(0.6) + 0.2
    second = squared(0.5) - squared(0.1) + 0.2
    assert loss_of(objective_of(loss="triplet"), photos, targets) == pytest.approx(first, abs=1e-4)
    for miner in ("batch_hard", "batch_all"):  # the triplets with the photo at 3.0 have no loss, and do not count
        expected = (first + second) / 2
        assert loss_of(objective_of(loss="triplet", miner=miner), photos, targets) == pytest.approx(expected, abs=1e-4)


def test_ratio_loss_is_the_squared_softmax_of_the_distance_to_the_positive() -> None:
    photos = at_angles(0.0, 0.5, 1.6)
    near, far, other = (2 * math.sin(angle / 2) for angle in (0.5, 1.6, 1.1))
    expected = [math.exp(3 * near) / (math.exp(3 * near) + math.exp(3 * wrong)) for wrong in (far, other)]
    loss = loss_of(objective_of(loss="triplet_ratio", scale=3.0, miner="batch_all"), photos, [1, 1, 2])
    assert loss == pytest.approx(sum(value**2 for value in expected) / 2, abs=1e-4)
    # The paper's form: the mean squared error of (d+, d-) against (0, 1).
    assert loss == pytest.approx(np.mean([[value**2, (1 - value - 1) ** 2] for value in expected]), abs=1e-4)


def test_triplet_and_classification_add_up() -> None:
    photos, targets = at_angles(0.0, 0.5, 0.6, 3.0), [1, 1, 2, 0]
    both = objective_of(loss="triplet_softmax", classification_weight=0.5, scale=7.0)
    softmax = objective_of(loss="softmax", scale=7.0)
    with torch.no_grad():
        softmax.head.weight.copy_(both.head.weight)  # type: ignore[operator,union-attr]
    ranking = loss_of(objective_of(loss="triplet"), photos, targets)
    assert loss_of(both, photos, targets) == pytest.approx(ranking + 0.5 * loss_of(softmax, photos, targets), rel=1e-5)
    assert both.correct(photos, numbers(targets)) == softmax.correct(photos, numbers(targets))


def test_triplet_softmax_grows_with_the_classes() -> None:
    before = make_objective(training(loss="triplet_softmax"), np.array([2, 2]), 2)
    after = objective_of(loss="triplet_softmax")
    after.fill(before, {2: at_angles(1.0)})
    rows = before.head.weight, after.head.weight  # type: ignore[union-attr]
    assert torch.equal(rows[1][:, :2], rows[0])  # type: ignore[index]
    assert after.head.predict(at_angles(1.0)).tolist() == [2]  # type: ignore[operator,union-attr]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=2, max_size=10), st.integers(0, 1000))
def test_centroid_triplet_against_plain_loops(targets: list[int], seed: int) -> None:
    photos = random_units(len(targets), 4, seed)
    rows = photos.double().numpy()
    classes = {f"{target}" if target else f"alone {i}" for i, target in enumerate(targets)}
    members = {
        name: [i for i, target in enumerate(targets) if (f"{target}" if target else f"alone {i}") == name] for name in classes
    }
    losses = []
    for own in members.values():
        for anchor in own:
            if len(own) < 2 or len(members) < 2:
                continue
            positive = rows[[i for i in own if i != anchor]].mean(0)
            negatives = [rows[other].mean(0) for other in members.values() if other != own]
            near = ((rows[anchor] - positive) ** 2).sum()
            far = min(((rows[anchor] - negative) ** 2).sum() for negative in negatives)
            losses.append(max(0.0, near - far + 0.5))
    expected = np.mean(losses) if losses else 0.0
    assert loss_of(objective_of(4, loss="centroid_triplet"), photos, targets) == pytest.approx(expected, abs=1e-4)
