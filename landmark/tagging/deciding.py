"""All that makes final rows of a collection's tags, put together: names, corrections, context."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from landmark.config import MetadataConfig
from landmark.photos.correction import Correction
from landmark.photos.corrections import FILE, Corrections
from landmark.recognition import recognizer_file
from landmark.recognition.calibration import Calibration
from landmark.storage import read_json
from landmark.tagging.context import Context, Tables, shard_tables
from landmark.tagging.decisions import Decisions
from landmark.tagging.landmarks import landmarks_of, with_new
from landmark.tagging.languages import translated
from landmark.tagging.output_config import OutputConfig
from landmark.tagging.state import State


@dataclass(frozen=True)
class Deciding:
    """How the rows of a collection are decided.

    Attributes:
        landmarks: as in `landmarks.parquet`, by their names in the user's language.
        digest: of all that the decisions depend on, beside the tags themselves.
        decisions: begins to decide; a context manager.
    """

    landmarks: pd.DataFrame
    digest: str
    decisions: Callable[[], contextlib.AbstractContextManager[Decisions]]


def deciding(state: State, out: Path, recognizer: Path, settings: OutputConfig, model: str) -> Deciding:
    """Read what decides.

    Args:
        state: of the collection.
        out: its folder, with the corrections.
        recognizer: folder of the recognizer that made the tags.
        settings: names, context, smallest confidence.
        model: what stands in the column `model`.

    Raises:
        UsageError: a language or file of names that can't be used.
        LandmarkError: a damaged recognizer, or damaged corrections.
    """
    corrections = Corrections(out / FILE)
    said = corrections.current
    names = None if settings.names is None else Path(settings.names)
    known = with_new(landmarks_of(recognizer), {correction.landmark for correction in said.values()})
    landmarks = translated(known, settings.language, names)
    calibration = Calibration.from_json(read_json(recognizer / "calibration.json"))
    veto = MetadataConfig.model_validate(read_json(recognizer / recognizer_file.MANIFEST)["metadata"]).gps_veto_km

    @contextlib.contextmanager
    def decisions() -> Iterator[Decisions]:
        tables = as_said(shard_tables(state), said, calibration)
        file = state.folder / "context.sqlite"
        with Context(tables, calibration, landmarks, veto, settings.context, file) as context:
            yield Decisions(landmarks, said, model, settings.min_confidence, context.changes)

    parts = [landmarks.to_json(), corrections.digest, settings.min_confidence, settings.context.model_dump_json()]
    return Deciding(landmarks, hashlib.sha256(json.dumps(parts).encode()).hexdigest(), decisions)


def as_said(tables: Tables, said: Mapping[str, Correction], calibration: Calibration) -> Tables:
    """What context takes its evidence from: a photo that a person judged shows what the person said, for sure, or nothing.

    Args:
        tables: the tags of photos alone.
        said: corrections by sha256.
        calibration: of the recognizer that made them.
    """
    if not said:
        return tables
    corrected = pa.array(list(said), pa.string())
    sure = calibration.threshold + 20 / max(calibration.slope, 1e-6)

    def judged() -> Iterator[pa.Table]:
        for tags in tables():
            rows = pc.is_in(tags["sha256"], corrected)
            if not pc.any(rows).as_py():
                yield tags
                continue
            kept = tags.filter(pc.invert(rows))
            found = [row for row in tags.filter(rows).to_pylist() if said[row["sha256"]].landmark]
            for row in found:
                row |= {"landmark": said[row["sha256"]].landmark, "confidence": 1.0, "score": sure, "runners_up": []}
            yield pa.concat_tables([kept, pa.Table.from_pylist(found, tags.schema)])

    return judged
