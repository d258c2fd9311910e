"""One training of the comparison: the loop of the trainer, fed with what the frozen part of the network gave."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.comparison.inputs import Array, Inputs, Tail
from landmark.config import CentroidsConfig, TrainingConfig
from landmark.errors import LandmarkError
from landmark.network.curriculum import Stage
from landmark.network.learner import make_optimizer, rate_factor
from landmark.network.objectives import NON_LANDMARK, Centres, Objective, make_objective
from landmark.network.refresh import place_centres
from landmark.network.sampler import epoch_batches

_BATCH = 256


class _Trained(nn.Module):
    """All that the optimiser steps, under the names that `make_optimizer` knows them by."""

    def __init__(self, network: Tail, objective: Objective, centres: Centres) -> None:
        super().__init__()
        self.network, self.objective, self.centres = network, objective, centres


def fit(
    tail: Tail, inputs: Inputs, stages: list[Stage], settings: TrainingConfig, centroids: CentroidsConfig, seed: int
) -> None:
    """Train a tail in place.

    Args:
        tail: what is trained.
        inputs: of all photos.
        stages: the curriculum; `rows` are those of `inputs.table`.
        settings: loss, sampler, rates.
        centroids: how centres are placed.
        seed: of everything random.
    """
    objective: Objective | None = None
    for number, stage in enumerate(stages):
        torch.manual_seed(seed * 1009 + number)
        counts = np.bincount(stage.targets, minlength=len(stage.classes) + 1).astype(np.int64)
        entered = make_objective(settings, counts, tail.dim)
        centres = Centres(tail.dim, settings)
        _refresh(centres, tail, inputs, stage, settings, centroids)
        first_rows = {index: centres.units()[centres.classes == index].detach() for index in range(1, len(counts))}
        entered.fill(objective, first_rows)
        objective = entered
        _stage(_Trained(tail, objective, centres), inputs, stage, number, settings, centroids, seed)


def _stage(
    learner: _Trained,
    inputs: Inputs,
    stage: Stage,
    number: int,
    settings: TrainingConfig,
    centroids: CentroidsConfig,
    seed: int,
) -> None:
    tail, objective, centres = learner.network, learner.objective, learner.centres
    tail.freeze(bool(stage.settings.freeze))
    optimizer = make_optimizer(learner, stage.settings.learning_rate, settings)
    epochs = stage.settings.epochs
    steps = 0
    for epoch in range(epochs):
        if stage.settings.refresh_every and epoch and epoch % stage.settings.refresh_every == 0:
            _refresh(centres, tail, inputs, stage, settings, centroids)
        objective.begin_epoch(epoch, epochs, lambda: embed(tail, inputs.clean, stage.rows))
        learner.train()
        batches = epoch_batches(
            stage.targets,
            settings=settings,
            sampler=settings.method.sampler,
            clusters=objective.clusters,
            seed=(seed, number, epoch),
        )
        for positions, images in _batches(
            inputs, stage, batches, objective.views, np.random.default_rng((seed, number, epoch, 7))
        ):
            targets = torch.from_numpy(np.tile(stage.targets[positions], objective.views))
            rows = torch.from_numpy(np.tile(positions, objective.views))
            factor = rate_factor(steps, len(batches) * epochs, epochs, settings.warmup, settings.schedule)
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            optimizer.zero_grad()
            embeddings = tail.tuned(images)
            loss = objective(embeddings, targets, rows)
            if settings.centre_weight:
                loss = loss + settings.centre_weight * centres(embeddings, targets)
            loss.backward()
            optimizer.step()
            if settings.centre_weight:
                centres.move(embeddings, targets, settings.centre_rate)
            steps += 1
        if not torch.isfinite(loss):
            raise LandmarkError(f"comparison: the loss of '{settings.loss}' is no longer finite; lower its learning rate")
    learner.eval()


def _batches(
    inputs: Inputs, stage: Stage, batches: NDArray[np.int64], views: int, random: np.random.Generator
) -> Iterator[tuple[NDArray[np.int64], Tensor]]:
    for positions in batches:
        kept = inputs.view_row[stage.rows[positions]]
        # Different views of a photo where an objective asks for two.
        order = random.random((len(positions), inputs.views.shape[1])).argsort(1)[:, :views]
        images = np.concatenate([inputs.views[kept, order[:, view]] for view in range(views)])
        yield positions, torch.from_numpy(images.astype(np.float32))


def _refresh(
    centres: Centres, tail: Tail, inputs: Inputs, stage: Stage, settings: TrainingConfig, centroids: CentroidsConfig
) -> None:
    chosen = stage.targets != NON_LANDMARK
    place_centres(centres, embed(tail, inputs.clean, stage.rows[chosen]), stage.targets[chosen], settings, centroids)


@torch.no_grad()
def embed(tail: Tail, clean: NDArray[np.float16], rows: NDArray[np.int64]) -> Array:
    """Unit vectors [n, dim] of photos as they are."""
    training = tail.training
    tail.eval()
    parts = [
        tail.tuned(torch.from_numpy(clean[rows[start : start + _BATCH]].astype(np.float32))).numpy()
        for start in range(0, len(rows), _BATCH)
    ]
    tail.train(training)
    return np.concatenate(parts)
