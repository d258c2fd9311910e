"""Where corrections lie, and photos that were moved or edited since."""

from __future__ import annotations

import logging
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from landmark import storage
from landmark.config import DataConfig
from landmark.errors import LandmarkError, UsageError
from landmark.photos.catalog import Catalog
from landmark.photos.said import said_key
from tests.photos.sample import put
from tests.photos.test_corrected import Person, build, data, digest, drawn, person, reasons, row

__all__ = ["data", "person"]


def test_with_a_source_of_gldv2(tmp_path: Path, person: Person) -> None:
    ids = [f"{number:x}a{number:x}b00" for number in range(8)]
    for seed, name in enumerate(ids):
        put(tmp_path / "images" / name[0] / name[1] / name[2] / f"{name}.jpg", seed)
    for seed in range(8):
        put(tmp_path / "others" / f"{seed}.jpg", 100 + seed)
    (tmp_path / "train_clean.csv").write_text(f"landmark_id,images\n1,{' '.join(ids[:4])}\n7,{' '.join(ids[4:])}\n")
    (tmp_path / "train_label_to_category.csv").write_text(
        "landmark_id,category\n9,http://commons.wikimedia.org/wiki/Category:Happy_Valley\n"
    )
    data = DataConfig(format="gldv2", source=str(tmp_path), images=str(tmp_path / "images"), others=str(tmp_path / "others"))
    person.says(put(tmp_path / "holiday.jpg", 500), "9")
    after = build(data, person.out)
    assert row(after, tmp_path / "holiday.jpg")["landmark"] == "9"
    assert after.landmarks["name"].tolist() == ["1", "7", "Happy Valley"]


