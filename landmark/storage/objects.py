"""Whole objects of S3: read, listed, put, removed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.storage.object_cache import object_cache
from landmark.storage.problems import NoSuchObject
from landmark.storage.s3 import code_of, patiently
from landmark.storage.uris import bucket_key

PAGE = 1000
"""Keys a page of a listing, and the most that one request removes."""


class Listed(NamedTuple):
    """One object of a listing; `etag` without quotes."""

    key: str
    etag: str
    size: int


def read_object(
    uri: str | os.PathLike[str], *, etag: str | None = None, sha256: str | None = None, limit: int | None = None
) -> tuple[bytes, str]:
    """An object's bytes and ETag. What is kept of it on this machine is not downloaded again.

    Args:
        uri: `s3://bucket/key`.
        etag: the ETag that it must have.
        sha256: of the content that is wanted, hex: if that is kept here, the server isn't asked.
        limit: largest size [bytes].

    Raises:
        NoSuchObject: it isn't there.
        Changed: it has another ETag.
        LandmarkError: it is larger than the limit.
        StorageUnavailable: S3 can't be reached, or refuses.
    """
    bucket, key = bucket_key(uri)
    cache = object_cache()

    def read(s3: Any) -> tuple[bytes, str]:
        from botocore.exceptions import ClientError

        endpoint = s3.meta.endpoint_url
        kept = cache.find(endpoint, bucket, key)
        known = kept is not None and (kept.etag == etag or kept.sha256 == sha256)
        if kept is not None and known and (data := cache.read(kept)) is not None:
            return data, kept.etag
        condition = {}
        if etag is not None:
            condition = {"IfMatch": f'"{etag}"'}
        elif kept is not None and not known:
            condition = {"IfNoneMatch": f'"{kept.etag}"'}
        try:
            answer = s3.get_object(Bucket=bucket, Key=key, **condition)
        except ClientError as error:
            if code_of(error) not in ("304", "NotModified") or kept is None:
                raise
            if (data := cache.read(kept)) is not None:
                return data, kept.etag
            answer = s3.get_object(Bucket=bucket, Key=key)
        if limit is not None and answer["ContentLength"] > limit:
            answer["Body"].close()
            raise LandmarkError(f"{shown(uri)}: object of {answer['ContentLength']} bytes, over the limit of {limit}")
        data = bytes(answer["Body"].read())
        found = bare(answer["ETag"])
        # A body that ended early without an error of its own.
        if len(data) != answer["ContentLength"]:
            from botocore.exceptions import IncompleteReadError

            raise IncompleteReadError(actual_bytes=len(data), expected_bytes=answer["ContentLength"])
        cache.add(endpoint, bucket, key, found, data)
        return data, found

    return patiently(uri, read)


def put_object(uri: str | os.PathLike[str], data: bytes) -> str:
    """Put an object in one request, its sha256 checked by the server; gives its ETag."""
    bucket, key = bucket_key(uri)
    metadata = {"sha256": hashlib.sha256(data).hexdigest()}
    answer = patiently(
        uri, lambda s3: s3.put_object(Bucket=bucket, Key=key, Body=data, ChecksumAlgorithm="SHA256", Metadata=metadata)
    )
    return bare(answer["ETag"])


def head_object(uri: str | os.PathLike[str]) -> dict[str, Any] | None:
    """What S3 says of an object, or None if it isn't there."""
    bucket, key = bucket_key(uri)
    try:
        answer: dict[str, Any] = patiently(uri, lambda s3: s3.head_object(Bucket=bucket, Key=key))
    except NoSuchObject:
        return None
    return answer


def list_objects(bucket: str, prefix: str, most: int = PAGE, about: str | os.PathLike[str] = "") -> Iterator[Listed]:
    """All objects whose keys begin with a prefix, page by page: memory does not grow with their number.

    Args:
        bucket: of S3.
        prefix: beginning of the keys.
        most: objects a page, at most 1000.
        about: URI for messages.
    """
    token: dict[str, str] = {}
    uri = about or f"s3://{bucket}/{prefix}"
    while True:

        def page(s3: Any, token: dict[str, str] = token) -> Any:
            return s3.list_objects_v2(Bucket=bucket, Prefix=prefix, MaxKeys=most, **token)

        answer = patiently(uri, page)
        for item in answer.get("Contents", []):
            yield Listed(item["Key"], bare(item["ETag"]), int(item["Size"]))
        if not answer.get("IsTruncated"):
            return
        token = {"ContinuationToken": answer["NextContinuationToken"]}


def first_object(bucket: str, prefix: str, about: str | os.PathLike[str] = "") -> Listed | None:
    """The first object whose key begins with a prefix: one request for one key."""
    return next(list_objects(bucket, prefix, most=1, about=about), None)


def remove_objects(bucket: str, keys: Iterable[str]) -> None:
    """Remove objects; what isn't there is no error."""
    batch: list[str] = []
    for key in keys:
        batch.append(key)
        if len(batch) == PAGE:
            _remove(bucket, batch)
            batch = []
    if batch:
        _remove(bucket, batch)


def _remove(bucket: str, keys: list[str]) -> None:
    wanted = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
    patiently(f"s3://{bucket}/{keys[0]}", lambda s3: s3.delete_objects(Bucket=bucket, Delete=wanted))


def abort_uploads(bucket: str, prefix: str, ours: Callable[[str], bool], days: int = 0) -> int:
    """Abort unfinished multipart uploads, for what they sent is stored, paid and not seen.

    Args:
        bucket: of S3.
        prefix: beginning of the keys.
        ours: whether those of a key are to be aborted.
        days: least age.

    Returns:
        The number of those aborted.
    """
    uri = f"s3://{bucket}/{prefix}"
    answer = patiently(uri, lambda s3: s3.list_multipart_uploads(Bucket=bucket, Prefix=prefix))
    before = datetime.now(UTC) - timedelta(days=days)
    found = [item for item in answer.get("Uploads") or [] if ours(item["Key"]) and (not days or item["Initiated"] < before)]
    for item in found:
        _abort(bucket, item["Key"], item["UploadId"])
    return len(found)


def _abort(bucket: str, key: str, upload: str) -> None:
    patiently(f"s3://{bucket}/{key}", lambda s3: s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload))


def bare(etag: str) -> str:
    """An ETag without its quotes."""
    return str(etag).strip('"')
