from __future__ import annotations

import contextlib
import errno
import io
import os
import threading
import time
from collections.abc import Iterator
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


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.ENOTCONN, errno.EHOSTDOWN, errno.ENODEV, errno.EMFILE])
def test_a_disk_that_does_not_answer_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    photo = put(tmp_path / "x.jpg", 1, (64, 48))
    opened = Path.open

    def fails(self: Path, *arguments: object, **named: object) -> object:
        if self == photo:
            raise OSError(number, os.strerror(number), str(self))
        return opened(self, *arguments, **named)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", fails)
    with pytest.raises(storage.StorageUnavailable, match=rf"x\.jpg: the disk or mount of {tmp_path} does not answer"):
        list(read_records([str(photo)], progress=False))


def test_a_disk_that_fails_while_a_file_is_read_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = put(tmp_path / "x.jpg", 1, (64, 48))

    class Fails(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    @contextlib.contextmanager
    def opens(*_: object) -> Iterator[tuple[io.BytesIO, int]]:
        yield Fails(), 1

    monkeypatch.setattr(record, "open_photo", opens)
    with pytest.raises(storage.StorageUnavailable):
        read_record(str(photo))


def test_one_file_that_nobody_may_read_is_a_reject_and_a_closed_folder_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = put(tmp_path / "x.jpg", 1, (64, 48))

    def refuses(self: Path, *_: object, **__: object) -> object:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self))

    monkeypatch.setattr(Path, "open", refuses)
    assert read_record(str(photo)).reason == "cannot be opened (Permission denied)"
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may enter every folder
    with pytest.raises(storage.StorageUnavailable, match="may be read"):
        read_record(str(photo))
