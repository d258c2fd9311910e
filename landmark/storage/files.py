"""One file or object: read, written, hashed; JSON."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from landmark.atomic import atomic_file
from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.storage import pointer, transfer
from landmark.storage.objects import first_object, put_object, read_object
from landmark.storage.problems import NoSuchObject
from landmark.storage.uris import bucket_key, is_s3, prefix_of


def read_bytes(
    uri: str | os.PathLike[str], *, etag: str | None = None, sha256: str | None = None, limit: int | None = None
) -> bytes:
    """The bytes of one file. An object of S3 that is kept on this machine is not downloaded again.

    Args:
        uri: path or URI; in S3 also a file of a folder that was put as a whole.
        etag: S3: the ETag that the object must have, from a listing.
        sha256: S3: of the content that is wanted, hex; if that is kept here, the server isn't asked at all.
        limit: S3: largest size [bytes].

    Raises:
        LandmarkError: it isn't there, can't be read, or is too large.
        Changed: the object has another ETag.
        StorageUnavailable: S3 can't be reached.
    """
    if is_s3(uri):
        try:
            return read_object(uri, etag=etag, sha256=sha256, limit=limit)[0]
        except NoSuchObject:
            if (real := pointer.resolve(uri)) is None:
                raise
            return read_object(real, limit=limit)[0]
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
        if len(data) > transfer.PART_BYTES:
            transfer.put_large(str(uri), data)
        else:
            put_object(uri, data)
        return
    with atomic_file(Path(uri)) as temporary:
        temporary.write_bytes(data)


def exists(uri: str | os.PathLike[str]) -> bool:
    """Whether a file or folder (in S3: a key, or any key below it) is there."""
    if not is_s3(uri):
        return os.path.exists(uri)  # noqa: PTH110 - unlike Path.exists, False for a name that is too long
    bucket, key = bucket_key(uri, folder=True)
    found = first_object(bucket, key)
    if found is not None and found.key == key:
        return True
    return first_object(bucket, prefix_of(key)) is not None or bool(key and pointer.resolve(uri))


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
