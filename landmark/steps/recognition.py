"""Steps: centroids, gallery index, calibration, and the recognizer that they make together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from landmark.evaluation.galleries import Split, centroids_of
from landmark.evaluation.leave_out import calibrate_gallery
from landmark.photos.catalog import Catalog
from landmark.recognition.calibration import Calibration
from landmark.recognition.centroids import Centroids
from landmark.recognition.index import VectorIndex
from landmark.recognition.recognizer import Recognizer
from landmark.run import Work
from landmark.steps.embedding import load_embeddings
from landmark.steps.photos import CATALOG
from landmark.steps.training import load_network
from landmark.storage import read_json, write_json

CENTROIDS = "centroids.parquet"
INDEX = "index"
CALIBRATION = "calibration.json"
RECOGNIZER = "recognizer"


def centroids(work: Work) -> Mapping[str, Any]:
    """Centroids of the train split's landmark photos.

    Returns:
        facts: landmarks, centroids (counts).
    """
    table, vectors = load_embeddings(work)
    made = centroids_of(vectors, table, Split.of(table), work.config.centroids, work.config.seed)
    made.save(work.out / CENTROIDS)
    return {"landmarks": len(set(made.landmark)), "centroids": len(made.vectors)}


def index(work: Work) -> Mapping[str, Any]:
    """The index over all gallery photos: the landmark photos of the train split.

    Returns:
        facts: kind, photos, bytes.
    """
    table, vectors = load_embeddings(work)
    split = Split.of(table)
    queries = vectors[split.calibrate_landmarks] if split.calibrate_landmarks.any() else None
    made = VectorIndex.build(vectors[split.train], work.config.index, queries, work.config.seed)
    made.save(work.out / INDEX)
    return {"kind": made.kind, "photos": len(made), "bytes": made.bytes}


def calibrate(work: Work) -> Mapping[str, Any]:
    """The threshold, on the calibrate split.

    Returns:
        facts: threshold, rescore_weight.
    """
    config = work.config
    table, vectors = load_embeddings(work)
    built = Centroids.load(work.file("centroids", CENTROIDS))
    made = calibrate_gallery(vectors, table, Split.of(table), built, config.centroids, config.calibration, config.seed)
    write_json(work.out / CALIBRATION, made.to_json())
    return {"threshold": made.threshold, "rescore_weight": made.rescore_weight}


def recognizer(work: Work) -> Mapping[str, Any]:
    """All that recognition needs, in one folder."""
    table, vectors = load_embeddings(work)
    split = Split.of(table)
    made = Recognizer(
        network=load_network(work),
        centroids=Centroids.load(work.file("centroids", CENTROIDS)),
        calibration=Calibration.from_json(read_json(work.file("calibrate", CALIBRATION))),
        bank=np.ascontiguousarray(vectors[split.bank]),
        gallery=VectorIndex.load(work.file("index", INDEX)),
        gallery_photos=table.loc[split.train, "photo"].tolist(),
        landmarks=Catalog.load(work.file("catalog", CATALOG)).landmarks,
        metadata=work.config.metadata,
    )
    made.save(work.out / RECOGNIZER)
    return {}
