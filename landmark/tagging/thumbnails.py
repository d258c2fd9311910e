"""Small pictures for pages: made once for each content, by several threads; a photo that can't be read has none."""

from __future__ import annotations

import hashlib
import io
import logging
import os
import secrets
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import ceil
from pathlib import Path

from PIL import Image, ImageCms
from rich.console import Console
from rich.progress import track

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.photos.decode import Photo, UnreadablePhoto, decode, open_photo
from landmark.storage import StorageUnavailable, is_s3

log = logging.getLogger(__name__)

SIDE = 320
"""Longest side [pixels]."""
QUALITY = 80
_TEMPORARY = ".tmp"


def webp(image: Image.Image, side: int = SIDE, exif: Image.Exif | None = None) -> bytes:
    """A picture for a page: WebP in sRGB, without the photo's own metadata.

    Args:
        image: RGB image; left as it is.
        side: longest side [pixels]; a smaller image keeps its size.
        exif: metadata to write.
    """
    profile = image.info.get("icc_profile")
    small = image.convert("RGB") if image.mode != "RGB" else image.copy()
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    small = _in_srgb(small, profile) if profile else small
    small.info = {}
    file = io.BytesIO()
    small.save(file, "WEBP", quality=QUALITY, method=2, exif=exif.tobytes() if exif is not None else b"")
    return file.getvalue()


def photo_webp(photo: str, side: int = SIDE, size: tuple[int, int] | None = None, sha256: str | None = None) -> bytes:
    """A photo as a small picture.

    Args:
        photo: path or URI.
        side: longest side [pixels].
        size: the photo's width and height, if known: long ones are decoded no larger than need be.
        sha256: of the file when it was tagged; None: whatever is there now is shown.

    Raises:
        UnreadablePhoto: with the reason; also a file that has changed.
        StorageUnavailable: S3 can't be reached.
    """
    shorter = side if size is None or min(size) < 1 else ceil(side * min(size) / max(size))
    decoded = decode(photo, min_side=shorter) if sha256 is None else decode_tagged(photo, sha256, shorter)
    return webp(decoded.image, side)


def decode_tagged(photo: str, sha256: str, min_side: int | None = None) -> Photo:
    """Read a photo if it is still the one that was tagged: a person must not be shown one picture and judge another.

    Args:
        photo: path or URI.
        sha256: of the file when it was tagged, hex.
        min_side: see `decode`.

    Raises:
        UnreadablePhoto: with the reason; also a file that has changed.
        StorageUnavailable: S3 can't be reached.
    """
    try:
        with open_photo(photo) as (file, size):
            content = file.read(size)  # the bytes that are hashed are those that are decoded, whoever writes meanwhile
    except OSError as error:
        raise UnreadablePhoto(f"cannot be read ({error.strerror})") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise UnreadablePhoto("changed since it was tagged; run `landmark tag` again")
    return decode(content, min_side=min_side)


def make_thumbnails(
    files: Mapping[Path, Sequence[str]],
    what: str,
    progress: bool = True,
    workers: int | None = None,
    named_by_content: bool = False,
) -> tuple[set[Path], int]:
    """Make those of the pictures that aren't there.

    Args:
        files: the pictures, each with where its photo lies: the first that can be read is taken.
        what: what they are, for the progress.
        progress: say on stderr how far it is.
        workers: threads; None: one a CPU.
        named_by_content: a picture's name is the sha256 of its photo's file; one that has changed since gets none.

    Returns:
        The pictures that are there now, and how many of them were made.

    Raises:
        LandmarkError: no space or no permission. What was made stays; the next call goes on there.
    """
    there = {file for file in files if is_whole(file)}
    missing = [file for file in files if file not in there]
    if not missing:
        return there, 0
    for folder in {file.parent for file in missing}:
        _make_folder(folder)
    gone = threading.Event()
    stop = threading.Event()

    def make(file: Path) -> bool:
        for photo in files[file]:
            if stop.is_set() or (is_s3(photo) and gone.is_set()):
                continue
            try:
                data = photo_webp(photo, sha256=file.stem if named_by_content else None)
            except StorageUnavailable as error:
                gone.set()  # each further one would wait as long
                log.warning("%s; pictures of photos there are left out", error)
            except UnreadablePhoto as error:
                log.debug("%s: no picture (%s)", shown(photo), error)
            else:
                put(file, data)
                return True
        return False

    with ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="thumbnails") as pool:
        try:
            done = list(_tracked(pool.map(make, missing), what, len(missing), progress))
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    made = {file for file, good in zip(missing, done, strict=True) if good}
    return there | made, len(made)


def is_whole(file: Path) -> bool:
    """Whether a picture is there; one of a machine that lost power may be empty."""
    try:
        return file.stat().st_size > 0
    except OSError:
        return False


def put(file: Path, data: bytes) -> None:
    """Write a picture, whole or not at all. It isn't synced, as thousands are made and any can be made again.

    Raises:
        LandmarkError: no space or no permission.
    """
    temporary = file.with_name(f".{secrets.token_hex(8)}{_TEMPORARY}")
    try:
        temporary.write_bytes(data)
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _unwritten(file, error) from error


def remove_others(folder: Path, kept: Iterable[Path]) -> int:
    """Remove the pictures in a folder and below that are not wanted any more, and what a killed process left there.

    Returns:
        How many pictures.
    """
    wanted, removed = set(kept), 0
    for root, _, names in os.walk(folder):
        for file in (Path(root) / name for name in names):
            if file not in wanted and file.suffix in (".webp", _TEMPORARY):
                file.unlink(missing_ok=True)
                removed += file.suffix == ".webp"
        if Path(root) != folder and not any(os.scandir(root)):
            Path(root).rmdir()
    return removed


def _in_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Phones photograph in Display P3, which looks dull where it is taken for sRGB."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != "RGB":
            return image
        turned = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return image  # a damaged profile
    return turned or image


def _tracked(items: Iterable[bool], what: str, total: int, progress: bool) -> Iterable[bool]:
    hidden = not (progress and sys.stderr.isatty())
    return track(items, what, total, console=Console(stderr=True), transient=True, disable=hidden)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritten(folder, error) from error


def _unwritten(file: Path, error: OSError) -> LandmarkError:
    return LandmarkError(
        f"{shown(file)}: cannot be written ({error.strerror or error}); the gallery that was there before is whole: "
        "free some space or give permission, and run again"
    )