def test_in_s3(data: DataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from moto import mock_aws

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    person = Person(tmp_path / "out")
    photo = put(tmp_path / "holiday.jpg", 500)
    with mock_aws():
        import boto3

        storage._s3_client.cache_clear()
        boto3.client("s3").create_bucket(Bucket="photos")
        storage.write_bytes("s3://photos/holiday/1.jpg", photo.read_bytes())
        person.says("s3://photos/holiday/1.jpg", "a", sha256=digest(photo))
        person.says("s3://photos/holiday/gone.jpg", "a", sha256="e" * 64)
        storage.write_bytes("s3://photos/out/corrections.jsonl", person.file.file.read_bytes())
        storage.write_bytes("s3://photos/silent/tags.parquet", b"x")
        after = build(data, "s3://photos/out", "s3://photos/silent", "s3://photos/out/corrections.jsonl")
        storage.write_bytes("s3://photos/2026/1.jpg", photo.read_bytes())
        boto3.client("s3").delete_object(Bucket="photos", Key="holiday/1.jpg")
        person.has("s3://photos/2026/1.jpg", sha256=digest(photo))
        storage.write_bytes("s3://photos/out/tags.parquet", (person.out / "tags.parquet").read_bytes())
        assert row(build(data, "s3://photos/out"), "s3://photos/2026/1.jpg")["landmark"] == "a"
        storage.write_bytes("s3://photos/bad/corrections.jsonl", b"{}\n")
        with pytest.raises(LandmarkError, match=r"^s3://photos/bad/corrections\.jsonl:1: damaged"):
            build(data, "s3://photos/bad")
        storage.write_bytes("s3://photos/wrong/photo.jpg", b"x")
        with pytest.raises(UsageError, match=r"data\.corrections: s3://photos/wrong has neither tags nor corrections\.jsonl"):
            build(data, "s3://photos/wrong")
        for place in ("s3://photos/none", "s3://photos/silent/corrections.jsonl"):
            with pytest.raises(UsageError, match=r"data\.corrections: s3://photos/.* is not there"):
                build(data, place)
    storage._s3_client.cache_clear()
    assert row(after, "s3://photos/holiday/1.jpg")["landmark"] == "a"
    assert reasons(after) == {"s3://photos/holiday/gone.jpg": "corrections: no such object in S3"}


def test_places_that_are_not_there(data: DataConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    silent = tmp_path / "silent"
    silent.mkdir()
    for file in ("tagging.json", "tags.parquet"):
        (silent / file).write_text("{}")
        with caplog.at_level(logging.INFO):
            assert build(data, silent).digest == build(data).digest
        assert f"nothing was said of the photos of {silent} yet" in caplog.text
        (silent / file).unlink()
        caplog.clear()
    with pytest.raises(UsageError, match=r"data\.corrections: .*silent has neither tags nor corrections\.jsonl; name a folder"):
        build(data, silent)
    with pytest.raises(UsageError, match=r"data\.corrections: .*none is not there; mend the path or leave it out"):
        build(data, tmp_path / "none")
    with pytest.raises(ValueError, match="corrections go into a catalog when it is made"):
        DataConfig(format="catalog", source="c.parquet", corrections=("out",))


def test_the_key_changes_with_what_a_catalog_would(tmp_path: Path, person: Person) -> None:
    photo = put(tmp_path / "holiday.jpg", 500)
    place = [str(person.out)]
    keys = [said_key(place)]
    person.says(photo, "a")
    keys.append(said_key(place))
    person.says(photo, "b")
    keys.append(said_key(place))
    person.file.undo()
    assert said_key(place) == keys[1]
    person.says(photo, "a")  # said again: nothing new
    assert said_key(place) == keys[1]
    photo.unlink()
    keys.append(said_key(place))
    assert len(set(keys)) == 4


def test_photos_that_were_renamed_or_moved_since(data: DataConfig, person: Person, tmp_path: Path) -> None:
    renamed, moved, stayed, replaced = (put(tmp_path / "holiday" / f"{n}.jpg", 500 + n) for n in range(4))
    for photo in (renamed, moved, stayed, replaced):
        person.says(photo, "a")
    keys = [said_key([str(person.out)])]
    now = [renamed.rename(tmp_path / "Sea\n😀.jpg"), moved.rename(put(tmp_path / "2026" / "x.jpg", 0)), stayed]
    now.append(replaced.rename(tmp_path / "holiday" / "old.jpg"))
    put(replaced, 900)
    keys.append(said_key([str(person.out)]))
    person.has(*now, replaced)
    keys.append(said_key([str(person.out)]))
    assert len(set(keys)) == 3
    after = build(data, person.out)
    assert after.rejects.empty
    for photo in now:
        assert row(after, photo) == {"landmark": "a", "split": "train", "known": True, "verified": True}
    assert len(after.table) == len(build(data).table) + 4


def test_a_table_that_is_behind_takes_nothing_away(
    data: DataConfig, person: Person, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    photo = put(tmp_path / "holiday.jpg", 500)
    person.says(photo, "a")
    person.has("/elsewhere/not here.jpg", sha256=digest(photo))  # of another machine
    assert row(build(data, person.out), photo)["landmark"] == "a"
    copy = put(tmp_path / "a copy.jpg", 500)
    person.has(copy, photo)
    assert row(build(data, person.out), photo)["landmark"] == "a"
    photo.unlink()
    assert row(build(data, person.out), copy)["landmark"] == "a"
    put(photo, 500)
    (person.out / "tags.parquet").write_bytes(b"PAR1 no table PAR1")
    caplog.clear()
    assert row(build(data, person.out), photo)["landmark"] == "a"
    assert "tags.parquet: damaged" in caplog.text
    assert "run `landmark tag` again" in caplog.text


def test_what_was_said_of_a_file_before_a_program_wrote_into_it_is_no_reject(
    data: DataConfig, person: Person, tmp_path: Path
) -> None:
    mine, listed = put(tmp_path / "holiday.jpg", 500), drawn(build(data), "train", "a")[0]
    moves = []
    for photo in (mine, listed):
        person.says(photo, "b")
        word = person.file.current[digest(photo)]
        with photo.open("ab") as stream:
            stream.write(b"rating")  # behind the end of the picture
        moves.append((word, digest(photo), str(photo)))
    assert len(reasons(build(data, person.out))) == 2
    person.file.carry(moves)
    after = build(data, person.out)
    assert after.rejects.empty
    for photo in (mine, listed):
        assert (row(after, photo)["landmark"], row(after, photo)["verified"]) == ("b", True)


def test_a_catalog_without_corrections_is_what_it_was(data: DataConfig, person: Person, tmp_path: Path) -> None:
    build(data).save(tmp_path / "plain.parquet")
    assert "verified" not in pq.read_schema(tmp_path / "plain.parquet").names
    assert not Catalog.load(tmp_path / "plain.parquet").table["verified"].any()
    person.says(drawn(build(data), "train", "a")[0], "a")
    said = build(data, person.out)
    said.save(tmp_path / "said.parquet")
    assert Catalog.load(tmp_path / "said.parquet").table["verified"].sum() == 1
    assert Catalog.load(tmp_path / "said.parquet").digest == said.digest != build(data).digest
