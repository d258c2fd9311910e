"""Whole folders to and from S3: a reader sees the old version or the new one, never a mixture or a half."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from landmark.atomic import atomic_folder
from landmark.errors import LandmarkError, UsageError
from landmark.names import shown
from landmark.storage.conditional import write_if
from landmark.storage.files import sha256_file
from landmark.storage.listing import list_files, plain_objects
from landmark.storage.objects import abort_uploads, list_objects, remove_objects
from landmark.storage.pointer import CONTENT, POINTER, Pointer, Stored, number_of, read_pointer
from landmark.storage.problems import Changed, NoSuchObject, StorageUnavailable
from landmark.storage.transfer import fetch_file, send_file
from landmark.storage.uris import bucket_key, is_s3, join, local_path, prefix_of, stays

log = logging.getLogger(__name__)

FILES_AT_ONCE = 4
ROUNDS = 10
"""How often a folder is read or put anew because somebody else put another version meanwhile."""
Item = TypeVar("Item")


@contextlib.contextmanager
def local_folder(uri: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder as a local path: itself, or a download that is removed at the end.

    A folder in S3 that was put as a whole is downloaded as the one version that it is now, each file checked by its sha256.

    Raises:
        LandmarkError: it isn't there, is damaged, or a key would leave the folder.
        StorageUnavailable: S3 can't be reached.
    """
    if not is_s3(uri):
        if not Path(uri).is_dir():
            raise LandmarkError(f"{shown(uri)}: no such folder")
        yield Path(uri)
        return
    with tempfile.TemporaryDirectory(prefix="landmark-") as name:
        yield _download(uri, Path(name))


def _download(uri: str | os.PathLike[str], scratch: Path) -> Path:
    seen = ""
    for number in range(ROUNDS):
        folder = scratch / str(number)
        folder.mkdir()
        found = read_pointer(uri)
        if found is None:
            _download_plain(uri, folder)
            return folder
        pointer, etag = found
        try:
            _download_version(uri, pointer, folder)
            return folder
        except NoSuchObject:
            if etag == seen:
                raise
            # Two newer versions came while this one was read, and its files went.
            seen = etag
            shutil.rmtree(folder)
    raise Changed(f"{shown(uri)}: put anew faster than it can be read; wait, and run again")


def _download_version(uri: str | os.PathLike[str], pointer: Pointer, folder: Path) -> None:
    def fetch(item: tuple[str, Stored]) -> None:
        name, stored = item
        fetch_file(join(uri, CONTENT, stored.key), _place(folder, name, uri), stored.sha256)

    _each(pointer.files.items(), fetch)


def _download_plain(uri: str | os.PathLike[str], folder: Path) -> None:
    bucket, _ = bucket_key(uri, folder=True)

    def fetch(item: tuple[str, str]) -> None:
        key, name = item
        fetch_file(f"s3://{bucket}/{key}", _place(folder, name, f"s3://{bucket}/{key}"))

    if not _each(((item.key, name) for item, name in plain_objects(uri)), fetch):
        raise LandmarkError(f"{shown(uri)}: no such folder")


def _place(folder: Path, name: str, uri: str | os.PathLike[str]) -> Path:
    target = local_path(folder, name)
    if target is None:
        raise LandmarkError(f"{shown(uri)}: this key would leave its folder; rename it")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LandmarkError(f"{shown(uri)}: cannot be kept in {folder} ({error.strerror}); rename it or free space") from error
    return target


def _each(items: Iterable[Item], work: Callable[[Item], object]) -> int:
    """Do some work for each item, several at once; gives their number."""
    count = 0
    pool = ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="s3")
    try:
        for _ in pool.map(work, items):
            count += 1
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    return count


@dataclass(frozen=True)
class _Local:
    path: Path
    sha256: str
    size: int


