"""What a person said of one photo, and how that stands in a file."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Self, cast

from landmark.errors import UsageError
from landmark.names import check_landmark_id, shown

VERSION = 1
"""Of the lines; raised by hand when older code would misread them."""
VERDICTS = ("confirm", "correct", "reject")
Verdict = Literal["confirm", "correct", "reject"]

_SHA256 = re.compile("[0-9a-f]{64}")
_TEXTS = ("sha256", "photo", "verdict", "landmark", "said", "model")


@dataclass(frozen=True, slots=True)
class Correction:
    """What a person said of a photo.

    Attributes:
        sha256: of the photo's file, hex.
        photo: path or URI that it had.
        verdict: `confirm` and `correct`: it shows `landmark`; `reject`: it shows none.
        landmark: id; "" for `reject`.
        said: id of the landmark that the model gave it; "": none.
        model: label of that model.
        time: when it was said, UTC.

    Raises:
        UsageError: a value that can't be.
    """

    sha256: str
    photo: str
    verdict: Verdict
    landmark: str
    said: str
    model: str
    time: datetime

    def __post_init__(self) -> None:
        if not _SHA256.fullmatch(self.sha256):
            raise UsageError(f"correction: sha256 '{shown(self.sha256)[:80]}' must be 64 hex digits")
        if self.verdict not in VERDICTS:
            raise UsageError(f"correction: verdict '{shown(self.verdict)[:50]}' must be one of {', '.join(VERDICTS)}")
        if self.verdict != "reject":
            check_landmark_id(self.landmark, "correction")
        elif self.landmark:
            raise UsageError(f"correction: a rejected photo has no landmark, got '{shown(self.landmark)[:50]}'; leave it empty")
        if self.time.tzinfo is None:
            raise UsageError("correction: its time must have a time zone")

    def fields(self) -> dict[str, Any]:
        """What stands in the file."""
        texts = {name: getattr(self, name) for name in _TEXTS}
        return {"version": VERSION, **texts, "time": self.time.astimezone(UTC).isoformat()}

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Read `fields`.

        Raises:
            KeyError: a field is missing.
            ValueError: a field is of another type, or its time is none.
            UsageError: a value that can't be.
        """
        # A file of a million lines names a few landmarks and models: each is kept once.
        verdict, landmark, said, model = (sys.intern(text(row, name)) for name in _TEXTS[2:])
        time = datetime.fromisoformat(text(row, "time"))
        return cls(text(row, "sha256"), text(row, "photo"), cast(Verdict, verdict), landmark, said, model, time)


def text(row: Mapping[str, Any], name: str) -> str:
    """A field that must be text.

    Raises:
        KeyError: it is missing.
        ValueError: it is no text.
    """
    if not isinstance(value := row[name], str):
        raise ValueError(f"'{name}' is no text")
    return value
