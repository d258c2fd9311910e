"""Steps: centroids, gallery index, calibration, and the recognizer that they make together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from landmark.evaluation.galleries import Split, centroids_of
from landmark.evaluation.leave_out import calibrate_gallery
from landmark.photos.catalog import Catalog
from landmark.recognition.calibration import Calibration
from landmark.recognition.centroids import Centroids
from landmark.recognition.index.vector_index import VectorIndex
from landmark.recognition.recognizer import Recognizer
from landmark.recognition.refresh import refresh_centroids
from landmark.run import Work
from landmark.steps.embedding import Vectors, load_embeddings
from landmark.steps.photos import CATALOG
from landmark.steps.training import load_network
from landmark.storage import read_json, write_json

CENTROIDS = "centroids.parquet"
INDEX = "index"
CALIBRATION = "calibration.json"
RECOGNIZER = "recognizer"
MANY = 128
"""Landmarks beyond which centroids are made in parallel processes; fewer are done before those have started."""


def centroids(work: Work) -> Mapping[str, Any]:
    """Centroids of the train split's landmark photos.

    Returns:
        facts: landmarks, centroids (counts).
    """
    table, vectors = load_embeddings(work)
    split = Split.of(table)
    if table.loc[split.train, "landmark"].nunique() > MANY:
        made = refreshed(work, table, vectors, split)
    else:
        made = centroids_of(vectors, table, split, work.config.centroids, work.config.seed)
    made.save(work.out / CENTROIDS)
    return {"landmarks": len(set(made.landmark)), "centroids": len(made.vectors)}


def refreshed(work: Work, table: pd.DataFrame, vectors: Vectors, split: Split) -> Centroids:
    """`centroids_of` in parallel processes; what is clustered is kept under the home folder, by run, for the next time."""
    train = table[split.train]
    bank = np.asarray(vectors[split.bank], np.float32)
    return refresh_centroids(
        vectors,
        train["landmark"].to_numpy(object),
        train["photo"].to_numpy(object),
        work.config.centroids,
        work.home / "centroids" / work.config.name,
        rows=np.flatnonzero(split.train),
        groups=train["group"].to_numpy(),
        others=bank if len(bank) else None,
        seed=work.config.seed,
        workers=work.config.threads,
    ).centroids


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
