"""One door to bytes: local paths or `s3://bucket/key`. Writes are atomic: the old artefact stays until the new one is whole.

S3 is reached through boto3's standard chain: credentials, region and `AWS_ENDPOINT_URL` come from the environment or
the shared configuration files, never from a config of this project.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import os
import posixpath
import shutil
import tempfile
import threading
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from landmark.atomic import atomic_file, atomic_files, atomic_folder
from landmark.errors import LandmarkError, UsageError
from landmark.names import shown

__all__ = [
    "StorageUnavailable",
    "atomic_file",
    "atomic_files",
    "atomic_folder",
    "exists",
    "inside",
    "is_s3",
    "join",
    "list_files",
    "local_folder",
    "parent",
    "read_bytes",
    "read_json",
    "s3_versions",
    "sha256_file",
    "shown",
    "upload_folder",
    "write_bytes",
    "write_json",
]

log = logging.getLogger(__name__)

_CHUNK = 1 << 20
_client_lock = threading.Lock()


class StorageUnavailable(LandmarkError):
    """The store itself can't be reached or refuses everything: no single file is to blame."""


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


def read_bytes(uri: str | os.PathLike[str]) -> bytes:
    """The bytes of one file.

    Raises:
        LandmarkError: it isn't there or can't be read.
        StorageUnavailable: S3 can't be reached.
    """
    if is_s3(uri):
        bucket, key = _bucket_key(uri)
        with _s3_errors(uri):
            return bytes(_s3().get_object(Bucket=bucket, Key=key)["Body"].read())
    try:
        return Path(uri).read_bytes()
    except OSError as error:
        raise LandmarkError(f"{shown(uri)}: cannot be read ({error.strerror})") from error


def write_bytes(uri: str | os.PathLike[str], data: bytes) -> None:
    """Write one file atomically; missing folders are made.

    Raises:
        LandmarkError: it can't be written; what was there before is untouched.
    """
    if is_s3(uri):
        bucket, key = _bucket_key(uri)
        with _s3_errors(uri):
            _s3().put_object(Bucket=bucket, Key=key, Body=data)
        return
    with atomic_file(Path(uri)) as temporary:
        temporary.write_bytes(data)


def exists(uri: str | os.PathLike[str]) -> bool:
    """Whether a file or folder (in S3: a key, or any key below it) is there."""
    if not is_s3(uri):
        return os.path.exists(uri)  # noqa: PTH110 - unlike Path.exists, False for a name that is too long
    bucket, key = _bucket_key(uri, folder=True)
    with _s3_errors(uri):
        page = _s3().list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
        if any(item["Key"] == key for item in page.get("Contents", [])):
            return True
        prefix = key.rstrip("/") + "/" if key else ""
        return bool(_s3().list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=1).get("KeyCount"))


def list_files(uri: str | os.PathLike[str], suffixes: Collection[str] | None = None) -> Iterator[str]:
    """All files below a folder, as full paths or URIs, sorted.

    A symlinked folder isn't followed, so there are no loops; a symlinked file counts only if its target lies in the
    folder too. What is left out for that reason is logged.

    Args:
        uri: folder; may itself be a symlink.
        suffixes: endings to keep, with the dot, any case (None: all).

    Raises:
        LandmarkError: the folder isn't there or can't be read.
    """
    wanted = None if suffixes is None else tuple(suffix.lower() for suffix in suffixes)
    if is_s3(uri):
        bucket, _ = _bucket_key(uri, folder=True)
        files: Iterator[str] = (f"s3://{bucket}/{key}" for key, _ in _s3_keys(uri))
    else:
        if not Path(uri).is_dir():
            raise LandmarkError(f"{shown(uri)}: no such folder")
        root = join(uri)
        files = _walk(root, os.path.realpath(root))
    return (file for file in files if wanted is None or file.lower().endswith(wanted))


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


def inside(path: str | os.PathLike[str], root: str | os.PathLike[str]) -> bool:
    """Whether a local path, all symlinks followed, lies in `root`."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def sha256_file(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a local file's bytes, in hex."""
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise LandmarkError(f"{shown(path)}: cannot be read ({error.strerror})") from error


