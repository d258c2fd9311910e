from __future__ import annotations

from pathlib import Path

import pytest

from landmark import storage
from landmark.errors import LandmarkError, UsageError


def test_s3_write_read_exists(bucket: str) -> None:
    storage.write_bytes(f"{bucket}/a/b.bin", b"one")
    storage.write_json(f"{bucket}/a/c.json", {"x": 1})
    assert storage.read_bytes(f"{bucket}/a/b.bin") == b"one"
    assert storage.read_json(f"{bucket}/a/c.json") == {"x": 1}
    assert storage.exists(f"{bucket}/a/b.bin")
    assert storage.exists(f"{bucket}/a")
    assert storage.exists(bucket)
    assert not storage.exists(f"{bucket}/a/b")
    with pytest.raises(LandmarkError, match="s3://photos/none: no such object") as error:
        storage.read_bytes(f"{bucket}/none")
    assert not isinstance(error.value, storage.StorageUnavailable)
    with pytest.raises(storage.StorageUnavailable, match="no such bucket"):
        storage.read_bytes("s3://elsewhere/x")
    with pytest.raises(UsageError, match="expected s3://bucket/key"):
        storage.read_bytes("s3://photos")


def test_s3_folder_there_and_back(bucket: str, tmp_path: Path) -> None:
    for name in ("x.json", "deep/er/y.bin", "deep/🗼\n.jpg"):
        storage.write_bytes(tmp_path / "up" / name, name.encode())
    storage.upload_folder(tmp_path / "up", f"{bucket}/models/1")
    with storage.local_folder(f"{bucket}/models/1") as folder:
        files = {
            file.relative_to(folder).as_posix(): file.read_bytes().decode() for file in folder.rglob("*") if file.is_file()
        }
    assert files == {name: name for name in ("x.json", "deep/er/y.bin", "deep/🗼\n.jpg")}
    assert not folder.exists()
    with pytest.raises(LandmarkError, match="no such folder"), storage.local_folder(f"{bucket}/none"):
        pass


def test_s3_key_that_would_leave_the_folder(bucket: str, tmp_path: Path) -> None:
    storage.write_bytes(f"{bucket}/m/../../evil", b"")
    with pytest.raises(LandmarkError, match="would leave its folder"), storage.local_folder(f"{bucket}/m"):
        pass


def test_s3_that_cannot_be_reached_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(storage.StorageUnavailable, match="cannot be reached") as error:
        storage.read_bytes("s3://photos/x")
    assert "\n" not in str(error.value)
