"""What a catalog keeps of a photo: read by a pool of threads, one file at a time in each."""

from __future__ import annotations

import hashlib
import itertools
import logging
import os
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import imagehash
import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from landmark import storage
from landmark.photos.decode import MAX_BYTES, UnreadablePhoto, decode, open_photo
from landmark.photos.record_cache import Record, RecordCache, file_stamp, object_stamp
from landmark.storage.answers import check_answers

__all__ = ["HASH_SIDE", "Record", "known_or_read", "read_record", "read_records", "records_table", "storable"]

log = logging.getLogger(__name__)

HASH_SIDE = 64
"""Shorter side that is enough for the perceptual hash, which looks at 32 x 32 pixels."""


def read_record(photo: str, etag: str | None = None) -> Record:
    """Read one file; a file that can't be read gives a record with the reason.

    Args:
        photo: path or URI.
        etag: S3: the ETag that a listing gave.

    Raises:
        Changed: the object has another ETag.
        StorageUnavailable: S3 can't be reached, or the disk or mount does not answer (no single file is to blame).
    """
    return _read(photo, etag)[0]


def _read(photo: str, etag: str | None = None) -> tuple[Record, bool]:
    """The record, and whether it depends on nothing but the file's content."""
    if not photo.isascii():
        try:
            photo.encode()
        except UnicodeEncodeError:  # a name of bytes that aren't UTF-8 fits in no table
            return Record(storage.shown(photo), "file name isn't valid UTF-8; rename the file"), False
    try:
        with open_photo(photo, etag) as (file, _):
            data = file.read()
    except (storage.StorageUnavailable, storage.Changed):
        raise
    except UnreadablePhoto as error:
        if isinstance(error.__cause__, OSError):
            check_answers(error.__cause__, photo)
        return Record(photo, str(error)), False
    except OSError as error:
        check_answers(error, photo)
        return Record(photo, f"cannot be read ({error.strerror})"), False
    try:
        decoded = decode(data, min_side=HASH_SIDE)
    except UnreadablePhoto as error:
        return Record(photo, str(error)), not isinstance(error.__cause__, MemoryError)
    digest = hashlib.sha256(data).hexdigest()
    bits = np.packbits(imagehash.phash(decoded.image).hash.ravel())
    phash = int.from_bytes(bits.tobytes(), "big")
    record = Record(photo, "", digest, decoded.width, decoded.height, decoded.taken_at, decoded.lat, decoded.lon, phash)
    return record, True


def known_or_read(photo: str, cache: RecordCache, version: tuple[str, int] | None = None) -> Record:
    """The record of one file: from the cache if its content is what it was, else read, and kept.

    Args:
        photo: path or URI.
        cache: records of before.
        version: S3: ETag and size [bytes] that a listing gave.

    Raises:
        StorageUnavailable: S3 can't be reached, or the disk or mount does not answer (no single file is to blame).
    """
    if storage.is_s3(photo):
        if version is None:
            return _read(photo)[0]
        etag, size = version
        if size > MAX_BYTES:
            return Record(photo, f"file of {size} bytes, over the limit of {MAX_BYTES}")
        stamp = object_stamp(etag, size)
        if (known := cache.get(photo, stamp)) is not None:
            return known
        try:
            record, lasting = _read(photo, etag)
        except storage.Changed:
            log.info("%s: changed since it was listed; taken as it is now", storage.shown(photo))
            return _read(photo)[0]
        if lasting:
            cache.put(record, stamp)
        return record
    before = file_stamp(photo) if storable(photo) else None
    if before is not None and (known := cache.get(photo, before[0])) is not None:
        return known
    record, lasting = _read(photo)
    if lasting and before is not None and before[1] and file_stamp(photo) == before:
        cache.put(record, before[0])
    return record


def records_table(records: Sequence[Record]) -> pd.DataFrame:
    """What a catalog keeps of photos that could be read: photo, sha256, width, height, taken_at, lat, lon."""
    names = ("photo", "sha256", "width", "height", "taken_at", "lat", "lon")
    table = pd.DataFrame({name: [getattr(record, name) for record in records] for name in names})
    table["taken_at"] = table["taken_at"].astype("datetime64[us]")
    table[["width", "height"]] = table[["width", "height"]].astype("int64")
    table[["lat", "lon"]] = table[["lat", "lon"]].astype("float64")
    return table.astype({"photo": "str", "sha256": "str"})


def storable(name: str) -> bool:
    """Whether a name is valid UTF-8, and so fits in a table."""
    return name.isascii() or not any("\ud800" <= character <= "\udfff" for character in name)


def read_records(
    photos: Sequence[str],
    progress: bool = True,
    cache: RecordCache | None = None,
    versions: Mapping[str, tuple[str, int]] | None = None,
) -> Iterator[Record]:
    """Read files in order, several at once; memory is independent of their number.

    Args:
        photos: paths or URIs.
        progress: show a bar on stderr, if that is a terminal.
        cache: records of before; what did not change is taken from it.
        versions: ETag and size [bytes] of photos in S3, by URI.
    """

    def read(photo: str) -> Record:
        if cache is None:
            return read_record(photo)
        return known_or_read(photo, cache, versions.get(photo) if versions is not None else None)

    remote = any(storage.is_s3(photo) for photo in photos[:1])
    workers = 16 if remote else min(8, os.cpu_count() or 2)
    pending: deque[Future[Record]] = deque()
    todo = iter(photos)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), disable=not (progress and sys.stderr.isatty()), transient=True)
    with bar, ThreadPoolExecutor(workers, thread_name_prefix="photos") as pool:
        task = bar.add_task("reading photos", total=len(photos))
        try:
            for photo in itertools.islice(todo, 4 * workers):
                pending.append(pool.submit(read, photo))
            while pending:
                record = pending.popleft().result()
                for photo in itertools.islice(todo, 1):
                    pending.append(pool.submit(read, photo))
                bar.advance(task)
                yield record
        finally:
            for future in pending:
                future.cancel()
