"""Steps: train the network; train one that never sees some landmarks. Under torchrun all processes take part.

Rank 0 runs the whole flow. The other processes wait in `join_training` for what rank 0 wants trained.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from landmark.config import RunConfig
from landmark.evaluation.leave_out import left_out
from landmark.network.distributed import rank, world_size
from landmark.network.network import Network
from landmark.network.training import train as train_network
from landmark.photos.catalog import Catalog
from landmark.run import Work
from landmark.steps.photos import CATALOG

NETWORK = "network"
BETWEEN_TRAININGS = timedelta(days=7)
"""How long the other processes wait for rank 0, which embeds, indexes and measures meanwhile."""


def train(work: Work) -> Mapping[str, Any]:
    """Train the network by the curriculum; goes on from the last finished epoch.

    Returns:
        facts: digest (the network's fingerprint).
    """
    return _train(work, Catalog.load(work.file("catalog", CATALOG)))


def train_round(work: Work) -> Mapping[str, Any]:
    """Train on what a round of cleaning kept, for the round after it; goes on as `train` does.

    Returns:
        facts: digest (the network's fingerprint).
    """
    (kept,) = work.inputs
    return _train(work, Catalog.load(work.file(kept, CATALOG)))


def train_left_out(work: Work) -> Mapping[str, Any]:
    """Train on a catalog without every n-th landmark.

    Returns:
        facts: digest (the network's fingerprint), landmarks (those kept out).
    """
    catalog = Catalog.load(work.file("catalog", CATALOG))
    kept_out = landmarks_kept_out(catalog, work.config)
    facts = _train(work, catalog.only(~catalog.table["landmark"].isin(kept_out)))
    return {**facts, "landmarks": kept_out}


def adopt(work: Work) -> Mapping[str, Any]:
    """Take over the network of the recognizer `config.base`: nothing is trained.

    Returns:
        facts: digest (the network's fingerprint).
    """
    assert work.config.base is not None
    network = Network.load(Path(work.config.base) / NETWORK)
    network.save(work.out / NETWORK)
    (work.out / "curves.jsonl").write_text("", encoding="utf-8")
    return {"digest": network.fingerprint}


def landmarks_kept_out(catalog: Catalog, config: RunConfig) -> list[str]:
    """Which landmarks the leave-out protocol keeps from training."""
    shown = catalog.table["landmark"]
    return [str(landmark) for landmark in left_out(shown[shown != ""].unique(), config.evaluation.leave_out)]


def _train(work: Work, catalog: Catalog) -> dict[str, Any]:
    use_threads(work.config)
    if world_size() > 1:
        file = work.out / "job" / CATALOG
        catalog.save(file)
        _tell({"catalog": str(file), "config": work.config.model_dump_json(), "out": str(work.out)})
    network = train_network(catalog, work.config, work.out, work.log)
    if world_size() > 1:
        # The folder is renamed after this: nobody may still be reading there.
        dist.barrier(_control())
    return {"digest": network.fingerprint}


def use_threads(config: RunConfig) -> None:
    """Let torch use as many CPU threads as the config says."""
    if config.threads:
        torch.set_num_threads(config.threads)


def join_training() -> None:
    """What a process other than rank 0 does: take part in each training that rank 0 starts, until it says that was all."""
    while (job := _tell(None)) is not None:
        config = RunConfig.model_validate_json(job["config"])
        use_threads(config)
        train_network(Catalog.load(job["catalog"]), config, Path(job["out"]))
        dist.barrier(_control())


def release_training() -> None:
    """Rank 0 tells the others that there is nothing more to train."""
    if world_size() > 1:
        _tell(None)


def _tell(job: dict[str, str] | None) -> dict[str, str] | None:
    """What rank 0 says, in every process."""
    box = [job]
    dist.broadcast_object_list(box, src=0, group=_control())
    return box[0]


@cache
def _control() -> Any:
    """A group for messages beside the training's own, whose timeouts stay short."""
    if not dist.is_initialized():
        if torch.cuda.is_available():
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", rank())))
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return dist.new_group(backend="gloo", timeout=BETWEEN_TRAININGS)


def load_network(work: Work, step: str = "train") -> Network:
    """The network that a training step made."""
    return Network.load(work.file(step, NETWORK))
