"""From embeddings to rows of the tags table, a column at a time."""

from __future__ import annotations

from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from landmark.network.aspects import Array, Labels
from landmark.recognition.recognizer import Recognizer
from landmark.recognition.scores import Scores
from landmark.tagging.schema import RUNNER_UP, SHARD_TAGS
from landmark.tagging.shard import Floats

_OF_PHOTO = ("sha256", "width", "height", "taken_at", "lat", "lon", "added")


class Scorer:
    """Makes tags with one recognizer; may be used by several threads.

    Args:
        recognizer: what decides.
    """

    def __init__(self, recognizer: Recognizer) -> None:
        self._recognizer = recognizer
        table = recognizer.landmarks
        rows = {str(landmark): row for row, landmark in enumerate(table["landmark"])}
        order = [rows[str(landmark)] for landmark in recognizer.ids]
        ids = [str(landmark) for landmark in recognizer.ids]

        def column(name: str) -> list[str]:
            return table[name].fillna("").astype(str).iloc[order].tolist() if name in table else [""] * len(ids)

        names = [name or landmark for name, landmark in zip(column("name"), ids, strict=True)]
        about = {"landmark": ids, "name": names, "city": column("city"), "country": column("country")}
        # The last one stands for no landmark.
        self._about = {name: pa.array([*values, ""], pa.string()) for name, values in about.items()}

    def tags(self, photos: pa.Table, vectors: Floats, time: datetime) -> pa.Table:
        """Tags of photos that can be read.

        Args:
            photos: of `PHOTOS` [n], all of them readable.
            vectors: their embeddings [n, d].
            time: of the decision, UTC.

        Returns:
            A table of `SHARD_TAGS`, a row a photo.
        """
        if not len(photos):
            return SHARD_TAGS.empty_table()
        lat, lon = (photos[name].to_numpy() for name in ("lat", "lon"))
        scores = self._recognizer.score_arrays(vectors, lat, lon)
        given = np.where(scores.accepted, scores.which, -1)
        rows = pa.array(np.where(given < 0, len(scores.ids), given))
        columns = {
            "photo": pc.cast(photos["photo"], pa.string()),
            **{name: values.take(rows) for name, values in self._about.items()},
            "confidence": pa.array(scores.confidence().astype(np.float32)),
            "similarity": pa.array(scores.similarity.astype(np.float32)),
            "score": pa.array(scores.score.astype(np.float32)),
            "runners_up": self._runners_up(scores, given),
            "reason": pa.array(scores.reasons(), pa.string()),
            **{name: photos[name] for name in _OF_PHOTO},
            "time": pa.repeat(pa.scalar(time, SHARD_TAGS.field("time").type), len(photos)),
        }
        return pa.table([columns[field.name] for field in SHARD_TAGS], schema=SHARD_TAGS)

    def _runners_up(self, scores: Scores, given: np.ndarray) -> pa.ListArray:
        found, near = _allowed_first(scores)
        others = (found >= 0) & (found != given[:, None])
        rows = pa.array(found[others])
        flat = [self._about["landmark"].take(rows), self._about["name"].take(rows), pa.array(near[others])]
        ends = np.concatenate([[0], others.sum(1).cumsum()]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(ends), pa.StructArray.from_arrays(flat, fields=list(RUNNER_UP)))


def _allowed_first(scores: Scores) -> tuple[Labels, Array]:
    """Candidates [n, c] and similarities [n, c], that which the score is of first: a veto may have passed over nearer ones."""
    found, near = scores.found, scores.near
    behind = np.flatnonzero((scores.which >= 0) & (scores.which != found[:, 0]))
    if not len(behind):
        return found, near
    found, near = found.copy(), near.copy()
    for photo in behind.tolist():
        which, alike = scores.which[photo], scores.similarity[photo]
        rest = found[photo] != which
        found[photo] = [which, *found[photo][rest]][: found.shape[1]]
        near[photo] = [alike, *near[photo][rest]][: near.shape[1]]
    return found, near
