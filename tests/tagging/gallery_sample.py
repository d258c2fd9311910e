"""A tagged collection that is written by hand: tables as `landmark tag` writes them, over painted photos."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from landmark.tagging.landmarks import SCHEMA
from landmark.tagging.schema import TAGS
from tests.tagging.conftest import write_photo

WHEN = datetime(2026, 5, 1, 10, tzinfo=UTC)
PLACES = {"arch": ("The Arch", "Rome", "Italy"), "bell": ("The Bell", "Paris", "France"), "dome": ("dome", "", "")}


def row(photo: Path | str, sha256: str, landmark: str = "", confidence: float = 0.9, **values: Any) -> dict[str, Any]:
    """A row of `tags.parquet`; one without a landmark is most like the arch."""
    name, city, country = PLACES.get(landmark, ("", "", ""))
    others = [{"landmark": other, "name": PLACES[other][0], "similarity": 0.5} for other in PLACES if other != landmark]
    return {
        **{"photo": str(photo), "sha256": sha256, "landmark": landmark, "name": name, "city": city, "country": country},
        **{"confidence": confidence, "similarity": 0.8, "score": 0.7, "runners_up": others, "reason": "score 0.700"},
        **{"width": 48, "height": 48, "taken_at": None, "lat": None, "lon": None, "added": WHEN, "time": WHEN},
        **{"decided_by": "model", "model": "landmark/3", **values},
    }


def photo_row(photo: Path, kind: int, seed: int, landmark: str = "", confidence: float = 0.9, **values: Any) -> dict[str, Any]:
    """A painted photo, and its row."""
    write_photo(photo, kind, seed)
    return row(photo, hashlib.sha256(photo.read_bytes()).hexdigest(), landmark, confidence, **values)


def write_tags(out: Path, rows: list[dict[str, Any]], **summary: Any) -> Path:
    """The tables of a tag job; the arch's medoid is the photo of the first row."""
    out.mkdir(parents=True, exist_ok=True)
    ordered = sorted(rows, key=lambda row: row["photo"])
    pq.write_table(pa.Table.from_pylist(ordered, TAGS), out / "tags.parquet", row_group_size=64)
    medoids = {"arch": [rows[0]["photo"] if rows else ""], "bell": ["s3://bucket/bell.jpg", "/not/there.jpg"], "dome": []}
    landmarks = [
        {
            **{"landmark": landmark, "name": name, "city": city, "country": country, "region": "", "names": "{}"},
            **{"lat": 41.5 if landmark == "arch" else None, "lon": float("nan"), "medoids": medoids[landmark]},
        }
        for landmark, (name, city, country) in PLACES.items()
    ]
    pq.write_table(pa.Table.from_pylist(landmarks, SCHEMA), out / "landmarks.parquet")
    facts = {"model": "landmark/3", "source": "/photos", "unreadable": 2, "time": WHEN.isoformat(), "digest": "d" * 64}
    (out / "tagging.json").write_text(json.dumps({**facts, **summary}))
    return out


def called(file: Path) -> list[Any]:
    """The values that a data file calls the page with."""
    text = file.read_text("ascii")
    _, _, values = text.partition("(")
    assert values.endswith(");\n")
    parsed: list[Any] = json.loads(f"[{values[:-3]}]")
    return parsed


def shown_rows(out: Path) -> list[dict[str, Any]]:
    """All rows of a gallery, in its order."""
    gallery = out / "gallery"
    (head,) = called(gallery / "data" / "head.js")
    rows = []
    for number, chunk in enumerate(head["chunks"]):
        place, part = called(gallery / chunk["file"])
        assert (place, len(part)) == (number, chunk["count"])
        rows += part
    return rows
