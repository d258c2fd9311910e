from __future__ import annotations

import io
import os
import struct
import zlib
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from landmark.photos.decode import Photo, UnreadablePhoto, decode, resize
from tests.photos.sample import picture

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def exif(**tags: Any) -> Image.Exif:
    result = Image.Exif()
    for name, value in tags.items():
        if name.startswith("GPS"):
            result.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS[name]] = value
        elif name == "Orientation":
            result[ExifTags.Base.Orientation] = value
        else:
            result.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base[name]] = value
    return result


def corners(photo: Photo) -> list[str]:
    """Colours of the corners: top left, top right, bottom left, bottom right."""
    names = {(255, 0, 0): "red", (0, 255, 0): "green", (0, 0, 255): "blue", (255, 255, 255): "white"}
    width, height = photo.image.size
    places = [(2, 2), (width - 3, 2), (2, height - 3), (width - 3, height - 3)]
    pixels = [np.asarray(photo.image.getpixel(place)) for place in places]
    return [names[min(names, key=lambda colour: int(np.abs(np.asarray(colour) - pixel).sum()))] for pixel in pixels]


def four_corners() -> Image.Image:
    array = np.zeros((40, 60, 3), dtype=np.uint8)
    array[:20, :30], array[:20, 30:], array[20:, :30], array[20:, 30:] = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
    return Image.fromarray(array)


# What a viewer shows, by the EXIF 2.3 standard's table of "row 0, column 0" for each orientation.
UPRIGHT = {
    1: ["red", "green", "blue", "white"],
    2: ["green", "red", "white", "blue"],
    3: ["white", "blue", "green", "red"],
    4: ["blue", "white", "red", "green"],
    5: ["red", "blue", "green", "white"],
    6: ["blue", "red", "white", "green"],
    7: ["white", "green", "blue", "red"],
    8: ["green", "white", "red", "blue"],
}


