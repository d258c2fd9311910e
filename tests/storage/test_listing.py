from __future__ import annotations

import itertools
import logging
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landmark import storage
from landmark.errors import LandmarkError, UsageError
from landmark.storage import objects, s3
from landmark.storage.uris import local_path, stays

HOSTILE = ["../evil", "a/../../evil", "/etc/passwd", "a//b.jpg", "./a", "a/.", "back\\slash.jpg", "..\\evil", ".."]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_key_is_refused_by_name(bucket: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str) -> None:
    client = s3.client()
    for key in (f"m/{name}", "m/good.jpg"):
        client.put_object(Bucket="photos", Key=key, Body=b"x")
    with caplog.at_level(logging.WARNING):
        assert list(storage.list_files(f"{bucket}/m")) == [f"{bucket}/m/good.jpg"]
    assert "would leave its folder" in caplog.text
    with pytest.raises(LandmarkError, match="would leave its folder; rename it") as error, storage.local_folder(f"{bucket}/m"):
        pass
    assert storage.shown(name) in str(error.value)
    assert [uri for uri, _, _ in storage.object_versions(f"{bucket}/m")] == [f"{bucket}/m/good.jpg"]


@given(st.text(st.sampled_from("ab./\\\0 ~é\n"), max_size=12) | st.text(max_size=30))
def test_no_key_leaves_its_folder(name: str) -> None:
    root = Path("/some/where")
    target = local_path(root, name)
    if target is None:
        assert not stays(name)
        return
    inside = Path(*itertools.takewhile(lambda part: part != "..", target.parts))
    assert inside == target
    assert target.is_relative_to(root)
    assert target != root
    # Taken apart again, it is the key: two keys never share a file.
    assert target.relative_to(root).as_posix() == name


class Endless:
    """Pages of a bucket with as many objects as are asked for."""

    meta = SimpleNamespace(endpoint_url="http://stub")

    def __init__(self, pages: int) -> None:
        self.pages = pages
        self.asked = 0

    def list_objects_v2(self, ContinuationToken: str = "0", MaxKeys: int = 0, **_: Any) -> dict[str, Any]:
        page = int(ContinuationToken)
        self.asked += 1
        names = (f"p/{page:06}-{number:04}-{'x' * 80}.jpg" for number in range(MaxKeys))
        return {
            "Contents": [{"Key": name, "ETag": '"0123456789abcdef0123456789abcdef"', "Size": 1} for name in names],
            "IsTruncated": page + 1 < self.pages,
            "NextContinuationToken": str(page + 1),
        }


def test_millions_of_keys_take_the_memory_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    stub = Endless(pages=100)
    monkeypatch.setattr(s3, "client", lambda: stub)
    keys = objects.list_objects("b", "p/")
    next(keys)
    assert stub.asked == 1  # a reader that asks for no more gets no more
    tracemalloc.start()
    try:
        count = 1 + sum(1 for _ in keys)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 100_000
    assert stub.asked == 100
    # A page is about 0.5 MB; all of them would be 50.
    assert peak < 3e6


def test_versions_of_nothing(bucket: str) -> None:
    storage.write_bytes(f"{bucket}/ab", b"")
    with pytest.raises(UsageError, match="s3://photos/a: nothing there in S3"):
        list(storage.s3_versions(f"{bucket}/a"))
    storage.write_bytes(f"{bucket}/a/x", b"12")
    storage.write_bytes(f"{bucket}/a", b"1")
    # MD5 of "1" and of "12": the ETag of an object that was put in one request.
    assert list(storage.s3_versions(f"{bucket}/a")) == [
        ["a", "c4ca4238a0b923820dcc509a6f75849b", 1],
        ["a/x", "c20ad4d76fe97759aa27a0c99bff6710", 2],
    ]
