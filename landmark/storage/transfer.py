"""Files to and from S3 in parallel parts, each part checked by the server, the whole checked by its sha256."""

from __future__ import annotations

import hashlib
import io
import logging
import os
from pathlib import Path
from typing import Any

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.storage.object_cache import object_cache
from landmark.storage.objects import abort_uploads, bare, head_object
from landmark.storage.problems import Changed
from landmark.storage.s3 import patiently
from landmark.storage.uris import bucket_key

log = logging.getLogger(__name__)

PART_BYTES = 16 << 20
"""Part of a multipart transfer; files up to this size go in one request [bytes]."""
PARTS_AT_ONCE = 8


def put_file(path: str | os.PathLike[str], uri: str, sha256: str | None = None) -> bool:
    """Copy a local file to S3, unless the object already has this content.

    Args:
        path: local file.
        uri: `s3://bucket/key`.
        sha256: of the file, hex, where it is known.

    Returns:
        Whether anything was uploaded.

    Raises:
        StorageUnavailable: S3 can't be reached, or refuses.
    """
    digest = sha256 or _sha256(Path(path))
    there = head_object(uri)
    if there is not None and there["ContentLength"] == Path(path).stat().st_size and digest_of(there) == digest:
        return False
    send_file(path, uri, digest)
    return True


def send_file(path: str | os.PathLike[str], uri: str, sha256: str) -> None:
    """Copy a local file to S3, whatever is there."""
    bucket, key = bucket_key(uri)
    patiently(uri, lambda s3: s3.upload_file(str(path), bucket, key, ExtraArgs=_extra(sha256), Config=_config()))
    if Path(path).stat().st_size > PART_BYTES:
        _tidy(uri)


def put_large(uri: str, data: bytes) -> None:
    """Put bytes in parallel parts."""
    bucket, key = bucket_key(uri)
    extra = _extra(hashlib.sha256(data).hexdigest())
    patiently(uri, lambda s3: s3.upload_fileobj(io.BytesIO(data), bucket, key, ExtraArgs=extra, Config=_config()))
    _tidy(uri)


def _tidy(uri: str) -> None:
    """Abort what uploads of this object that were killed have left; a day, for another one may be under way."""
    bucket, key = bucket_key(uri)
    try:
        abort_uploads(bucket, key, lambda found: found == key, days=1)
    except LandmarkError as error:
        log.info("%s; parts of uploads that were broken off stay in the bucket", error)


def fetch_file(uri: str, target: Path, sha256: str | None = None) -> None:
    """Copy an object to a local file; one that is kept on this machine is not downloaded again.

    Args:
        uri: `s3://bucket/key`.
        target: file to write, in a folder that is there.
        sha256: that the content must have, hex; None: the one that was noted at the upload, if any.

    Raises:
        NoSuchObject: it isn't there.
        LandmarkError: its content has another sha256, or the disk is full.
        StorageUnavailable: S3 can't be reached.
    """
    bucket, key = bucket_key(uri)
    cache = object_cache()

    def fetch(s3: Any) -> None:
        endpoint = s3.meta.endpoint_url
        kept = cache.find(endpoint, bucket, key)
        if kept is not None and kept.sha256 == sha256 and cache.copy(kept, target):
            return
        head = s3.head_object(Bucket=bucket, Key=key)
        etag = bare(head["ETag"])
        if kept is not None and kept.etag == etag and sha256 in (None, kept.sha256) and cache.copy(kept, target):
            return
        s3.download_file(bucket, key, str(target), Config=_config())
        found = _sha256(target)
        wanted = sha256 or digest_of(head)
        if (wanted is not None and found != wanted) or target.stat().st_size != head["ContentLength"]:
            if bare(s3.head_object(Bucket=bucket, Key=key)["ETag"]) != etag:
                raise Changed(f"{shown(uri)}: somebody else changed it in S3 meanwhile; run again")
            raise LandmarkError(f"{shown(uri)}: damaged in S3 (sha256 differs); upload it again")
        cache.add(endpoint, bucket, key, etag, target, found)

    try:
        patiently(uri, fetch)
    except OSError as error:
        raise LandmarkError(f"{shown(target)}: cannot be written ({error.strerror or error}); free some space") from error


def digest_of(head: dict[str, Any]) -> str | None:
    """The sha256 that was noted at an object's upload, hex; None if none was."""
    digest: str | None = head.get("Metadata", {}).get("sha256")
    return digest


def _extra(sha256: str) -> dict[str, Any]:
    # The server checks each part's SHA-256; the whole's is noted for readers, for a multipart object has only one of parts.
    return {"ChecksumAlgorithm": "SHA256", "Metadata": {"sha256": sha256}}


def _config() -> Any:
    from boto3.s3.transfer import TransferConfig

    return TransferConfig(
        multipart_threshold=PART_BYTES + 1,
        multipart_chunksize=PART_BYTES,
        max_concurrency=PARTS_AT_ONCE,
        num_download_attempts=5,
    )


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise LandmarkError(f"{shown(path)}: cannot be read ({error.strerror})") from error
