from __future__ import annotations

import csv
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from filelock import FileLock
from PIL import ExifTags, Image

from landmark.errors import LandmarkError, UsageError
from landmark.network.network import Network
from landmark.recognition.recognizer import Recognizer
from landmark.tagging import job, tables, work
from landmark.tagging.schema import TAGS
from tests.recognition.striped import NETWORK
from tests.tagging.conftest import Tag, write_photo, write_photos

Real = tuple[Recognizer, Path]


def table_of(out: Path) -> pd.DataFrame:
    return pq.read_table(out / "tags.parquet").to_pandas()


def lines_of(out: Path) -> list[dict]:
    return [json.loads(line) for line in (out / "tags.jsonl").read_text().split("\n")[:-1]]


def rejects_of(out: Path) -> dict[str, str]:
    with (out / "unreadable.csv").open(newline="") as file:
        return {row["photo"]: row["reason"] for row in csv.DictReader(file)}


def stricter(real: Real, folder: Path) -> Path:
    """The same network with a threshold that no photo passes."""
    made = real[0]
    calibration = replace(made.calibration, threshold=2.0)
    Recognizer(
        made.network, made.centroids, calibration, made.bank, made.gallery, made.landmarks, made.metadata
    ).save(folder)  # fmt: skip
    return folder


def with_position(lat: float, lon: float) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 1  # else Pillow takes it for empty
    exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "NS"[lat < 0], 2: (abs(lat), 0, 0), 3: "EW"[lon < 0], 4: (abs(lon), 0, 0)})
    return exif


def test_tables_say_what_the_recognizer_says(tmp_path: Path, tagged: Tag, real: Real) -> None:
    write_photos(tmp_path / "photos", 18)
    write_photo(tmp_path / "photos" / "far.png", 0, 5, with_position(-33.0, 151.0))  # the arch stands in Rome
    write_photo(tmp_path / "photos" / "near.png", 0, 5, with_position(41.9, 12.5))
    result = tagged()
    table = table_of(tmp_path / "out")
    assert pq.read_schema(tmp_path / "out" / "tags.parquet").equals(TAGS)
    assert table["photo"].tolist() == sorted(str(file) for file in (tmp_path / "photos").rglob("*.*"))
    expected = real[0].recognize(table["photo"].tolist())
    assert table["landmark"].tolist() == expected["landmark"].tolist()
    assert table["name"].tolist() == expected["name"].tolist()
    assert {"arch", "bell", "dome", ""} == set(table["landmark"])
    np.testing.assert_allclose(table["confidence"], expected["confidence"].astype(float), atol=1e-5)
    np.testing.assert_allclose(table["similarity"], expected["similarity"].astype(float), atol=1e-5)
    by_photo = table.set_index("photo")
    far, near = by_photo.loc[str(tmp_path / "photos/far.png")], by_photo.loc[str(tmp_path / "photos/near.png")]
    assert "from the photo's GPS position" in far["reason"]
    assert far["landmark"] != "arch"
    assert (near["landmark"], near["city"], near["country"], near["lat"]) == ("arch", "Rome", "", pytest.approx(41.9))
    assert [row["landmark"] for row in near["runners_up"]] == [
        row["landmark"] for row in expected.loc[table["photo"] == near.name, "candidates"].iloc[0][1:]
    ]
    nothing = table[table["landmark"] == ""].iloc[0]
    assert len(nothing["runners_up"]) == 3, "a near miss is a runner-up of a photo without a landmark"
    lines = lines_of(tmp_path / "out")
    assert [line["photo"] for line in lines] == table["photo"].tolist()
    assert list(lines[0]) == TAGS.names
    assert lines[0]["time"].endswith("Z")
    assert lines[0]["confidence"] == pytest.approx(float(table["confidence"][0]))
    summary = json.loads((tmp_path / "out" / "tagging.json").read_text())
    assert (summary["photos"], summary["tagged"], summary["unreadable"]) == (20, int((table["landmark"] != "").sum()), 0)
    assert (result.read, result.embedded, result.changed) == (20, 20, True)


