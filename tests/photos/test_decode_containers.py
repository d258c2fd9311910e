"""Files that hold more than the photo, or that are named otherwise: the photo is what a viewer shows first."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pillow_heif
import pytest
from PIL import ExifTags, Image

from landmark.photos.decode import Photo, UnreadablePhoto, decode, resize
from tests.photos.sample import picture
from tests.photos.test_decode import UPRIGHT, corners, encoded, exif, four_corners, rgb_at_centre

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::PIL.Image.DecompressionBombWarning")
needs_avif = pytest.mark.skipif(".avif" not in Image.registered_extensions(), reason="needs a Pillow with AVIF (11.3)")

TIME = datetime(2019, 7, 14, 21, 30, 5)
GAIN_MAP_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description rdf:about="" xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/>'
    b"</rdf:RDF></x:xmpmeta>"
)


def camera_tags(orientation: int = 6) -> Image.Exif:
    place = {
        "GPSLatitudeRef": "S",
        "GPSLatitude": (33.0, 30.0, 0.0),
        "GPSLongitudeRef": "E",
        "GPSLongitude": (151.0, 15.0, 0.0),
    }
    return exif(Orientation=orientation, DateTimeOriginal="2019:07:14 21:30:05", **place)


def is_the_photo(photo: Photo, orientation: int = 6) -> None:
    assert corners(photo) == UPRIGHT[orientation]
    assert (photo.width, photo.height) == photo.image.size == ((60, 40) if orientation < 5 else (40, 60))
    assert (photo.taken_at, photo.lat, photo.lon) == (TIME, pytest.approx(-33.5), pytest.approx(151.25))


def video(size: int = 5000) -> bytes:
    """An MP4's boxes; its data have all that JPEG markers can be mistaken for."""
    data = np.random.default_rng(1).integers(0, 256, size, dtype=np.uint8).tobytes() + encoded(picture(1), "JPEG")
    return struct.pack(">I4s4sI8s", 24, b"ftyp", b"isom", 512, b"isommp42") + struct.pack(">I4s", 8 + len(data), b"mdat") + data


def test_motion_photo_is_its_still() -> None:
    still = encoded(four_corners(), "JPEG", quality=95, exif=camera_tags())
    assert b"ftyp" in still + video()
    for end in (video(), video() + b"\0\0\x30\x0a\x10\0\0\0MotionPhoto_Data", video()[:1000]):
        is_the_photo(decode(still + end))
        assert decode(still + end, min_side=10).image.size == (10, 15)


@pytest.mark.parametrize("format", ["HEIF", pytest.param("AVIF", marks=needs_avif)])
def test_motion_photo_in_a_box(format: str) -> None:
    """In HEIC and AVIF the video lies in a box of its own behind the others ("mpvd", Android's Motion Photo 1.0)."""
    tags = camera_tags()
    tags[ExifTags.Base.Make] = "Phone"  # Pillow writes no EXIF into an AVIF that has nothing else at its top
    still = encoded(four_corners(), format, quality=95, exif=tags.tobytes() if format == "HEIF" else tags)
    is_the_photo(decode(still + struct.pack(">I4s", 8 + len(video()), b"mpvd") + video()))


def several(*others: Image.Image, **options: Any) -> bytes:
    return encoded(four_corners(), "MPO", save_all=True, append_images=others, quality=95, exif=camera_tags(), **options)


def test_first_of_a_multi_picture_jpeg() -> None:
    data = several(Image.new("RGB", (90, 30), "blue"), Image.new("RGB", (20, 20), "green"))
    with Image.open(io.BytesIO(data)) as image:
        assert (image.format, getattr(image, "n_frames", 1)) == ("MPO", 3)
    is_the_photo(decode(data))
    first = data[: data.index(b"\xff\xd9") + 2]  # as messengers send it on: the index names pictures that are gone
    is_the_photo(decode(first))
    with pytest.raises(UnreadablePhoto, match="cut off"):
        decode(first[:-40])


def test_multi_picture_jpeg_at_dct_scale() -> None:
    photos = [picture(seed, (800, 600)) for seed in (1, 2)]
    data = encoded(photos[0], "MPO", save_all=True, append_images=photos[1:], quality=95)
    small = decode(data, min_side=150)
    assert (small.image.size, small.width, small.height) == ((200, 150), 800, 600)
    near, far = (np.abs(resize(small.image, 32).astype(int) - resize(photo, 32)).mean() for photo in photos)
    assert near < 3 < 20 < far


