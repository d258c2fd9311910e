"""The curriculum: which classes and photos each stage trains on, resolved against the catalog before any work."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.config import RunConfig, StageConfig
from landmark.errors import UsageError
from landmark.network.objectives import NON_LANDMARK
from landmark.photos.catalog import Catalog


@dataclass(frozen=True)
class Stage:
    """One stage, resolved.

    Attributes:
        settings: as in the config.
        classes: landmark ids by class index, from 1; earlier stages' classes come first and keep their index.
        rows: rows of the training table that take part [n].
        targets: class index of each row [n]; 0 is non-landmark.
    """

    settings: StageConfig
    classes: tuple[str, ...]
    rows: NDArray[np.int64]
    targets: NDArray[np.int64]


def training_table(catalog: Catalog) -> pd.DataFrame:
    """The train split in the order of its sha256: where files lie, and what they are called, has no part in training."""
    return catalog.split("train").table.sort_values("sha256", ignore_index=True)


def training_digest(catalog: Catalog) -> str:
    """The sha256 of what a catalog gives to training: photos, their landmarks, the landmarks' regions."""
    table = training_table(catalog)
    rows = table[["sha256", "landmark", "region"]].to_numpy(dtype=str).tolist()
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def resolve_stages(catalog: Catalog, config: RunConfig) -> list[Stage]:
    """Resolve every stage of the curriculum; landmarks that entered once stay.

    Args:
        catalog: its train split is trained on.
        config: the run's settings.

    Raises:
        UsageError: a stage names a region or landmark that the catalog does not have, brings too few classes
            to tell apart, or wants non-landmark photos where there are none.
    """
    table = training_table(catalog)
    landmark = table["landmark"].to_numpy(dtype=str)
    with_photos = set(landmark[landmark != ""].tolist())
    region_of = dict(zip(catalog.landmarks["landmark"], catalog.landmarks["region"], strict=True))
    regions = {region_of[name] for name in with_photos}
    entered: list[str] = []
    stages = []
    for position, settings in enumerate(config.training.stages):
        path = f"training.stages.{position} ('{settings.name}')"
        _check_names(f"{path}: regions", settings.regions, regions)
        _check_names(f"{path}: landmarks", settings.landmarks, with_photos)
        wanted = set(settings.landmarks) if settings.landmarks is not None else with_photos
        if settings.regions is not None:
            wanted = {name for name in wanted if region_of[name] in settings.regions}
        entered += sorted(wanted - set(entered))
        class_of = {name: index for index, name in enumerate(entered, start=1)}
        if settings.non_landmarks:
            class_of[""] = NON_LANDMARK
        rows = np.flatnonzero(np.isin(landmark, list(class_of)))
        targets = np.array([class_of[name] for name in landmark[rows]], np.int64)
        if settings.non_landmarks and not (targets == NON_LANDMARK).any():
            raise UsageError(f"{path}: non_landmarks is on, but the train split has no photo without a landmark")
        if len(np.unique(targets)) < 2:
            raise UsageError(f"{path}: only {len(np.unique(targets))} class enters; training needs two or more to tell apart")
        stages.append(Stage(settings, tuple(entered), rows.astype(np.int64), targets))
    return stages


def _check_names(path: str, wanted: list[str] | None, there: set[str]) -> None:
    if wanted is not None and (missing := sorted(set(wanted) - there)):
        raise UsageError(f"{path}: {', '.join(missing)} has no photo in the train split; there are {', '.join(sorted(there))}")
