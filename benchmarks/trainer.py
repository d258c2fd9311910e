"""The trainer's own step, to be timed beside the bare forward and backward of the same network and batch."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn import functional as F

from landmark.config import RunConfig
from landmark.network.learner import make_optimizer
from landmark.network.network import Network
from landmark.network.trainer import Trainer
from landmark.photos.catalog import Catalog

Run = Callable[[], int]
CLASSES = 8


def trainer_step(photos: Sequence[str], sha256: Sequence[str], batch: int, size: int, folder: Path) -> tuple[Run, Run]:
    """Epochs of the trainer over some photos, and bare steps of the same network.

    An epoch is all that training does between checkpoints: drawing batches, augmentation, the class and centre losses, the
    backward pass, the optimiser, moving the centres. The bare step is the forward and backward pass of one batch in memory.

    Args:
        photos: at least `batch` files.
        sha256: of each.
        batch: photos a step.
        size: side of the network's input [pixels].
        folder: for the trainer's files.

    Returns:
        (trainer, bare): each does a piece of work and says how many photos that were.
    """
    config = RunConfig.model_validate(
        {
            "name": "bench",
            "data": {"format": "world"},
            "network": {"image_size": size},
            "training": {"batch_size": batch, "stages": [{"name": "bench", "epochs": 10_000}]},
        }
    )
    trainer = Trainer(_catalog(photos, sha256), config, folder, "bench", None)
    stage = trainer.stages[0]
    learner = trainer._enter(0, stage, None)
    module, optimizer = trainer.fabric.setup(learner, make_optimizer(learner, 1e-5, config.training))
    epochs = itertools.count()

    def step() -> int:
        learner.train()
        before = trainer.step
        trainer._epoch(0, next(epochs), stage, learner, module, optimizer, config.training.centre_weight)
        return (trainer.step - before) * batch

    return step, _bare(trainer.network, batch, size)


def _bare(network: Network, batch: int, size: int) -> Run:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8, generator=generator)
    device = next(network.parameters()).device  # where the trainer moved it
    images = network.normalise(pixels.to(device))
    targets = torch.randint(0, CLASSES + 1, (batch,), generator=generator).to(device)
    head = torch.nn.Linear(network.dim, CLASSES + 1, bias=False).to(device)

    def step() -> int:
        network.train()
        network.zero_grad(set_to_none=True)
        F.cross_entropy(head(network.tuned(images)), targets).backward()  # type: ignore[no-untyped-call]
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return batch

    return step


def _catalog(photos: Sequence[str], sha256: Sequence[str]) -> Catalog:
    names = [f"landmark_{number}" for number in range(CLASSES)]
    table = pd.DataFrame({"photo": photos, "sha256": sha256, "group": np.arange(len(photos))})
    shown = np.array(["", *names])[np.arange(len(photos)) % (CLASSES + 1)]
    table = table.assign(landmark=shown, split="train", region="", width=1, height=1, taken_at=pd.NaT, lat=np.nan, lon=np.nan)
    places = pd.DataFrame({"landmark": names, "name": names}).assign(
        city="", country="", region="", lat=np.nan, lon=np.nan, names="{}"
    )
    return Catalog(table.assign(known=True), places, pd.DataFrame({"photo": [], "reason": []}, dtype=str))
