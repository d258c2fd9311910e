"""Batches small enough to calculate by hand."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from landmark.config import StageConfig, TrainingConfig


def training(**changes: object) -> TrainingConfig:
    return TrainingConfig.model_validate({"stages": [StageConfig(name="all")], **changes})


def unit_rows(*rows: list[float]) -> Tensor:
    return torch.nn.functional.normalize(torch.tensor(rows, dtype=torch.float32), dim=1)


def at_angles(*radians: float) -> Tensor:
    """Unit vectors in the plane, float32 [n, 2]."""
    return torch.tensor([[math.cos(angle), math.sin(angle)] for angle in radians])


def random_units(count: int, dim: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    rows = torch.randn(count, dim, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return torch.nn.functional.normalize(rows, dim=1)


def numbers(values: list[int]) -> Tensor:
    return torch.tensor(values, dtype=torch.int64)
