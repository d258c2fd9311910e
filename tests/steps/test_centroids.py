"""The step `centroids`: in parallel processes or not, the same centroids."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from landmark.config import RunConfig
from landmark.evaluation.galleries import Split, centroids_of
from landmark.recognition import refresh
from landmark.recognition.centroids import Centroids
from landmark.run import Work
from landmark.steps import recognition
from tests.recognition.samples import world


def catalog() -> tuple[pd.DataFrame, np.ndarray]:
    train, ids, test, _, others, strangers = world(0, aspects=2, dim=8, landmarks=3, photos=12)
    strangers, bank = strangers[:40], others[:60]
    vectors = np.concatenate([train, test, bank, strangers])
    landmark = np.concatenate([ids, ids, np.full(100, "")])
    split = ["train"] * 36 + ["test"] * 36 + ["train"] * 60 + ["calibrate", "test"] * 20
    table = pd.DataFrame({"photo": [f"{n}.jpg" for n in range(len(vectors))], "landmark": landmark, "split": split})
    table = table.assign(group=np.arange(len(vectors)) // 2, known=True)
    order = np.random.default_rng(0).permutation(len(table))
    return table.iloc[order].reset_index(drop=True), vectors[order]


def test_many_landmarks_come_out_as_few_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table, vectors = catalog()
    monkeypatch.setattr(recognition, "load_embeddings", lambda work: (table, vectors))
    stage = {"name": "all", "epochs": 1, "learning_rate": 0.1}
    config = RunConfig.model_validate(
        {"name": "many", "threads": 1, "data": {"format": "world"}, "training": {"batch_size": 8, "stages": [stage]}}
    )
    calls = []

    def counted(*args: object, **more: object) -> refresh.Refreshed:
        calls.append(refresh.refresh_centroids(*args, **more))
        return calls[-1]

    monkeypatch.setattr(recognition, "refresh_centroids", counted)
    expected = centroids_of(vectors, table, Split.of(table), config.centroids, config.seed)
    for many, clustered in ((3, []), (2, [3]), (2, [3, 0])):
        monkeypatch.setattr(recognition, "MANY", many)
        facts = recognition.centroids(Work(config, {}, tmp_path, tmp_path / "home"))
        assert facts == {"landmarks": 3, "centroids": len(expected)}
        made = Centroids.load(tmp_path / recognition.CENTROIDS)
        for name in ("vectors", "landmark", "support", "medoid", "cut"):
            assert np.array_equal(getattr(made, name), getattr(expected, name))
        assert [call.clustered for call in calls] == clustered
    assert (tmp_path / "home" / "centroids" / "many" / "lock").exists()
