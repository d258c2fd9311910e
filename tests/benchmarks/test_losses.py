"""The comparison of training methods: what it feeds, how it judges, that it goes on where it was, what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

from benchmarks import losses
from benchmarks.comparison import judge, task
from benchmarks.comparison.inputs import Tail, make_inputs
from benchmarks.comparison.settings import LossesConfig
from benchmarks.comparison.table import Choice, choose, markdown, summarise
from landmark.config_file import read_config
from landmark.errors import LandmarkError, UsageError
from landmark.network.network import Network
from landmark.photos.catalog import Catalog

CONFIG = """
name: tiny
home: {home}
data:
  format: world
  calibrate: 0.2
  world: {{landmarks: 4, photos: 12, others: 60, size: 48}}
network: {{backbone: test_efficientnet.r160_in1k, pretrained: none, dim: 16, image_size: 48}}
training: {{photos_per_class: null}}
curriculum: [{{regions: [Europe], share: 0.5}}, {{share: 0.5}}]
leave_out: 2
keep_weights: [0.5, 1.0]
validation_leave_out: 2
calibration: {{specificity: 0.5}}
tiers:
  neck: {{views: 2, epochs: 2, batch_size: 16, learning_rates: [0.001, 0.005], trials: 2, seeds: [0, 1]}}
  full:
    {{frozen_stages: 2, views: 2, warm_up: 1, epochs: 2, batch_size: 16, learning_rates: [0.001], trials: 1, tuned_like: neck,
      seeds: [0], rows: [softmax, ours]}}
rows:
  frozen: {{paper: none, training: null}}
  softmax: {{paper: Zhai, training: {{loss: softmax, centre_weight: 0}}}}
  two views: {{paper: Chen, training: {{loss: ntxent, centre_weight: 0}}}}
  ours: {{paper: ours, training: {{}}, refresh: true, recognition: ours}}
