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
from landmark.recognition.index.build import build
from landmark.recognition.index.goal import Goal
from landmark.recognition.index.rows import Rows
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.index.source import VectorSource
from landmark.recognition.index.tune import FEWEST
from landmark.recognition.recognizer import Recognizer
from landmark.recognition.refresh import refresh_centroids
from landmark.recognition.vectors import check_vectors
from landmark.run import Work
from landmark.steps.embedding import Vectors, load_embeddings
from landmark.steps.photos import CATALOG
from landmark.steps.training import load_network
from landmark.storage import atomic_folder, read_json, write_json

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
    """The index over all gallery photos, the landmark photos of the train split, tuned on those of the calibrate split.

    Returns:
        facts: kind, photos, bytes.
    """
    table, vectors = load_embeddings(work)
    split, settings = Split.of(table), work.config.index
    # So few queries promise nothing; photos of the gallery are held out then.
    enough = np.count_nonzero(split.calibrate_landmarks) >= FEWEST
    queries = check_vectors(vectors[split.calibrate_landmarks], "calibrate photos") if enough else None
    rows = Rows.of(table.loc[split.train, "photo"].tolist(), name="catalog")
    # A gallery that is a little less faithful than asked still serves: what it reaches is among the metrics.
    goal = Goal(settings.recall, 1, settings.max_bytes, settings.device, strict=False)
    with atomic_folder(work.out / INDEX) as folder:
        build(folder, VectorSource.of(vectors[split.train]), rows, goal, queries, work.config.seed)
    told = SearchIndex.load(work.out / INDEX, verify=False).info()
    return {"kind": told["factory"], "photos": told["count"], "bytes": told["bytes"]}


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
        gallery=SearchIndex.load(work.file("index", INDEX)),
        landmarks=Catalog.load(work.file("catalog", CATALOG)).landmarks,
        metadata=work.config.metadata,
    )
    made.save(work.out / RECOGNIZER)
    return {}
