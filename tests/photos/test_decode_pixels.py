"""What stands in the pixels: orientation, colour modes, transparency, bit depths, colour profiles, by format."""

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
from PIL import Image, ImageChops, ImageCms

from landmark.photos.decode import decode
from tests.photos.sample import picture
from tests.photos.test_decode import UPRIGHT, corners, encoded, exif, four_corners, png, rgb_at_centre

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
needs_avif = pytest.mark.skipif(".avif" not in Image.registered_extensions(), reason="needs a Pillow with AVIF (11.3)")
needs_exiftool = pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs exiftool")


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF", "TIFF", pytest.param("AVIF", marks=needs_avif)])
def test_orientation_is_applied(orientation: int, format: str) -> None:
    tag = exif(Orientation=orientation)
    # As bytes, pillow-heif writes the container's own rotation (irot, imir), as phones do.
    options: dict[str, Any] = {"exif": tag.tobytes() if format == "HEIF" else tag}
    photo = decode(encoded(four_corners(), format, **options, **({"quality": 95} if format != "PNG" else {})))
    assert corners(photo) == UPRIGHT[orientation]
    assert (photo.width, photo.height) == ((60, 40) if orientation < 5 else (40, 60))
    assert photo.image.size == (photo.width, photo.height)


@needs_exiftool
def test_what_another_program_wrote(tmp_path: Path) -> None:
    formats = {"JPEG": "jpg", "TIFF": "tif", "PNG": "png", "WEBP": "webp", "HEIF": "heic"}
    formats |= {"AVIF": "avif"} if ".avif" in Image.registered_extensions() else {}
    files = {format: tmp_path / f"x.{suffix}" for format, suffix in formats.items()}
    for format, file in files.items():
        file.write_bytes(encoded(four_corners(), format, **({"quality": 95} if format != "PNG" else {})))
    tags = ["DateTimeOriginal=2019:07:14 21:30:05", "EXIF:Orientation=6"]
    tags += ["GPSLatitude=33.8568", "GPSLatitudeRef=S", "GPSLongitude=70.25", "GPSLongitudeRef=W"]
    subprocess.run(["exiftool", "-q", "-n", *(f"-{tag}" for tag in tags), *files.values()], check=True)
    for format, file in files.items():
        photo = decode(file)
        assert (photo.taken_at, photo.lat, photo.lon) == (
            datetime(2019, 7, 14, 21, 30, 5),
            pytest.approx(-33.8568, abs=1e-6),
            pytest.approx(-70.25, abs=1e-6),
        ), format
        # In HEIC and AVIF the container's rotation counts and EXIF's does not (ISO/IEC 23000-22, 7.3.7); here there is none.
        assert corners(photo) == UPRIGHT[1 if format in ("HEIF", "AVIF") else 6], format


@needs_exiftool
@pytest.mark.parametrize("format", ["HEIF", pytest.param("AVIF", marks=needs_avif)])
def test_container_and_exif_both_say_the_orientation(format: str, tmp_path: Path) -> None:
    """Phones write both: the photo is turned once."""
    tag = exif(Orientation=6)
    file = tmp_path / "IMG_0001.heic"
    file.write_bytes(encoded(four_corners(), format, quality=95, exif=tag.tobytes() if format == "HEIF" else tag))
    assert b"irot" in file.read_bytes()
    subprocess.run(["exiftool", "-q", "-n", "-EXIF:Orientation=6", file], check=True)
    said = subprocess.run(["exiftool", "-n", "-s3", "-EXIF:Orientation", file], check=True, capture_output=True, text=True)
    photo = decode(file)
    assert said.stdout.strip() == "6"
    assert (corners(photo), photo.width, photo.height) == (UPRIGHT[6], 40, 60)


