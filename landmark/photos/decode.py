"""From a file, bytes, an image or an array to an upright RGB photo with its time and position.

Every format that Pillow or libheif reads is accepted: CMYK, palettes, alpha (shown on white), 16-bit, animations (first frame).
Of RAW files the largest preview is read.
What can't be read, or would take an unreasonable amount of memory, raises `UnreadablePhoto` with the reason.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import stat
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import pillow_heif
from PIL import ExifTags, Image, JpegImagePlugin, UnidentifiedImageError

from landmark import storage
from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.photos.raw import Unreadable, is_raw, read_preview

pillow_heif.register_heif_opener()
# decode() makes its own check of the size, which raises; Pillow's other complaints name no file, and damage raises too.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")

MAX_PIXELS = 89_478_485
"""Largest photo that is decoded whole: Pillow's own limit, 1/4 GiB of RGB."""
MAX_JPEG_PIXELS = 210_000_000
"""JPEGs can be decoded at a fraction of their size, and phone cameras make ones of 16320 x 12240 pixels."""
if Image.MAX_IMAGE_PIXELS is not None:  # at twice this, Pillow itself refuses to open a file
    Image.MAX_IMAGE_PIXELS = max(Image.MAX_IMAGE_PIXELS, MAX_JPEG_PIXELS // 2)
MAX_BYTES = 256 << 20
"""Largest file that is opened."""
MAX_PIXELS_PER_BYTE = 1000
"""Cameras write 2 to 50 pixels a byte; an evenly coloured JPEG has a few hundred."""
_SMALL_PIXELS = 4_000_000

Metadata = tuple[int, datetime | None, float | None, float | None]
"""EXIF orientation, time, latitude, longitude."""

_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_TURNED = ("TIFF", "HEIF")
"""Formats whose readers turn the photo upright themselves (in HEIF, the container's own rotation counts, not EXIF)."""


class UnreadablePhoto(LandmarkError):
    """A photo that can't be read; the message is the reason."""


@dataclass(frozen=True)
class Photo:
    """A decoded photo.

    Attributes:
        image: upright RGB image; smaller than `width` x `height` if it was decoded at reduced scale.
        width: full width, upright [pixels].
        height: full height, upright [pixels].
        taken_at: the camera's clock when the photo was taken (local time, no zone), if known.
        lat: latitude of the camera [degrees, WGS 84], if known.
        lon: longitude of the camera [degrees, WGS 84], if known.
    """

    image: Image.Image
    width: int
    height: int
    taken_at: datetime | None = None
    lat: float | None = None
    lon: float | None = None


def decode(source: str | Path | bytes | Image.Image | np.ndarray[Any, Any], min_side: int | None = None) -> Photo:
    """Read a photo.

    Args:
        source: path, `s3://` URI, a file's bytes, an image, or an array ([h, w], [h, w, 1], [h, w, 3] or [h, w, 4];
            uint8, or float in 0..1).
        min_side: JPEGs are decoded at 1/2, 1/4 or 1/8 scale (in the DCT, which saves most of the time) as long as the
            shorter side keeps at least this many pixels; None: full size.

    Raises:
        UnreadablePhoto: not a photo, damaged, cut off, or too large to decode.
        StorageUnavailable: S3 can't be reached.
    """
    try:
        if isinstance(source, np.ndarray):
            return _from_image(_array_image(source), None, None)
        if isinstance(source, Image.Image):
            return _from_image(source, None, None)
        if not isinstance(source, str | bytes | os.PathLike):
            raise UnreadablePhoto(f"not a photo: {type(source).__name__}, expected a path, bytes, an image or an array")
        with open_photo(source) as (file, size):
            if is_raw(file):
                return _from_raw(file.read(), min_side)
            with Image.open(file) as image:
                return _from_image(image, size, min_side)
    except LandmarkError:
        raise
    except Unreadable as error:
        raise UnreadablePhoto(str(error)) from error
    except UnidentifiedImageError as error:
        raise UnreadablePhoto("not a photo: no known image format") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadablePhoto("decompression bomb: more pixels than a photo has") from error
    except MemoryError as error:
        raise UnreadablePhoto("too large for the memory") from error
    # Decoders raise anything from IndexError to struct.error on hostile bytes, and one photo must not end a run.
    except Exception as error:
        raise UnreadablePhoto(f"damaged or cut off ({shown(' '.join(str(error).split()))[:200]})") from error


def resize(image: Image.Image, size: int, mode: Literal["squash", "crop"] = "squash") -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Bring an RGB image to the network's input, bicubic with antialiasing.

    Args:
        image: RGB image.
        size: side of the result [pixels].
        mode: "squash" to a square, or the largest "crop" from the centre.

    Returns:
        uint8 [size, size, 3].
    """
    box = None
    if mode == "crop":
        side = min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        box = (left, top, left + side, top + side)
    return np.array(image.resize((size, size), Image.Resampling.BICUBIC, box=box), dtype=np.uint8)


def photo_digest(photo: str) -> str:
    """sha256 of a photo's file, hex, read piece by piece; "unreadable" for one that cannot be opened (decoding says why)."""
    try:
        with open_photo(photo) as (file, _):
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    except UnreadablePhoto:
        return "unreadable"


@contextlib.contextmanager
def open_photo(source: str | Path | bytes, etag: str | None = None) -> Iterator[tuple[BinaryIO, int]]:
    """Open a photo's file: yields it, seekable, and its size [bytes].

    Args:
        source: path, `s3://` URI, or a file's bytes.
        etag: S3: the ETag that the object must have, from a listing.

    Raises:
        Changed: the object has another ETag.
        UnreadablePhoto: not there, not allowed, empty, too large, or no regular file (a pipe would block for ever).
        StorageUnavailable: S3 can't be reached.
    """
    with contextlib.ExitStack() as stack:
        file: BinaryIO
        if not isinstance(source, bytes) and storage.is_s3(source):
            try:
                source = storage.read_bytes(source, etag=etag, limit=MAX_BYTES)
            except (storage.StorageUnavailable, storage.Changed):
                raise
            except storage.NoSuchObject as error:
                raise UnreadablePhoto("no such object in S3") from error
            except LandmarkError as error:
                raise UnreadablePhoto(str(error).rpartition(": ")[2]) from error
        if isinstance(source, bytes):
            file, size = io.BytesIO(source), len(source)
        else:
            try:
                status = Path(source).stat()
                if not stat.S_ISREG(status.st_mode):
                    raise UnreadablePhoto("not a regular file")
                size = status.st_size
                file = stack.enter_context(Path(source).open("rb"))
            except OSError as error:
                raise UnreadablePhoto(f"cannot be opened ({error.strerror})") from error
            except ValueError as error:
                raise UnreadablePhoto("not a valid file name") from error
        if size == 0 or size > MAX_BYTES:
            raise UnreadablePhoto("empty file" if size == 0 else f"file of {size} bytes, over the limit of {MAX_BYTES}")
        yield file, size


def _from_raw(data: bytes, min_side: int | None) -> Photo:
    preview = read_preview(data)
    metadata = (preview.orientation, *_metadata(preview.exif)[1:])
    photo = _from_image(preview.image, preview.size, min_side, metadata)
    return replace(photo, width=preview.width, height=preview.height)


def _from_image(image: Image.Image, size: int | None, min_side: int | None, metadata: Metadata | None = None) -> Photo:
    width, height = image.size
    pixels = width * height
    if width < 1 or height < 1:
        raise UnreadablePhoto(f"no pixels ({width} x {height})")
    jpeg = isinstance(image, JpegImagePlugin.JpegImageFile)
    limit = MAX_JPEG_PIXELS if jpeg else MAX_PIXELS
    if pixels > limit:
        raise UnreadablePhoto(f"decompression bomb: {width} x {height} pixels, over the limit of {limit}")
    if size is not None and pixels > _SMALL_PIXELS and pixels > MAX_PIXELS_PER_BYTE * size:
        raise UnreadablePhoto(f"decompression bomb: {width} x {height} pixels declared in {size} bytes")
    orientation, taken_at, lat, lon = _metadata(image) if metadata is None else metadata
    if jpeg and min_side is not None:
        scale = min(1.0, min_side / min(width, height))
        image.draft(None, (math.ceil(width * scale), math.ceil(height * scale)))
    image.load()
    rgb = _rgb(image)
    if orientation in _UPRIGHT and image.format not in _TURNED:
        rgb = rgb.transpose(_UPRIGHT[orientation])
        if orientation >= 5:
            width, height = height, width
    return Photo(rgb, width, height, taken_at, lat, lon)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I", "F")):
        image = _eight_bits(image)
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        flat = Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")
        flat.info["icc_profile"] = image.info.get("icc_profile")
        return flat
    return image.copy() if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 or 32 bits: Pillow's own conversion clips at 255, which turns such photos white."""
    values = np.nan_to_num(np.asarray(image, dtype=np.float64), posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if image.mode == "F" and low >= 0 and high <= 1:
        values = values * 255
    elif image.mode.startswith("I") and low >= 0 and high <= 65535:
        values = values / 257
    elif low < 0 or high > 255:
        values = (values - low) / max(high - low, 1e-12) * 255
    return Image.fromarray(np.rint(values).astype(np.uint8))


def _array_image(array: np.ndarray[Any, Any]) -> Image.Image:
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] not in (1, 3, 4)):
        raise UnreadablePhoto(f"array of shape {array.shape}, expected [h, w], [h, w, 1], [h, w, 3] or [h, w, 4]")
    if np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise UnreadablePhoto("float array with values outside 0..1")
        array = np.rint(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise UnreadablePhoto(f"array of {array.dtype}, expected uint8 or float in 0..1")
    return Image.fromarray(np.ascontiguousarray(array[..., 0] if array.ndim == 3 and array.shape[2] == 1 else array))


def _metadata(image: Image.Image | Image.Exif) -> Metadata:
    """Orientation, time and position from EXIF; damaged EXIF counts as none, for the pixels may be fine."""
    try:
        exif = image if isinstance(image, Image.Exif) else image.getexif()
        orientation = exif.get(ExifTags.Base.Orientation, 1)
        details = exif.get_ifd(ExifTags.IFD.Exif)
        gps = exif.get_ifd(ExifTags.IFD.GPSInfo)
    except Exception:  # any error, for the same reason as in decode()
        return 1, None, None, None
    taken_at = _time(details.get(ExifTags.Base.DateTimeOriginal)) or _time(details.get(ExifTags.Base.DateTimeDigitized))
    lat = _degrees(gps.get(ExifTags.GPS.GPSLatitude), gps.get(ExifTags.GPS.GPSLatitudeRef), "S", 90)
    lon = _degrees(gps.get(ExifTags.GPS.GPSLongitude), gps.get(ExifTags.GPS.GPSLongitudeRef), "W", 180)
    if lat is None or lon is None or (lat == 0 and lon == 0):  # 0, 0 is what cameras write before they have a fix
        lat = lon = None
    return orientation if isinstance(orientation, int) else 1, taken_at, lat, lon


def _time(value: Any) -> datetime | None:
    try:
        return datetime.strptime(str(value).strip("\0 "), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None


def _degrees(value: Any, reference: Any, negative: str, limit: int) -> float | None:
    """Degrees, minutes, seconds to signed degrees; None if absent, not finite or out of range."""
    try:
        parts = [float(part) for part in value]
        degrees = math.fsum(part / 60.0**power for power, part in enumerate(parts[:3]))
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    if isinstance(reference, bytes):
        reference = reference.decode("ascii", "ignore")
    if not parts or not math.isfinite(degrees) or not 0 <= degrees <= limit:
        return None
    return -degrees if str(reference or "").strip("\0 ").upper() == negative else degrees
