"""RAW files of cameras and phones: the largest preview that stands in them, and their EXIF. Nothing is demosaiced.

A preview is a whole photo as the camera would have written it; demosaicing takes seconds a photo and looks otherwise. Which
files are RAW is told by their first bytes, not by their names: most are TIFFs, whose first page is a thumbnail.
"""

from __future__ import annotations

import io
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from PIL import ExifTags, Image

NO_PREVIEW = "RAW file without a preview that can be read; let the camera or converter write one, or export a JPEG"
UNKNOWN = "RAW file of a kind that LibRaw does not know; convert it to DNG with a preview, or export a JPEG"

_TIFF = {b"II*\0": "<", b"MM\0*": ">", b"IIRO": "<", b"IIRS": "<", b"MMOR": ">", b"IIU\0": "<"}
"""First bytes -> byte order; ORF and RW2 are TIFFs but for these."""
_SUBFILE, _COMPRESSION, _PHOTOMETRIC, _MAKE, _SUB_IFDS, _DNG = 254, 259, 262, 271, 330, 50706
_RAW_COMPRESSION = {32767, 32769, 32770, 34713, 65535}
"""Of Sony, Epson, Samsung, Nikon, Pentax (ExifTool's table of TIFF compressions)."""
_RAW_PHOTOMETRIC = {32803, 34892}
"""Colour filter array, linear raw (DNG 1.7, chapter 2)."""
_MOST_TAGS = 512
_BOXES = 1 << 20
"""Within so many bytes from the beginning a CR3 has its EXIF [bytes]."""
_FLIPS = {0: 1, 3: 3, 5: 8, 6: 6}
"""LibRaw's flip -> EXIF orientation."""


class Unreadable(Exception):
    """A RAW file without a preview to be had; the message is the reason."""


@dataclass(frozen=True)
class Preview:
    """The largest preview of a RAW file.

    Attributes:
        image: not loaded yet if it is a JPEG; as the sensor lay.
        size: of the JPEG [bytes]; None: the preview is not compressed.
        exif: of the RAW file, or of the preview where the file's own can't be read.
        orientation: EXIF orientation that turns the preview upright.
        width: of the whole photo, upright [pixels].
        height: of the whole photo, upright [pixels].
    """

    image: Image.Image
    size: int | None
    exif: Image.Exif
    orientation: int
    width: int
    height: int


def is_raw(file: BinaryIO) -> bool:
    """Whether a file is RAW, by its first bytes; its position is as before."""
    place = file.tell()
    try:
        head = file.read(16)
        if (
            head[:4] in (b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
            or head.startswith(b"FUJIFILMCCD-RAW")
            or head[4:12] == b"ftypcrx "
        ):
            return True
        if head[:4] not in _TIFF:
            return False
        if head[8:10] == b"CR":
            return True
        tags = _first_tags(file, place, head)
    finally:
        file.seek(place)
    return (
        _DNG in tags
        or (bool(tags.get(_SUBFILE, 0) & 1) and _MAKE in tags and _SUB_IFDS in tags)
        or tags.get(_COMPRESSION) in _RAW_COMPRESSION
        or tags.get(_PHOTOMETRIC) in _RAW_PHOTOMETRIC
    )


def _first_tags(file: BinaryIO, place: int, head: bytes) -> dict[int, int]:
    """Tags of a TIFF's first directory and their first values (TIFF 6.0, section 2)."""
    order = _TIFF[head[:4]]
    file.seek(place + struct.unpack(f"{order}I", head[4:8])[0])
    count = int.from_bytes(file.read(2), "little" if order == "<" else "big")
    rows = file.read(12 * min(count, _MOST_TAGS))
    tags = {}
    for tag, kind, _, value in struct.iter_unpack(f"{order}HHI4s", rows[: len(rows) // 12 * 12]):
        tags[tag] = struct.unpack(f"{order}H", value[:2])[0] if kind == 3 else struct.unpack(f"{order}I", value)[0]
    return tags


def read_preview(data: bytes) -> Preview:
    """Find the largest preview of a RAW file.

    Args:
        data: the file's bytes.

    Raises:
        Unreadable: there is none, or LibRaw does not know the file.
        rawpy.LibRawError: damaged.
        UnidentifiedImageError: the preview is damaged.
    """
    import rawpy

    with rawpy.RawPy() as raw:
        try:
            raw.open_buffer(io.BytesIO(data))
            found, sizes = raw.extract_thumb(), raw.sizes
        except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError) as error:
            raise Unreadable(NO_PREVIEW) from error
        except rawpy.LibRawFileUnsupportedError as error:
            raise Unreadable(UNKNOWN) from error
    image, size = _opened(found.data)
    orientation = _orientation(image, _FLIPS.get(sizes.flip, 1), sizes.width >= sizes.height)
    turned = _FLIPS.get(sizes.flip, 1) >= 5
    width, height = (sizes.height, sizes.width) if turned else (sizes.width, sizes.height)
    return Preview(image, size, _exif(data) or image.getexif(), orientation, width, height)


def _opened(preview: bytes | np.ndarray[Any, Any]) -> tuple[Image.Image, int | None]:
    if isinstance(preview, bytes):
        return Image.open(io.BytesIO(preview), formats=("JPEG",)), len(preview)
    if preview.dtype != np.uint8:
        raise Unreadable(NO_PREVIEW)
    return Image.fromarray(np.ascontiguousarray(preview)), None


def _orientation(image: Image.Image, of_raw: int, landscape: bool) -> int:
    """Orientation of a preview: its own if it says one, else the file's; 1 if the camera turned it upright already."""
    try:
        own = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # damaged EXIF raises anything, and counts as none
        own = 1
    orientation = own if isinstance(own, int) and 2 <= own <= 8 else of_raw
    already = orientation >= 5 and image.width != image.height and (image.width > image.height) != landscape
    return 1 if already else orientation


def _exif(data: bytes) -> Image.Exif | None:
    """EXIF of a RAW file that is a TIFF or a CR3; None: of another kind, or damaged."""
    try:
        if data[:4] in _TIFF:
            return _loaded(data)
        if data[4:12] == b"ftypcrx ":
            return _of_boxes(data[:_BOXES])
    except Exception:  # any error, for the same reason
        return None
    return None


def _loaded(data: bytes) -> Image.Exif:
    exif = Image.Exif()
    order = b"II*\0" if _TIFF[data[:4]] == "<" else b"MM\0*"
    exif.load_from_fp(io.BytesIO(order + data[4:]))
    # Read now: what is read later would name no file.
    for name in (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo):
        exif.get_ifd(name)
    return exif


def _of_boxes(head: bytes) -> Image.Exif:
    """EXIF of a CR3: CMT1, CMT2 and CMT4 are TIFFs whose first directories are IFD0, the Exif and the GPS directory."""
    exif = Image.Exif()
    for name, target in ((b"CMT1", None), (b"CMT2", ExifTags.IFD.Exif), (b"CMT4", ExifTags.IFD.GPSInfo)):
        at = head.find(name)
        if at < 4:
            continue
        size = struct.unpack(">I", head[at - 4 : at])[0]
        part = Image.Exif()
        part.load_from_fp(io.BytesIO(head[at + 4 : at - 4 + size]))
        directory: dict[int, Any] = dict(part)
        (exif if target is None else exif.get_ifd(target)).update(directory)
    return exif