def test_modes() -> None:
    red = Image.new("RGB", (32, 32), (200, 30, 40))
    assert rgb_at_centre(encoded(red.convert("CMYK"), "JPEG", quality=95)) == pytest.approx([200, 30, 40], abs=6)
    assert rgb_at_centre(encoded(red.quantize(4), "PNG")) == pytest.approx([200, 30, 40], abs=2)
    assert rgb_at_centre(encoded(red.quantize(4), "GIF")) == pytest.approx([200, 30, 40], abs=2)
    assert rgb_at_centre(encoded(Image.new("L", (32, 32), 77), "JPEG")) == pytest.approx([77] * 3, abs=1)
    assert rgb_at_centre(encoded(Image.new("1", (32, 32), 1), "PNG")) == [255] * 3
    assert rgb_at_centre(encoded(red, "HEIF", quality=95)) == pytest.approx([200, 30, 40], abs=6)
    assert rgb_at_centre(encoded(red, "WEBP", quality=95)) == pytest.approx([200, 30, 40], abs=6)


def test_cmyk_and_ycck() -> None:
    """Adobe's CMYK stands inverted in the file; YCCK, moreover, has its C, M, Y as YCbCr."""
    c, m, y, k = 20, 180, 90, 40
    cmyk = Image.new("CMYK", (32, 32), (c, m, y, k))
    expected = [round((255 - ink) * (255 - k) / 255) for ink in (c, m, y)]
    adobe = encoded(cmyk, "JPEG", quality=95)  # Pillow, too, inverts what it writes
    luma, blue, red = Image.new("RGB", (32, 32), (c, m, y)).convert("YCbCr").split()
    turned = [ImageChops.invert(channel) for channel in (luma, blue, red)]
    ycck = bytearray(encoded(Image.merge("CMYK", [*turned, cmyk.getchannel(3)]), "JPEG", quality=95))
    ycck[ycck.index(b"\xff\xee\x00\x0eAdobe") + 15] = 2  # the marker's "transform"
    for data in (adobe, bytes(ycck)):
        assert rgb_at_centre(data) == pytest.approx(expected, abs=4)


def test_alpha_is_shown_on_white() -> None:
    half = Image.new("RGBA", (32, 32), (0, 0, 0, 128))
    for format in ("PNG", "WEBP"):
        assert rgb_at_centre(encoded(half, format, **({"lossless": True} if format == "WEBP" else {}))) == pytest.approx(
            [127] * 3, abs=1
        )
    assert rgb_at_centre(encoded(Image.new("LA", (32, 32), (0, 0)), "PNG")) == [255] * 3
    palette = Image.new("P", (32, 32), 0)
    palette.putpalette([10, 20, 30])
    assert rgb_at_centre(encoded(palette, "PNG", transparency=0)) == [255] * 3


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    grey = Image.fromarray(np.full((32, 32), 32896, dtype=np.uint16))  # 128 * 257
    assert rgb_at_centre(encoded(grey, "PNG")) == [128] * 3
    assert rgb_at_centre(encoded(grey, "TIFF")) == [128] * 3
    colour = np.array([200, 100, 50], dtype=">u2") * 257
    rows = b"".join(b"\0" + np.tile(colour.astype(">u2"), 16).tobytes() for _ in range(16))
    assert rgb_at_centre(png(16, 16, rows, depth=16)) == [200, 100, 50]


def test_ten_bits_of_heic() -> None:
    """As phones write them with HDR on."""
    colour = np.tile(np.array([200, 100, 50], np.uint16) * 257, 32 * 48)
    file = io.BytesIO()
    pillow_heif.encode("RGB;16", (48, 32), colour.tobytes(), file, quality=95)
    with Image.open(file) as image:
        assert image.info["bit_depth"] == 10
    assert rgb_at_centre(file.getvalue()) == pytest.approx([200, 100, 50], abs=3)


def test_heic_of_tiles_is_one_photo() -> None:
    """A phone's HEIC is a grid of pictures of 512 x 512; those at the edges are cut."""
    data = encoded(picture(6, (700, 400)), "HEIF", quality=95, tile_size=256, exif=exif(Orientation=6).tobytes())
    assert b"grid" in data
    photo = decode(data)
    assert (photo.width, photo.height, photo.image.size) == (400, 700, (400, 700))
    upright = np.asarray(picture(6, (700, 400)).transpose(Image.Transpose.ROTATE_270), dtype=int)
    assert np.abs(np.asarray(photo.image, dtype=int) - upright).mean() < 3


