"""Curriculum training of a network on multi-centroid classes.

For each stage: classes enter, the training photos are embedded and clustered, the centres go to the means of the clusters,
new classes' rows of the classifier start there too; then epochs of class-balanced batches, a checkpoint after each.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import torch

from landmark.config import RunConfig
from landmark.errors import LandmarkError, UsageError
from landmark.network.curriculum import resolve_stages, training_digest
from landmark.network.distributed import end_with_parent, rank, world_size
from landmark.network.network import Network
from landmark.network.trainer import Log, Trainer
from landmark.photos.catalog import Catalog
from landmark.storage import atomic_file

VERSION = "1"
"""Part of a checkpoint's key: raised when training with the same settings would give another network."""


def train(catalog: Catalog, config: RunConfig, out: Path, progress: Log | None = None) -> Network:
    """Train a network, or go on with a training that was interrupted.

    Called in every process under torchrun; otherwise, with `training.devices` above 1, it starts torchrun itself.

    Args:
        catalog: its train split is trained on.
        config: the run's settings.
        out: folder for the checkpoint, `network/` and `curves.jsonl`; a finished training there is returned at once.
        progress: called after each epoch (in rank 0) with the epoch's figures and the number of steps done.

    Raises:
        UsageError: a stage that the catalog has no photos for, fewer GPUs than processes, before any work.
        LandmarkError: the loss is no longer finite, or a process of a data-parallel training failed.
    """
    out.mkdir(parents=True, exist_ok=True)
    key = training_key(catalog, config)
    finished = _finished(out, key)
    if finished is None:
        if config.training.devices > 1 and world_size() == 1:
            resolve_stages(catalog, config)
            _check_gpus(config.training.devices)
            _launch(catalog, config, out)
        else:
            Trainer(catalog, config, out, key, progress).run()
        finished = _finished(out, key)
        if finished is None:
            raise LandmarkError(f"training in {out} ended without a network; its messages are above")
        if config.training.devices > 1 and world_size() == 1 and progress is not None:
            for row in map(json.loads, (out / "curves.jsonl").read_text().splitlines()):
                progress({name: value for name, value in row.items() if isinstance(value, int | float)}, row["step"])
    return finished


def training_key(catalog: Catalog, config: RunConfig) -> str:
    """Digest of all that decides the trained network: settings, photos, labels, seed, version of this code."""
    training = config.training.model_dump(exclude={"workers", "devices", "cache_bytes"})
    settings = [
        VERSION,
        config.seed,
        config.network.model_dump(),
        training,
        config.centroids.model_dump(),
        training_digest(catalog),
    ]
    return hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode()).hexdigest()


def _finished(out: Path, key: str) -> Network | None:
    marker = out / "trained.json"
    if marker.exists() and json.loads(marker.read_text())["key"] == key:
        return Network.load(out / "network")
    return None


def _check_gpus(processes: int) -> None:
    found = torch.cuda.device_count()
    if 0 < found < processes:
        raise UsageError(
            f"training.devices {processes}: each process takes a GPU, and there are {found}; set it to {found}, or hide them "
            "(CUDA_VISIBLE_DEVICES=) to train on the CPU"
        )


def _launch(catalog: Catalog, config: RunConfig, out: Path) -> None:
    """Run this training under torchrun in a process group of its own; its output is this process's."""
    catalog.save(out / "catalog.parquet")
    with atomic_file(out / "job.json") as temporary:
        temporary.write_text(config.model_dump_json())
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={config.training.devices}",
        "-m", "landmark.network.training", str(out),
    ]  # fmt: skip
    # Its own session, so that Ctrl-C reaches it once; it ends with this process, even if that is killed.
    process = subprocess.Popen(command, start_new_session=True, preexec_fn=end_with_parent)
    try:
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if status:
        raise LandmarkError(f"training over {config.training.devices} processes failed (exit status {status}); see above")


def main(out: Path) -> None:
    """One process of a data-parallel training: the job lies in its folder."""
    end_with_parent()
    logging.basicConfig(level=logging.INFO if rank() == 0 else logging.WARNING, format="%(message)s")
    config = RunConfig.model_validate_json((out / "job.json").read_text())
    if world_size() > 1:  # torchrun gives each process one thread, unless it is told otherwise
        torch.set_num_threads(max(1, (config.threads or os.cpu_count() or 1) // world_size()))
    train(Catalog.load(out / "catalog.parquet"), config, out)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