def write_json(path: str | os.PathLike[str], obj: Any) -> None:
    """Write JSON atomically, keys sorted. NumPy scalars and arrays become numbers and lists; NaN and infinity are refused."""
    try:
        text = json.dumps(obj, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError as error:
        raise LandmarkError(f"{shown(path)}: not written, JSON has no NaN or infinity; use null") from error
    write_bytes(path, (text + "\n").encode())


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read JSON.

    Raises:
        LandmarkError: it isn't there, or isn't JSON.
    """
    try:
        return json.loads(read_bytes(path))
    except ValueError as error:
        raise LandmarkError(f"{shown(path)}: not valid JSON ({error}); it may be cut off: make it again") from error


@contextlib.contextmanager
def local_folder(uri: str | os.PathLike[str]) -> Iterator[Path]:
    """A folder as a local path: itself, or a download that is removed at the end.

    Raises:
        LandmarkError: it isn't there, or a key would leave the folder.
    """
    if not is_s3(uri):
        if not Path(uri).is_dir():
            raise LandmarkError(f"{shown(uri)}: no such folder")
        yield Path(uri)
        return
    bucket, _ = _bucket_key(uri, folder=True)
    with tempfile.TemporaryDirectory(prefix="landmark-") as name:
        found = False
        for key, relative in _s3_keys(uri):
            if any(part in ("", ".", "..") for part in relative.split("/")) or "\0" in relative:
                raise LandmarkError(f"s3://{bucket}/{shown(key)}: this key would leave its folder; rename it")
            target = Path(name, *relative.split("/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            with _s3_errors(f"s3://{bucket}/{key}"):
                _s3().download_file(bucket, key, str(target))
            found = True
        if not found:
            raise LandmarkError(f"{shown(uri)}: no such folder")
        yield Path(name)


def upload_folder(path: str | os.PathLike[str], uri: str) -> None:
    """Copy all files of a local folder to an S3 prefix or to another folder (there: atomically)."""
    files = [Path(file) for file in list_files(path)]
    if not is_s3(uri):
        with atomic_folder(Path(uri)) as temporary:
            for file in files:
                target = temporary / file.relative_to(join(path))
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
        return
    for file in files:
        target_uri = join(uri, file.relative_to(join(path)).as_posix())
        bucket, key = _bucket_key(target_uri)
        with _s3_errors(target_uri):
            _s3().upload_file(str(file), bucket, key)


def _bucket_key(uri: str | os.PathLike[str], folder: bool = False) -> tuple[str, str]:
    bucket, _, key = os.fspath(uri).removeprefix("s3://").partition("/")
    if not bucket or not (key or folder):
        raise UsageError(f"{shown(uri)}: expected s3://bucket/key")
    return bucket, key


def _s3_keys(uri: str | os.PathLike[str]) -> Iterator[tuple[str, str]]:
    """Keys below a prefix and the same relative to it, in the store's (sorted) order, page by page."""
    bucket, key = _bucket_key(uri, folder=True)
    prefix = key.rstrip("/") + "/" if key else ""
    with _s3_errors(uri):
        for page in _s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                if not item["Key"].endswith("/"):
                    yield item["Key"], item["Key"].removeprefix(prefix)


def s3_versions(uri: str) -> Iterator[list[str | int]]:
    """Key, ETag and size of an object and of all objects below it; nothing is read.

    Raises:
        UsageError: there is neither.
        StorageUnavailable: S3 can't be reached.
    """
    bucket, key = _bucket_key(uri, folder=True)
    found = False
    with _s3_errors(uri):
        for page in _s3().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=key.rstrip("/")):
            for item in page.get("Contents", []):
                if item["Key"] == key or not key or item["Key"].startswith(key.rstrip("/") + "/"):
                    found = True
                    yield [item["Key"], str(item["ETag"]), int(item["Size"])]
    if not found:
        raise UsageError(f"{shown(uri)}: nothing there in S3")


def _s3() -> Any:
    # A client is bound to the credentials it was made with: another environment gets another client.
    names = ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION")
    with _client_lock:
        return _s3_client(tuple(os.environ.get(name) for name in names))


@functools.lru_cache(maxsize=4)
def _s3_client(_environment: tuple[str | None, ...]) -> Any:
    import boto3
    from botocore.config import Config

    settings = Config(
        retries={"mode": "standard", "max_attempts": 5},
        signature_version="s3v4",
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=32,
    )
    return boto3.session.Session().client("s3", config=settings)


@contextlib.contextmanager
def _s3_errors(uri: str | os.PathLike[str]) -> Iterator[None]:
    """Turn boto3's errors into one line."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if code in ("NoSuchKey", "404", "NotFound"):
            raise LandmarkError(f"{shown(uri)}: no such object in S3") from error
        if code == "NoSuchBucket":
            raise StorageUnavailable(f"{shown(uri)}: no such bucket in S3") from error
        raise StorageUnavailable(f"{shown(uri)}: S3 refused ({code}); check the AWS credentials and permissions") from error
    except NoCredentialsError as error:
        raise StorageUnavailable(f"{shown(uri)}: no AWS credentials; set AWS_ACCESS_KEY_ID or a profile") from error
    except (BotoCoreError, Boto3Error) as error:
        raise StorageUnavailable(f"{shown(uri)}: S3 cannot be reached ({shown(str(error))}); check AWS_ENDPOINT_URL") from error
