"""Training as a whole: it learns, repeats itself, goes on after SIGKILL, and is the same over two processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from landmark.config import RunConfig
from landmark.errors import LandmarkError, UsageError
from landmark.network.device import deterministic
from landmark.network.network import Network
from landmark.network.objectives import NON_LANDMARK
from landmark.network.trainer import Trainer
from landmark.network.training import train, training_key
from landmark.photos.catalog import Catalog
from landmark.photos.decode import decode, resize
from tests.network.conftest import run_config

STAGES: list[dict[str, object]] = [
    {"name": "europe", "regions": ["Europe"], "epochs": 2, "learning_rate": 0.003},
    {"name": "all", "epochs": 3, "learning_rate": 0.003, "freeze": 1, "refresh_every": 1},
]


def curves(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "curves.jsonl").read_text().splitlines()]


def losses(out: Path) -> list[float]:
    return [row["loss"] for row in curves(out)]


@pytest.fixture(scope="module")
def unbroken(painted: Catalog, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunConfig, Path, Network]:
    config, out = run_config(stages=STAGES), tmp_path_factory.mktemp("unbroken")
    return config, out, train(painted, config, out)


def test_it_learns_classes_with_two_aspects_and_one_of_five_photos(painted: Catalog, tmp_path: Path) -> None:
    stages: list[dict[str, object]] = [{"name": "all", "epochs": 20, "learning_rate": 0.004}]
    network = train(painted, run_config(stages=stages, crop_scale=0.9), tmp_path)
    rows = curves(tmp_path)
    assert rows[-1]["loss"] < rows[0]["loss"] / 2
    assert rows[-1]["centre_loss"] < rows[0]["centre_loss"] / 2
    photos = np.stack([resize(decode(photo).image, 32) for photo in painted.table["photo"]])
    with torch.inference_mode():
        embeddings = network.tuned(network.normalise(torch.from_numpy(photos))).numpy()
    landmark = painted.table["landmark"].to_numpy()
    similarity = embeddings @ embeddings.T
    np.fill_diagonal(similarity, -2)
    right = landmark[similarity.argmax(1)] == landmark
    assert right.mean() > 0.9
    assert right[landmark == "dome"].all(), "the landmark of five photos"


def test_stages_grow_classes_and_leave_frozen_parts_alone(painted: Catalog, unbroken: tuple[RunConfig, Path, Network]) -> None:
    config, out, network = unbroken
    rows = curves(out)
    assert [(row["stage"], row["epoch"]) for row in rows] == [("europe", 1), ("europe", 2), ("all", 1), ("all", 2), ("all", 3)]
    start = Network.build(config.network, config.seed)
    assert network.anchor is not None
    assert start.anchor is not None
    for name, value in network.anchor.state_dict().items():
        assert torch.equal(value, start.anchor.state_dict()[name]), name
    assert any(
        not torch.equal(value, start.backbone.state_dict()[name]) for name, value in network.backbone.state_dict().items()
    )
    # A stage that only freezes must leave what it freezes, batch statistics included, as it was.
    stages: list[dict[str, object]] = [{"name": "all", "epochs": 1, "freeze": 2}]
    frozen_out = out.parent / "frozen"
    tuned = train(painted, run_config(stages=stages), frozen_out)
    for before, after in zip(start.stages()[:2], tuned.stages()[:2], strict=True):
        for left, right in zip(before, after, strict=True):
            for name, value in left.state_dict().items():
                assert torch.equal(value, right.state_dict()[name]), name


def test_same_seed_same_network_and_a_finished_training_is_not_redone(
    painted: Catalog, unbroken: tuple[RunConfig, Path, Network], tmp_path: Path
) -> None:
    config, out, network = unbroken
    assert train(painted, config, tmp_path).fingerprint == network.fingerprint
    calls: list[int] = []
    again = train(painted, config, out, lambda row, step: calls.append(step))
    assert again.fingerprint == network.fingerprint
    assert calls == []
    other = config.model_copy(update={"seed": 1})
    assert training_key(painted, other) != training_key(painted, config)
    assert not (out / "checkpoint.pt").exists()
    assert not list(out.glob("pixels*"))


def script(config: RunConfig, catalog: Catalog, folder: Path) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    catalog.save(folder / "catalog.parquet")
    (folder / "job.json").write_text(config.model_dump_json())
    return [sys.executable, "-m", "landmark.network.training", str(folder)]


def test_killed_at_any_moment_it_goes_on_and_ends_the_same(
    painted: Catalog, unbroken: tuple[RunConfig, Path, Network], tmp_path: Path
) -> None:
    config, reference, network = unbroken
    command = script(config, painted, tmp_path)
    for epochs in (1, 2, 3):  # in each stage and between them: when this many epochs are on disk
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if (tmp_path / "curves.jsonl").exists() and len(losses(tmp_path)) >= epochs:
                break
            time.sleep(0.01)
        assert process.poll() is None, "it ended before it could be killed"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert not (tmp_path / "trained.json").exists()
    steps: list[int] = []
    resumed = train(painted, config, tmp_path, lambda row, step: steps.append(step))
    assert len(steps) <= 2, "finished epochs were done again"
    assert resumed.fingerprint == network.fingerprint
    assert losses(tmp_path) == losses(reference)


def test_a_damaged_checkpoint_means_a_new_start(
    painted: Catalog, unbroken: tuple[RunConfig, Path, Network], tmp_path: Path
) -> None:
    config, _, network = unbroken
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    assert train(painted, config, tmp_path).fingerprint == network.fingerprint


@pytest.mark.skipif(torch.cuda.device_count() == 1, reason="two processes need two GPUs, or none")
def test_two_processes_train_as_one(painted: Catalog, tmp_path: Path) -> None:
    # Small steps: Adam's first ones follow the sign of a gradient, which float noise can turn where it is near zero.
    stages = [{**stage, "epochs": 1, "learning_rate": 1e-4} for stage in STAGES]
    config, reference = run_config(stages=stages), tmp_path / "one"
    network = train(painted, config, reference)
    tmp_path = tmp_path / "two"
    double = config.model_copy(update={"training": config.training.model_copy(update={"devices": 2})})
    assert training_key(painted, double) == training_key(painted, config), "how many processes is no matter of result"
    reported: list[int] = []
    over_two = train(painted, double, tmp_path, lambda row, step: reported.append(step))
    assert reported == [row["step"] for row in curves(reference)]
    assert losses(tmp_path) == pytest.approx(losses(reference), rel=1e-3)
    assert [row["centres"] for row in curves(tmp_path)] == [row["centres"] for row in curves(reference)]
    photos = torch.randint(0, 256, (8, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        one, two = (n.tuned(n.normalise(photos)) for n in (network, over_two))
    assert (one * two).sum(1).min() > 0.999


def test_more_processes_than_gpus_are_refused_before_any_starts(
    painted: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UsageError, match=r"training\.devices 2: each process takes a GPU, and there are 1; set it to 1, or"):
        train(painted, run_config(devices=2), tmp_path)


def test_on_a_gpu_each_operation_gives_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic
    seen = []
    for there in (True, False):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        with deterministic():
            seen.append((torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic))
        assert (torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.deterministic) == before
    assert seen == [(True, True), before]


def test_centres_lie_at_cluster_means_and_leave_non_landmarks_out(painted: Catalog, tmp_path: Path) -> None:
    trainer = Trainer(painted, run_config(), tmp_path, "key", None)
    learner = trainer._enter(0, trainer.stages[0], None)
    assert set(learner.centres.classes.tolist()) == {1, 2, 3, 4}
    assert NON_LANDMARK not in learner.centres.classes.tolist()
    assert learner.centres.vectors.norm(dim=1).tolist() == pytest.approx([1] * len(learner.centres.vectors), abs=1e-5)


def test_a_loss_that_explodes_is_an_error_that_names_the_stage(painted: Catalog, tmp_path: Path) -> None:
    stages: list[dict[str, object]] = [{"name": "wild", "epochs": 3, "learning_rate": 1e30}]
    with pytest.raises(LandmarkError, match=r"stage 'wild', epoch \d: the loss is no longer finite; lower its learning_rate"):
        train(painted, run_config(stages=stages, warmup=0.0, loss="softmax"), tmp_path)
