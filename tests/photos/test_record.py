from __future__ import annotations

import threading
import time
from pathlib import Path

import imagehash
import pytest
from PIL import Image

from landmark import storage
from landmark.photos import record
from landmark.photos.record import Record, read_record, read_records
from tests.photos.sample import put


def test_record_of_a_photo(tmp_path: Path) -> None:
    photo = put(tmp_path / "x.jpg", 1, (640, 480))
    read = read_record(str(photo))
    assert (read.width, read.height, read.reason) == (640, 480, "")
    assert read.sha256 == storage.sha256_file(photo)
    with Image.open(photo) as image:
        exact = int(str(imagehash.phash(image)), 16)
    assert (read.phash ^ exact).bit_count() <= 4  # ours is taken at reduced scale


def test_order_is_kept_and_few_files_are_in_flight(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    lock = threading.Lock()

    def slow(photo: str) -> Record:
        with lock:
            started.append(photo)
        time.sleep(0.002 if int(photo) % 3 else 0.01)
        return Record(photo)

    monkeypatch.setattr(record, "read_record", slow)
    photos = [str(number) for number in range(300)]
    records = read_records(photos, progress=False)
    assert next(records).photo == "0"
    assert len(started) <= 4 * 8 + 1  # a reader that is not asked for more reads no further
    assert [item.photo for item in records] == photos[1:]


def test_nothing_to_read() -> None:
    assert list(read_records([])) == []


def test_a_store_that_is_down_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(_: str, **__: object) -> bytes:
        raise storage.StorageUnavailable("s3://b/x: S3 cannot be reached")

    monkeypatch.setattr(storage, "read_bytes", down)
    with pytest.raises(storage.StorageUnavailable):
        list(read_records(["s3://b/x.jpg", "s3://b/y.jpg"], progress=False))


def test_an_object_that_went_away_is_a_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(uri: str, **_: object) -> bytes:
        raise storage.NoSuchObject(f"{uri}: no such object in S3")

    monkeypatch.setattr(storage, "read_bytes", gone)
    assert read_record("s3://b/x.jpg").reason == "no such object in S3"
