"""The step `index`: the gallery's photos as a search index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from landmark.config import RunConfig
from landmark.evaluation.search import recall_at_1
from landmark.recognition.index import design
from landmark.recognition.index.search import SearchIndex
from landmark.run import Work
from landmark.steps import recognition
from tests.recognition.samples import around

DIM = 16


def index_of(train: int, calibrate: int, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[dict, np.ndarray, np.ndarray]:
    """What the step says of so many photos, their embeddings, and those of photos that were not shown to it."""
    random = np.random.default_rng(0)
    rows = random.permutation(around(random.normal(size=(600, DIM)), (train + calibrate + 400) // 600 + 1, 0.15, random))
    vectors, fresh = rows[: train + calibrate], rows[train + calibrate :]
    table = pd.DataFrame({"photo": [f"/p/{n}.jpg" for n in range(len(vectors) + 3)], "landmark": "arch", "known": True})
    table["split"] = ["train"] * train + ["calibrate"] * calibrate + ["test", "calibrate", "test"]
    table.loc[len(table) - 2 :, "landmark"] = ""
    embedded = np.concatenate([vectors, fresh[:3]]).astype(np.float16)
    monkeypatch.setattr(recognition, "load_embeddings", lambda work: (table, embedded))
    stage = {"name": "all", "epochs": 1, "learning_rate": 0.1}
    config = RunConfig.model_validate(
        {
            "name": "gallery",
            "data": {"format": "world"},
            "training": {"batch_size": 8, "stages": [stage]},
            "index": {"device": "cpu", "recall": 0.9},
        }
    )
    return dict(recognition.index(Work(config, {}, folder, folder / "home"))), vectors[:train], fresh


def test_few_photos_are_searched_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts, stored, fresh = index_of(500, 10, tmp_path, monkeypatch)
    index = SearchIndex.load(tmp_path / recognition.INDEX)
    size = sum(file.stat().st_size for file in (tmp_path / recognition.INDEX).iterdir() if file.name != "index.json")
    assert facts == {"kind": "Flat", "photos": 500, "bytes": size}
    assert recall_at_1(index, stored.astype(np.float16), fresh) == 1.0
    assert index.search(stored[:2], 1)[1].tolist() == [["/p/0.jpg"], ["/p/1.jpg"]]


@pytest.mark.parametrize("calibrate", [59, 400])
def test_more_photos_reach_the_recall(calibrate: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(design, "MIN_TO_TRAIN", 2000)
    facts, stored, fresh = index_of(2000, calibrate, tmp_path, monkeypatch)
    assert facts["kind"] == "OPQ4,IVF32,PQ4x4fs,Refine(SQfp16)"
    index = SearchIndex.load(tmp_path / recognition.INDEX)
    assert index.values["queries_tuned_on"] == (calibrate if calibrate >= 60 else 200)
    assert recall_at_1(index, stored.astype(np.float16), fresh[:400]) >= 0.9
    assert len(index) == 2000
    rows = np.arange(0, 2000, 19)
    assert (index.search_rows(stored[rows], 10)[1] == rows[:, None]).any(1).mean() > 0.95
