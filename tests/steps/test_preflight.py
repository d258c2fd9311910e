"""What would fail after hours fails at once, and names the key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from landmark.config import RunConfig
from landmark.errors import UsageError
from landmark.photos.catalog import Catalog
from landmark.steps.preflight import check_catalog, check_settings
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
