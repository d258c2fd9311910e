"""Small photos for tests: smooth noise, so that no two seeds are near-duplicates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from landmark.config import DataConfig


def picture(seed: int, size: tuple[int, int] = (96, 72)) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def put(path: Path, seed: int, size: tuple[int, int] = (96, 72), **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(seed, size).save(path, **options)
    return path


def folder(root: Path, landmarks: dict[str, int], others: int = 6) -> DataConfig:
    """ROOT/landmarks/<id>/<n>.jpg and ROOT/others/<n>.jpg, every photo of its own seed."""
    seed = 0
    for name, count in landmarks.items():
        for number in range(count):
            put(root / "landmarks" / name / f"{number}.jpg", seed := seed + 1)
    for number in range(others):
        put(root / "others" / f"{number}.jpg", seed := seed + 1)
    return DataConfig(format="folder", source=str(root / "landmarks"), others=str(root / "others"))
