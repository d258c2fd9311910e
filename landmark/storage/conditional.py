"""Swaps that only one can win: a file or object is written only if nobody else wrote it since it was looked at."""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import Any

from filelock import FileLock

from landmark.atomic import atomic_file
from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.storage.objects import bare, head_object, read_object
from landmark.storage.problems import Changed, NoSuchObject
from landmark.storage.s3 import code_of, patiently
from landmark.storage.uris import bucket_key, is_s3


def read_version(uri: str | os.PathLike[str]) -> tuple[bytes, str]:
    """A file's bytes and its version, which `write_if` takes (in S3 the ETag, else the sha256).

    Raises:
        NoSuchObject: it isn't there.
        LandmarkError: it can't be read.
    """
    if is_s3(uri):
        return read_object(uri)
    try:
        data = Path(uri).read_bytes()
    except FileNotFoundError as error:
        raise NoSuchObject(f"{shown(uri)}: no such file") from error
    except OSError as error:
        raise LandmarkError(f"{shown(uri)}: cannot be read ({error.strerror})") from error
    return data, hashlib.sha256(data).hexdigest()


def write_if(uri: str | os.PathLike[str], data: bytes, etag: str | None) -> str:
    """Write a file if it is still the version that was looked at; of several that try, exactly one succeeds.

    Args:
        uri: path or URI. Beside a local file lies a small lock file, which stays.
        data: the new content.
        etag: version as `read_version` gave it; None: there must be no file.

    Returns:
        The new version.

    Raises:
        Changed: somebody else was first; nothing is written.
        LandmarkError: it can't be written.
    """
    return _write_object(uri, data, etag) if is_s3(uri) else _write_file(Path(uri), data, etag)


def _write_file(file: Path, data: bytes, etag: str | None) -> str:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(file.parent / f".{file.name}.lock"):
            try:
                now: str | None = read_version(file)[1]
            except NoSuchObject:
                now = None
            if now != etag:
                raise Changed(f"{shown(file)}: somebody else changed it meanwhile; run again")
            with atomic_file(file) as temporary:
                temporary.write_bytes(data)
    except OSError as error:
        raise LandmarkError(
            f"{shown(file)}: cannot be written ({error.strerror or error}); mend the folder's permissions"
        ) from error
    return hashlib.sha256(data).hexdigest()


def _write_object(uri: str | os.PathLike[str], data: bytes, etag: str | None) -> str:
    bucket, key = bucket_key(uri)
    condition = {"IfNoneMatch": "*"} if etag is None else {"IfMatch": f'"{etag}"'}
    writer = secrets.token_hex(8)
    metadata = {"sha256": hashlib.sha256(data).hexdigest(), "writer": writer}
    tries = 0

    def put(s3: Any) -> str:
        from botocore.exceptions import ClientError

        nonlocal tries
        tries += 1
        try:
            answer = s3.put_object(
                Bucket=bucket, Key=key, Body=data, ChecksumAlgorithm="SHA256", Metadata=metadata, **condition
            )
        except ClientError as error:
            again = tries > 1 or error.response.get("ResponseMetadata", {}).get("RetryAttempts", 0) > 0
            if code_of(error) == "NoSuchKey":
                raise Changed(f"{shown(uri)}: somebody else removed it from S3 meanwhile; run again") from error
            # A try whose answer was lost may have been the one that won.
            now = head_object(uri) if again and code_of(error) == "PreconditionFailed" else None
            if now is not None and now.get("Metadata", {}).get("writer") == writer:
                return bare(now["ETag"])
            raise
        return bare(answer["ETag"])

    return patiently(uri, put)
