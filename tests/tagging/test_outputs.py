"""What a job makes beside the tables: each for itself, again after a failure, and as it was last asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from landmark.errors import LandmarkError, UsageError
from landmark.photos.corrections import Corrections
from landmark.storage import exists, write_bytes
from landmark.tagging import sidecars
from landmark.tagging.output_config import OutputConfig
from tests.storage.conftest import bucket, cache
from tests.tagging.conftest import Tag, write_photo, write_photos

__all__ = ["bucket", "cache"]

PLAIN = OutputConfig(albums="none", gallery=False)


def rows(out: Path) -> list[dict[str, Any]]:
    return pq.read_table(out / "tags.parquet").to_pylist()


def sidecar_files(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "photos").rglob("*.xmp"))


def test_all_of_it_and_then_nothing_to_do(tmp_path: Path, tagged: Tag) -> None:
    write_photos(tmp_path / "photos", 12)
    asked = OutputConfig(xmp="write", csv=True, why=2)
    result = tagged(outputs=asked)
    out = tmp_path / "out"
    assert set(result.outputs) == {"albums", "gallery", "xmp"}
    assert len(sidecar_files(tmp_path)) == result.tagged > 0
    assert len([file for file in (out / "albums").rglob("*") if file.is_symlink()]) == result.tagged
    assert json.loads((out / "tagging.json").read_text())["options"] == ["--csv", "--why", "2", "--xmp"]
    before = {file: file.lstat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file() and ".state" not in file.parts}
    again = tagged(outputs=asked)
    assert (again.changed, again.outputs) == (False, {})
    assert before == {
        file: file.lstat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file() and ".state" not in file.parts
    }
    for name in ("tags.csv", "landmarks.parquet", "albums", "gallery/index.html"):
        file = out / name
        file.rename(tmp_path / "away") if file.is_dir() else file.unlink()
        tagged(outputs=asked)
        assert file.exists(), name
    sidecar_files(tmp_path)[0].unlink()
    assert tagged(outputs=asked).outputs["xmp"]["written"] == 1


def test_sidecars_asked_for_and_taken_back_in_turns(tmp_path: Path, tagged: Tag, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photos(tmp_path / "photos", 8)
    write, withdraw = (PLAIN.model_copy(update={"xmp": xmp}) for xmp in ("write", "withdraw"))
    tagged(outputs=write)
    all_of_them = sidecar_files(tmp_path)
    tagged(outputs=withdraw)
    assert not sidecar_files(tmp_path)
    all_of_them[0].write_text("no XML")
    assert tagged(outputs=write).outputs["xmp"]["failed"] == 1
    result = tagged(outputs=withdraw)  # though the last one of its kind left the tables as they are
    assert result.outputs["xmp"]["removed"] == len(all_of_them) - 1
    assert sidecar_files(tmp_path) == all_of_them[:1]
    all_of_them[0].unlink()
    tagged(outputs=write)
    real = sidecars.remove_sidecars

    def killed(*args: Any, **options: Any) -> Any:
        real(*args, **options)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(sidecars, "remove_sidecars", killed)
        with pytest.raises(KeyboardInterrupt):
            tagged(outputs=withdraw)
    tagged(outputs=write)
    assert sidecar_files(tmp_path) == all_of_them


def test_one_that_fails_keeps_no_other_from_it(tmp_path: Path, tagged: Tag, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photos(tmp_path / "photos", 8)

    def full(*_: object, **__: object) -> None:
        raise LandmarkError("albums: no space left")

    with monkeypatch.context() as patch:
        patch.setattr("landmark.tagging.albums.write_albums", full)
        with pytest.raises(LandmarkError, match="no space left"):
            tagged(outputs=OutputConfig(xmp="write", why=0))
    assert sidecar_files(tmp_path)
    assert (tmp_path / "out/gallery/index.html").is_file()
    assert set(tagged(outputs=OutputConfig(xmp="write", why=0)).outputs) == {"albums"}


def test_a_persons_word_reaches_everything_and_outlives_another_threshold(tmp_path: Path, tagged: Tag) -> None:
    write_photos(tmp_path / "photos", 8)
    asked, out = OutputConfig(xmp="write", why=0), tmp_path / "out"
    tagged(outputs=asked)
    given, other = [row for row in rows(out) if row["landmark"]][:2]
    corrections = Corrections(out / "corrections.jsonl")
    corrections.add(given["sha256"], given["photo"], "reject", "", given["landmark"], "m")
    corrections.add(other["sha256"], other["photo"], "correct", "clock_tower", other["landmark"], "m")
    for settings in (asked, asked.model_copy(update={"min_confidence": 1.0})):
        tagged(outputs=settings)
        now = {row["photo"]: row for row in rows(out)}
        assert (now[given["photo"]]["landmark"], now[given["photo"]]["decided_by"]) == ("", "person")
        assert (now[other["photo"]]["landmark"], now[other["photo"]]["name"]) == ("clock_tower", "clock tower")
        assert not Path(given["photo"] + ".xmp").exists()
        assert "clock tower" in Path(other["photo"] + ".xmp").read_text()
        links = {link.resolve() for link in (out / "albums").rglob("*") if link.is_symlink()}
        assert Path(other["photo"]) in links
        assert Path(given["photo"]) not in links
    assert [row["landmark"] for row in rows(out) if row["decided_by"] == "model" and row["landmark"]] == []


def test_what_is_wrong_is_said_before_any_photo_is_read(tmp_path: Path, tagged: Tag) -> None:
    write_photos(tmp_path / "photos", 4)
    with pytest.raises(UsageError, match=r"nothere\.csv"):
        tagged(outputs=OutputConfig(names=str(tmp_path / "nothere.csv")))
    assert not list((tmp_path / "out" / ".state").glob("shards/*"))
    with pytest.raises(LandmarkError, match="nomodel"):
        tagged(model=tmp_path / "nomodel", out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_copy_in_s3_and_none_among_the_photos(tmp_path: Path, tagged: Tag, bucket: str) -> None:
    for number in range(4):
        data = write_photo(tmp_path / "x.png", number, number).read_bytes()
        write_bytes(f"{bucket}/trip/{number}.png", data)
    source = f"{bucket}/trip"
    with pytest.raises(UsageError, match="lies among the photos"):
        tagged(photos=source, outputs=OutputConfig(copy_to=f"{source}/tags"))
    assert not (tmp_path / "out").exists()
    asked = OutputConfig(copy_to=f"{bucket}/tags", why=0, xmp="write")
    result = tagged(photos=source, outputs=asked)
    assert result.outputs["copy"]["files"] > 4
    for name in ("tags.parquet", "gallery/index.html", "gallery/data/head.js", "tagging.json"):
        assert exists(f"{bucket}/tags/{name}"), name
    assert exists(f"{source}/0.png.xmp")
    again = tagged(photos=source, outputs=asked)
    assert (again.photos, again.outputs) == (4, {})
