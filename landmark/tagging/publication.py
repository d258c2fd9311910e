"""A copy of what a tag job made, in S3: for those who have no way to the folder. Only what changed is sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from landmark.storage import put_file

LAST = ("gallery/data/head.js", "gallery/index.html", "tagging.json")
"""Sent after all that they stand for, so that a reader who begins with them finds the rest."""
FIRST_LEVEL = (
    "tags.parquet",
    "tags.jsonl",
    "tags.csv",
    "unreadable.csv",
    "landmarks.parquet",
    "sidecars.csv",
    "corrections.jsonl",
)


def copy_to(out: Path, target: str) -> int:
    """Send tables, lists of albums and the gallery; links and what the job keeps for itself stay here.

    What is no longer there here is not deleted there: the prefix may hold files of others.

    Args:
        out: folder of a tag job.
        target: s3:// prefix.

    Returns:
        Files sent [count].

    Raises:
        LandmarkError: S3 refuses.
        StorageUnavailable: S3 can't be reached; the next job goes on there.
    """
    names = sorted(_names(out), key=lambda name: (LAST.index(name) if name in LAST else -1, name))
    return sum(put_file(out / name, f"{target.rstrip('/')}/{name}") for name in names)


def _names(out: Path) -> Iterator[str]:
    yield from (name for name in (*FIRST_LEVEL, "tagging.json") if (out / name).is_file())
    for folder in ("gallery", "albums"):
        for place, folders, files in os.walk(out / folder):
            folders[:] = [name for name in folders if not name.startswith(".")]
            for file in (Path(place, name) for name in files if not name.startswith(".")):
                if not file.is_symlink():
                    yield file.relative_to(out).as_posix()
