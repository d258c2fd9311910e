"""Context takes its evidence from what people said, where they said something."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa

from landmark.photos.correction import Correction
from landmark.recognition.calibration import Calibration
from landmark.tagging.deciding import as_said
from tests.tagging.test_decisions import ROWS, sha

CALIBRATION = Calibration(threshold=0.4, specificity=0.99, slope=10.0, intercept=-4.0)


def test_a_rejected_photo_is_no_evidence_and_a_corrected_one_is_sure() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    said = {
        sha("a"): Correction(sha("a"), "a", "reject", "", "arch", "m", now),
        sha("b"): Correction(sha("b"), "b", "correct", "dom", "", "m", now),
        sha("gone"): Correction(sha("gone"), "gone", "confirm", "arch", "arch", "m", now),
    }
    tables = as_said(lambda: iter([ROWS.slice(0, 1), ROWS.slice(1)]), said, CALIBRATION)
    seen = pa.concat_tables(tables()).to_pylist()
    assert [(row["photo"], row["landmark"], row["confidence"]) for row in seen] == [("c", "bell", 0.75), ("b", "dom", 1.0)]
    assert CALIBRATION.confidence([seen[1]["score"]])[0] > 0.999999
    assert pa.concat_tables(tables()).schema.equals(ROWS.schema)
    plain = lambda: iter([ROWS])  # noqa: E731
    assert as_said(plain, {}, CALIBRATION) is plain
