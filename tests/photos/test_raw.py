"""RAW files: the preview that stands in them, upright, with the camera's clock and position; and whatever is no such file."""

import io
import json
import shutil
import struct
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from landmark.photos.decode import UnreadablePhoto, decode
from landmark.photos.listing import RAW_SUFFIXES, Listing
from landmark.photos.raw import _exif, is_raw
from landmark.photos.record import read_record
from tests.photos.dng import dng
from tests.photos.sample import picture
from tests.photos.test_decode import UPRIGHT, corners, encoded, four_corners
from tests.test_cli import ROOT

PREVIEW = four_corners().resize((240, 160), Image.Resampling.NEAREST)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])  # what cameras write; LibRaw knows no mirrored ones
def test_a_preview_is_turned_as_its_file_says(orientation: int) -> None:
    photo = decode(dng(PREVIEW, orientation, north_east=(48.858, 2.294)))
    assert corners(photo) == UPRIGHT[orientation]
    assert (photo.width, photo.height) == ((160, 240) if orientation >= 5 else (240, 160))
    assert photo.taken_at == datetime(2026, 5, 1, 10, 20, 30)
    assert (photo.lat, photo.lon) == (pytest.approx(48.858), pytest.approx(2.294))


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    return exif


def test_a_preview_that_says_how_it_lies_is_taken_at_its_word() -> None:
    assert corners(decode(dng(PREVIEW, 6, preview_exif=turned(8)))) == UPRIGHT[8]


def test_a_preview_that_the_camera_turned_already_is_not_turned_again() -> None:
    upright = PREVIEW.transpose(Image.Transpose.ROTATE_270)
    photo = decode(dng(upright, 6))
    assert corners(photo) == UPRIGHT[6]
    assert photo.image.size == (160, 240) == (photo.width, photo.height)


def test_the_largest_preview_is_read_and_the_size_is_that_of_the_photo() -> None:
    thumbnail = Image.new("RGB", (60, 40), "black")
    photo = decode(dng(PREVIEW, size=(480, 320), thumbnail=thumbnail))
    assert photo.image.size == (240, 160)
    assert (photo.width, photo.height) == (480, 320)
    assert corners(photo) == UPRIGHT[1]


def test_a_preview_is_decoded_at_reduced_scale() -> None:
    assert decode(dng(PREVIEW), min_side=40).image.size == (60, 40)


def test_a_file_of_any_name_is_read_by_its_first_bytes(tmp_path: Path) -> None:
    file = tmp_path / "photo.jpg"
    file.write_bytes(dng(PREVIEW))
    assert (record := read_record(str(file))).reason == ""
    assert (record.width, record.height) == (240, 160)
    listing = Listing()
    for suffix in RAW_SUFFIXES:
        listing.add(f"IMG_1{suffix.upper()}", "a")
    assert len(listing.photo) == 10


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs exiftool")
def test_another_program_reads_the_sample_alike(tmp_path: Path) -> None:
    file = tmp_path / "x.dng"
    file.write_bytes(dng(PREVIEW, 6, north_east=(48.858, 2.294)))
    told = json.loads(subprocess.run(["exiftool", "-j", "-n", str(file)], capture_output=True, check=True).stdout)[0]
    assert (told["FileType"], told["Orientation"], told["DateTimeOriginal"]) == ("DNG", 6, "2026:05:01 10:20:30")
    assert (told["GPSLatitude"], told["GPSLongitude"]) == (pytest.approx(48.858), pytest.approx(2.294))
    preview = subprocess.run(["exiftool", "-b", "-PreviewImage", str(file)], capture_output=True, check=True).stdout
    assert Image.open(io.BytesIO(preview)).size == (240, 160)


def test_without_a_preview() -> None:
    with pytest.raises(UnreadablePhoto, match="RAW file without a preview that can be read; let the camera"):
        decode(dng(None))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"FUJIFILMCCD-RAW 0201" + b"\0" * 300, "RAW file of a kind that LibRaw does not know|damaged|without a preview"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + b"\0" * 300, "RAW file of a kind that LibRaw does not know|damaged|without"),
        (b"II*\0\x10\0\0\0CR\2\0" + b"\0" * 300, "RAW file of a kind that LibRaw does not know|damaged|without a preview"),
        (b"II*\0\xff\xff\xff\xff", "not a photo|damaged"),
        (b"II", "not a photo|damaged"),
    ],
)
def test_files_that_only_begin_so(data: bytes, why: str) -> None:
    with pytest.raises(UnreadablePhoto, match=why):
        decode(data)


