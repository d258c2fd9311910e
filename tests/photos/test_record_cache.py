"""A catalog made again reads only what changed."""

from __future__ import annotations

import io
import os
import sqlite3
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from landmark import storage
from landmark.config import DataConfig
from landmark.photos import record as module
from landmark.photos import record_cache
from landmark.photos.build import build_catalog
from landmark.photos.record import Record, known_or_read
from landmark.photos.record_cache import RecordCache
from tests.photos.sample import folder, picture, put
from tests.storage.conftest import bucket, cache, real, requests, server

__all__ = ["bucket", "cache", "real", "requests", "server"]

OLD = time.time() - 3600


def jpeg(seed: int) -> bytes:
    buffer = io.BytesIO()
    picture(seed).save(buffer, "jpeg")
    return buffer.getvalue()


def fill(place: str) -> DataConfig:
    for number in range(6):
        storage.write_bytes(f"{place}/{'landmarks/a' if number < 3 else 'others'}/{number}.jpg", jpeg(number))
    storage.write_bytes(f"{place}/landmarks/a/bad.jpg", b"bad")
    return DataConfig(source=f"{place}/landmarks", others=f"{place}/others")


def test_objects_that_did_not_change_are_not_read_again(real: str, requests: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANDMARK_OBJECT_CACHE_BYTES", "0")  # what is saved is saved by the records alone
    data = fill(real)
    sent = requests()
    first = build_catalog(data, 0, progress=False)
    assert sent.count_of("GET") == 7
    sent = requests()
    second = build_catalog(data, 0, progress=False)
    assert sent.count_of("LIST") == len(sent) > 0
    assert second.digest == first.digest
    assert second.rejects.equals(first.rejects)
    storage.write_bytes(f"{real}/others/4.jpg", jpeg(99))
    sent = requests()
    third = build_catalog(data, 0, progress=False)
    assert [line for line in sent if not line.startswith("LIST")] == [f"GET /{real.removeprefix('s3://')}/others/4.jpg"]
    assert third.digest != first.digest
    assert set(third.table["photo"]) == set(first.table["photo"])


def test_what_the_catalog_downloaded_is_not_downloaded_to_be_embedded(real: str, requests: Any) -> None:
    data = fill(real)
    made = build_catalog(data, 0, progress=False)
    sent = requests()
    for photo, sha256 in zip(made.table["photo"], made.table["sha256"], strict=True):
        storage.read_bytes(photo, sha256=sha256)
    assert sent == []


def test_an_object_that_changes_after_the_listing_is_noticed(
    real: str, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    data = fill(real)
    listed = list(storage.object_versions(f"{real}/others"))
    monkeypatch.setattr("landmark.photos.build._versions", lambda _: {uri: (etag, size) for uri, etag, size in listed})
    storage.write_bytes(f"{real}/others/4.jpg", jpeg(99))
    with caplog.at_level("INFO"):
        made = build_catalog(data, 0, progress=False)
    assert f"{real}/others/4.jpg: changed since it was listed" in caplog.text
    table = made.table.set_index("photo")
    import hashlib

    assert table.loc[f"{real}/others/4.jpg", "sha256"] == hashlib.sha256(jpeg(99)).hexdigest()
    with RecordCache() as records:  # nothing is kept of it under the version that it no longer has
        old = {uri: (etag, size) for uri, etag, size in listed}[f"{real}/others/4.jpg"]
        assert records.get(f"{real}/others/4.jpg", record_cache.object_stamp(*old)) is None


def age(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the files had been at rest for long: the time of the last change of an inode can't be set."""
    for file in root.rglob("*.jpg"):
        os.utime(file, (OLD, OLD))
    monkeypatch.setattr(record_cache, "SETTLED_NS", -1)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files that were opened."""
    opened: list[str] = []
    real_open = module.open_photo

    def count(photo: str, etag: str | None = None) -> Any:
        opened.append(Path(photo).name)
        return real_open(photo, etag)

    monkeypatch.setattr(module, "open_photo", count)
    return opened


def test_local_files_that_did_not_change_are_not_read_again(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, reads: list[str]
) -> None:
    data = folder(tmp_path / "photos", {"a": 3}, 3)
    age(tmp_path / "photos", monkeypatch)
    first = build_catalog(data, 0, progress=False)
    assert len(reads) == 6
    reads.clear()
    assert build_catalog(data, 0, progress=False).digest == first.digest
    assert reads == []
    # Same size and same time of modification, by a tool that sets it back: the inode's own time of change tells.
    changed = tmp_path / "photos" / "others" / "1.jpg"
    content = changed.read_bytes()
    changed.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    os.utime(changed, (OLD, OLD))
    assert build_catalog(data, 0, progress=False).digest != first.digest
    assert reads == ["1.jpg"]


def test_a_file_that_changed_just_now_is_not_trusted(tmp_path: Path, cache: Path, reads: list[str]) -> None:
    photo = put(tmp_path / "x.jpg", 1)
    with RecordCache() as records:
        known_or_read(str(photo), records)
    with RecordCache() as records:
        known_or_read(str(photo), records)
    assert len(reads) == 2


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    made = Record("p/ü.jpg", "", "ab" * 32, 4000, 3000, datetime(2024, 2, 29, 1, 2, 3), -33.8567844, 1e-17, 2**64 - 1)
    bad = Record("q", "damaged or cut off (ü)")
    with RecordCache(tmp_path / "r.sqlite") as records:
        records.put(made, "1")
        records.put(bad, "1")
    with RecordCache(tmp_path / "r.sqlite") as records:
        assert records.get("p/ü.jpg", "1") == made
        assert records.get("q", "1") == bad
        assert records.get("p/ü.jpg", "2") is None
        assert records.get("other", "1") is None


def test_another_decoder_reads_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with RecordCache(tmp_path / "r.sqlite") as records:
        records.put(Record("p"), "1")
    monkeypatch.setattr("importlib.metadata.version", lambda name: "99")
    with RecordCache(tmp_path / "r.sqlite") as records:
        assert records.get("p", "1") is None


def test_what_is_no_matter_of_the_content_is_not_kept(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photo = put(tmp_path / "x.jpg", 1)
    age(tmp_path, monkeypatch)

    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch, RecordCache() as records:
        patch.setattr("PIL.Image.open", no_memory)
        assert "memory" in known_or_read(str(photo), records).reason
    with RecordCache() as records:
        assert known_or_read(str(photo), records).reason == ""


@pytest.mark.parametrize("damage", ["no database", "row", "folder"])
def test_a_cache_that_cannot_be_used_is_done_without(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    data = folder(tmp_path / "photos", {"a": 2}, 2)
    age(tmp_path / "photos", monkeypatch)
    first = build_catalog(data, 0, progress=False)
    file = cache / "photos.sqlite"
    if damage == "no database":
        file.write_bytes(b"no database at all" * 500)
    elif damage == "row":
        with sqlite3.connect(file) as books:
            books.execute("UPDATE records SET record = '[1, 2'")
        books.close()
    else:
        for part in cache.glob("photos.sqlite*"):
            part.unlink()
        file.mkdir()
    assert build_catalog(data, 0, progress=False).digest == first.digest


CHILD = """
import sys
from pathlib import Path
from landmark.photos.record_cache import Record, RecordCache
with RecordCache(Path(sys.argv[1])) as records:
    for number in range(2000):
        records.put(Record(f"{sys.argv[2]} {number}", width=number), "1")
        if number % 300 == 0:
            records.get("a 1", "1")
"""


def test_two_processes_write_at_once(tmp_path: Path) -> None:
    file = tmp_path / "r.sqlite"
    children = [subprocess.Popen([sys.executable, "-c", CHILD, str(file), name]) for name in "ab"]
    assert [child.wait(120) for child in children] == [0, 0]
    with RecordCache(file) as records:
        found = [records.get(f"{name} {number}", "1") for name in "ab" for number in range(2000)]
    assert [record.width for record in found if record is not None] == [*range(2000), *range(2000)]
