"""Paths and `s3://` URIs as text: nothing here touches a store."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path

from landmark.errors import UsageError
from landmark.names import shown


def is_s3(uri: str | os.PathLike[str]) -> bool:
    """Whether a URI points into S3."""
    return os.fspath(uri).startswith("s3://")


def join(uri: str | os.PathLike[str], *parts: str) -> str:
    """A path or URI below another one. Local results are absolute, without `.` and `..`."""
    if is_s3(uri):
        return "/".join([os.fspath(uri).rstrip("/"), *(part.strip("/") for part in parts)])
    return os.path.abspath(os.path.join(os.fspath(uri), *parts))  # noqa: PTH100, PTH118 - resolve() would follow symlinks


def parent(uri: str | os.PathLike[str]) -> str:
    """The folder that a path or URI lies in."""
    return posixpath.dirname(os.fspath(uri).rstrip("/")) if is_s3(uri) else os.path.dirname(join(uri))  # noqa: PTH120


def inside(path: str | os.PathLike[str], root: str | os.PathLike[str]) -> bool:
    """Whether a local path, all symlinks followed, lies in `root`."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def bucket_key(uri: str | os.PathLike[str], folder: bool = False) -> tuple[str, str]:
    """Bucket and key of a URI.

    Args:
        uri: `s3://bucket/key`.
        folder: the key may be empty.

    Raises:
        UsageError: a part is missing.
    """
    bucket, _, key = os.fspath(uri).removeprefix("s3://").partition("/")
    if not bucket or not (key or folder):
        raise UsageError(f"{shown(uri)}: expected s3://bucket/key")
    return bucket, key


def prefix_of(key: str) -> str:
    """What the keys of a folder begin with.

    >>> prefix_of("a/b"), prefix_of("a/b/"), prefix_of("")
    ('a/b/', 'a/b/', '')
    """
    return key.rstrip("/") + "/" if key.rstrip("/") else ""


def stays(relative: str) -> bool:
    r"""Whether a key, relative to its folder, names a file below that folder on every system and in every store.

    >>> stays("a/b.jpg"), stays("../b"), stays("/etc/passwd"), stays("a//b"), stays("a\\b"), stays("a\0")
    (True, False, False, False, False, False)
    """
    return not any(part in ("", ".", "..") for part in relative.split("/")) and "\0" not in relative and "\\" not in relative


def local_path(folder: str | os.PathLike[str], relative: str) -> Path | None:
    """Where a key lies below a local folder; None if it would leave it."""
    return Path(folder, *relative.split("/")) if stays(relative) else None
