"""The right answers of a task: `id,landmarks,Usage` or `id,images,Usage`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from landmark.errors import UsageError
from landmark.evaluation.gldv2.rows import COLUMN, Task, check_token, read_rows, write_rows
from landmark.names import shown

PUBLIC, PRIVATE, IGNORED = "Public", "Private", "Ignored"
USAGES = (PUBLIC, PRIVATE, IGNORED)


@dataclass(frozen=True)
class Solution:
    """What is right for each test photo.

    Attributes:
        task: which of the two it is for.
        relevant: photo id -> ids of the landmarks shown (recognition; none: no landmark) or of the index photos that show
            the same (retrieval). Empty for ignored photos.
        usage: photo id -> `Public`, `Private` or `Ignored`.

    Raises:
        UsageError: another usage.
    """

    task: Task
    relevant: Mapping[str, tuple[str, ...]]
    usage: Mapping[str, str]

    def __post_init__(self) -> None:
        if set(self.relevant) != set(self.usage):
            raise ValueError("Solution: relevant and usage must be of the same photos")
        for photo, usage in self.usage.items():
            if usage not in USAGES:
                raise UsageError(f"photo '{shown(photo)}': Usage '{shown(usage)}'; give one of {', '.join(USAGES)}")

    def part(self, usage: str) -> dict[str, tuple[str, ...]]:
        """What is right for the photos of one usage."""
        return {photo: relevant for photo, relevant in self.relevant.items() if self.usage[photo] == usage}

    @classmethod
    def read(cls, uri: str, task: Task) -> Self:
        """Read a CSV, from a path or `s3://`.

        Raises:
            UsageError: a malformed row, by file and line.
        """
        relevant, usages = {}, {}
        for where, (photo, listed, usage) in read_rows(uri, ("id", COLUMN[task], "Usage")):
            if usage not in USAGES:
                raise UsageError(f"{where}: Usage '{shown(usage)}'; give one of {', '.join(USAGES)}")
            ids = tuple(listed.split()) if usage != IGNORED else ()  # as published, ignored rows hold the word None
            if len(set(ids)) < len(ids):
                twice = next(name for name in ids if ids.count(name) > 1)
                raise UsageError(f"{where}: '{shown(twice)}' comes twice; keep one")
            relevant[photo], usages[photo] = ids, usage
        if not relevant:
            raise UsageError(f"{shown(uri)}: no photos below the header; give the published solution")
        return cls(task, relevant, usages)

    def write(self, uri: str) -> None:
        """Write the CSV, to a path or `s3://`; what `read` reads back."""
        rows = (
            (photo, " ".join(check_token(name, COLUMN[self.task], photo) for name in ids), self.usage[photo])
            for photo, ids in self.relevant.items()
        )
        write_rows(uri, ("id", COLUMN[self.task], "Usage"), rows)