def test_unchanged_input_leaves_the_files(tmp_path: Path, tagged: Tag, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photos(tmp_path / "photos", 10)
    first = tagged()
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").iterdir() if file.is_file()}
    monkeypatch.setattr(Recognizer, "load", lambda *_: pytest.fail("the recognizer was loaded"))
    again = tagged()
    assert {file: file.stat().st_mtime_ns for file in before} == before
    assert (again.changed, again.read, again.embedded, again.photos) == (False, 0, 0, first.photos)
    (tmp_path / "out" / "tags.jsonl").unlink()
    (tmp_path / "out" / ".0123456789abcdef.tmp.parquet").write_bytes(b"half a table, of a job that was killed")
    (tmp_path / "out" / ".mine.tmp.parquet").touch()
    assert tagged().changed
    assert len(lines_of(tmp_path / "out")) == 10
    assert [file.name for file in (tmp_path / "out").glob(".*.tmp.*")] == [".mine.tmp.parquet"]


def test_only_what_is_new_or_changed_is_read(tmp_path: Path, tagged: Tag) -> None:
    files = write_photos(tmp_path / "photos", 12)
    tagged()
    added = table_of(tmp_path / "out").set_index("photo")["added"]
    write_photo(tmp_path / "photos/0/000b.png", 1, 77)
    write_photo(files[3], 2, 78)
    files[5].unlink()
    os.utime(files[6], ns=(1, 1))
    result = tagged()
    assert (result.photos, result.read, result.embedded) == (12, 3, 2), "a file that was only touched is read, not embedded"
    table = table_of(tmp_path / "out").set_index("photo")
    assert str(files[5]) not in table.index
    assert table.loc[str(files[3]), "landmark"] == "dome"
    assert table.loc[str(tmp_path / "photos/0/000b.png"), "landmark"] == "bell"
    assert table.loc[str(files[6]), "added"] == added[str(files[6])]
    assert table.loc[str(files[3]), "added"] > added[str(files[3])]
    for file in files[:5]:
        file.unlink()
    assert tagged().read == 0
    assert len(table_of(tmp_path / "out")) == 7


def test_another_recognizer_scores_kept_embeddings(
    tmp_path: Path, tagged: Tag, real: Real, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photos(tmp_path / "photos", 10)
    first = tagged(label="landmark/1")
    added = table_of(tmp_path / "out")["added"].tolist()
    monkeypatch.setattr(work, "read_photo", lambda *_: pytest.fail("a photo was read"))
    result = tagged(model=stricter(real, tmp_path / "stricter"), label="landmark/2")
    assert (result.rescored, result.read, result.embedded, result.tagged) == (10, 0, 0, 0)
    assert first.tagged > 0
    table = table_of(tmp_path / "out")
    assert set(table["model"]) == {"landmark/2"}
    assert "threshold 2.000" in table["reason"][0]
    assert table["added"].tolist() == added
    assert tagged(label="landmark/3").tagged == first.tagged
    assert set(table_of(tmp_path / "out")["model"]) == {"landmark/3"}


def test_another_network_embeds_anew_and_a_roll_back_does_not(
    tmp_path: Path, tagged: Tag, real: Real, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photos(tmp_path / "photos", 9)
    tagged()
    first = table_of(tmp_path / "out").drop(columns="time")
    made = real[0]
    other = Network.build(NETWORK, seed=1)
    assert other.fingerprint != made.network.fingerprint
    Recognizer(other, made.centroids, made.calibration, made.bank, None, made.landmarks, made.metadata).save(tmp_path / "other")
    result = tagged(model=tmp_path / "other")
    assert (result.read, result.embedded, result.rescored) == (9, 9, 0)
    assert table_of(tmp_path / "out")["added"].tolist() == first["added"].tolist()
    monkeypatch.setattr(work, "read_photo", lambda *_: pytest.fail("a photo was read"))
    assert tagged().rescored == 9
    pd.testing.assert_frame_equal(table_of(tmp_path / "out").drop(columns="time"), first)


def test_hostile_files_and_names(tmp_path: Path, tagged: Tag) -> None:
    folder = tmp_path / "photos"
    good = ["new\nline.png", "\u202egnp.exe.png", "a,b\"c'.png", "\u2028.png", "é" * 120 + ".png", "=1+1.png", "🗼.png"]
    for name in good:
        write_photo(folder / name, 0, 1)
    write_photo(folder / "x.png", 0, 1).rename(os.fsdecode(os.fsencode(str(folder)) + b"/bad\xff.png"))
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("no photo")
    (folder / "cut\n.png").write_bytes((folder / "a,b\"c'.png").read_bytes()[:500])
    os.mkfifo(folder / "pipe.jpg")
    outside = write_photo(tmp_path / "outside.png", 0, 1)
    (folder / "link.png").symlink_to(outside)
    write_photo(folder / ".hidden" / "x.png", 0, 1)
    result = tagged()
    table = table_of(tmp_path / "out")
    assert sorted(table["photo"]) == sorted(str(folder / name) for name in good)
    assert len(lines_of(tmp_path / "out")) == len(good)
    assert len((tmp_path / "out" / "tags.jsonl").read_text().splitlines()) == len(good), "no name ends a line"
    rejects = rejects_of(tmp_path / "out")
    assert {Path(photo).name: reason for photo, reason in rejects.items()} == {
        "bad\\udcff.png": "file name isn't valid UTF-8; rename the file",
        "empty.jpg": "empty file",
        "text.jpg": "not a photo: no known image format",
        "pipe.jpg": "not a regular file",
        "cut\\n.png": rejects[f"{folder}/cut\\n.png"],
    }
    assert result.unreadable == 5
    assert tagged().changed is False


def test_a_photo_that_vanishes_while_it_is_read(tmp_path: Path, tagged: Tag, monkeypatch: pytest.MonkeyPatch) -> None:
    files = write_photos(tmp_path / "photos", 6)
    read = work.read_photo

    def vanish(listed: tuple[bytes, str], *rest: object) -> object:
        if listed[0] == os.fsencode(files[2]):
            files[2].unlink(missing_ok=True)
        return read(listed, *rest)

    monkeypatch.setattr(work, "read_photo", vanish)
    assert (tagged().photos, rejects_of(tmp_path / "out")) == (
        6,
        {str(files[2]): "cannot be opened (No such file or directory)"},
    )
    assert tagged().photos == 5
    assert rejects_of(tmp_path / "out") == {}


def test_lists(tmp_path: Path, tagged: Tag) -> None:
    files = write_photos(tmp_path / "photos", 3)
    write_photo(tmp_path / "photos/odd,\nname.png", 0, 1)
    names = ["photos/0/000.png", str(files[1]), str(files[1]), "photos/gone.png", "", "nul\0l.png"]
    (tmp_path / "list.txt").write_text("\n".join(names) + "\n")
    assert tagged(photos=str(tmp_path / "list.txt"), out=tmp_path / "a").photos == 4
    assert table_of(tmp_path / "a")["photo"].tolist() == [str(files[0]), str(files[1])]
    assert rejects_of(tmp_path / "a") == {
        str(tmp_path / "photos/gone.png"): "no such file",
        f"{tmp_path}/nul\\x00l.png": "no such file",
    }
    (tmp_path / "list.csv").write_text('id,photo\n1,photos/0/000.png\n2,"photos/odd,\nname.png"\n')
    assert tagged(photos=str(tmp_path / "list.csv"), out=tmp_path / "b").tagged == 2
    (tmp_path / "plain.csv").write_bytes(b"\xef\xbb\xbfphotos/0/000.png\r\nphotos/1/001.png\r\n")
    assert tagged(photos=str(tmp_path / "plain.csv"), out=tmp_path / "c").tagged == 2


def test_refused_before_any_work(tmp_path: Path, tagged: Tag) -> None:
    write_photos(tmp_path / "photos", 2)
    for options, said in (
        ({"photos": str(tmp_path / "absent")}, "not there"),
        ({"photos": str(write_photo(tmp_path / "one.png", 0, 1))}, "give a folder of photos, a list"),
        ({"out": "s3://bucket/tags"}, "a folder of this machine"),
        ({"out": tmp_path / "one.png"}, "cannot be made"),
        ({"shard": 0}, "--shard 0"),
    ):
        with pytest.raises(UsageError, match=said):
            tagged(**options)
    with pytest.raises(LandmarkError, match=r"no recognizer\.json"):
        tagged(model=tmp_path / "photos")
    tagged()
    with pytest.raises(UsageError, match=r"holds the tags of .*photos; give another --out"):
        tagged(photos=str(tmp_path / "photos" / "0"))
    before = (tmp_path / "out" / "tags.parquet").read_bytes()
    for file in (tmp_path / "photos").rglob("*.png"):
        file.unlink()
    with pytest.raises(LandmarkError, match="no photos there"):  # a disk that isn't mounted
        tagged()
    assert (tmp_path / "out" / "tags.parquet").read_bytes() == before


def test_one_job_at_a_time(tmp_path: Path, tagged: Tag) -> None:
    write_photos(tmp_path / "photos", 2)
    lock = tmp_path / "out" / job.STATE / job.LOCK
    lock.parent.mkdir(parents=True)
    with FileLock(lock), pytest.raises(LandmarkError, match="another process is tagging into this folder"):
        tagged()
    assert tagged().photos == 2


def test_damaged_state_is_made_again(tmp_path: Path, tagged: Tag) -> None:
    write_photos(tmp_path / "photos", 12)
    tagged()
    first = table_of(tmp_path / "out")
    shards = sorted((tmp_path / "out/.state/shards").iterdir())
    next(shards[0].glob("*/shard-*.npy")).write_bytes(b"damaged")
    next(shards[0].glob("tags-*")).unlink()
    (shards[1] / "photos.parquet").write_bytes(b"damaged")
    next(shards[1].glob("tags-*")).unlink()
    result = tagged()
    assert (result.read, result.rescored) == (8, 0)
    assert table_of(tmp_path / "out")["score"].tolist() == pytest.approx(first["score"].tolist())
    (tmp_path / "out/.state/state.sqlite").write_bytes(b"no database" * 1000)
    with pytest.raises(LandmarkError, match=r"damaged .*delete the folder .*\.state and run again"):
        tagged()


def test_a_failed_job_leaves_the_old_tables(tmp_path: Path, tagged: Tag, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photos(tmp_path / "photos", 6)
    tagged()
    before = (tmp_path / "out" / "tags.parquet").read_bytes()
    write_photos(tmp_path / "photos", 8)
    monkeypatch.setattr(tables, "json_lines", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(LandmarkError, match="No space left on device"):
        tagged()
    assert (tmp_path / "out" / "tags.parquet").read_bytes() == before
    monkeypatch.undo()
    again = tagged()
    assert (again.photos, again.read, again.changed) == (8, 0, True)


def test_an_output_folder_within_the_photos_holds_no_photos(tmp_path: Path, tagged: Tag) -> None:
    """Albums are links to photos, and the gallery's pictures are ours: neither is tagged at the next run."""
    write_photos(tmp_path / "photos", 4)
    out = tmp_path / "photos" / "tags"
    assert tagged(out=out).photos == 4
    assert list(out.rglob("*.png"))
    assert list(out.rglob("*.webp"))
    assert not tagged(out=out).changed
    with pytest.raises(UsageError, match="is the folder of the photos"):
        tagged(out=tmp_path / "photos")
