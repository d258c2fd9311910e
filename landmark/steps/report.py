"""The report of what was measured, from the parts that a run has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.evaluation.embedding_map import Method, embedding_map
from landmark.evaluation.explain import explain_photos
from landmark.evaluation.mistakes import examples
from landmark.evaluation.nearest import Neighbour, PhotoGallery
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.report import write_report
from landmark.evaluation.report_content import ReportContent
from landmark.recognition.recognizer import Recognizer
from landmark.steps.measure import Measured

NEIGHBOURS = 4
"""Nearest photos shown of each explained photo."""
OVER = {"minimum": "nearest reference", "mean": "mean over references"}
"""What a curve of verification is called."""


@dataclass(frozen=True, eq=False)
class Extras:
    """What a report shows beside the measurement itself; see `ReportContent`.

    Attributes:
        shows: URI of a photo -> id of the landmark that it shows ("": none), as far as known.
        map: method of the embedding map.
    """

    title: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    curves: Sequence[Mapping[str, Any]] = ()
    baselines: pd.DataFrame | None = None
    compared: Mapping[str, OpenSet] = field(default_factory=dict)
    left_out: pd.DataFrame | None = None
    identification: pd.DataFrame | None = None
    pictures: int = 12
    shows: Mapping[str, str] = field(default_factory=dict)
    map: Method = "tsne"


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
        sizes=measured.protocols.sizes,
        aspects=measured.protocols.aspects,
        prevalence=measured.protocols.prevalence,
        reliability=measured.protocols.reliability,
        verification={OVER[name]: pairs for name, pairs in measured.protocols.verification.items()},
        identification=extras.identification,
        points=embedding_map(
            measured.vectors, measured.open_set.truth, centroids.vectors, np.asarray(centroids.landmark, dtype=str), extras.map
        ),
        explained=explain_photos(
            recognizer.network,
            measured.table["photo"].iloc[explained].tolist(),
            centroids.vectors[nearest],
            [str(landmark) for landmark in centroids.landmark[nearest]],
        ),
        neighbours=_neighbours(recognizer, measured, explained, extras.shows),
        curves=extras.curves,
        settings=extras.settings,
        data=extras.data,
        pictures=extras.pictures,
    )
    write_report(file, content)


def _neighbours(
    recognizer: Recognizer, measured: Measured, rows: NDArray[np.int64], shows: Mapping[str, str]
) -> dict[str, list[Neighbour]]:
    """The nearest gallery photos of some test photos, by URI; nothing where the recognizer keeps no gallery."""
    gallery = PhotoGallery.of_recognizer(recognizer, shows)
    photos = measured.table["photo"].iloc[rows].tolist()
    if gallery is None or not photos:
        return {}
    return dict(zip(photos, gallery.nearest(measured.vectors[rows], NEIGHBOURS, photos), strict=True))