def test_what_other_programs_write_as_tiff_is_no_raw() -> None:
    pages = [picture(seed).convert(mode) for seed, mode in enumerate(["RGB", "L"])]
    for data in (
        encoded(pages[0], "TIFF"),
        encoded(pages[0], "TIFF", compression="jpeg"),
        encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]),
        encoded(pages[0].convert("CMYK"), "TIFF"),
        encoded(pages[0], "JPEG"),
        b"",
    ):
        stream = io.BytesIO(data)
        assert not is_raw(stream)
        assert stream.tell() == 0
    assert is_raw(io.BytesIO(dng(PREVIEW)))


def tiff(exif: Image.Exif) -> bytes:
    return exif.tobytes().removeprefix(b"Exif\0\0")


def test_exif_of_files_that_are_tiffs_but_for_their_first_bytes() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Make] = "OLYMPUS"
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = "2026:05:01 10:20:30"
    data = tiff(exif)
    assert data[:4] == b"MM\0*"
    little = Image.Exif()
    little.endian = "<"
    little.update(exif)
    little.get_ifd(ExifTags.IFD.Exif).update(exif.get_ifd(ExifTags.IFD.Exif))
    for magic, found in ((b"MMOR", data), (b"IIRO", tiff(little)), (b"IIRS", tiff(little)), (b"IIU\0", tiff(little))):
        read = _exif(magic + found[4:])
        assert read is not None
        assert read[ExifTags.Base.Make] == "OLYMPUS"
        assert read.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] == "2026:05:01 10:20:30"
    assert _exif(b"IIRO\xff\xff\xff\xff") in (None, Image.Exif())


def test_exif_of_cr3_stands_in_boxes() -> None:
    first, details, gps = Image.Exif(), Image.Exif(), Image.Exif()
    first[ExifTags.Base.Model] = "Canon EOS R5"
    details[ExifTags.Base.DateTimeOriginal] = "2026:05:01 10:20:30"
    gps[ExifTags.GPS.GPSLatitudeRef] = "N"
    boxes = b"".join(
        struct.pack(">I4s", len(content) + 8, name) + content
        for name, content in ((b"CMT1", tiff(first)), (b"CMT2", tiff(details)), (b"CMT3", b""), (b"CMT4", tiff(gps)))
    )
    data = b"\0\0\0\x18ftypcrx \0\0\0\1crx isom" + struct.pack(">I4s", len(boxes) + 8, b"moov") + boxes
    read = _exif(data)
    assert read is not None
    assert read[ExifTags.Base.Model] == "Canon EOS R5"
    assert read.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] == "2026:05:01 10:20:30"
    assert read.get_ifd(ExifTags.IFD.GPSInfo)[ExifTags.GPS.GPSLatitudeRef] == "N"


FUZZ = """
import random, sys
from landmark.photos.decode import UnreadablePhoto, decode
from tests.photos.test_raw import PREVIEW, dng
dice = random.Random(int(sys.argv[1]))
whole = dng(PREVIEW, 6, size=(48, 32), north_east=(48.858, 2.294))
kinds = [whole, b"IIRO" + whole[4:], b"IIU\\0" + whole[4:], whole[:8] + b"CR\\2\\0" + whole[12:], b"FUJIFILMCCD-RAW " + whole]
kinds.append(b"\\0\\0\\0\\x18ftypcrx \\0\\0\\0\\1crx isom" + whole)
photos = 0
for turn in range(int(sys.argv[2])):
    data = bytearray(dice.choice(kinds))
    # Directories lie at the end: there a change reaches every tag.
    for _ in range(dice.randint(1, 12)):
        low = dice.choice([0, 12, len(data) - 700])
        data[dice.randrange(low, len(data))] = dice.choice([0, 1, 255, dice.randrange(256)])
    if dice.random() < 0.2:
        del data[dice.randrange(1, len(data)) :]
    try:
        photos += decode(bytes(data), min_side=16).image.width > 0
    except UnreadablePhoto as error:
        assert "\\n" not in str(error)
print("photos", photos)
"""


def test_hostile_bytes_end_no_process() -> None:
    done = subprocess.run([sys.executable, "-c", FUZZ, "7", "1500"], capture_output=True, timeout=300, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout.split()[-1]) > 100  # and some are photos all the same


def test_pixels_of_a_preview_are_what_was_put_in() -> None:
    shown = np.asarray(decode(dng(picture(3, (240, 160)))).image, np.int64)
    assert np.abs(shown - np.asarray(picture(3, (240, 160)), np.int64)).mean() < 4
