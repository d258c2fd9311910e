"""Objects kept on this machine: never stale, never damaged, never more than the bound, never in the way."""

from __future__ import annotations

import errno
import multiprocessing
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from landmark import storage
from landmark.errors import LandmarkError, UsageError
from landmark.storage import object_cache, s3
from landmark.storage.object_cache import ObjectCache

ROOT = Path(__file__).parents[2]
PLACE = ("http://server", "bucket")


def kept(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.suffix in (".object", ".part")]


def size_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in kept(folder))


def take(cache: ObjectCache, key: str) -> bytes | None:
    entry = cache.find(*PLACE, key)
    return None if entry is None else cache.read(entry)


def test_the_longest_unused_goes_first(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path, 1000)
    for key in "abcdefghij":
        cache.add(*PLACE, key, "1", key.encode() * 100)
    assert size_of(tmp_path) == 1000
    assert take(cache, "a") == b"a" * 100
    cache.add(*PLACE, "k", "1", b"k" * 100)
    cache.add(*PLACE, "l", "1", b"l" * 50)
    assert [key for key in "abcdefghijkl" if take(cache, key) is None] == ["b", "c"]
    assert size_of(tmp_path) == 950
    cache.add(*PLACE, "big", "1", b"x" * 126)  # more than an eighth of the bound
    assert take(cache, "big") is None
    assert size_of(tmp_path) == 950


def test_a_new_version_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path, 1000)
    cache.add(*PLACE, "a", "1", b"old")
    cache.add(*PLACE, "a", "2", b"newer")
    entry = cache.find(*PLACE, "a")
    assert entry is not None
    assert (entry.etag, entry.size) == ("2", 5)
    assert cache.read(entry) == b"newer"
    assert size_of(tmp_path) == 5
    assert cache.find("http://another", "bucket", "a") is None


def test_a_damaged_file_is_not_taken(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path, 1000)
    for damage in (b"wrong", b"", None):
        cache.add(*PLACE, "a", "1", b"right")
        (file,) = kept(tmp_path)
        if damage is None:
            file.unlink()
        else:
            file.write_bytes(damage)
        assert take(cache, "a") is None
    cache.add(*PLACE, "a", "1", b"right")
    assert take(cache, "a") == b"right"


def test_threads_keep_the_bound(tmp_path: Path) -> None:
    cache = ObjectCache(tmp_path, 2000)
    wrong = []

    def work(number: int) -> None:
        for turn in range(40):
            key = f"{(number * 7 + turn) % 50}"
            if (data := take(cache, key)) is not None and data != key.encode() * 50:
                wrong.append(key)
            cache.add(*PLACE, key, "1", key.encode() * 50)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert wrong == []
    assert 0 < size_of(tmp_path) <= 2000
    with sqlite3.connect(tmp_path / "objects.sqlite") as books:
        assert books.execute("SELECT sum(bytes) FROM objects").fetchone() == books.execute("SELECT bytes FROM total").fetchone()
        assert books.execute("SELECT sum(bytes) FROM objects WHERE whole").fetchone() == (size_of(tmp_path),)


CHILD = """
import sys
from pathlib import Path
from landmark.storage.object_cache import ObjectCache
cache = ObjectCache(Path(sys.argv[1]), 3000)
for number in range(200):
    key = str(number % 40)
    entry = cache.find("http://server", "bucket", key)
    data = cache.read(entry) if entry else None
    assert data in (None, key.encode() * 50), data
    cache.add("http://server", "bucket", key, "1", key.encode() * 50)
"""


