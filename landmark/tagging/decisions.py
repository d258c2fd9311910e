"""From what the model says of each photo alone to what users get: context, corrections, names in their language."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from landmark.photos.correction import Correction
from landmark.tagging.schema import RUNNER_UP, TAGS

SAID = {"confirm": "confirmed by a person", "correct": "corrected by a person", "reject": "rejected by a person"}


@dataclass(frozen=True)
class Change:
    """What context makes of one row: see `TAGS`."""

    row: int
    landmark: str
    confidence: float
    reason: str


class Decisions:
    """Makes the final rows of a collection.

    A person's word comes last: no model and no context changes it, and no smallest confidence applies to it.

    Args:
        landmarks: as in `landmarks.parquet`, with names in the user's language.
        corrections: what a person said, by sha256.
        model: what stands in the column `model`.
        min_confidence: smallest confidence of a tag [probability].
        context: what context changes in a shard's rows; None: nothing.
    """

    def __init__(
        self,
        landmarks: pd.DataFrame,
        corrections: Mapping[str, Correction],
        model: str,
        min_confidence: float = 0.0,
        context: Callable[[pa.Table], Iterable[Change]] | None = None,
    ) -> None:
        self._ids = pa.array(landmarks["landmark"].tolist(), pa.string())
        self._about = {name: pa.array(landmarks[name].tolist(), pa.string()) for name in ("name", "city", "country")}
        self._corrections = corrections
        self._corrected = pa.array(list(corrections), pa.string())
        self._model, self._least, self._context = model, min_confidence, context

    def final(self, tags: pa.Table) -> pa.Table:
        """The final rows [n] of a shard.

        Args:
            tags: of `SHARD_TAGS` [n].

        Returns:
            of `TAGS` [n], in the same order.
        """
        changed: dict[int, tuple[str, float, str, str]] = {}
        for change in self._context(tags) if self._context is not None else ():
            if not change.landmark or change.confidence >= self._least:
                changed[change.row] = (change.landmark, change.confidence, change.reason, "context")
        if self._least > 0:
            self._withhold(tags, changed)
        for row, correction in self._said(tags):
            confidence = tags["confidence"][row].as_py()
            changed[row] = (correction.landmark, confidence, SAID[correction.verdict], "person")
        columns = {name: tags[name] for name in tags.column_names}
        columns["decided_by"] = pa.array(["model"] * len(tags), pa.string())
        if changed:
            columns |= _put(tags, changed)
        columns["model"] = pa.array([self._model] * len(tags), pa.string())
        known = pc.index_in(columns["landmark"], self._ids)
        for name, values in self._about.items():
            columns[name] = pc.fill_null(values.take(_flat(known)), "")
        columns["runners_up"] = self._named(_flat(columns["runners_up"]))
        return pa.table([_flat(columns[field.name]).cast(field.type) for field in TAGS], schema=TAGS)

    def _withhold(self, tags: pa.Table, changed: dict[int, tuple[str, float, str, str]]) -> None:
        """Take back what is not sure enough."""
        given = pc.and_(pc.not_equal(tags["landmark"], ""), pc.less(tags["confidence"], self._least))
        for row in pc.indices_nonzero(_flat(given)).to_pylist():
            if row not in changed:
                confidence, reason = tags["confidence"][row].as_py(), tags["reason"][row].as_py()
                reason = f"confidence {confidence:.3f} is below the smallest asked for, {self._least:g}; {reason}"
                changed[row] = ("", confidence, reason, "model")

    def _said(self, tags: pa.Table) -> Iterable[tuple[int, Correction]]:
        if not len(self._corrected):
            return
        found = pc.is_in(tags["sha256"], self._corrected)
        for row in pc.indices_nonzero(_flat(found)).to_pylist():
            yield row, self._corrections[tags["sha256"][row].as_py()]

    def _named(self, runners: pa.ListArray) -> pa.ListArray:
        """Runners-up with names in the user's language."""
        flat = runners.flatten()
        ids = flat.field("landmark")
        names = pc.coalesce(self._about["name"].take(pc.index_in(ids, self._ids)), flat.field("name"))
        renamed = pa.StructArray.from_arrays([ids, names, flat.field("similarity")], fields=list(RUNNER_UP))
        lengths = pc.list_value_length(runners).to_numpy(zero_copy_only=False)
        return pa.ListArray.from_arrays(pa.array([0, *lengths.cumsum()], pa.int32()), renamed)


def _put(tags: pa.Table, changed: Mapping[int, tuple[str, float, str, str]]) -> dict[str, pa.Array]:
    """The columns that change, with what is new in them."""
    names = ("landmark", "confidence", "similarity", "score", "reason", "runners_up")
    columns: dict[str, list[Any]] = {name: tags[name].to_pylist() for name in names}
    decided: list[Literal["model", "context", "person"] | str] = ["model"] * len(tags)
    for row, (landmark, confidence, reason, by) in changed.items():
        before = columns["landmark"][row]
        others = columns["runners_up"][row]
        if before and before != landmark:
            others = [{"landmark": before, "name": before, "similarity": columns["similarity"][row]}, *others]
        columns["runners_up"][row] = [other for other in others if other["landmark"] != landmark]
        if by == "context" and landmark:
            # The similarity of a runner-up that context preferred is its own, and the score moves with it.
            alike = next((other["similarity"] for other in others if other["landmark"] == landmark), None)
            if alike is not None:
                columns["score"][row] += alike - columns["similarity"][row]
                columns["similarity"][row] = alike
        columns["landmark"][row], columns["confidence"][row], columns["reason"][row] = landmark, confidence, reason
        decided[row] = by
    arrays = {name: pa.array(values, tags.schema.field(name).type) for name, values in columns.items()}
    return {**arrays, "decided_by": pa.array(decided, pa.string())}


def _flat(column: pa.ChunkedArray | pa.Array) -> Any:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
