from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from landmark.photos.catalog import Catalog
from landmark.steps.evaluation import evaluate_on
from tests.evaluation.painted import recognizer_of


def test_any_recognizer_on_any_catalog(painted: Catalog, tmp_path: Path) -> None:
    table = painted.table.copy()
    table["split"] = np.resize(["train", "test", "test", "calibrate"], len(table))
    catalog = Catalog(table, painted.landmarks, painted.rejects)
    recognizer = recognizer_of(painted)
    strangers = np.random.default_rng(0).normal(size=(150, recognizer.network.embedding_dim))
    np.save(tmp_path / "d.npy", (strangers / np.linalg.norm(strangers, axis=1, keepdims=True)).astype(np.float32))
    metrics = evaluate_on(recognizer, catalog, tmp_path / "out", tmp_path / "home", "Painted", str(tmp_path / "d.npy"))
    assert metrics == json.loads((tmp_path / "out" / "metrics.json").read_text())
    for name in (
        "sensitivity",
        "tags_right_at_2_percent_low",
        "sensitivity_rare",
        "verification_eer",
        "verification_fpr_at_95",
        "map_at_5_with_new",
    ):
        assert 0 <= metrics[name] <= 1
    curve = json.loads((tmp_path / "out" / "identification.json").read_text())["curve"]
    assert [row["distractors"] for row in curve] == [0, 10, 100, 150]
    assert curve[0]["rank_1"] == pytest.approx(metrics["top1"])
    page = (tmp_path / "out" / "report.html").read_text()
    for words in ("Same landmark or not", "Identification among distractors", "In a collection", "By training photos"):
        assert words in page


def test_a_catalog_of_test_photos_alone_is_enough(painted: Catalog, tmp_path: Path) -> None:
    catalog = Catalog(painted.table.assign(split="test"), painted.landmarks, painted.rejects)
    metrics = evaluate_on(recognizer_of(painted), catalog, tmp_path / "out", tmp_path / "home", "Painted")
    assert "verification_eer" not in metrics
    assert "tags_right_at_1_percent" in metrics
    assert not (tmp_path / "out" / "identification.json").exists()
    assert "Verification" not in (tmp_path / "out" / "report.html").read_text()
