"""Against a real server: what is refused, what is checked, what is tried again."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from landmark import storage
from landmark.errors import LandmarkError
from landmark.storage import s3, transfer
from tests.storage.server import READER, BreakingProxy, S3Server, environment


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(transfer, "PART_BYTES", 5 << 20)  # the least that S3 allows
    return 5 << 20


READ: Callable[[str], Any] = storage.read_bytes


@pytest.mark.parametrize(
    ("key", "secret", "work", "mend"),
    [
        (
            "admin",
            "hunter2hunter2",
            READ,
            r"S3 refused \(SignatureDoesNotMatch\); .* wrong: check AWS_SECRET_ACCESS_KEY",
        ),
        ("nobody", "wrong", READ, r"S3 refused \(InvalidAccessKeyId\); .*check AWS_ACCESS_KEY_ID"),
        ("reader", READER, lambda uri: storage.write_bytes(uri, b"2"), r"S3 refused \(AccessDenied\); the key may not do this"),
        ("reader", READER, lambda uri: storage.write_if(uri, b"2", None), r"S3 refused \(AccessDenied\)"),
    ],
)
def test_refusals_are_one_line_with_the_mend(
    server: S3Server, real: str, monkeypatch: pytest.MonkeyPatch, key: str, secret: str, work: Callable[[str], Any], mend: str
) -> None:
    storage.write_bytes(f"{real}/x", b"1")
    for name, value in environment(server.endpoint, key, secret).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(storage.StorageUnavailable, match=mend) as error:
        work(f"{real}/x")
    assert "\n" not in str(error.value)
    assert secret not in str(error.value)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "admin")
    for name, value in environment(server.endpoint).items():
        monkeypatch.setenv(name, value)
    assert storage.read_bytes(f"{real}/x") == b"1"


def test_a_reader_may_read(server: S3Server, real: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storage.write_bytes(f"{real}/a/x", b"1")
    for name, value in environment(server.endpoint, "reader", READER).items():
        monkeypatch.setenv(name, value)
    assert list(storage.list_files(f"{real}/a")) == [f"{real}/a/x"]
    assert storage.read_bytes(f"{real}/a/x") == b"1"


@pytest.mark.parametrize(
    "work", [READ, lambda uri: storage.write_bytes(uri, b""), lambda uri: list(storage.list_files(uri)), storage.exists]
)
def test_a_bucket_that_is_not_there(real: str, work: Callable[[str], Any]) -> None:
    with pytest.raises(storage.StorageUnavailable, match=r"^s3://no-such-bucket/x: no such bucket in S3$"):
        work("s3://no-such-bucket/x")


def test_an_address_where_nothing_listens(real: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(storage.StorageUnavailable, match=r"s3://b/x: S3 cannot be reached .*check AWS_ENDPOINT_URL") as error:
        storage.read_bytes("s3://b/x")
    assert "\n" not in str(error.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "not an address")
    with pytest.raises(storage.StorageUnavailable, match="check AWS_ENDPOINT_URL"):
        storage.read_bytes("s3://b/x")


def test_listing_over_pages(real: str) -> None:
    client, name = s3.client(), real.removeprefix("s3://")
    with ThreadPoolExecutor(8) as pool:  # a page holds 1,000
        list(pool.map(lambda number: client.put_object(Bucket=name, Key=f"p/{number:04}.jpg", Body=b""), range(1100)))
    for key in ("p-not.jpg", "p/"):  # a neighbour, and what some tools make for a folder
        client.put_object(Bucket=name, Key=key, Body=b"")
    expected = [f"{real}/p/{number:04}.jpg" for number in range(1100)]
    assert list(storage.list_files(f"{real}/p", [".jpg"])) == expected
    assert [uri for uri, _, _ in storage.object_versions(f"{real}/p")] == expected
    assert {row[0] for row in storage.s3_versions(f"{real}/p")} >= {f"p/{number:04}.jpg" for number in range(1100)}


def test_large_files_go_in_parts_there_and_back(
    real: str, tmp_path: Path, small_parts: int, requests: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = os.urandom(2 * small_parts + 12345)
    (tmp_path / "big").write_bytes(data)
    sent = requests()
    assert transfer.put_file(tmp_path / "big", f"{real}/big")
    assert sum("partNumber=" in line for line in sent) == 3
    monkeypatch.setenv("LANDMARK_OBJECT_CACHE_BYTES", "0")
    sent = requests()
    transfer.fetch_file(f"{real}/big", tmp_path / "back")
    assert sent.count_of("GET") == 3
    assert (tmp_path / "back").read_bytes() == data
    assert not transfer.put_file(tmp_path / "big", f"{real}/big")  # it is there
    # A multipart object's ETag is no digest of its content; the sha256 was noted when it was uploaded.
    head = s3.client().head_object(Bucket=real.removeprefix("s3://"), Key="big", ChecksumMode="ENABLED")
    assert head["Metadata"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert head["ChecksumSHA256"].endswith("-3")
    storage.write_bytes(f"{real}/bytes", data)
    assert storage.read_bytes(f"{real}/bytes") == data


def test_old_remains_of_a_large_object_are_aborted(bucket: str, small_parts: int) -> None:
    client = s3.client()
    for key in ("big", "big2"):
        client.create_multipart_upload(Bucket="photos", Key=key)  # moto says that it began in 2010
    storage.write_bytes(f"{bucket}/big", bytes(small_parts + 1))
    assert [item["Key"] for item in client.list_multipart_uploads(Bucket="photos")["Uploads"]] == ["big2"]


def test_an_upload_that_is_under_way_is_not_aborted(real: str, small_parts: int) -> None:
    client, name = s3.client(), real.removeprefix("s3://")
    client.create_multipart_upload(Bucket=name, Key="big")
    storage.write_bytes(f"{real}/big", bytes(small_parts + 1))
    assert [item["Key"] for item in client.list_multipart_uploads(Bucket=name)["Uploads"]] == ["big"]


def test_content_other_than_noted_is_damage(real: str, tmp_path: Path) -> None:
    wrong = {"sha256": hashlib.sha256(b"right").hexdigest()}
    s3.client().put_object(Bucket=real.removeprefix("s3://"), Key="x/y", Body=b"wrong", Metadata=wrong)
    with pytest.raises(LandmarkError, match=r"x/y: damaged in S3 \(sha256 differs\)"):
        transfer.fetch_file(f"{real}/x/y", tmp_path / "y")
    with pytest.raises(LandmarkError, match="damaged in S3"), storage.local_folder(f"{real}/x"):
        pass


def test_the_server_checks_what_it_is_sent(real: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # The bytes change after the checksum was taken.
    def spoil(request: Any, **_: Any) -> None:
        if request.body and hasattr(request.body, "read"):
            request.body = b"SPOILED"

    client = s3.client()
    client.meta.events.register_last("before-send.s3", spoil)
    try:
        with pytest.raises(storage.StorageUnavailable, match=r"BadDigest|XAmzContentSHA256Mismatch|SHA256"):
            storage.write_bytes(f"{real}/x", b"correct")
    finally:
        client.meta.events.unregister("before-send.s3", spoil)
    assert not storage.exists(f"{real}/x")


@pytest.mark.parametrize("way", ["bytes", "file", "parts"])
def test_a_connection_that_breaks_in_the_middle_of_a_body(
    server: S3Server, real: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "parts":
        monkeypatch.setattr(transfer, "PART_BYTES", 1 << 20)
    data = os.urandom(4 << 20)
    s3.client().put_object(Bucket=real.removeprefix("s3://"), Key="x", Body=data)
    proxy = BreakingProxy(server.ports[0], 600_000, 2)
    monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
    try:
        if way == "bytes":
            assert storage.read_bytes(f"{real}/x") == data
        else:
            transfer.fetch_file(f"{real}/x", tmp_path / "x")
            assert (tmp_path / "x").read_bytes() == data
    finally:
        proxy.close()
    assert proxy.left <= 0  # it was broken twice


def test_a_server_that_is_away_for_a_while_is_waited_for(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = S3Server(tmp_path / "own")
    own.start()
    try:
        for name, value in environment(own.endpoint).items():
            monkeypatch.setenv(name, value)
        s3.client().create_bucket(Bucket="bucket")
        storage.write_bytes("s3://bucket/x", b"1")
        own.stop()
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(storage.read_version, "s3://bucket/x")
            time.sleep(4)
            assert not reading.done()
            own.start()
            assert reading.result()[0] == b"1"
    finally:
        own.stop()


FULL = """
import resource, sys
from landmark import storage
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 17, 1 << 17))
try:
    with storage.local_folder(sys.argv[1]):
        pass
except storage.LandmarkError as error:
    print(error)
"""


def test_a_full_disk_ends_a_download_in_one_line(real: str, tmp_path: Path) -> None:
    storage.write_bytes(f"{real}/m/x", bytes(1 << 20))
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    out = subprocess.run(
        [sys.executable, "-c", FULL, f"{real}/m"],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "TMPDIR": str(scratch)},
        check=True,
    )
    assert out.stdout.count("\n") == 1
    assert "cannot be written (File too large); free some space" in out.stdout
    assert list(scratch.iterdir()) == []
