"""What would fail after hours fails at once, and names the key."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from landmark.cache import StepCache
from landmark.config import RunConfig
from landmark.errors import UsageError
from landmark.photos.catalog import Catalog
from landmark.steps.preflight import check_catalog, check_settings, check_shrink
from landmark.storage import write_json
from tests.network.conftest import run_config


def changed(config: RunConfig, **sections: dict[str, Any]) -> RunConfig:
    values = config.model_dump()
    for name, section in sections.items():
        values[name] = {**values[name], **section}
    return RunConfig.model_validate(values)


@pytest.fixture
def catalog_file(painted: Catalog, tmp_path: Path) -> Path:
    """Every fifth photo tests, every fifth of the others' calibrates: 4 of them."""
    table = painted.table.copy()
    place = np.arange(len(table)) % 5
    table["split"] = np.where(place == 0, "test", np.where((place == 1) & (table["landmark"] == ""), "calibrate", "train"))
    Catalog(table, painted.landmarks, painted.rejects).save(tmp_path / "catalog.parquet")
    return tmp_path / "catalog.parquet"


@pytest.mark.parametrize(
    ("network", "stage", "message"),
    [
        ({"backbone": "tf_efficientnet_lite9"}, {}, r"network\.backbone: timm has no model.*did you mean"),
        ({"pretrained": "/nowhere/weights.safetensors"}, {}, r"network\.pretrained: no file /nowhere/weights\.safetensors"),
        ({}, {"freeze": 99}, r"training\.stages\.1\.freeze: .* has \d+ stages, so 0 to \d+, not 99"),
    ],
)
def test_impossible_settings(network: dict[str, Any], stage: dict[str, Any], message: str) -> None:
    config = run_config(stages=[{"name": "first"}, {"name": "second", **stage}])
    with pytest.raises(UsageError, match=message):
        check_settings(changed(config, network=network))


def test_possible_settings_pass(catalog_file: Path) -> None:
    config = changed(run_config(), calibration={"specificity": 0.8}, evaluation={"leave_out": 2})
    check_settings(config)
    check_catalog(config, catalog_file)


def test_too_few_photos_to_calibrate(catalog_file: Path) -> None:
    # ceil((n + 1) * 0.9) <= n needs n = 9.
    with pytest.raises(UsageError, match=r"specificity 0\.9: the calibrate split has 4 photos.* at least 9 are needed"):
        check_catalog(changed(run_config(), calibration={"specificity": 0.9}), catalog_file)


def test_a_stage_that_leaving_landmarks_out_empties(catalog_file: Path) -> None:
    stages: list[dict[str, object]] = [{"name": "one", "landmarks": ["arch"]}, {"name": "all"}]
    config = changed(run_config(stages=stages), calibration={"specificity": 0.8}, evaluation={"leave_out": 2})
    with pytest.raises(UsageError, match=r"leave_out 2: without arch, crown, training\.stages\.0 .*arch has no photo"):
        check_catalog(config, catalog_file)


def published(config: RunConfig, home: Path, photos: int, rejects: int = 0) -> RunConfig:
    """The settings of a run that was published with a catalog of so many photos."""
    config = config.model_copy(update={"home": str(home)})
    facts = {"photos": {"train": photos - 2, "test": 2}, "rejects": rejects}
    made = StepCache(home).make("catalog", "c" * 64, lambda out: {**facts, "n": (out / "f").write_text("x")})
    write_json(home / "runs" / config.name / "run.json", {"name": config.name, "steps": {"catalog": {"key": made.key}}})
    return config


@pytest.mark.parametrize(("share", "had", "passes"), [(0.2, 100, True), (0.2, 101, False), (0.5, 160, True), (1.0, 9999, True)])
def test_a_source_that_is_half_gone(painted: Catalog, tmp_path: Path, share: float, had: int, passes: bool) -> None:
    catalog = Catalog(pd.concat([painted.table] * 9, ignore_index=True).head(80), painted.landmarks, painted.rejects)
    config = published(changed(run_config(), data={"max_shrink": share}), tmp_path, had)
    if passes:
        check_shrink(config, catalog)
        return
    with pytest.raises(UsageError, match=r"max_shrink 0\.2: the catalog has 80 photos, .* had 101; .*data\.max_shrink=1"):
        check_shrink(config, catalog)


def test_files_that_cannot_be_read_any_more(painted: Catalog, tmp_path: Path) -> None:
    table = pd.concat([painted.table] * 9, ignore_index=True).head(70)
    rejects = pd.DataFrame({"photo": [f"{number}.jpg" for number in range(30)], "reason": "cannot be opened"})
    catalog = Catalog(table, painted.landmarks, rejects)
    check_shrink(published(run_config(), tmp_path / "a", 70, rejects=30), catalog)  # they never could
    check_shrink(published(run_config(), tmp_path / "b", 80, rejects=10), catalog)  # 20 of 100
    with pytest.raises(UsageError, match="30 of 100 files cannot be read, and 9 could not before"):
        check_shrink(published(run_config(), tmp_path / "c", 80, rejects=9), catalog)


def test_a_run_without_a_past_may_have_any_photos(painted: Catalog, tmp_path: Path) -> None:
    check_shrink(run_config().model_copy(update={"home": str(tmp_path)}), painted)
    config = published(run_config(), tmp_path, 1000)
    shutil.rmtree(tmp_path / "steps")
    check_shrink(config, painted)


def test_check_catalog_asks_for_it(catalog_file: Path, tmp_path: Path) -> None:
    config = published(changed(run_config(), calibration={"specificity": 0.8}), tmp_path / "home", 1000)
    with pytest.raises(UsageError, match=r"data\.max_shrink"):
        check_catalog(config, catalog_file)