"""


@pytest.fixture(scope="module")
def config_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("losses")
    file = folder / "tiny.yaml"
    file.write_text(CONFIG.format(home=folder / "home"))
    return file


@pytest.fixture(scope="module")
def config(config_file: Path) -> LossesConfig:
    return read_config(config_file, [], LossesConfig)


@pytest.fixture(scope="module")
def catalog(config: LossesConfig) -> Catalog:
    return Catalog.load(losses.make_catalog(config))


def bench(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr(sys, "argv", ["losses", *arguments])
    losses.main()


@pytest.mark.slow
def test_compares_resumes_and_writes_a_table(
    config_file: Path, config: LossesConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    bench(
        monkeypatch,
        str(config_file),
        "--row",
        "softmax",
        "--row",
        "two views",
        "--tier",
        "neck",
        "--jobs",
        "1",
        "--out",
        str(tmp_path / "a"),
    )
    kept = {file.name: file.stat().st_mtime_ns for file in (Path(config.home) / "losses/tiny/tasks").iterdir()}
    least = 2 * (2 + 2 * 2)  # rows x (trials + seeds x protocols)
    assert least <= len(kept) <= least + 2 * 2 * 2  # and where our recognition has another best trial, those of that
    bench(monkeypatch, str(config_file), "--jobs", "1", "--out", str(tmp_path / "b"))
    after = {file.name: file.stat().st_mtime_ns for file in (Path(config.home) / "losses/tiny/tasks").iterdir()}
    assert {name: after[name] for name in kept} == kept
    assert len(after) >= len(kept) + (2 + 2 * 2) + (1 + 2) + 2 * 2  # ours; frozen; full: two rows, one seed, two protocols
    found = json.loads((tmp_path / "b/tiny-neck.json").read_text())
    rows = {row["method"]: row for row in found["rows"]}
    assert set(rows) == {"frozen", "softmax", "two views", "ours"}
    assert rows["softmax"]["seeds"] == 2
    assert 0 <= rows["ours"]["new_at_99"] <= 1
    assert "| ours |" in (tmp_path / "b/tiny-full.md").read_text()
    assert (tmp_path / "b/tiny-full.svg").stat().st_size > 5000


def test_inputs_are_what_the_whole_network_would_have_seen(config: LossesConfig, catalog: Catalog, tmp_path: Path) -> None:
    tier = config.tiers["full"]
    inputs = make_inputs(config, tier, catalog, tmp_path)
    whole = Network.build(config.network.model_copy(update={"keep_pretrained": 0.0}), seed=5)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in whole.neck.parameters():
            parameter.normal_()
    tail = Tail(Network.build(config.network.model_copy(update={"keep_pretrained": 0.0}), seed=5), tier.frozen_stages).eval()
    tail.load_state_dict(whole.state_dict(), strict=False)
    from landmark.photos.decode import decode, resize

    photos = inputs.table["photo"].tolist()[:8]
    pixels = np.stack([resize(decode(photo, min_side=48).image, 48, "squash") for photo in photos])
    # The inputs' own frozen part was built with seed 0; random weights differ by seed, so it is compared with that.
    first = Network.build(config.network.model_copy(update={"keep_pretrained": 0.0}), seed=0)
    whole.backbone.load_state_dict(first.backbone.state_dict())
    tail.backbone.load_state_dict({k: v for k, v in first.backbone.state_dict().items() if k in tail.backbone.state_dict()})
    with torch.inference_mode():
        expected = whole.tuned(whole.normalise(torch.from_numpy(pixels)))
        found = tail.tuned(torch.from_numpy(inputs.clean[:8].astype(np.float32)))
    np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=2e-2)  # float16 in between


def test_tuning_never_sees_the_test_split(config: LossesConfig, catalog: Catalog) -> None:
    table = catalog.table
    tuned = judge.tuning_table(table, 0.25)
    was, now = table["split"].to_numpy(), tuned["split"].to_numpy()
    assert (now[was == "test"] == "unused").all()
    held = (was == "train") & (now == "test")
    assert held.any()
    assert not set(table["group"][held]) & set(table["group"][(was == "train") & (now == "train")])
    share = held.sum() / ((was == "train") & (table["landmark"] != "")).sum()
    assert 0.1 < share <= 0.3


def test_the_spread_is_over_seeds_and_the_best_comes_first(config: LossesConfig) -> None:
    def result(row: str, protocol: str, value: float) -> dict[str, object]:
        names = ("one_mean", "all_photos", "ours@0.5", "ours@1")
        figures = {f"{name}_{key}": value for name in names for key in ("at_99", "at_99_9")}
        figures |= {f"{side}_{key}": value for side in ("alone", "both@0.5") for key in ("recall_at_1", "map_at_r")}
        figures = {f"new_{key}": value for key in figures} if protocol == task.LEFT_OUT else figures
        return {"task": {"row": row, "protocol": protocol}, "figures": figures, "seconds": 30.0}

    results = {
        "softmax": [result("softmax", task.ALL, 0.4), result("softmax", task.ALL, 0.6)],
        "ours": [result("ours", task.ALL, 0.7), result("ours", task.LEFT_OUT, 0.2)],
    }
    trial = {"learning_rate": 0.001, "miner": "semihard"}
    choice = Choice(trial, "one_mean", "ours@0.5", trial, "ours@0.5", 0.5, 2)
    chosen = {row: {task.ALL: choice, task.LEFT_OUT: choice} for row in results}
    table = summarise(config, list(results), results, results, chosen)
    assert table["method"].tolist() == ["ours", "softmax"]
    assert table["at_99"].tolist() == pytest.approx([0.7, 0.5])
    assert table["at_99_sd"].tolist() == pytest.approx([0.0, 0.1414], abs=1e-4)
    assert table["minutes"].tolist() == pytest.approx([0.5, 0.5])
    assert "50.0 ± 14.1" in markdown(table)
    assert "learning_rate 0.001, miner semihard, one mean" in markdown(table)
    assert pd.isna(table["new_at_99"][1])


def test_tuning_judges_trained_and_new_landmarks_apart() -> None:
    def figures(trained: float, new: float, ours: float) -> dict[str, float]:
        galleries = {"one_mean_at_99": trained, "new_one_mean_at_99": new, "all_photos_at_99": 0.0, "new_all_photos_at_99": 0.2}
        return galleries | {"ours@0.5_at_99": ours, "new_ours@0.5_at_99": ours, "ours@1_at_99": 0.3, "new_ours@1_at_99": 0.5}

    slow, fast = {"learning_rate": 1.0}, {"learning_rate": 2.0}
    trials = [(slow, figures(0.9, 0.1, 0.4)), (fast, figures(0.7, 0.6, 0.2))]
    assert choose("plain", [0.5, 1.0], trials, task.ALL) == Choice(slow, "one_mean", "ours@0.5", slow, "ours@0.5", 0.9, 2)
    assert choose("plain", [0.5, 1.0], trials, task.LEFT_OUT) == Choice(fast, "one_mean", "ours@1", slow, "ours@1", 0.6, 2)
    assert choose("ours", [0.5, 1.0], trials, task.ALL) == Choice(slow, "one_mean", "ours@0.5", slow, "ours@0.5", 0.4, 2)
    assert choose("ours", [0.5, 1.0], trials, task.LEFT_OUT).ours == "ours@1"


def test_landmarks_left_out_are_neither_trained_on_nor_tuned_on_as_known(config: LossesConfig, catalog: Catalog) -> None:
    table = catalog.table.sort_values("sha256", ignore_index=True)
    inputs = SimpleNamespace(landmarks=catalog.landmarks)
    every = sorted(set(table["landmark"]) - {""})
    training = config.training_of("neck", "ours", {})
    assert training is not None
    for seen in (table, judge.tuning_table(table, 0.25)):
        (stage,) = task._stages(inputs, seen, every[::2], config, training)  # type: ignore[arg-type]
        rows = seen.iloc[stage.rows]
        assert set(rows["landmark"]) == {"", *every[1::2]}
        assert set(rows["split"]) == {"train"}
        assert list(stage.classes) == every[1::2]
        assert [("", *stage.classes)[target] for target in stage.targets] == rows["landmark"].tolist()


def test_a_training_that_diverges_counts_and_does_not_end_the_comparison(
    config: LossesConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def explode(*_: object) -> None:
        raise LandmarkError("the loss is no longer finite")

    monkeypatch.setattr(task, "fit", explode)
    found = task.perform(
        task.Task("neck", "softmax", task.ALL, 0, (("learning_rate", 9.0),)),
        config,
        str(losses.make_catalog(config)),
        str(tmp_path),
        1,
    )
    assert found["failed"] == "the loss is no longer finite"
    assert found["figures"]["one_mean_at_99"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--row", "softmaxx"], "no row 'softmaxx'; there are frozen, softmax, two views, ours"),
        (["--tier", "necks"], "no tier 'necks'; there are neck, full"),
        (["rows.softmax.training.scale=-1"], "rows.softmax.training: scale: Input should be greater than 0"),
        (["tiers.neck.trials=1"], "rows.softmax.grid: 2 trials in tier 'neck', but every row gets 1"),
        (["tiers.neck.tuned_like=neck"], "tiers.neck.tuned_like: tier 'neck' must be tuned by trials of its own"),
        (["keep_weights=[-1]"], "keep_weights.0: Input should be greater than or equal to 0"),
        (["tiers.neck.bogus=1"], "tiers.neck.bogus: unknown key; allowed here: batch_size, epochs"),
    ],
)
def test_a_wrong_word_is_refused_before_any_work(
    config_file: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        bench(monkeypatch, str(config_file), *arguments)