def rgb_at_centre(data: bytes) -> list[int]:
    photo = decode(data)
    assert photo.image.mode == "RGB"
    pixel = photo.image.getpixel((photo.width // 2, photo.height // 2))
    assert isinstance(pixel, tuple)
    return [int(value) for value in pixel]


def png(width: int, height: int, rows: bytes, depth: int = 8) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_time_and_position() -> None:
    tags = exif(
        DateTimeOriginal="2019:07:14 21:30:05",
        GPSLatitudeRef="S",
        GPSLatitude=(33.0, 51.0, 24.48),
        GPSLongitudeRef="E",
        GPSLongitude=(151.0, 12.0, 54.0),
    )
    for format in ("JPEG", "HEIF", "WEBP"):
        photo = decode(encoded(picture(1), format, exif=tags))
        assert photo.taken_at == datetime(2019, 7, 14, 21, 30, 5)
        assert photo.lat == pytest.approx(-33.8568, abs=1e-6)  # the Sydney Opera House: 33 + 51/60 + 24.48/3600
        assert photo.lon == pytest.approx(151.215, abs=1e-6)


@pytest.mark.parametrize(
    "tags",
    [
        {"DateTimeOriginal": "0000:00:00 00:00:00"},
        {"DateTimeOriginal": "    :  :     :  :  "},
        {"DateTimeOriginal": "yesterday"},
        {"GPSLatitude": (91.0, 0.0, 0.0), "GPSLongitude": (1.0, 0.0, 0.0)},
        {"GPSLatitude": (10.0, 0.0, 0.0)},
        {"GPSLatitude": (0.0, 0.0, 0.0), "GPSLongitude": (0.0, 0.0, 0.0)},
        {"GPSLatitude": (IFDRational(0, 0), 0.0, 0.0), "GPSLongitude": (1.0, 0.0, 0.0)},
        {},
    ],
)
def test_metadata_that_says_nothing_is_none(tags: dict[str, Any]) -> None:
    photo = decode(encoded(picture(1), "JPEG", exif=exif(**tags)))
    assert (photo.taken_at, photo.lat, photo.lon) == (None, None, None)


def test_damaged_exif_does_not_cost_the_photo() -> None:
    photo = decode(encoded(picture(1), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f" + bytes(range(64))))
    assert (photo.width, photo.height, photo.taken_at) == (96, 72, None)


@pytest.mark.parametrize("side", [2_500, 12_000, 60_000])
def test_huge_dimensions_in_a_tiny_file(side: int) -> None:
    with pytest.raises(UnreadablePhoto, match="decompression bomb"):
        decode(png(side, side, b""))


def test_huge_but_evenly_coloured_jpeg_is_a_photo() -> None:
    photo = decode(encoded(Image.new("RGB", (3000, 2000), "navy"), "JPEG"), min_side=128)
    assert (photo.width, photo.height) == (3000, 2000)


def test_whole_photo_over_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("landmark.photos.decode.MAX_PIXELS", 96 * 72 - 1)
    with pytest.raises(UnreadablePhoto, match="96 x 72 pixels, over the limit"):
        decode(encoded(picture(1), "PNG"))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "GIF", "HEIF", "TIFF"])
def test_truncated(format: str) -> None:
    data = encoded(picture(3, (200, 200)), format)
    for share in (0.1, 0.5, 0.9):
        with pytest.raises(UnreadablePhoto, match=r"damaged or cut off|not a photo"):
            decode(data[: int(len(data) * share)])


def test_truncated_jpeg_is_noticed_at_reduced_scale() -> None:
    data = encoded(picture(3, (800, 800)), "JPEG")
    assert decode(data, min_side=64).image.size == (100, 100)
    with pytest.raises(UnreadablePhoto, match="damaged or cut off"):
        decode(data[:-200], min_side=64)


@pytest.mark.parametrize(
    ("data", "reason"), [(b"", "empty file"), (b"<html>not found</html>", "not a photo"), (b"\xff\xd8\xff", "not a photo")]
)
def test_no_photo(data: bytes, reason: str, tmp_path: Path) -> None:
    file = tmp_path / "x.jpg"
    file.write_bytes(data)
    for source in (data, file, str(file)):
        with pytest.raises(UnreadablePhoto, match=reason):
            decode(source)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    for source, reason in [
        ("pipe.jpg", "regular"),
        ("none.jpg", "No such file"),
        ("", "regular"),
        ("x" * 300, "too long"),
        ("a\0", "name"),
    ]:
        with pytest.raises(UnreadablePhoto, match=reason):
            decode(tmp_path / source)


@given(
    data=st.binary(max_size=300),
    cut=st.integers(0, 1500),
    format=st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "TIFF", "HEIF"]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_hostile_bytes_never_raise_anything_else(data: bytes, cut: int, format: str) -> None:
    start = encoded(picture(5, (48, 48)), format)[:cut]
    reason = ""
    try:
        mode = decode(start + data).image.mode
    except UnreadablePhoto as error:
        mode, reason = "RGB", str(error)
    assert mode == "RGB"
    assert len(reason.splitlines()) <= 1


@pytest.mark.parametrize(
    ("size", "min_side", "expected"),
    [
        ((800, 600), 150, (200, 150)),
        ((800, 600), 151, (400, 300)),
        ((100, 80), 128, (100, 80)),
        ((1000, 1000), 100, (125, 125)),
    ],
)
def test_dct_scale_keeps_the_shorter_side(size: tuple[int, int], min_side: int, expected: tuple[int, int]) -> None:
    photo = decode(encoded(picture(2, size), "JPEG"), min_side=min_side)
    assert photo.image.size == expected
    assert (photo.width, photo.height) == size


def test_dct_scale_shows_the_same_and_turns_with_orientation() -> None:
    data = encoded(picture(2, (800, 600)), "JPEG", quality=95, exif=exif(Orientation=6))
    small, full = decode(data, min_side=150), decode(data)
    assert small.image.size == (150, 200)
    assert (small.width, small.height) == full.image.size == (600, 800)
    difference = resize(small.image, 64).astype(int) - resize(full.image, 64).astype(int)
    assert np.abs(difference).mean() < 3


def test_other_sources(tmp_path: Path) -> None:
    image = picture(4)
    expected = np.asarray(image)
    for source in (image, expected, expected.astype(np.float32) / 255, np.dstack([expected, np.full((72, 96), 255, np.uint8)])):
        np.testing.assert_array_equal(np.asarray(decode(source).image), expected)
    grey = np.arange(48, dtype=np.uint8).reshape(6, 8)
    np.testing.assert_array_equal(np.asarray(decode(grey).image)[..., 1], grey)
    np.testing.assert_array_equal(np.asarray(decode(grey[..., None]).image)[..., 2], grey)
    decoded = decode(image).image
    decoded.putpixel((0, 0), (1, 2, 3))
    np.testing.assert_array_equal(np.asarray(image), expected)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((0, 4), np.uint8),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((4, 4), np.int32),
        np.full((4, 4), 2.0),
        np.full((4, 4), np.nan),
    ],
)
def test_arrays_that_are_no_photo(array: np.ndarray) -> None:
    with pytest.raises(UnreadablePhoto, match="array"):
        decode(array)


def test_resize_modes() -> None:
    image = Image.new("RGB", (300, 100), "black")
    image.paste("white", (100, 0, 200, 100))
    crop, squash = resize(image, 50, "crop"), resize(image, 60, "squash")
    assert crop.shape == (50, 50, 3)
    assert crop.dtype == np.uint8
    assert crop[:, 2:-2].min() > 250  # the white middle third alone
    assert squash[:, :15].max() < 5
    assert squash[:, 25:35].min() > 250


def test_resize_antialiases() -> None:
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255
    small = resize(Image.fromarray(stripes), 32)
    assert np.abs(small.astype(int) - 128).max() <= 8  # sampling without a filter would give 0 or 255
