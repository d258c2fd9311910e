"""What lies below a folder: names, and versions of objects. Memory does not grow with their number."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterator
from pathlib import Path

from landmark.errors import LandmarkError, UsageError
from landmark.names import shown
from landmark.storage.objects import Listed, first_object, list_objects
from landmark.storage.pointer import CONTENT, POINTER, has_pointer, read_pointer
from landmark.storage.uris import bucket_key, inside, is_s3, join, prefix_of, stays

log = logging.getLogger(__name__)


def list_files(uri: str | os.PathLike[str], suffixes: Collection[str] | None = None) -> Iterator[str]:
    """All files below a folder, as full paths or URIs, sorted (in S3: as the store lists them).

    A symlinked folder isn't followed, so there are no loops; a symlinked file counts only if its target lies in the
    folder too. Keys of S3 that would leave the folder if they were paths are left out. What is left out is logged.

    Args:
        uri: folder; may itself be a symlink. Of a folder in S3 that was put as a whole, the files of its version now.
        suffixes: endings to keep, with the dot, any case (None: all).

    Raises:
        LandmarkError: the folder isn't there or can't be read.
    """
    wanted = None if suffixes is None else tuple(suffix.lower() for suffix in suffixes)
    if is_s3(uri):
        bucket, key = bucket_key(uri, folder=True)
        files: Iterator[str] = (f"s3://{bucket}/{prefix_of(key)}{name}" for name in _names(uri))
    else:
        if not Path(uri).is_dir():
            raise LandmarkError(f"{shown(uri)}: no such folder")
        root = join(uri)
        files = _walk(root, os.path.realpath(root))
    return (file for file in files if wanted is None or file.lower().endswith(wanted))


def object_versions(uri: str) -> Iterator[tuple[str, str, int]]:
    """URI, ETag and size of each object below a folder in S3, as `list_files` lists them; nothing is read.

    Of a folder that was put as a whole there are none: its files are no objects of their own names.
    """
    bucket, key = bucket_key(uri, folder=True)
    if has_pointer(uri):
        return
    for item, name in plain_objects(uri):
        if stays(name):
            yield f"s3://{bucket}/{prefix_of(key)}{name}", item.etag, item.size


def s3_versions(uri: str) -> Iterator[list[str | int]]:
    """Key, ETag and size of an object and of all objects below it; nothing is read.

    Of a folder that was put as a whole: name, sha256 and size of its files.

    Raises:
        UsageError: there is neither.
        StorageUnavailable: S3 can't be reached.
    """
    bucket, key = bucket_key(uri, folder=True)
    found = False
    if key and (first := first_object(bucket, key)) is not None and first.key == key:
        found = True
        yield list(first)
    if has_pointer(uri) and (pointed := read_pointer(uri)) is not None:
        found = True
        for name, file in pointed[0].files.items():
            yield [prefix_of(key) + name, file.sha256, file.size]
    else:
        for item, _ in plain_objects(uri, markers=True):
            found = True
            yield list(item)
    if not found:
        raise UsageError(f"{shown(uri)}: nothing there in S3")


def plain_objects(uri: str | os.PathLike[str], markers: bool = False) -> Iterator[tuple[Listed, str]]:
    """Objects below a prefix and their keys relative to it, in the store's order, without the content of versions.

    Args:
        uri: of the prefix.
        markers: also objects whose keys end in "/", which some tools make for folders.
    """
    bucket, key = bucket_key(uri, folder=True)
    prefix = prefix_of(key)
    for item in list_objects(bucket, prefix):
        name = item.key.removeprefix(prefix)
        if (markers or not name.endswith("/")) and name != POINTER and not name.startswith(f"{CONTENT}/"):
            yield item, name


def _names(uri: str | os.PathLike[str]) -> Iterator[str]:
    if has_pointer(uri) and (pointed := read_pointer(uri)) is not None:
        yield from sorted(pointed[0].files)
        return
    for item, name in plain_objects(uri):
        if stays(name):
            yield name
        else:
            log.warning("%s: this key would leave its folder, left out; rename it", shown(item.key))


def _walk(folder: str, root: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as found:
            # A folder sorts as if its name ended in "/", so that whole paths come out in order, as they do from S3.
            entries = sorted(found, key=lambda entry: entry.name + ("/" if entry.is_dir(follow_symlinks=False) else ""))
    except OSError as error:
        raise LandmarkError(f"{shown(folder)}: folder cannot be read ({error.strerror})") from error
    for entry in entries:
        if entry.is_symlink() and not (os.path.isfile(entry.path) and inside(entry.path, root)):  # noqa: PTH113
            log.warning("%s: symlink to a folder or out of %s, left out", shown(entry.path), shown(root))
        elif entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, root)
        else:
            yield entry.path
