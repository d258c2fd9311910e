"""Kept embeddings scored a row at a time, as the job did at first: what `landmark bench rescoring` compares columns with."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from landmark.recognition.calibration import bank_similarity
from landmark.recognition.index.engine import nearest
from landmark.recognition.recognizer import Recognizer
from landmark.storage import atomic_file
from landmark.tagging.reading import now
from landmark.tagging.schema import SHARD_TAGS
from landmark.tagging.shard import PhotoRow, ShardFolder

COUNT = 5


def rescore(recognizer: Recognizer, folders: list[ShardFolder], fingerprint: str, digest: str, lines: Path) -> int:
    """Score the photos of some shards, write their tags and the lines of JSON; photos [count]."""
    photos = 0
    for folder in folders:
        rows = [row for row in folder.photos() if not row.reason]
        kept = folder.vectors(fingerprint, recognizer.network.embedding_dim, [row.sha256 for row in rows])
        tags = tags_of(recognizer, rows, np.stack([kept[row.sha256] for row in rows]))
        with atomic_file(folder.tags_file(digest)) as temporary:
            pq.write_table(tags, temporary, compression="zstd")
        photos += len(rows)
    with lines.open("w", encoding="utf-8") as file:
        for folder in folders:
            table = pq.read_table(folder.tags_file(digest)).to_pylist()
            file.writelines(json.dumps({key: _plain(value) for key, value in row.items()}) + "\n" for row in table)
    return photos


def tags_of(recognizer: Recognizer, rows: list[PhotoRow], vectors: np.ndarray) -> pa.Table:
    """Tags of photos, each value an object of Python."""
    made, ids = recognizer.calibration, [str(landmark) for landmark in recognizer.ids]
    table = recognizer.landmarks.set_index("landmark")
    about = {column: table[column].fillna("").to_dict() if column in table else {} for column in ("name", "city", "country")}
    near, found = candidates(recognizer, vectors)
    bank = bank_similarity(vectors, recognizer.bank if made.rescore_weight else None, made.neighbours)
    score = made.score(near[:, 0], bank)
    confidence = made.confidence(score)
    time, columns = now(), {name: list[Any]() for name in SHARD_TAGS.names}
    for photo, row in enumerate(rows):
        accepted = bool(score[photo] > made.threshold)
        given = ids[found[photo, 0]] if accepted else ""
        listed = [
            {"landmark": ids[other], "similarity": float(value)}
            for value, other in zip(near[photo], found[photo], strict=True)
            if other >= 0
        ]
        relation = "is above" if accepted else "is not above"
        values = {
            "photo": os.fsdecode(row.photo),
            "sha256": row.sha256,
            "landmark": given,
            **{column: about[column].get(given, "") for column in about},
            "confidence": float(confidence[photo]),
            "similarity": float(near[photo, 0]),
            "score": float(score[photo]),
            "runners_up": [
                {**other, "name": about["name"].get(other["landmark"], "")} for other in listed if other["landmark"] != given
            ],
            "reason": f"score {score[photo]:.3f} {relation} the threshold {made.threshold:.3f}",
            **{name: getattr(row, name) for name in ("width", "height", "taken_at", "lat", "lon", "added")},
            "time": time,
        }
        for name, value in values.items():
            columns[name].append(value)
    return pa.table([pa.array(columns[field.name], field.type) for field in SHARD_TAGS], schema=SHARD_TAGS)


def candidates(recognizer: Recognizer, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most similar distinct landmarks of each photo, by a loop over photos."""
    names = recognizer.centroids.landmark.astype(str)
    owner = np.searchsorted(recognizer.ids, names)
    depth = (COUNT - 1) * int(np.bincount(owner).max()) + 1
    similarity, rows = nearest(vectors, recognizer.centroids.vectors, 0, depth)
    near, found = np.full((len(vectors), COUNT), -np.inf, np.float32), np.full((len(vectors), COUNT), -1, np.int64)
    for photo in range(len(vectors)):
        _, first = np.unique(owner[rows[photo]], return_index=True)
        first = np.sort(first)[:COUNT]
        near[photo, : len(first)], found[photo, : len(first)] = similarity[photo, first], owner[rows[photo, first]]
    return near, found


def _plain(value: Any) -> Any:
    return value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
