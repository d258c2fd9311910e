"""What a catalog keeps of a photo: read by a pool of threads, one file at a time in each."""

from __future__ import annotations

import hashlib
import itertools
import os
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

import imagehash
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from landmark import storage
from landmark.photos.decode import UnreadablePhoto, decode, open_photo

HASH_SIDE = 64
"""Shorter side that is enough for the perceptual hash, which looks at 32 x 32 pixels."""


@dataclass(frozen=True, slots=True)
class Record:
    """One file: what was read of it, or the reason why it can't be read.

    Attributes:
        photo: path or URI.
        reason: "" or why the file is a reject; the rest means nothing then.
        sha256: of the file's bytes, hex.
        width: upright [pixels].
        height: upright [pixels].
        taken_at: camera clock.
        lat: of the camera [degrees].
        lon: of the camera [degrees].
        phash: perceptual hash of 64 bits (ImageHash's phash: signs of the low frequencies of a DCT).
    """

    photo: str
    reason: str = ""
    sha256: str = ""
    width: int = 0
    height: int = 0
    taken_at: datetime | None = None
    lat: float | None = None
    lon: float | None = None
    phash: int = 0


def read_record(photo: str) -> Record:
    """Read one file; a file that can't be read gives a record with the reason.

    Raises:
        StorageUnavailable: S3 can't be reached (no single file is to blame).
    """
    if not photo.isascii():
        try:
            photo.encode()
        except UnicodeEncodeError:  # a name of bytes that aren't UTF-8 fits in no table
            return Record(storage.shown(photo), "file name isn't valid UTF-8; rename the file")
    try:
        with open_photo(photo) as (file, _):
            data = file.read()
        decoded = decode(data, min_side=HASH_SIDE)
    except storage.StorageUnavailable:
        raise
    except UnreadablePhoto as error:
        return Record(photo, str(error))
    except OSError as error:
        return Record(photo, f"cannot be read ({error.strerror})")
    digest = hashlib.sha256(data).hexdigest()
    bits = np.packbits(imagehash.phash(decoded.image).hash.ravel())
    phash = int.from_bytes(bits.tobytes(), "big")
    return Record(photo, "", digest, decoded.width, decoded.height, decoded.taken_at, decoded.lat, decoded.lon, phash)


def read_records(photos: Sequence[str], progress: bool = True) -> Iterator[Record]:
    """Read files in order, several at once; memory is independent of their number.

    Args:
        photos: paths or URIs.
        progress: show a bar on stderr, if that is a terminal.
    """
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
                pending.append(pool.submit(read_record, photo))
            while pending:
                record = pending.popleft().result()
                for photo in itertools.islice(todo, 1):
                    pending.append(pool.submit(read_record, photo))
                bar.advance(task)
                yield record
        finally:
            for future in pending:
                future.cancel()