def upload_folder(path: str | os.PathLike[str], uri: str) -> bool:
    """Copy all files of a local folder to an S3 prefix or to another folder, as a whole.

    In S3 the files lie under a name of their own until all are there; then one conditional write makes them the folder. What
    is there already is not uploaded again, also after a broken-off attempt. The version before is kept for those who read it,
    older ones are removed. Where two put different versions, both succeed, and the later one stays.

    Args:
        path: local folder.
        uri: folder, or `s3://bucket/prefix`.

    Returns:
        Whether anything was changed.

    Raises:
        LandmarkError: not readable, a name that would leave the folder, or it can't be written; the old version stays.
        StorageUnavailable: S3 can't be reached; the old version stays.
    """
    root = join(path)
    names = {Path(file).relative_to(root).as_posix(): Path(file) for file in list_files(path)}
    if not is_s3(uri):
        with atomic_folder(Path(uri)) as temporary:
            for name, file in names.items():
                target = temporary / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
        return True
    if not bucket_key(uri, folder=True)[1].strip("/"):
        raise UsageError(f"{shown(uri)}: a whole bucket is no folder to be put; give s3://bucket/prefix")
    for name in names:
        if not stays(name) or name == POINTER or name.startswith(f"{CONTENT}/"):
            raise LandmarkError(f"{shown(names[name])}: this name can't be a key of S3; rename it")
    files = {name: _Local(file, sha256_file(file), file.stat().st_size) for name, file in names.items()}
    digest = _digest(files)
    for _ in range(ROUNDS):
        found = read_pointer(uri)
        now, etag = found if found is not None else (None, None)
        if now is not None and now.digest == digest:
            return False
        new = _plan(files, digest, now)
        try:
            _send(uri, files, new, now)
            write_if(join(uri, POINTER), new.to_bytes(), etag)
        except Changed:
            log.info("%s: somebody else put another version meanwhile; putting this one after it", shown(uri))
            continue
        except StorageUnavailable:
            # Another process that put the same version may have cleaned up after itself, and after this one.
            later = read_pointer(uri)
            if later is not None and later[1] != etag:
                continue
            raise
        _clean(uri, new)
        return True
    raise Changed(f"{shown(uri)}: others put versions faster than this one; run again")


def _digest(files: Mapping[str, _Local]) -> str:
    content = json.dumps({name: file.sha256 for name, file in files.items()}, sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()


def _plan(files: Mapping[str, _Local], digest: str, now: Pointer | None) -> Pointer:
    number = now.number + 1 if now is not None else 1
    # Keys of the two versions that stand are safe from cleaning: it spares what they need, and a newer pointer would make
    # the conditional write fail.
    have = {file.sha256: file.key for part in ((now.previous, now.files) if now is not None else ()) for file in part.values()}
    stored = {
        name: Stored(have.get(file.sha256, f"{number}-{digest[:16]}/{file.sha256}"), file.sha256, file.size)
        for name, file in files.items()
    }
    return Pointer(number, digest, stored, now.files if now is not None else {})


def _send(uri: str, files: Mapping[str, _Local], new: Pointer, now: Pointer | None) -> None:
    bucket, key = bucket_key(uri)
    below = f"{prefix_of(key)}{CONTENT}/"
    there = set(now.keys) if now is not None else set()
    for item in list_objects(bucket, f"{below}{new.number}-{new.digest[:16]}/"):
        there.add(item.key.removeprefix(below))
    todo = {stored.key: files[name] for name, stored in new.files.items() if stored.key not in there}
    _each(todo.items(), lambda item: send_file(item[1].path, f"s3://{bucket}/{below}{item[0]}", item[1].sha256))


def _clean(uri: str, pointer: Pointer) -> None:
    """Remove what no version needs any more, and unfinished uploads; nothing of later versions, which others may be putting."""
    bucket, key = bucket_key(uri)
    below = f"{prefix_of(key)}{CONTENT}/"

    def stale(full: str) -> bool:
        name = full.removeprefix(below)
        return 0 <= number_of(name) <= pointer.number and name not in needed

    needed = pointer.keys
    try:
        remove_objects(bucket, [item.key for item in list_objects(bucket, below) if stale(item.key)])
        abort_uploads(bucket, below, stale)
    except LandmarkError as error:
        log.warning("%s; old versions stay until the next one is put", error)
