"""Folders in S3 that are put, read and replaced as a whole."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from landmark import storage
from landmark.errors import LandmarkError, UsageError
from landmark.storage import folders, pointer, s3, transfer
from tests.storage.server import die_with_parent

ROOT = Path(__file__).parents[2]


def write(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        storage.write_bytes(folder / name.replace("__", "/"), content.encode())
    return folder


def read(uri: str) -> dict[str, str]:
    with storage.local_folder(uri) as folder:
        return {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()}


def keys(uri: str) -> list[str]:
    name = uri.removeprefix("s3://").partition("/")[0]
    return [item["Key"] for item in s3.client().list_objects_v2(Bucket=name).get("Contents", [])]


@pytest.fixture(params=["real", "bucket"])
def place(request: pytest.FixtureRequest) -> str:
    return f"{request.getfixturevalue(request.param)}/models/1"


def test_only_what_is_new_is_uploaded(place: str, tmp_path: Path, requests: Any) -> None:
    folder = write(tmp_path / "f", a="1", deep__b="2", c="2")
    assert storage.upload_folder(folder, place)
    assert read(place) == {"a": "1", "deep/b": "2", "c": "2"}
    sent = requests()
    assert not storage.upload_folder(folder, place)
    assert sent.count_of("PUT") == 0
    write(folder, a="new")
    sent = requests()
    assert storage.upload_folder(folder, place)
    assert sent.count_of("PUT") == 2  # the file and the pointer
    assert read(place) == {"a": "new", "deep/b": "2", "c": "2"}
    (folder / "c").unlink()
    assert storage.upload_folder(folder, place)
    assert read(place) == {"a": "new", "deep/b": "2"}


def test_the_last_but_one_version_is_kept_and_older_ones_go(place: str, tmp_path: Path) -> None:
    sizes = []
    for version in range(5):
        storage.upload_folder(write(tmp_path / "f", a=f"a{version}", b=f"b{version}", same="same"), place)
        sizes.append(len(keys(place)))
    # Pointer, two files of each version kept, and one that all versions share.
    assert sizes == [4, 6, 6, 6, 6]
    found = pointer.read_pointer(place)
    assert found is not None
    assert found[0].number == 5
    contents = {storage.read_bytes(storage.join(place, ".landmark", key)) for key in found[0].keys}
    assert contents == {b"a3", b"b3", b"a4", b"b4", b"same"}


def test_a_plain_prefix_is_read_as_it_is_until_a_version_is_put(place: str, tmp_path: Path) -> None:
    storage.write_bytes(f"{place}/old/x", b"old")
    assert read(place) == {"old/x": "old"}
    storage.upload_folder(write(tmp_path / "f", a="1"), place)
    assert read(place) == {"a": "1"}
    assert list(storage.list_files(place)) == [f"{place}/a"]
    assert storage.read_bytes(f"{place}/a") == b"1"
    assert storage.exists(f"{place}/a")
    assert not storage.exists(f"{place}/b")
    with pytest.raises(LandmarkError, match="no such object"):
        storage.read_bytes(f"{place}/b")
    before = list(storage.s3_versions(place))
    assert [row[0] for row in before] == ["models/1/a"]
    storage.upload_folder(write(tmp_path / "f", a="2"), place)
    assert list(storage.s3_versions(place)) != before


def test_an_upload_that_breaks_off_is_not_seen_and_goes_on(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requests: Any
) -> None:
    storage.upload_folder(write(tmp_path / "f", a="old"), place)
    new = write(tmp_path / "g", **{f"f{number}": f"new {number}" for number in range(8)})
    send, done = folders.send_file, []

    def break_off(path: Path, uri: str, sha256: str) -> None:
        if len(done) >= 5:
            raise storage.StorageUnavailable(f"{uri}: the network went away")
        send(path, uri, sha256)
        done.append(uri)

    with monkeypatch.context() as patch:
        patch.setattr(folders, "send_file", break_off)
        patch.setattr(folders, "FILES_AT_ONCE", 1)
        with pytest.raises(storage.StorageUnavailable, match="went away"):
            storage.upload_folder(new, place)
    assert read(place) == {"a": "old"}
    sent = requests()
    storage.upload_folder(new, place)
    assert sent.count_of("PUT") == 3 + 1
    assert read(place) == {f"f{number}": f"new {number}" for number in range(8)}


def test_a_first_upload_that_breaks_off_leaves_no_folder(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise storage.StorageUnavailable("down")

    with monkeypatch.context() as patch:
        patch.setattr(folders, "write_if", refuse)
        with pytest.raises(storage.StorageUnavailable):
            storage.upload_folder(write(tmp_path / "f", a="1"), place)
    assert keys(place) != []
    with pytest.raises(LandmarkError, match="no such folder"):
        read(place)
    assert list(storage.list_files(place)) == []


def test_unfinished_multipart_uploads_are_aborted(real: str, tmp_path: Path) -> None:
    place = f"{real}/m"
    client, name = s3.client(), real.removeprefix("s3://")
    storage.upload_folder(write(tmp_path / "f", a="1"), place)
    ours = f"m/.landmark/2-{'0' * 16}/{'0' * 64}"
    later = f"m/.landmark/9-{'0' * 16}/{'0' * 64}"  # of somebody who puts a version just now
    for key in (ours, later, "m/other"):
        client.create_multipart_upload(Bucket=name, Key=key)
    client.put_object(Bucket=name, Key=f"m/.landmark/2-{'1' * 16}/{'1' * 64}", Body=b"left by a kill")
    storage.upload_folder(write(tmp_path / "f", a="2"), place)
    assert {item["Key"] for item in client.list_multipart_uploads(Bucket=name)["Uploads"]} == {later, "m/other"}
    assert not [key for key in keys(place) if "1" * 64 in key]


def test_damage_of_a_stored_file_is_noticed(place: str, tmp_path: Path) -> None:
    storage.upload_folder(write(tmp_path / "f", a="right"), place)
    found = pointer.read_pointer(place)
    assert found is not None
    stored = storage.join(place, ".landmark", found[0].files["a"].key)
    storage.write_bytes(stored, b"wrong")
    with pytest.raises(LandmarkError, match=r"damaged in S3 \(sha256 differs\)"):
        read(place)
    bucket, key = stored.removeprefix("s3://").split("/", 1)
    s3.client().delete_object(Bucket=bucket, Key=key)
    with pytest.raises(LandmarkError, match="no such object"):
        read(place)


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/../../evil", "a\\b", "", "a//b"])
def test_a_pointer_with_a_hostile_name_is_refused(bucket: str, tmp_path: Path, name: str) -> None:
    storage.upload_folder(write(tmp_path / "f", a="1"), f"{bucket}/m")
    content = storage.read_json(f"{bucket}/m/.landmark.json")
    content["files"][name] = content["files"].pop("a")
    storage.write_json(f"{bucket}/m/.landmark.json", content)
    with pytest.raises(LandmarkError, match="would leave the folder; do not use it"):
        read(f"{bucket}/m")


@pytest.mark.parametrize("key", ["../../secret", f"1-{'0' * 16}/../../{'0' * 64}", "x"])
def test_a_pointer_to_a_foreign_key_is_refused(bucket: str, tmp_path: Path, key: str) -> None:
    storage.upload_folder(write(tmp_path / "f", a="1"), f"{bucket}/m")
    content = storage.read_json(f"{bucket}/m/.landmark.json")
    content["files"]["a"]["key"] = key
    storage.write_json(f"{bucket}/m/.landmark.json", content)
    with pytest.raises(LandmarkError, match="is none of its own"):
        read(f"{bucket}/m")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": "landmark-folder", "version": 1, "number": 1, "files": []}'])
def test_a_damaged_pointer_is_one_line(bucket: str, text: str) -> None:
    storage.write_bytes(f"{bucket}/m/.landmark.json", text.encode())
    with pytest.raises(LandmarkError, match=r"m/\.landmark\.json: not a folder's list of files") as error:
        read(f"{bucket}/m")
    assert "\n" not in str(error.value)


def test_names_that_can_be_no_keys_are_refused_before_anything_is_sent(bucket: str, tmp_path: Path, requests: Any) -> None:
    sent = requests()
    for name in ("a\\b", ".landmark.json"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).write_text("x")
        with pytest.raises(LandmarkError, match="can't be a key of S3; rename it"):
            storage.upload_folder(tmp_path / name, f"{bucket}/m")
    with pytest.raises(UsageError, match="a whole bucket is no folder"):
        storage.upload_folder(tmp_path, f"{bucket}/")
    assert sent == []


def test_two_uploaders_both_succeed_and_one_version_stays(real: str, tmp_path: Path) -> None:
    place = f"{real}/m"
    versions = [write(tmp_path / str(n), **{f"f{i}": f"{n}" for i in range(3)}) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda folder: storage.upload_folder(folder, place), versions))
    found = read(place)
    assert len(found) == 3
    assert len(set(found.values())) == 1


def test_a_version_that_goes_while_it_is_read_is_read_anew(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, fetch, puts = f"{bucket}/m", folders.fetch_file, [1, 2, 3]
    storage.upload_folder(write(tmp_path / "f", a="a0", b="b0"), place)
    monkeypatch.setattr(folders, "FILES_AT_ONCE", 1)

    def meanwhile(uri: str, target: Path, sha256: str | None = None) -> None:
        fetch(uri, target, sha256)
        while puts:  # after the first file of version 0, three newer versions come
            version = str(puts.pop(0))
            storage.upload_folder(write(tmp_path / "f", a=f"a{version}", b=f"b{version}"), place)

    monkeypatch.setattr(folders, "fetch_file", meanwhile)
    assert read(place) == {"a": "a3", "b": "b3"}


def test_nothing_is_downloaded_twice(real: str, tmp_path: Path, requests: Any) -> None:
    place = f"{real}/m"
    storage.upload_folder(write(tmp_path / "f", a="1", b="2"), place)
    sent = requests()
    read(place)
    assert sent.count_of("GET") == 3
    sent = requests()
    read(place)
    assert sent.count_of("GET") == 1  # the pointer, which the server says has not changed


UPLOADER = """
import itertools, sys
from pathlib import Path
from landmark import storage
from landmark.storage import transfer
folder, place, start = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
for version in itertools.count(start):
    for number in range(4):
        (folder / f"f{number}").write_bytes(f"{version} ".encode() * (1000 * number + 1))
    storage.upload_folder(folder, place)
    print(version, flush=True)
