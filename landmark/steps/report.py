"""The report of what was measured, from the parts that a run has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from landmark.evaluation.embedding_map import embedding_map
from landmark.evaluation.explain import explain_photos
from landmark.evaluation.mistakes import examples
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.report import ReportContent, write_report
from landmark.recognition.recognizer import Recognizer
from landmark.steps.measure import Measured


@dataclass(frozen=True, eq=False)
class Extras:
    """What a report shows beside the measurement itself; see `ReportContent`."""

    title: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    curves: Sequence[Mapping[str, Any]] = ()
    baselines: pd.DataFrame | None = None
    compared: Mapping[str, OpenSet] = field(default_factory=dict)
    left_out: pd.DataFrame | None = None
    pictures: int = 12


def report(file: Path, recognizer: Recognizer, measured: Measured, metrics: Mapping[str, float], extras: Extras) -> None:
    """Write the report of a measurement."""
    centroids, threshold = recognizer.centroids, recognizer.calibration.threshold
    explained = examples(measured.open_set, threshold, extras.pictures)
    nearest = measured.nearest[explained]
    settings = recognizer.network.config
    landmarks = recognizer.landmarks
    content = ReportContent(
        title=extras.title,
        description=f"{settings.backbone}, photos of {settings.image_size} x {settings.image_size} pixels ({settings.resize})",
        open_set=measured.open_set,
        photos=measured.table["photo"].tolist(),
        threshold=threshold,
        names=dict(zip(landmarks["landmark"], landmarks["name"], strict=True)),
        metrics=metrics,
        centroids=centroids,
        nearest=measured.nearest,
        compared=extras.compared,
        baselines=extras.baselines,
        left_out=extras.left_out,
        points=embedding_map(
            measured.vectors, measured.open_set.truth, centroids.vectors, np.asarray(centroids.landmark, dtype=str)
        ),
        explained=explain_photos(
            recognizer.network,
            measured.table["photo"].iloc[explained].tolist(),
            centroids.vectors[nearest],
            [str(landmark) for landmark in centroids.landmark[nearest]],
        ),
        curves=extras.curves,
        settings=extras.settings,
        data=extras.data,
        pictures=extras.pictures,
    )
    write_report(file, content)
