"""What holds for every objective: gradients, batches with nothing to compare, numbers that are not finite, settings."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch import Tensor
from torch.func import functional_call

from landmark.methods import METHODS, LossName, Miner
from landmark.network.objectives import Objective, make_objective
from tests.network.objectives.samples import numbers, random_units, training

MINED = [(name, {"miner": miner}) for name in ("triplet", "triplet_ratio") for miner in get_args(Miner)]
CASES: list[tuple[str, dict[str, Any]]] = [(name, {}) for name in METHODS] + MINED
IDS = [" ".join([name, *settings.values()]) for name, settings in CASES]
DIM = 12


def objective_of(name: str, **settings: object) -> Objective:
    torch.manual_seed(0)
    objective = make_objective(training(loss=name, learners=2, **settings), np.array([4, 4, 2, 3]), DIM)
    objective.begin_epoch(0, 4, lambda: random_units(40, DIM, 5).numpy())
    return objective


def batch(seed: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    """Twelve photos of three landmarks and two others; as two views of six where that is what an objective wants."""
    return random_units(12, DIM, seed, torch.float64), numbers([1, 2, 1, 0, 3, 2, 1, 1, 0, 3, 2, 2]), torch.arange(6).repeat(2)


@pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)
def test_gradients_of_embeddings_and_of_what_is_learned(name: str, settings: dict[str, object]) -> None:
    objective = objective_of(name, **settings).double()
    photos, targets, rows = batch()
    names, learned = zip(*objective.named_parameters(), strict=True) if list(objective.parameters()) else ((), ())

    def loss(embeddings: Tensor, *values: Tensor) -> Tensor:
        torch.manual_seed(0)  # the same triplets are drawn each time
        result = functional_call(objective, dict(zip(names, values, strict=True)), (embeddings, targets, rows))
        assert isinstance(result, Tensor)
        return result

    inputs = [photos.clone().requires_grad_(), *(value.detach().clone().requires_grad_() for value in learned)]
    assert loss(*inputs).item() > 0, "a zero loss would prove nothing"
    assert torch.autograd.gradcheck(loss, inputs, eps=1e-6, atol=1e-5)


@pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)
@pytest.mark.parametrize("targets", [[1], [0, 0], [1, 1], [1, 2], [0, 1], [1, 1, 1]], ids=str)
def test_a_batch_with_nothing_to_compare_is_no_error(name: str, settings: dict[str, object], targets: list[int]) -> None:
    objective = objective_of(name, **settings)
    photos = random_units(len(targets), DIM).requires_grad_()
    loss = objective(photos, numbers(targets), torch.arange(len(targets)))
    loss.backward()
    assert torch.isfinite(loss)
    assert photos.grad is not None
    assert torch.isfinite(photos.grad).all()
    assert all(parameter.grad is not None for parameter in objective.parameters())
    if not METHODS[name].classification and name not in ("triplet_softmax", "contrastive", "pair_softmax"):  # type: ignore[index]
        assert loss.item() == 0
    assert 0 <= objective.correct(photos, numbers(targets)).item() <= 1


@pytest.mark.parametrize(("name", "settings"), CASES, ids=IDS)
def test_equal_photos_are_no_error(name: str, settings: dict[str, object]) -> None:
    photos = random_units(1, DIM).repeat(8, 1).requires_grad_()
    loss = objective_of(name, **settings)(photos, numbers([1, 1, 2, 2, 0, 0, 3, 3]), torch.arange(4).repeat(2))
    loss.backward()
    assert torch.isfinite(loss)
    assert photos.grad is not None
    assert torch.isfinite(photos.grad).all()


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("name", METHODS)
def test_what_is_not_finite_comes_out_as_such(name: str, value: float) -> None:
    photos = random_units(6, DIM)
    photos[1, 2] = value
    assert not torch.isfinite(objective_of(name)(photos, numbers([1, 1, 2, 2, 0, 0]), torch.arange(6)))


@pytest.mark.parametrize("name", METHODS)
def test_a_stage_may_follow_another(name: str) -> None:
    before, after = objective_of(name), objective_of(name)
    after.fill(None, {})
    after.fill(before, {})
    for old, new in zip(before.parameters(), after.parameters(), strict=True):
        assert torch.equal(old, new)


def test_every_name_is_there_with_its_paper_and_standard_values() -> None:
    assert tuple(METHODS) == get_args(LossName)
    for name, method in METHODS.items():
        assert any(year in method.paper for year in map(str, range(2006, 2022))), name
        objective = objective_of(name)
        assert objective.sampler == method.sampler
        assert objective.views == (2 if name == "ntxent" else 1)
    assert training().method.scale == 24.0
    assert training().method.margin == 0.2
    assert training(loss="triplet", margin=0.7, miner="batch_hard", sampler="balanced").method.margin == 0.7


def test_centres_pull_only_where_asked_for() -> None:
    assert training(loss="arcface").centre_weight == 0.1
    assert training(loss="triplet").centre_weight == 0.0
    assert training(loss="ntxent", centre_weight=0.2).centre_weight == 0.2
    assert type(training(loss="npair")).model_validate(training(loss="npair").model_dump()).centre_weight == 0.0


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "softmax", "miner": "semihard"}, "miner: the loss 'softmax' has none; leave it out"),
        ({"loss": "softmax", "margin": 0.2}, "margin: the loss 'softmax' has none"),
        ({"loss": "triplet", "scale": 3}, "scale: the loss 'triplet' has none"),
        ({"loss": "arcface", "margin": 2}, "margin: at most 1.6 with the loss 'arcface', got 2"),
        ({"loss": "sphereface", "margin": 1.5}, "margin: sphereface multiplies the angle by a whole number"),
        ({"photos_per_class": 4}, "photos_per_class: the sampler is 'balanced'; set it to 'per_class'"),
        (
            {"loss": "triplet", "batch_size": 4, "devices": 2},
            "photos_per_class 4: a device's part .* only 2 photos",
        ),
        (
            {"centre_update": "learned", "stages": [{"name": "a", "refresh_every": 1}]},
            "centre_update 'learned': a refresh would undo what was learned",
        ),
        ({"loss": "hinge"}, "Input should be 'softmax', 'sphereface'"),
    ],
)
def test_settings_that_would_mislead_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        training(**settings)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", METHODS)
def test_a_gpu_gives_the_same(name: LossName) -> None:
    photos, targets, rows = batch()
    results = []
    for device in ("cpu", "cuda"):
        objective = objective_of(name, **({"miner": "batch_all"} if METHODS[name].miner else {})).double().to(device)
        embeddings = photos.clone().to(device).requires_grad_()
        loss = objective(embeddings, targets.to(device), rows.to(device))
        loss.backward()
        assert embeddings.grad is not None
        results.append((loss.detach().cpu(), embeddings.grad.cpu()))
    if name in ("margin", "divide_and_conquer"):  # they draw their negatives, on each device from another generator
        assert torch.isfinite(results[1][0])
    else:
        torch.testing.assert_close(results[0], results[1])
