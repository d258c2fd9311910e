"""The stages of a training, one after the other; see `landmark.network.training`."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies.ddp import DDPStrategy
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from landmark.cache import locked
from landmark.config import RunConfig
from landmark.errors import LandmarkError
from landmark.network.augment import Pixels, TrainingPhotos, augmentation
from landmark.network.checkpoint import Checkpoint
from landmark.network.curriculum import Stage, resolve_stages, training_digest, training_table
from landmark.network.device import deterministic
from landmark.network.distributed import barrier, broadcast, rank, synchronise_batch_norm, unsynchronised, world_size
from landmark.network.learner import Learner, make_optimizer, rate_factor
from landmark.network.network import Network
from landmark.network.objectives import NON_LANDMARK, Centres, make_objective
from landmark.network.refresh import embed_photos, place_centres
from landmark.network.sampler import epoch_batches
from landmark.photos.catalog import Catalog
from landmark.storage import atomic_file

log = logging.getLogger(__name__)
Log = Callable[[dict[str, float], int], None]


class Trainer:
    """Runs the stages; see `train`."""

    def __init__(self, catalog: Catalog, config: RunConfig, out: Path, key: str, progress: Log | None) -> None:
        self.config, self.settings, self.out, self.key, self.progress = config, config.training, out, key, progress
        self.table = training_table(catalog)
        self.digest = training_digest(catalog)
        self.stages = resolve_stages(catalog, config)
        processes = world_size()
        self.fabric = Fabric(
            accelerator="auto",
            devices=processes if processes > 1 else 1,
            strategy=DDPStrategy(**unsynchronised()) if processes > 1 else "auto",
            precision=self.settings.precision,
        )
        self.fabric.launch()
        torch.manual_seed(config.seed)
        self.network = synchronise_batch_norm(Network.build(config.network, config.seed))
        self.curves: list[dict[str, Any]] = []
        self.step = 0

    def run(self) -> None:
        """Train all stages from wherever the last checkpoint stands; rank 0 writes the network."""
        if rank() == 0:
            with locked(self.out / "training.lock", wait=f"{self.out}: another process trains here; waiting for it to end"):
                self._run()
        else:
            self._run()

    @deterministic()
    def _run(self) -> None:
        checkpoint = broadcast(Checkpoint.load(self.out / "checkpoint.pt", self.key) if rank() == 0 else None)
        learner: Learner | None = None
        for number, stage in enumerate(self.stages):
            if checkpoint is not None and number < checkpoint.stage:
                continue
            if checkpoint is not None and number == checkpoint.stage:
                learner = self._restore(stage, checkpoint)
                log.info("training goes on: stage '%s', epoch %d", stage.settings.name, checkpoint.epoch + 1)
            else:
                checkpoint = None
                learner = self._enter(number, stage, learner)
            self._train_stage(number, stage, learner, checkpoint)
        if rank() == 0:
            self.network.save(self.out / "network")
            with atomic_file(self.out / "trained.json") as temporary:
                temporary.write_text(json.dumps({"key": self.key, "steps": self.step}))
            (self.out / "checkpoint.pt").unlink(missing_ok=True)
            for stage in self.stages:
                self._pixels(stage).remove()
        barrier()

    def _enter(self, number: int, stage: Stage, before: Learner | None) -> Learner:
        """New classes enter: a classifier grows, the centres are placed, new rows start at the centres."""
        torch.manual_seed(hash((self.config.seed, number)) % 2**63)  # not carried along: a resume starts the rows alike
        learner = self._learner(stage, Centres(self.network.dim, self.settings))
        self._prepare(stage)
        learner.to(self.fabric.device)
        self._refresh(stage, learner)
        first_rows = {
            index: learner.centres.vectors[learner.centres.classes == index] for index in range(1, len(stage.classes) + 1)
        }
        learner.head.fill(None if before is None else before.head, first_rows)
        return learner

    def _learner(self, stage: Stage, centres: Centres) -> Learner:
        counts = np.bincount(stage.targets, minlength=len(stage.classes) + 1).astype(np.int64)
        return Learner(self.network, make_objective(self.settings, counts, self.network.dim), centres)

    def _restore(self, stage: Stage, checkpoint: Checkpoint) -> Learner:
        centres = Centres(self.network.dim, self.settings)
        centres.place(checkpoint.learner["centres.vectors"], checkpoint.learner["centres.classes"])
        learner = self._learner(stage, centres)
        learner.load_state_dict(checkpoint.learner, strict=False)
        self._prepare(stage)
        learner.to(self.fabric.device)
        self.curves, self.step = checkpoint.curves, checkpoint.step
        return learner

    def _train_stage(self, number: int, stage: Stage, learner: Learner, checkpoint: Checkpoint | None) -> None:
        settings = stage.settings
        self.network.freeze(settings.freeze)
        optimizer = make_optimizer(learner, settings.learning_rate, self.settings)
        if checkpoint is not None:
            optimizer.load_state_dict(checkpoint.optimizer)
            self.fabric.strategy.precision.load_state_dict(checkpoint.precision)
        module, wrapped = self.fabric.setup(learner, optimizer)
        weight = self.settings.centre_weight if settings.centre_weight is None else settings.centre_weight
        for epoch in range(checkpoint.epoch if checkpoint else 0, settings.epochs):
            if settings.refresh_every and epoch and epoch % settings.refresh_every == 0:
                self._refresh(stage, learner)
            learner.head.begin_epoch(epoch, settings.epochs, lambda: self._embed(stage, learner, np.arange(len(stage.rows))))
            learner.train()
            row = self._epoch(number, epoch, stage, learner, module, wrapped, weight)
            self.curves.append(row)
            log.info(
                "stage '%s' epoch %d/%d: loss %.3f, accuracy %.3f, %.0f photos/s",
                settings.name, epoch + 1, settings.epochs, row["loss"], row["accuracy"], row["photos_per_second"],
            )  # fmt: skip
            if rank() == 0:
                self._save(number, epoch + 1, learner, optimizer)
                if self.progress is not None:
                    self.progress({k: v for k, v in row.items() if isinstance(v, int | float)}, self.step)
        learner.eval()

    def _epoch(
        self, number: int, epoch: int, stage: Stage, learner: Learner, module: Any, optimizer: Any, weight: float
    ) -> dict[str, Any]:
        # Seeded here, not carried along: dropout is then the same after a resume.
        torch.manual_seed(hash((self.config.seed, number, epoch, rank())) % 2**63)
        batches = self._batches(number, epoch, stage, learner)
        total = stage.settings.epochs * len(batches)
        sums, started, steps = torch.zeros(4), time.perf_counter(), 0
        for images, targets, rows in self._loader(number, epoch, stage, learner.head.views, batches):
            done = epoch * (total // stage.settings.epochs) + steps
            factor = rate_factor(done, total, stage.settings.epochs, self.settings.warmup, self.settings.schedule)
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * factor
            optimizer.zero_grad()
            embeddings, class_loss, centre_loss = module(images, targets, rows)
            loss = class_loss + weight * centre_loss
            self.fabric.backward(loss)
            optimizer.step()
            learner.centres.move(self._everyone(embeddings), self._everyone(targets), self.settings.centre_rate)
            correct = learner.head.correct(embeddings.detach(), targets)
            sums += torch.stack([loss.detach(), class_loss.detach(), centre_loss.detach(), correct]).cpu()
            steps += 1
        self.step += steps
        means = (self._everyone(sums[None]).mean(0) / steps).tolist()
        if not math.isfinite(means[0]):
            raise LandmarkError(
                f"stage '{stage.settings.name}', epoch {epoch + 1}: the loss is no longer finite; "
                "lower its learning_rate (the last checkpoint is kept)"
            )
        return {
            "step": self.step,
            "stage": stage.settings.name,
            "epoch": epoch + 1,
            **dict(zip(("loss", "class_loss", "centre_loss", "accuracy"), means, strict=True)),
            "learning_rate": optimizer.param_groups[0]["lr"],
            "centres": len(learner.centres.vectors),
            "photos_per_second": steps * self.settings.batch_size / (time.perf_counter() - started),
        }

    def _everyone(self, mine: Tensor) -> Tensor:
        """Rows of all processes, [n, ...] each, one below the other."""
        if world_size() == 1:
            return mine.detach()
        gathered = self.fabric.all_gather(mine.detach())
        assert isinstance(gathered, Tensor)
        return gathered.flatten(0, 1)

    def _batches(self, number: int, epoch: int, stage: Stage, learner: Learner) -> NDArray[np.int64]:
        return epoch_batches(
            stage.targets,
            settings=self.settings,
            sampler=learner.head.sampler,
            clusters=learner.head.clusters,
            seed=(self.config.seed, number, epoch),
        )

    def _loader(
        self, number: int, epoch: int, stage: Stage, views: int, batches: NDArray[np.int64]
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        dataset = TrainingPhotos(
            self._pixels(stage), stage.rows, stage.targets, np.tile(batches.ravel(), views),
            augmentation(self._size(stage), self.settings),
            seed=(self.config.seed * 1009 + number) * 10_007 + epoch,
        )  # fmt: skip
        draws = np.arange(batches.size).reshape(batches.shape)
        # Photos are compared within a process: a landmark's, which lie side by side, stay together.
        if self.settings.method.sampler == "per_class":
            mine = np.array_split(draws, world_size(), axis=1)[rank()]
        else:
            mine = draws[:, rank() :: world_size()]
        mine = np.concatenate([mine + view * batches.size for view in range(views)], axis=1)
        loader = DataLoader(dataset, batch_sampler=mine.tolist(), num_workers=self.settings.workers)
        for images, targets, rows in loader:
            yield images.to(self.fabric.device), targets.to(self.fabric.device), rows.to(self.fabric.device)

    def _refresh(self, stage: Stage, learner: Learner) -> None:
        """Embed the stage's landmark photos as they are and put the centres at the means of their clusters."""
        landmarks = np.flatnonzero(stage.targets != NON_LANDMARK)
        embeddings = self._embed(stage, learner, landmarks)
        place_centres(learner.centres, embeddings, stage.targets[landmarks], self.settings, self.config.centroids)

    def _embed(self, stage: Stage, learner: Learner, chosen: NDArray[np.int64]) -> NDArray[np.float32]:
        learner.eval()
        batch = self.settings.batch_size
        return embed_photos(self.network, self._pixels(stage), stage.rows[chosen], batch, self.fabric.device)

    def _size(self, stage: Stage) -> int:
        return stage.settings.image_size or self.config.network.image_size

    def _pixels(self, stage: Stage) -> Pixels:
        photos = self.table["photo"].tolist()
        return Pixels(photos, self.digest, self._size(stage), self.config.network.resize, self.out, self.settings.cache_bytes)

    def _prepare(self, stage: Stage) -> None:
        if rank() == 0:
            self._pixels(stage).prepare()
        barrier()

    def _save(self, number: int, epoch: int, learner: Learner, optimizer: torch.optim.Optimizer) -> None:
        Checkpoint(
            key=self.key,
            stage=number,
            epoch=epoch,
            step=self.step,
            learner=learner.changing_state(),
            optimizer=optimizer.state_dict(),
            precision=self.fabric.strategy.precision.state_dict(),
            curves=self.curves,
        ).save(self.out / "checkpoint.pt")
        with atomic_file(self.out / "curves.jsonl") as temporary:
            temporary.write_text("".join(json.dumps(row) + "\n" for row in self.curves))
