"""From a file to what is kept of it and the network's input: read once, by a pool of threads that works ahead."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from landmark.photos.decode import UnreadablePhoto, decode, open_photo, resize
from landmark.storage import StorageUnavailable
from landmark.tagging.shard import PhotoRow
from landmark.tagging.source import GONE, Listed

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Read:
    """A photo that was read: what is kept of it, and pixels [s, s, 3] if it is to be embedded."""

    row: PhotoRow
    pixels: Pixels | None


def now() -> datetime:
    """The time, UTC, in whole milliseconds."""
    time = datetime.now(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def read_photo(listed: Listed, size: int, mode: Literal["squash", "crop"], known: Mapping[str, PhotoRow]) -> Read:
    """Read a photo.

    Args:
        listed: photo and version.
        size: side of the network's input [pixels].
        mode: how photos are brought to it.
        known: photos that are embedded already, by sha256: these aren't decoded.

    Returns:
        The photo; one that can't be read has a reason.

    Raises:
        StorageUnavailable: S3 can't be reached (no single photo is to blame).
    """
    photo, version = listed
    row = PhotoRow(photo, version, "", "", 0, 0, None, None, None, now())
    name = os.fsdecode(photo)
    try:
        name.encode()
    except UnicodeEncodeError:  # fits in no table
        return Read(replace(row, reason="file name isn't valid UTF-8; rename the file"), None)
    if version == GONE:
        return Read(replace(row, reason="no such file"), None)
    try:
        with open_photo(name) as (file, _):
            data = file.read()
        digest = hashlib.sha256(data).hexdigest()
        if (same := known.get(digest)) is not None:
            return Read(replace(same, photo=photo, version=version), None)
        decoded = decode(data, min_side=size)
        pixels = resize(decoded.image, size, mode)
    except StorageUnavailable:
        raise
    except UnreadablePhoto as error:
        return Read(replace(row, reason=str(error)), None)
    except OSError as error:
        return Read(replace(row, reason=f"cannot be read ({error.strerror or error})"), None)
    except Exception as error:  # one hostile photo must not end a run of millions
        reason = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        return Read(replace(row, reason=reason), None)
    return Read(
        replace(
            row,
            sha256=digest,
            width=decoded.width,
            height=decoded.height,
            taken_at=decoded.taken_at,
            lat=decoded.lat,
            lon=decoded.lon,
        ),
        pixels,
    )
