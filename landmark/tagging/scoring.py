"""From embeddings to rows of the tags table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa

from landmark.recognition.recognizer import Recognizer
from landmark.tagging.schema import SHARD_TAGS
from landmark.tagging.shard import Floats, PhotoRow


class Scorer:
    """Makes tags with one recognizer.

    Args:
        recognizer: what decides.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        table = recognizer.landmarks
        ids = table["landmark"].astype(str).tolist()
        self._about = {
            column: dict(zip(ids, table[column].fillna("").astype(str), strict=True)) if column in table else {}
            for column in ("name", "city", "country")
        }

    def tags(self, rows: Sequence[PhotoRow], vectors: Floats, time: datetime) -> pa.Table:
        """Tags of photos that can be read.

        Args:
            rows: of the photos [n].
            vectors: their embeddings [n, d].
            time: of the decision, UTC.

        Returns:
            A table of `SHARD_TAGS`, a row a photo.
        """
        if not rows:
            return SHARD_TAGS.empty_table()
        lat, lon = (np.array([np.nan if value is None else value for value in values], np.float64) for values in (
            [row.lat for row in rows], [row.lon for row in rows]))  # fmt: skip
        scored = self._recognizer.score(vectors, lat, lon)
        confidence = np.where(scored["landmark"] == "", 0.0, self._recognizer.calibration.confidence(scored["score"]))
        given = scored["landmark"].where(scored["accepted"], "").tolist()
        columns = {
            "photo": [os.fsdecode(row.photo) for row in rows],
            "sha256": [row.sha256 for row in rows],
            "landmark": given,
            "name": [self._name(landmark) for landmark in given],
            "city": [self._about["city"].get(landmark, "") for landmark in given],
            "country": [self._about["country"].get(landmark, "") for landmark in given],
            "confidence": confidence.astype(np.float32),
            "similarity": scored["similarity"].to_numpy(np.float32),
            "score": scored["score"].to_numpy(np.float32),
            "runners_up": [
                [
                    {"landmark": other["landmark"], "name": self._name(other["landmark"]), "similarity": other["similarity"]}
                    for other in candidates
                    if other["landmark"] != landmark
                ]
                for landmark, candidates in zip(given, scored["candidates"], strict=True)
            ],
            "reason": scored["reason"].tolist(),
            "taken_at": [row.taken_at for row in rows],
            "lat": [row.lat for row in rows],
            "lon": [row.lon for row in rows],
            "added": [row.added for row in rows],
            "time": [time] * len(rows),
        }
        return pa.table([pa.array(columns[field.name], field.type) for field in SHARD_TAGS], schema=SHARD_TAGS)

    def _name(self, landmark: str) -> str:
        return self._about["name"].get(landmark, "") or landmark
