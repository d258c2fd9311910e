"""Small RAW files for tests: DNGs of one colour filter array and one JPEG preview, written tag by tag (DNG 1.7)."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

Tag = tuple[int, int, Any]
BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL = 1, 2, 3, 4, 5, 10
_FORMATS = {BYTE: "B", ASCII: "s", SHORT: "H", LONG: "I", RATIONAL: "I", SRATIONAL: "i"}


def jpeg(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


def _packed(kind: int, value: Any) -> tuple[int, bytes]:
    if kind == ASCII:
        text = value.encode() + b"\0"
        return len(text), text
    numbers = [part for item in value for part in item] if kind in (RATIONAL, SRATIONAL) else list(value)
    return len(value), struct.pack(f"<{len(numbers)}{_FORMATS[kind]}", *numbers)


class _Writer:
    def __init__(self) -> None:
        self.data = bytearray(b"II*\0\0\0\0\0")

    def blob(self, content: bytes) -> int:
        self.data += b"\0" * (len(self.data) % 2)
        at = len(self.data)
        self.data += content
        return at

    def directory(self, tags: Sequence[Tag]) -> int:
        rows = b""
        for tag, kind, value in sorted(tags, key=lambda item: item[0]):
            count, content = _packed(kind, value)
            field = content.ljust(4, b"\0") if len(content) <= 4 else struct.pack("<I", self.blob(content))
            rows += struct.pack("<HHI", tag, kind, count) + field
        return self.blob(struct.pack("<H", len(tags)) + rows + b"\0\0\0\0")


def dng(
    preview: Image.Image | None,
    orientation: int = 1,
    size: tuple[int, int] = (240, 160),
    make: str = "Landmark",
    taken_at: str = "2026:05:01 10:20:30",
    north_east: tuple[float, float] | None = None,
    preview_exif: Image.Exif | None = None,
    thumbnail: Image.Image | None = None,
) -> bytes:
    """A DNG whose sensor has `size` (width, height) [pixels]."""
    writer = _Writer()
    width, height = size
    mosaic = np.random.default_rng(0).integers(0, 4096, (height, width), dtype=np.uint16).tobytes()
    raw = writer.directory(
        [
            (254, LONG, [0]),
            (256, LONG, [width]),
            (257, LONG, [height]),
            (258, SHORT, [16]),
            (259, SHORT, [1]),
            (262, SHORT, [32803]),
            (273, LONG, [writer.blob(mosaic)]),
            (277, SHORT, [1]),
            (278, LONG, [height]),
            (279, LONG, [len(mosaic)]),
            (33421, SHORT, [2, 2]),
            (33422, BYTE, [0, 1, 1, 2]),
            (50717, LONG, [4095]),
        ]
    )
    pages = [raw]
    for image in (thumbnail, preview):
        if image is None:
            continue
        content = jpeg(image)
        if preview_exif is not None and image is preview:
            # Cameras write EXIF in the place of JFIF's first segment, not after it.
            content = b"\xff\xd8" + jpeg(image, exif=preview_exif)[20:]
        pages.append(
            writer.directory(
                [
                    (254, LONG, [1]),
                    (256, LONG, [image.width]),
                    (257, LONG, [image.height]),
                    (258, SHORT, [8, 8, 8]),
                    (259, SHORT, [7]),
                    (262, SHORT, [6]),
                    (273, LONG, [writer.blob(content)]),
                    (277, SHORT, [3]),
                    (278, LONG, [image.height]),
                    (279, LONG, [len(content)]),
                ]
            )
        )
    tags: list[Tag] = [
        (254, LONG, [1]),
        (271, ASCII, make),
        (272, ASCII, "Test"),
        (274, SHORT, [orientation]),
        (330, LONG, pages),
        (34665, LONG, [writer.directory([(36867, ASCII, taken_at)])]),
        (50706, BYTE, [1, 4, 0, 0]),
        (50708, ASCII, f"{make} Test"),
        (50721, SRATIONAL, [(1, 1), (0, 1), (0, 1), (0, 1), (1, 1), (0, 1), (0, 1), (0, 1), (1, 1)]),
    ]
    if north_east is not None:
        degrees = [[(round(value * 10**6), 10**6), (0, 1), (0, 1)] for value in north_east]
        gps: list[Tag] = [(1, ASCII, "N"), (2, RATIONAL, degrees[0]), (3, ASCII, "E"), (4, RATIONAL, degrees[1])]
        tags.append((34853, LONG, [writer.directory(gps)]))
    struct.pack_into("<I", writer.data, 4, writer.directory(tags))
    return bytes(writer.data)
