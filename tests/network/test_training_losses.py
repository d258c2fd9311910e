"""Every loss by name in a whole training: it ends, learns classes that enter later, and goes on after it was interrupted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from landmark.errors import UsageError
from landmark.methods import METHODS
from landmark.network.checkpoint import Checkpoint
from landmark.network.network import Network
from landmark.network.trainer import Trainer
from landmark.network.training import train
from landmark.photos.catalog import Catalog
from landmark.steps.preflight import check_settings
from tests.network.conftest import run_config

STAGES: list[dict[str, object]] = [
    {"name": "europe", "regions": ["Europe"], "epochs": 1, "learning_rate": 0.003},
    {"name": "all", "epochs": 3, "learning_rate": 0.003},
]
EXTRA: dict[str, dict[str, Any]] = {"divide_and_conquer": {"learners": 2, "recluster_every": 1}}


class Killed(Exception):
    """Stands for whatever ends a process."""


def curves(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "curves.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("loss", METHODS)
def test_every_loss_trains(painted: Catalog, tmp_path: Path, loss: str) -> None:
    stages: list[dict[str, object]] = [{**stage, "epochs": 1} for stage in STAGES]
    config = run_config(stages=stages, loss=loss, **EXTRA.get(loss, {}))
    network = train(painted, config, tmp_path)
    rows = curves(tmp_path)
    assert [row["stage"] for row in rows] == ["europe", "all"]
    assert all(np.isfinite(row["loss"]) and row["loss"] > 0 and 0 <= row["accuracy"] <= 1 for row in rows)
    assert network.fingerprint != Network.build(config.network, config.seed).fingerprint


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["dynamic_arcface", "triplet_ratio", "ntxent", "margin", "divide_and_conquer"])
def test_a_training_goes_on_where_it_was(painted: Catalog, tmp_path: Path, loss: str) -> None:
    config = run_config(stages=STAGES, loss=loss, **EXTRA.get(loss, {}))
    network = train(painted, config, tmp_path / "whole")
    told: list[int] = []

    def stop(row: dict[str, float], step: int) -> None:
        told.append(step)
        if len(told) == 2:  # in the second stage, whose classes are more
            raise Killed

    with pytest.raises(Killed):
        train(painted, config, tmp_path / "broken", stop)
    assert train(painted, config, tmp_path / "broken").fingerprint == network.fingerprint
    assert [row["loss"] for row in curves(tmp_path / "broken")] == [row["loss"] for row in curves(tmp_path / "whole")]


@pytest.mark.parametrize("loss", ["pair_softmax", "margin"])
def test_what_a_loss_learns_is_trained_and_kept(painted: Catalog, tmp_path: Path, loss: str) -> None:
    before: list[float] = []

    def stop(row: dict[str, float], step: int) -> None:
        checkpoint = Checkpoint.load(tmp_path / "checkpoint.pt", trainer.key)
        assert checkpoint is not None
        before.append(float(checkpoint.learner[name]))

    config = run_config(stages=STAGES, loss=loss)
    trainer = Trainer(painted, config, tmp_path, "key", stop)
    name = {"pair_softmax": "head.cut", "margin": "head.rule.beta"}[loss]
    trainer.run()
    assert len(before) == 4
    assert len(set(before)) == 4, "it moves"
    start = {"pair_softmax": 0.5, "margin": 1.2}[loss]
    assert abs(before[1] - start) > 1e-4


def test_two_views_are_of_the_same_photos_and_differ(painted: Catalog, tmp_path: Path) -> None:
    trainer = Trainer(painted, run_config(loss="ntxent"), tmp_path, "key", None)
    stage = trainer.stages[0]
    learner = trainer._enter(0, stage, None)
    batches = trainer._batches(0, 0, stage, learner)
    for batch, (images, targets, rows) in zip(batches, trainer._loader(0, 0, stage, 2, batches), strict=True):
        assert images.shape == (32, 32, 32, 3)
        assert rows.tolist() == batch.tolist() * 2
        assert targets.tolist() == stage.targets[batch].tolist() * 2
        assert all(not torch.equal(images[i], images[16 + i]) for i in range(16))
    once = next(trainer._loader(0, 0, stage, 1, batches))[0]
    twice = next(trainer._loader(0, 0, stage, 2, batches))[0]
    assert torch.equal(once, twice[:16]), "the first view is that of a training with one"


def test_pairs_stay_within_a_process(painted: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = Trainer(painted, run_config(loss="triplet"), tmp_path, "key", None)
    stage = trainer.stages[0]
    learner = trainer._enter(0, stage, None)
    batches = trainer._batches(0, 0, stage, learner)
    halves = []
    for process in range(2):
        monkeypatch.setattr("landmark.network.trainer.rank", lambda process=process: process)
        monkeypatch.setattr("landmark.network.trainer.world_size", lambda: 2)
        halves.append(torch.cat([rows for _, _, rows in trainer._loader(0, 0, stage, 1, batches)]).reshape(len(batches), 8))
    assert torch.cat(halves, dim=1).tolist() == batches.tolist()
    for half in halves:
        for row in half.cpu().numpy():
            shown = stage.targets[row]
            assert np.bincount(shown[shown > 0]).max() >= 2


@pytest.mark.parametrize("update", ["refreshed", "learned"])
def test_one_centre_a_landmark(painted: Catalog, tmp_path: Path, update: str) -> None:
    config = run_config(centres="one", centre_update=update, centre_weight=1.0)
    trainer = Trainer(painted, config, tmp_path, "key", None)
    learner = trainer._enter(0, trainer.stages[0], None)
    assert learner.centres.classes.tolist() == [1, 2, 3, 4]
    start = learner.centres.vectors.detach().clone()
    trainer._train_stage(0, trainer.stages[0], learner, None)
    assert not torch.equal(learner.centres.vectors, start)
    assert trainer.curves[-1]["centres"] == 4


def test_learned_centres_go_on_where_they_were(painted: Catalog, tmp_path: Path) -> None:
    config = run_config(stages=STAGES, centre_update="learned", centre_weight=1.0)
    whole = train(painted, config, tmp_path / "whole")

    def stop(row: dict[str, float], step: int) -> None:
        raise Killed

    for _ in range(3):
        with pytest.raises(Killed):
            train(painted, config, tmp_path / "broken", stop)
    assert train(painted, config, tmp_path / "broken").fingerprint == whole.fingerprint


def test_more_learners_than_dimensions() -> None:
    with pytest.raises(UsageError, match=r"training\.learners 10: .* network\.dim is 16; at most 8"):
        check_settings(run_config(loss="divide_and_conquer", learners=10))


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.device_count() == 1, reason="two processes need two GPUs, or none")
def test_two_processes_divide_and_conquer(painted: Catalog, tmp_path: Path) -> None:
    # Of two learners and a boundary, a step trains one or none: every process must have a gradient for each all the same.
    stages: list[dict[str, object]] = [{"name": "all", "epochs": 2, "learning_rate": 0.003}]
    config = run_config(
        stages=stages, loss="divide_and_conquer", learners=2, devices=2, centre_update="learned", centre_weight=0.1
    )
    train(painted, config, tmp_path)
    assert [np.isfinite(row["loss"]) for row in curves(tmp_path)] == [True, True]