"""


@contextlib.contextmanager
def reading(place: str) -> Iterator[list[set[str]]]:
    """Reads a folder again and again; gives, for each time, the versions that its files are of."""
    seen: list[set[str]] = []
    errors: list[BaseException] = []
    stop = threading.Event()

    def loop() -> None:
        try:
            while not stop.is_set():
                files = read(place)
                assert len(files) == 4
                seen.append({word for content in files.values() for word in content.split()})
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=loop)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join(60)
    if errors:
        raise errors[0]


def test_a_killed_uploader_leaves_a_whole_version(real: str, tmp_path: Path) -> None:
    place, chance, last = f"{real}/m", random.Random(5), -1
    write(tmp_path / "f", **{f"f{number}": "0" for number in range(4)})
    storage.upload_folder(tmp_path / "f", place)
    with reading(place) as seen:
        for _ in range(6):
            child = subprocess.Popen(
                [sys.executable, "-c", UPLOADER, str(tmp_path / "f"), place, str(last + 1)],
                stdout=subprocess.PIPE,
                text=True,
                cwd=ROOT,
                env=dict(os.environ),
                preexec_fn=die_with_parent,
            )
            assert child.stdout is not None
            try:
                last = int(child.stdout.readline())
                time.sleep(chance.random() * 0.4)
            finally:
                child.send_signal(signal.SIGKILL)
                child.wait()
            lines = [line for line in child.stdout.read().split("\n")[:-1] if line]
            last = int(lines[-1]) if lines else last
            # What was reported as put is there, or the one that was being put.
            (version,) = {word for content in read(place).values() for word in content.split()}
            assert int(version) in (last, last + 1)
            last = int(version)
    assert len(seen) > 5
    assert {len(versions) for versions in seen} == {1}
    order = [int(next(iter(versions))) for versions in seen]
    assert order == sorted(order)  # no reader goes back to an older version


def test_a_pointer_is_what_the_docs_say(bucket: str, tmp_path: Path) -> None:
    storage.upload_folder(write(tmp_path / "f", abc="abc"), f"{bucket}/m")
    content = json.loads(storage.read_bytes(f"{bucket}/m/.landmark.json"))
    # FIPS 180-2, appendix B.1
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    (name, file), *others = content["files"].items()
    assert (name, file["sha256"], file["bytes"], others) == ("abc", digest, 3, [])
    assert storage.read_bytes(f"{bucket}/m/.landmark/{file['key']}") == b"abc"


def test_large_files_of_a_folder_go_in_parts(real: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, requests: Any) -> None:
    monkeypatch.setattr(transfer, "PART_BYTES", 5 << 20)
    data = os.urandom((5 << 20) + 1)
    storage.write_bytes(tmp_path / "f" / "index.faiss", data)
    sent = requests()
    storage.upload_folder(tmp_path / "f", f"{real}/m")
    assert sum("partNumber=" in line for line in sent) == 2
    with storage.local_folder(f"{real}/m") as folder:
        assert (folder / "index.faiss").read_bytes() == data