def test_processes_share_it_and_a_killed_one_leaves_no_mess(tmp_path: Path) -> None:
    children = [subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], cwd=ROOT) for _ in range(3)]
    try:
        assert [child.wait(120) for child in children[1:]] == [0, 0]
    finally:
        children[0].kill()
        children[0].wait()
    cache = ObjectCache(tmp_path, 3000)
    for number in range(60):
        cache.add(*PLACE, f"after {number}", "1", b"x" * 100)
    assert take(cache, "after 59") == b"x" * 100
    assert size_of(tmp_path) <= 3000


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_full_disk_means_no_cache_and_no_error(
    bucket: str, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, number: int
) -> None:
    s3.client().put_object(Bucket="photos", Key="x", Body=b"content")

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as file:
            file.write(data[:3])
        raise OSError(number, os.strerror(number), str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        for _ in range(3):
            assert storage.read_bytes(f"{bucket}/x") == b"content"
    assert kept(cache) == []
    assert caplog.text.count("objects are not kept") == 1
    storage.read_bytes(f"{bucket}/x")
    assert len(kept(cache)) == 1


def test_it_leaves_space_to_others(bucket: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.client().put_object(Bucket="photos", Key="x", Body=b"content")
    monkeypatch.setattr(object_cache, "KEEP_FREE", 1 << 60)
    assert storage.read_bytes(f"{bucket}/x") == b"content"
    assert kept(cache) == []


def test_a_folder_that_cannot_be_made_and_a_book_that_is_damaged(
    bucket: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.client().put_object(Bucket="photos", Key="x", Body=b"content")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LANDMARK_CACHE", str(tmp_path / "file"))
    assert storage.read_bytes(f"{bucket}/x") == b"content"
    monkeypatch.setenv("LANDMARK_CACHE", str(tmp_path / "damaged"))
    storage.write_bytes(tmp_path / "damaged" / "objects" / "objects.sqlite", b"no database at all" * 100)
    assert storage.read_bytes(f"{bucket}/x") == b"content"
    assert len(kept(tmp_path / "damaged")) == 1


def test_what_is_known_is_not_downloaded_again(real: str, requests: Any) -> None:
    name = real.removeprefix("s3://")
    first = s3.client().put_object(Bucket=name, Key="x", Body=b"one")["ETag"].strip('"')
    received = []

    def note(http_response: Any = None, parsed: Any = None, **_: Any) -> None:
        received.append(parsed["ResponseMetadata"]["HTTPStatusCode"])

    s3.client().meta.events.register("after-call.s3.GetObject", note)
    try:
        sent = requests()
        assert storage.read_bytes(f"{real}/x") == b"one"
        assert storage.read_bytes(f"{real}/x") == b"one"
        assert received == [200, 304]  # asked whether it changed; no content was sent
        sha256 = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"  # echo -n one | sha256sum
        sent = requests()
        assert storage.read_bytes(f"{real}/x", etag=first) == b"one"
        assert storage.read_bytes(f"{real}/x", sha256=sha256) == b"one"
        assert sent == []
        s3.client().put_object(Bucket=name, Key="x", Body=b"two")
        assert storage.read_bytes(f"{real}/x") == b"two"
        with pytest.raises(storage.Changed, match="x: somebody else changed it"):
            storage.read_bytes(f"{real}/x", etag=first)
    finally:
        s3.client().meta.events.unregister("after-call.s3.GetObject", note)


def test_off_and_wrong(bucket: str, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.write_bytes(f"{bucket}/x", b"1")
    monkeypatch.setenv("LANDMARK_OBJECT_CACHE_BYTES", "0")
    assert storage.read_bytes(f"{bucket}/x") == b"1"
    assert not cache.exists()
    monkeypatch.setenv("LANDMARK_OBJECT_CACHE_BYTES", "10 GB")
    with pytest.raises(UsageError, match="LANDMARK_OBJECT_CACHE_BYTES=10 GB: expected a number of bytes"):
        storage.read_bytes(f"{bucket}/x")


def test_an_object_over_the_limit_is_not_read(bucket: str, cache: Path) -> None:
    storage.write_bytes(f"{bucket}/x", b"12345")
    with pytest.raises(LandmarkError, match="object of 5 bytes, over the limit of 4"):
        storage.read_bytes(f"{bucket}/x", limit=4)
    assert storage.read_bytes(f"{bucket}/x", limit=5) == b"12345"


def test_a_forked_process_has_books_of_its_own(bucket: str, cache: Path) -> None:
    for number in range(4):
        s3.client().put_object(Bucket="photos", Key=str(number), Body=b"content")
    assert storage.read_bytes(f"{bucket}/0") == b"content"

    def read() -> None:
        for number in range(1, 4):
            assert storage.read_bytes(f"{bucket}/{number}") == b"content"

    child = multiprocessing.get_context("fork").Process(target=read)
    child.start()
    child.join(60)
    assert child.exitcode == 0
    assert len(kept(cache)) == 4
    with sqlite3.connect(cache / "objects" / "objects.sqlite") as books:
        assert books.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert books.execute("SELECT count(*), sum(whole) FROM objects").fetchone() == (4, 4)
