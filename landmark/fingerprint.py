"""A quick stand-in for the content of folders and files, by which a run sees whether its photos are what they were."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from landmark.cache import content_key
from landmark.errors import UsageError
from landmark.storage import s3_versions
from landmark.storage.answers import check_answers


def fingerprint(places: Mapping[str, str | None]) -> str:
    """A quick stand-in for the content of folders and files: names, sizes and times of change, nothing read.

    A mere touch changes it; what is then read again decides whether anything really changed. Of a bucket (`s3://`) it
    takes the objects' ETags.

    Args:
        places: config key -> folder or file.

    Raises:
        UsageError: a place does not exist; names its key.
        StorageUnavailable: its disk, its mount or S3 does not answer.
    """
    rows: list[Any] = []
    for key, place in places.items():
        if place is None:
            continue
        if "://" in place:
            rows.extend(s3_versions(place))
            continue
        root = Path(place)
        if root.is_dir():
            rows.extend(_listing(root))
        elif root.exists():
            status = root.stat()
            rows.append([place, status.st_size, status.st_mtime_ns])
        else:
            raise UsageError(f"{key}: {place} does not exist; paths in a config are relative to the config file's folder")
    return content_key({"rows": rows})


def _listing(root: Path) -> Iterator[list[Any]]:
    for folder, folders, files in os.walk(root, onerror=check_answers):
        folders.sort()
        for name in sorted(files):
            # A Path for each of a million photos takes seconds.
            file = os.path.join(folder, name)  # noqa: PTH118
            try:
                status = os.stat(file)  # noqa: PTH116
            except OSError as error:
                check_answers(error)
                yield [file, None, None]
            else:
                yield [file, status.st_size, status.st_mtime_ns]
