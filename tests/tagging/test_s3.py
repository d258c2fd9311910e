"""Photos that lie in S3."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from landmark.errors import UsageError
from landmark.storage import StorageUnavailable, write_bytes
from landmark.tagging import reading
from tests.storage.conftest import bucket, cache
from tests.tagging.conftest import Tag, write_photo

__all__ = ["bucket", "cache"]


def put(bucket: str, key: str, folder: Path, kind: int, seed: int) -> None:
    write_bytes(f"{bucket}/{key}", write_photo(folder / "x.png", kind, seed).read_bytes())


def test_a_prefix(tmp_path: Path, tagged: Tag, bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ["trip/a.png", "trip/b/c d+é%41.png", "trip/b/e.png", "trip/notes.txt", "trip/.thumbs/x.png", "tripod/z.png"]
    for number, key in enumerate(keys):
        put(bucket, key, tmp_path, 0, number)
    read, opened = reading.open_photo, []
    monkeypatch.setattr(reading, "open_photo", lambda name: opened.append(name) or read(name))
    source = {"photos": f"{bucket}/trip/"}
    assert tagged(**source).tagged == 3
    expected = [f"{bucket}/{key}" for key in keys[:3]]
    assert pq.read_table(tmp_path / "out/tags.parquet")["photo"].to_pylist() == expected == sorted(opened)
    opened.clear()
    assert not tagged(**source).changed
    put(bucket, "trip/a.png", tmp_path, 1, 9)
    assert tagged(**source).read == 1
    assert opened == expected[:1]
    assert pq.read_table(tmp_path / "out/tags.parquet")["landmark"].to_pylist() == ["bell", "arch", "arch"]


def test_a_list_of_objects(tmp_path: Path, tagged: Tag, bucket: str) -> None:
    put(bucket, "a.png", tmp_path, 0, 1)
    put(bucket, "a.png.bak", tmp_path, 0, 1)
    (tmp_path / "list.txt").write_text(f"{bucket}/a.png\n{bucket}/gone.png\n")
    result = tagged(photos=str(tmp_path / "list.txt"))
    assert (result.photos, result.tagged, result.unreadable) == (2, 1, 1)
    assert not tagged(photos=str(tmp_path / "list.txt")).changed


def test_a_store_that_is_not_there_blames_no_photo(
    tmp_path: Path, tagged: Tag, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        put(bucket, f"trip/{number}.png", tmp_path, 0, number)
    with pytest.raises(UsageError, match="nothing there"):
        tagged(photos=f"{bucket}/other")
    read = reading.open_photo

    def refuse(name: str) -> object:
        if name.endswith("5.png"):
            raise StorageUnavailable("s3: gone")
        return read(name)

    monkeypatch.setattr(reading, "open_photo", refuse)
    with pytest.raises(StorageUnavailable):
        tagged(photos=f"{bucket}/trip", shard=2)
    assert not (tmp_path / "out/tags.parquet").exists()
    monkeypatch.setattr(reading, "open_photo", read)
    assert tagged(photos=f"{bucket}/trip", shard=2).read == 2, "two shards were whole"
