"""The landmarks of a collection: what each is called and where it stands, for whoever reads the tags without the model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from landmark.recognition import recognizer_file
from landmark.recognition.centroids import Centroids
from landmark.storage import atomic_file

LANDMARKS = "landmarks.parquet"
SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("landmark", "name", "city", "country", "region")),
        pa.field("lat", pa.float64()),
        pa.field("lon", pa.float64()),
        pa.field("names", pa.string(), nullable=False),
        pa.field("medoids", pa.list_(pa.string()), nullable=False),
    ]
)
"""`names`: JSON object, language -> name; `medoids`: URIs of the photos that stand for its centroids."""


def landmarks_of(recognizer: Path) -> pd.DataFrame:
    """The landmarks that a recognizer knows, with the columns of `SCHEMA`; nothing of the network is loaded.

    Args:
        recognizer: its folder.

    Raises:
        LandmarkError: damaged.
    """
    table = recognizer_file.read_table(recognizer / "landmarks.parquet", {"landmark", "name", "lat", "lon"})
    centroids = Centroids.load(recognizer / "centroids.parquet")
    table["landmark"] = table["landmark"].astype(str)
    for column in ("name", "city", "country", "region", "names"):
        table[column] = table[column].fillna("").astype(str) if column in table else ""
    table["name"] = table["name"].where(table["name"] != "", table["landmark"])
    table["names"] = table["names"].where(table["names"] != "", "{}")
    medoids: dict[str, list[str]] = {}
    for landmark, photo in zip(centroids.landmark, centroids.medoid, strict=True):
        medoids.setdefault(str(landmark), []).append(str(photo))
    table["medoids"] = [medoids.get(landmark, []) for landmark in table["landmark"]]
    return table[[field.name for field in SCHEMA]]


def with_new(landmarks: pd.DataFrame, ids: Iterable[str]) -> pd.DataFrame:
    """The same with a row for each landmark that a person named and the recognizer does not know: called by its id."""
    new = sorted(set(ids) - set(landmarks["landmark"]) - {""})
    rows = pd.DataFrame(
        {
            "landmark": new,
            "name": [name.replace("_", " ") for name in new],
            **dict.fromkeys(("city", "country", "region"), ""),
            "lat": float("nan"),
            "lon": float("nan"),
            "names": "{}",
            "medoids": [[] for _ in new],
        }
    )
    return pd.concat([landmarks, rows], ignore_index=True) if new else landmarks


def write_landmarks(landmarks: pd.DataFrame, out: Path) -> None:
    """Write `landmarks.parquet`; one that says the same already stays as it is.

    Raises:
        LandmarkError: no space or no permission.
    """
    table = pa.Table.from_pandas(landmarks, schema=SCHEMA, preserve_index=False, safe=True).replace_schema_metadata(None)
    file = out / LANDMARKS
    try:
        if pq.read_table(file).equals(table):
            return
    except (OSError, pa.ArrowException):
        pass
    with atomic_file(file) as temporary:
        pq.write_table(table, temporary, compression="zstd")
