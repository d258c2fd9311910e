"""A small catalog of painted photos to train on: each landmark has two aspects that look nothing alike."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from landmark.config import RunConfig
from landmark.photos.catalog import Catalog

REGIONS = {"arch": "Europe", "bell": "Europe", "crown": "Far East", "dome": "Far East"}


def paint(kind: int, aspect: int, random: np.random.Generator) -> np.ndarray:
    """Stripes whose colour, direction and width say what is shown; noise over them."""
    x, y = np.meshgrid(np.arange(40), np.arange(40))
    across = x if (kind + aspect) % 2 else y
    stripes = (np.sin(across / (1.5 + kind) + random.uniform(0, 6)) > 0)[..., None]
    colour = np.array([[200, 60, 40], [40, 180, 60], [50, 80, 210], [200, 190, 40], [128, 128, 128]][kind])
    photo = np.where(stripes, colour, 255 - colour if aspect else 20)
    return np.clip(photo + random.normal(0, 12, (40, 40, 1)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def painted(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    folder = tmp_path_factory.mktemp("painted")
    random = np.random.default_rng(0)
    rows = []
    for kind, landmark in enumerate([*REGIONS, ""]):
        for number in range(5 if landmark == "dome" else 20):
            file = folder / f"{landmark or 'other'}_{number}.png"
            Image.fromarray(paint(kind, number % 2, random)).save(file)
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            rows.append((str(file), landmark, "train", REGIONS.get(landmark, ""), digest, 40, 40, len(rows)))
    columns = ["photo", "landmark", "split", "region", "sha256", "width", "height", "group"]
    table = pd.DataFrame(rows, columns=columns).assign(taken_at=pd.NaT, lat=np.nan, lon=np.nan, known=True)
    landmarks = pd.DataFrame({"landmark": list(REGIONS), "name": list(REGIONS), "region": list(REGIONS.values())})
    landmarks = landmarks.assign(city="", country="", lat=np.nan, lon=np.nan, names="{}")
    return Catalog(table, landmarks, pd.DataFrame({"photo": [], "reason": []}, dtype=str))


def run_config(*, stages: list[dict[str, object]] | None = None, **training: object) -> RunConfig:
    """Settings for a training of seconds on a tiny backbone with random weights."""
    return RunConfig.model_validate(
        {
            "name": "tiny",
            "data": {"format": "world"},
            "network": {"backbone": "test_efficientnet.r160_in1k", "pretrained": "none", "dim": 16, "image_size": 32},
            "training": {
                "batch_size": 16,
                "landmark_power": 0.5,
                "stages": stages or [{"name": "all", "epochs": 2, "learning_rate": 0.002}],
                **training,
            },
        }
    )