def test_heic_with_alpha_is_shown_on_white() -> None:
    image = four_corners().convert("RGBA")
    alpha = Image.new("L", image.size, 255)
    alpha.paste(0, (0, 0, 30, 20))  # the red quarter
    image.putalpha(alpha)
    data = encoded(image, "HEIF", quality=95)
    assert corners(decode(data)) == ["white", "green", "blue", "white"]
    # The same picture beside it as a depth map (ISO/IEC 23008-12) is no transparency.
    depth = data.replace(b"urn:mpeg:hevc:2015:auxid:1", b"urn:mpeg:hevc:2015:auxid:2")
    with Image.open(io.BytesIO(depth)) as opened:
        assert len(opened.info["depth_images"]) == 1
    photo = decode(depth)
    assert (corners(photo)[1:], photo.image.size) == (["green", "blue", "white"], (60, 40))
    assert corners(photo)[0] != "white"


def display_p3() -> bytes:
    """ICC profile (ICC.1:2022) of Display P3: SMPTE EG 432-1's primaries adapted to D50, sRGB's curve."""

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))

    curve = b"para\0\0\0\0\0\3\0\0" + fixed(2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
    name = "Display P3".encode("utf-16-be")
    text = b"mluc\0\0\0\0" + struct.pack(">II4sII", 1, 12, b"enUS", len(name), 28) + name
    white = (0.9642, 1.0, 0.8249)
    red, green, blue = (0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)
    points = {b"wtpt": white, b"rXYZ": red, b"gXYZ": green, b"bXYZ": blue}
    tags = {b"desc": text, b"cprt": text}
    tags |= {key: b"XYZ \0\0\0\0" + fixed(*point) for key, point in points.items()}
    tags |= dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve)
    place = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for key, value in tags.items():
        table += key + struct.pack(">II", place + len(body), len(value))
        body += value + b"\0" * (-len(value) % 4)
    kinds = b"mntrRGB XYZ " + struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp"
    head = struct.pack(">I4xI", place + len(body), 0x04000000) + kinds
    return head.ljust(68, b"\0") + fixed(*white) + bytes(48) + table + body


@pytest.mark.parametrize(
    ("format", "alpha"),
    [("JPEG", False), ("PNG", False), ("PNG", True), ("WEBP", True), ("HEIF", False), ("HEIF", True), ("TIFF", True)],
)
def test_colour_profile_is_kept_beside_the_values(format: str, alpha: bool) -> None:
    """Values stay as they are, as the network is trained on them; who shows the photo turns them, and needs the profile."""
    image = Image.new("RGBA" if alpha else "RGB", (32, 24), (234, 51, 35))
    tag = exif(Orientation=6)
    options: dict[str, Any] = {"quality": 95} if format in ("JPEG", "WEBP", "HEIF") else {}
    data = encoded(image, format, icc_profile=display_p3(), exif=tag.tobytes() if format == "HEIF" else tag, **options)
    photo = decode(data)
    assert photo.image.size == (24, 32)
    assert rgb_at_centre(data) == pytest.approx([234, 51, 35], abs=4)
    profile = ImageCms.ImageCmsProfile(io.BytesIO(photo.image.info["icc_profile"]))
    shown = ImageCms.profileToProfile(photo.image, profile, ImageCms.createProfile("sRGB"))
    assert shown is not None
    # sRGB's purest red is (0.9175, 0.2003, 0.1386) in Display P3 (CSS Color 4, 10.9)
    assert shown.getpixel((12, 16)) == pytest.approx((255, 0, 0), abs=12)


def test_damaged_colour_profile_does_not_cost_the_photo() -> None:
    for format in ("JPEG", "PNG", "WEBP"):
        data = encoded(four_corners(), format, icc_profile=display_p3()[:99], **({"quality": 95} if format != "PNG" else {}))
        assert corners(decode(data)) == UPRIGHT[1]