def test_damaged_index_of_pictures_does_not_cost_the_photo() -> None:
    data = several(Image.new("RGB", (90, 30), "blue"))
    place = data.index(b"MPF\0") + 4
    random = np.random.default_rng(0)
    for _ in range(100):
        damaged = bytearray(data)
        for offset in random.integers(0, 90, 5):
            damaged[place + offset] = random.integers(0, 256)
        is_the_photo(decode(bytes(damaged)))


@pytest.mark.parametrize("xmp", [GAIN_MAP_XMP, b""], ids=["Ultra HDR 1.0", "ISO 21496-1"])
def test_primary_of_ultra_hdr(xmp: bytes, tmp_path: Path) -> None:
    gain_map = Image.new("L", (30, 20), 0)
    data = several(gain_map, **({"xmp": xmp} if xmp else {}))
    is_the_photo(decode(data))
    is_the_photo(decode(data + video()))  # a phone may make it a motion photo, too
    if shutil.which("exiftool"):
        file = tmp_path / "x.jpg"
        file.write_bytes(data)
        taken = subprocess.run(["exiftool", "-b", "-MPImage2", file], check=True, capture_output=True).stdout
        assert Image.open(io.BytesIO(taken)).size == (30, 20)  # so there was one to be mistaken for the photo


@pytest.mark.parametrize("primary", [0, 1, 2])
def test_primary_of_several_in_heic(primary: int) -> None:
    images = [Image.new("RGB", (90, 30), "blue"), Image.new("RGB", (20, 20), "green")]
    images.insert(primary, four_corners())
    images[primary].info["exif"] = camera_tags(1).tobytes()
    file = pillow_heif.HeifFile()
    for image in images:
        file.add_from_pillow(image)
    buffer = io.BytesIO()
    file.save(buffer, quality=95, primary_index=primary)
    is_the_photo(decode(buffer.getvalue()), orientation=1)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "jpeg"])
def test_first_page_of_a_tiff(compression: str | None) -> None:
    pages = [Image.new("RGB", (90, 30), "blue"), Image.new("RGB", (20, 20), "green")]
    options: dict[str, Any] = {"compression": compression} if compression else {}
    data = encoded(four_corners(), "TIFF", save_all=True, append_images=pages, exif=exif(Orientation=6), **options)
    with Image.open(io.BytesIO(data)) as image:
        assert getattr(image, "n_frames", 1) == 3
    photo = decode(data)
    assert (corners(photo), photo.width, photo.height) == (UPRIGHT[6], 40, 60)


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
    for format in ("GIF", "WEBP", "PNG"):
        red, _, blue = rgb_at_centre(encoded(frames[0], format, save_all=True, append_images=frames[1:]))
        assert red > 240 > 20 > blue


@pytest.mark.parametrize("written", ["JPEG", "PNG", "WEBP", "HEIF", "TIFF", "GIF"])
@pytest.mark.parametrize("name", ["x.png", "x.JPG", "x.heic", "x.dng", "x"])
def test_bytes_tell_the_format_and_not_the_name(written: str, name: str, tmp_path: Path) -> None:
    file = tmp_path / name
    file.write_bytes(encoded(four_corners(), written, **({"quality": 95} if written in ("JPEG", "WEBP", "HEIF") else {})))
    photo = decode(file)
    assert (corners(photo), photo.width, photo.height) == (UPRIGHT[1], 60, 40)


@pytest.mark.parametrize("min_side", [None, 150, 75])
def test_progressive_jpeg_is_as_the_baseline_one(min_side: int | None) -> None:
    image = picture(2, (800, 600))
    tags = exif(Orientation=6)
    progressive = encoded(image, "JPEG", quality=95, progressive=True, exif=tags)
    assert b"\xff\xc2" in progressive
    photo, baseline = decode(progressive, min_side), decode(encoded(image, "JPEG", quality=95, exif=tags), min_side)
    scale = {None: 1, 150: 4, 75: 8}[min_side]
    assert (photo.image.size, photo.width, photo.height) == ((600 // scale, 800 // scale), 600, 800)
    np.testing.assert_array_equal(np.asarray(photo.image), np.asarray(baseline.image))
    with pytest.raises(UnreadablePhoto, match="cut off"):
        decode(progressive[: len(progressive) // 2], min_side)


def test_two_hundred_megapixels_of_a_phone() -> None:
    data = encoded(Image.new("L", (16320, 12240), 128), "JPEG")
    photo = decode(data, min_side=128)
    assert (photo.width, photo.height, photo.image.size) == (16320, 12240, (2040, 1530))
