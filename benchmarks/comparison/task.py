"""One training and its figures, kept in a file, so that a comparison goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from threadpoolctl import threadpool_limits

from benchmarks.comparison.fit import embed, fit
from benchmarks.comparison.inputs import Inputs, make_inputs, make_tail, weights_digest
from benchmarks.comparison.judge import judge, tuning_table
from benchmarks.comparison.settings import LossesConfig
from landmark.config import RunConfig, TrainingConfig
from landmark.errors import LandmarkError
from landmark.evaluation.leave_out import left_out
from landmark.network.curriculum import Stage, resolve_stages
from landmark.photos.catalog import Catalog
from landmark.storage import write_json

VERSION = "1"
"""Raised when the same settings would give other figures."""
ONE_CENTROID = "ours, one centroid"
ALL, LEFT_OUT, TUNE = "all", "left out", "tune"


@dataclass(frozen=True)
class Task:
    """One training of the comparison.

    Attributes:
        tier, row: names in the config.
        protocol: ALL (every landmark), LEFT_OUT (trained without some, measured on these) or TUNE (judged on training
            photos, some of landmarks that it was not trained on).
        seed: of the training.
        trial: values of learning rate and of the row's grid.
    """

    tier: str
    row: str
    protocol: str
    seed: int
    trial: tuple[tuple[str, Any], ...]

    def key(self, config: LossesConfig, catalog: str) -> str:
        """Of everything that the figures depend on."""
        tier = config.tiers[self.tier]
        training = config.training_of(self.tier, self.row, dict(self.trial))
        parts = [
            VERSION, catalog, self.protocol, self.seed if training is not None else 0,
            config.network.model_dump(), config.centroids.model_dump(), config.calibration.model_dump(), config.leave_out,
            config.validation, config.validation_leave_out, config.keep_weights, tier.frozen_stages, tier.views,
            None if training is None else (training.model_dump(), asdict(training.method)), weights_digest(config),
        ]  # fmt: skip
        if config.rows[self.row].recognition == ONE_CENTROID:
            parts.append(ONE_CENTROID)
        return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:24]


def perform(task: Task, config: LossesConfig, catalog_file: str, folder: str, threads: int) -> dict[str, Any]:
    """Train and judge, or read what an earlier run found.

    Returns:
        {"figures": ..., "seconds": of the training}.
    """
    torch.set_num_threads(threads)
    digest = _catalog(catalog_file)[1]
    file = Path(folder) / "tasks" / f"{task.key(config, digest)}.json"
    if file.exists():
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return found
    tier = config.tiers[task.tier]
    shared = config.model_copy(
        update={"rows": {}, "tiers": {task.tier: tier.model_copy(update={"rows": None, "tuned_like": None})}}
    )
    inputs = _inputs(shared.model_dump_json(), task.tier, catalog_file, folder)
    table = tuning_table(inputs.table, config.validation) if task.protocol == TUNE else inputs.table
    every = sorted(set(table["landmark"]) - {""})
    apart = {ALL: None, LEFT_OUT: config.leave_out, TUNE: config.validation_leave_out}[task.protocol]
    kept_out = [] if apart is None else left_out(every, apart)
    training = config.training_of(task.tier, task.row, dict(task.trial))
    tuned, seconds = None, 0.0
    failed: str | None = None
    with threadpool_limits(threads):
        if training is not None:
            begin = time.perf_counter()
            tail = make_tail(config, tier, task.seed)
            stages = _stages(inputs, table, kept_out, config, training)
            try:
                fit(tail, inputs, stages, training, config.centroids, task.seed)
                tuned = embed(tail, inputs.clean, np.arange(len(table)))
            except LandmarkError as error:  # a loss that is no longer finite: the trial counts, and reaches nothing
                failed = str(error)
            seconds = time.perf_counter() - begin
        asked = {"": every} if task.protocol == ALL else {"new_": kept_out}
        if task.protocol == TUNE:
            asked[""] = [landmark for landmark in every if landmark not in kept_out]
        one = config.rows[task.row].recognition == ONE_CENTROID
        figures = {
            f"{prefix}{key}": value
            for prefix, ids in asked.items()
            for key, value in judge(tuned, inputs.pretrained, table, ids, config, task.seed, one).items()
        }
        if failed is not None:
            figures = dict.fromkeys(figures, 0.0)
    result = {"task": asdict(task), "figures": figures, "seconds": seconds, "failed": failed}
    write_json(file, result)
    return result


def _stages(
    inputs: Inputs, table: pd.DataFrame, kept_out: list[str], config: LossesConfig, training: TrainingConfig
) -> list[Stage]:
    """The curriculum, with rows of `inputs.table`."""
    usable = ~table["split"].isin(["unused"]) & ~table["landmark"].isin(kept_out)
    chosen = table[usable].reset_index(drop=True)
    catalog = Catalog(chosen, inputs.landmarks, pd.DataFrame({"photo": [], "reason": []}, dtype=str))
    run = RunConfig(name="comparison", data=config.data, network=config.network, training=training)
    # The curriculum counts rows of the train split in the order of their sha256, as the inputs' table is.
    rows = np.flatnonzero((table["split"] == "train") & usable)
    return [replace(stage, rows=rows[stage.rows]) for stage in resolve_stages(catalog, run)]


@cache
def _catalog(file: str) -> tuple[Catalog, str]:
    """A catalog, and the digest of all of it that figures depend on: tuning and centroids go by near-duplicate groups."""
    catalog = Catalog.load(file)
    groups = catalog.table.sort_values("sha256")["group"].astype(str)
    return catalog, hashlib.sha256("".join([catalog.digest, *groups]).encode()).hexdigest()


@cache
def _inputs(config: str, tier: str, catalog_file: str, folder: str) -> Inputs:
    settings = LossesConfig.model_validate_json(config)
    return make_inputs(settings, settings.tiers[tier], _catalog(catalog_file)[0], Path(folder) / "inputs")
