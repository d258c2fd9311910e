"""What a report is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.evaluation.explain import Explained
from landmark.evaluation.nearest import Neighbour
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.reliability import Reliability
from landmark.evaluation.verification import Pairs
from landmark.recognition.centroids import Centroids


@dataclass(frozen=True, eq=False)
class ReportContent:
    """What a report is made from. Only the first four are needed; a section without content is left out.

    Attributes:
        title: heading, e.g. the run's name.
        open_set: the test photos' scores, predictions and truth.
        photos: URI of each test photo [n].
        threshold: of the score.
        description: a line below the heading: backbone, input size [pixels], date.
        names: landmark id -> name to show; ids without one are shown themselves.
        metrics: all figures of metrics.json, listed at the end; those named in `report.FURTHER` get cards.
        centroids: of all landmarks, shown by their medoid photos.
        nearest: row in `centroids` of the best centroid of each test photo [n]; -1 for none.
        compared: further results on the same photos by name (the frozen network, say), drawn beside the model's curve.
        baselines: table of galleries, as `gallery_baselines` gives it.
        sizes: sensitivity by training photos, as `by_training_photos` gives it.
        aspects: sensitivity by aspect, as `by_aspect` gives it.
        prevalence: share of tags that are right, as `at_prevalence` gives it.
        reliability: whether confidence is a probability.
        verification: pairs by name.
        identification: curve by the number of distractors, as `Identification.curve` gives it.
        left_out: table of the leave-landmarks-out protocol, as `compare_left_out` gives it.
        points: embeddings in the plane, as `embedding_map` gives them.
        explained: activation maps, as `explain_photos` gives them.
        neighbours: URI of an explained photo -> its nearest gallery photos, as `PhotoGallery.nearest` gives them.
        curves: rows logged in training: `{"step", "stage", "epoch", "loss", ...}`.
        settings: of the run, nested.
        data: what was measured on: counts, digests.
        versions: package -> version; None: those of this process.
        pictures: photos shown of each kind of mistake [count].
        picture_bytes: budget of all pictures together [bytes].
    """

    title: str
    open_set: OpenSet
    photos: Sequence[str]
    threshold: float
    description: str = ""
    names: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    centroids: Centroids | None = None
    nearest: NDArray[np.int64] | None = None
    compared: Mapping[str, OpenSet] = field(default_factory=dict)
    baselines: pd.DataFrame | None = None
    left_out: pd.DataFrame | None = None
    sizes: pd.DataFrame | None = None
    aspects: pd.DataFrame | None = None
    prevalence: pd.DataFrame | None = None
    reliability: Reliability | None = None
    verification: Mapping[str, Pairs] = field(default_factory=dict)
    identification: pd.DataFrame | None = None
    points: pd.DataFrame | None = None
    explained: Sequence[Explained] = ()
    neighbours: Mapping[str, Sequence[Neighbour]] = field(default_factory=dict)
    curves: Sequence[Mapping[str, Any]] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] | None = None
    pictures: int = 12
    picture_bytes: int = 4_000_000

    def __post_init__(self) -> None:
        lengths = {"open_set": len(self.open_set), "photos": len(self.photos)}
        if self.nearest is not None:
            lengths["nearest"] = len(self.nearest)
        if len(set(lengths.values())) > 1:
            raise ValueError(f"ReportContent: a row a test photo is needed, got {lengths}")
        if self.nearest is not None and self.centroids is None:
            raise ValueError("ReportContent: nearest needs centroids")

    def name(self, landmark: str) -> str:
        """What to call a landmark."""
        return self.names.get(landmark) or landmark
