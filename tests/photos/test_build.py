from __future__ import annotations

import io
import logging
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from landmark import storage
from landmark.config import DataConfig
from landmark.errors import LandmarkError, UsageError
from landmark.photos.build import build_catalog
from landmark.photos.catalog import Catalog
from tests.photos.sample import folder, picture, put

SHARED = Path(__file__).parents[2].parent / "shared" / "photos"


def build(data: DataConfig, **changes: object) -> Catalog:
    return build_catalog(data.model_copy(update=changes), seed=0, progress=False)


def names(catalog: Catalog) -> list[str]:
    return [os.path.relpath(photo, Path(catalog.table["photo"].iloc[0]).parents[2]) for photo in catalog.table["photo"]]


def test_folder_a_landmark(tmp_path: Path) -> None:
    data = folder(tmp_path, {"b": 4, "a": 4}, others=8)
    put(tmp_path / "landmarks" / "a" / "sub" / "deep.png", 900)
    put(tmp_path / "unknown" / "x.jpg", 901)
    (tmp_path / "landmarks.csv").write_text("landmark,name,city,country,region,lat,lon\na,Tower,Paris,France,Europe,48,2\n")
    catalog = build(data, unknown=str(tmp_path / "unknown"), landmarks=str(tmp_path / "landmarks.csv"))
    table = catalog.table
    assert table["landmark"].value_counts().to_dict() == {"": 9, "a": 5, "b": 4}
    assert table[~table["known"]][["photo", "landmark", "split"]].to_numpy().tolist() == [
        [str(tmp_path / "unknown" / "x.jpg"), "", "test"]
    ]
    assert set(table["region"][table["landmark"] == "a"]) == {"Europe"}
    assert set(table["region"][table["landmark"] != "a"]) == {""}
    assert catalog.landmarks["name"].tolist() == ["Tower", "b"]
    assert storage.sha256_file(table["photo"].iloc[0]) == table["sha256"].iloc[0]
    assert (table["width"] == 96).all()
    assert catalog.rejects.empty
    again = build(data, unknown=str(tmp_path / "unknown"), landmarks=str(tmp_path / "landmarks.csv"))
    assert again.digest == catalog.digest


def test_unreadable_files_are_rejects_and_the_rest_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = folder(tmp_path, {"a": 3})
    a = tmp_path / "landmarks" / "a"
    whole = put(tmp_path / "whole.jpg", 50, (300, 300)).read_bytes()
    (a / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (a / "empty.jpg").touch()
    (a / "page.jpg").write_text("<html>404</html>")
    (a / "film.mp4").write_bytes(b"x")
    (a / "notes.txt").write_text("not meant as a photo")
    (a / ".hidden.jpg").write_text("no photo")
    os.mkfifo(a / "pipe.jpg")
    (tmp_path / "landmarks" / "stray.jpg").write_bytes(whole)
    put(a / "fine\n🗼.jpg", 60)
    with caplog.at_level(logging.WARNING):
        catalog = build(data)
    reasons = {Path(photo).name: reason for photo, reason in catalog.rejects.itertuples(index=False)}
    assert sorted(reasons) == ["empty.jpg", "film.mp4", "page.jpg", "pipe.jpg", "stray.jpg", "truncated.jpg"]
    assert "cut off" in reasons["truncated.jpg"]
    assert reasons["page.jpg"].startswith("not a photo")
    assert (catalog.table["landmark"] == "a").sum() == 4
    assert str(a / "fine\n🗼.jpg") in catalog.table["photo"].tolist()
    assert "6 files rejected" in caplog.text


def test_a_name_that_is_no_text_is_a_reject(tmp_path: Path) -> None:
    data = folder(tmp_path, {"a": 3})
    put(tmp_path / "x.jpg", 70).rename(os.fsdecode(os.fsencode(tmp_path / "landmarks" / "a") + b"/\xff.jpg"))
    catalog = build(data)
    assert catalog.rejects["reason"].tolist() == ["file name isn't valid UTF-8; rename the file"]
    catalog.save(tmp_path / "c.parquet")
    assert Catalog.load(tmp_path / "c.parquet").rejects["photo"].iloc[0].endswith(r"\udcff.jpg")


def test_symlinks_do_not_lead_out(tmp_path: Path) -> None:
    data = folder(tmp_path, {"a": 3})
    a = tmp_path / "landmarks" / "a"
    put(tmp_path / "secret" / "s.jpg", 80)
    (a / "out.jpg").symlink_to(tmp_path / "secret" / "s.jpg")
    (a / "loop").symlink_to(a)
    (tmp_path / "landmarks" / "b").symlink_to(tmp_path / "secret")
    (a / "copy.jpg").symlink_to(a / "0.jpg")
    catalog = build(data)
    assert sorted(names(catalog.only(catalog.table["landmark"] == "a"))) == [
        "landmarks/a/0.jpg",
        "landmarks/a/1.jpg",
        "landmarks/a/2.jpg",
    ]
    assert catalog.landmarks["landmark"].tolist() == ["a"]


def test_exact_duplicates_are_one_row(tmp_path: Path) -> None:
    data = folder(tmp_path, {"a": 3})
    shutil.copy(tmp_path / "landmarks" / "a" / "0.jpg", tmp_path / "landmarks" / "a" / "copy.jpg")
    shutil.copy(tmp_path / "others" / "1.jpg", tmp_path / "others" / "zz.jpg")
    assert len(build(data)) == 9


@pytest.mark.parametrize(
    ("copy_to", "message"),
    [
        ("landmarks/b/x.jpg", r"a/0\.jpg and .*b/x\.jpg: the same photo under two landmarks, 'a' and 'b'"),
        (
            "others/x.jpg",
            r"a/0\.jpg and .*others/x\.jpg: the same photo under landmark 'a' and among photos without a landmark",
        ),
        ("unknown/x.jpg", r"a/0\.jpg and .*unknown/x\.jpg: the same photo under landmark 'a' and among unknown landmarks"),
    ],
)
def test_the_same_photo_twice(tmp_path: Path, copy_to: str, message: str) -> None:
    data = folder(tmp_path, {"a": 2, "b": 2})
    (tmp_path / "unknown").mkdir()
    shutil.copy(tmp_path / "landmarks" / "a" / "0.jpg", tmp_path / copy_to)
    with pytest.raises(UsageError, match=message):
        build(data, unknown=str(tmp_path / "unknown"))


def test_near_duplicates_share_group_and_split(tmp_path: Path) -> None:
    data = folder(tmp_path, {"a": 12}, others=12)
    for number in range(12):
        with Image.open(tmp_path / "landmarks" / "a" / f"{number}.jpg") as image:
            image.resize((48, 36)).save(tmp_path / "landmarks" / "a" / f"{number}_small.jpg", quality=60)
    table = build(data, test=0.4, calibrate=0.2).table.set_index("photo")
    for number in range(12):
        pair = table.loc[[str(tmp_path / "landmarks" / "a" / f"{number}{end}.jpg") for end in ("", "_small")]]
        assert pair["group"].nunique() == pair["split"].nunique() == 1
    assert table["group"].nunique() == 24
    assert set(table["split"][table["landmark"] == "a"]) == {"train", "calibrate", "test"}


def test_splits_csv_that_parts_near_duplicates_stands_and_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = folder(tmp_path, {"a": 3})
    for quality in (50, 60):
        picture(1).save(tmp_path / "landmarks" / "a" / f"q{quality}.jpg", quality=quality)  # 0.jpg again
    (tmp_path / "splits.csv").write_text(
        "photo,split\nlandmarks/a/0.jpg,train\nlandmarks/a/q50.jpg,test\nlandmarks/a/q60.jpg,test\n"
    )
    with caplog.at_level(logging.WARNING):
        table = build(data, splits=str(tmp_path / "splits.csv")).table.set_index("photo")
    assert "parts 2 pairs of near-duplicates" in caplog.text
    rows = table.loc[[str(tmp_path / "landmarks" / "a" / name) for name in ("0.jpg", "q50.jpg", "q60.jpg")]]
    assert rows["split"].tolist() == ["train", "test", "test"]
    assert rows["group"].nunique() == 2


def test_exif_reaches_the_table(tmp_path: Path) -> None:
    data = folder(tmp_path, {"a": 2})
    exif = Image.Exif()
    exif[274] = 6
    exif.get_ifd(0x8769)[0x9003] = "2021:05:06 07:08:09"
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 30.0, 0.0), 3: "W", 4: (2.0, 15.0, 0.0)})
    photo = put(tmp_path / "landmarks" / "a" / "e.heic", 99, exif=exif.tobytes())
    row = build(data).table.set_index("photo").loc[str(photo)]
    assert (row["width"], row["height"]) == (72, 96)
    assert str(row["taken_at"]) == "2021-05-06 07:08:09"
    assert (row["lat"], row["lon"]) == (48.5, -2.25)


def break_nothing(_: Path) -> None: ...


BAD: list[tuple[Callable[[Path], object], dict[str, str | None], str]] = [
    (
        break_nothing,
        {"others": None},
        r"data\.others: no photos without a landmark; the threshold .* is calibrated on photos of other",
    ),
    (lambda root: (root / "none").mkdir(), {"others": "none"}, r"data\.others: no photos in .*none; the threshold"),
    (break_nothing, {"others": "nowhere"}, r"data\.others: no such folder: .*nowhere"),
    (break_nothing, {"source": "nowhere"}, r"data\.source: no such folder: .*nowhere"),
    (break_nothing, {"unknown": "nowhere"}, r"data\.unknown: no such folder"),
    (
        lambda root: (root / "landmarks" / "void").mkdir(),
        {},
        r"landmarks/void: landmark folder without photos; put photos there or remove it",
    ),
    (break_nothing, {"source": "others"}, r"data\.source: no landmark folders with photos in"),
    (lambda root: put(root / "landmarks" / "a\nb" / "x.jpg", 7), {}, r"landmark id 'a\\nb' can't be used as a folder name"),
    (break_nothing, {"splits": "none.csv"}, r"none\.csv: no such file"),
    (break_nothing, {"landmarks": "none.csv"}, r"none\.csv: no such file"),
]


@pytest.mark.parametrize(("damage", "changes", "message"), BAD)
def test_bad_folders(tmp_path: Path, damage: Callable[[Path], object], changes: dict[str, str | None], message: str) -> None:
    data = folder(tmp_path, {"a": 2, "b": 2})
    damage(tmp_path)
    with pytest.raises(UsageError, match=message) as error:
        build(data, **{key: value and str(tmp_path / value) for key, value in changes.items()})
    assert "\n" not in str(error.value)


def test_only_unreadable_photos(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    data = folder(tmp_path, {"a": 2, "b": 1})
    (tmp_path / "landmarks" / "b" / "0.jpg").write_bytes(b"broken")
    catalog = build(data)
    assert "landmark 'b': left out, none of its photos can be read" in caplog.text
    assert catalog.landmarks["landmark"].tolist() == ["a"]
    for file in (tmp_path / "others").iterdir():
        file.write_bytes(b"broken")
    with pytest.raises(LandmarkError, match=r"data\.others: none of its photos can be read.*first reject: .*not a photo"):
        build(data)
    for file in (tmp_path / "landmarks" / "a").iterdir():
        file.write_bytes(b"broken")
    with pytest.raises(LandmarkError, match="no photo of any landmark can be read"):
        build(data)


def test_landmark_with_one_photo_trains_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    table = build(folder(tmp_path, {"a": 1, "b": 5}), test=0.9, calibrate=0.05).table
    assert table["split"][table["landmark"] == "a"].tolist() == ["train"]
    assert "train" in table["split"][table["landmark"] == "b"].tolist()
    assert "landmark 'a': only one photo" in caplog.text


def test_others_inside_the_source_are_no_landmark(tmp_path: Path) -> None:
    folder(tmp_path, {"a": 3})
    shutil.move(tmp_path / "others", tmp_path / "landmarks" / "others")
    source = tmp_path / "landmarks"
    catalog = build(DataConfig(source=str(source), others=str(source / "others")))
    assert catalog.landmarks["landmark"].tolist() == ["a"]
    assert (catalog.table["landmark"] == "").sum() == 6


def test_world_and_catalog_formats(tmp_path: Path) -> None:
    folder(tmp_path, {"a": 3})
    (tmp_path / "landmarks.csv").write_text("landmark,name,city,country,region,lat,lon\na,Tower,,,North,1,2\n")
    catalog = build(DataConfig(format="world", source=str(tmp_path)))
    assert catalog.landmarks["name"].tolist() == ["Tower"]
    catalog.save(tmp_path / "c.parquet")
    assert build(DataConfig(format="catalog", source=str(tmp_path / "c.parquet"))).digest == catalog.digest
    with pytest.raises(UsageError, match="needs the folder that `landmark world` wrote"):
        build(DataConfig(format="world"))


def test_photos_in_s3(monkeypatch: pytest.MonkeyPatch) -> None:
    from moto import mock_aws

    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        import boto3

        storage._s3_client.cache_clear()
        boto3.client("s3").create_bucket(Bucket="photos")
        for number in range(8):
            buffer = io.BytesIO()
            picture(number).save(buffer, "JPEG")
            storage.write_bytes(f"s3://photos/{'landmarks/a' if number < 4 else 'others'}/{number}.jpg", buffer.getvalue())
        storage.write_bytes("s3://photos/splits.csv", b"photo,split\nlandmarks/a/1.jpg,test\nothers/7.jpg,calibrate\n")
        storage.write_bytes("s3://photos/landmarks/a/bad.jpg", b"bad")
        catalog = build(
            DataConfig(source="s3://photos/landmarks", others="s3://photos/others/", splits="s3://photos/splits.csv")
        )
    storage._s3_client.cache_clear()
    table = catalog.table.set_index("photo")
    assert len(table) == 8
    assert table.loc[["s3://photos/landmarks/a/1.jpg", "s3://photos/others/7.jpg"], "split"].tolist() == ["test", "calibrate"]
    assert catalog.rejects["photo"].tolist() == ["s3://photos/landmarks/a/bad.jpg"]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs the real photos in ../shared/photos")
def test_real_photos() -> None:
    data = DataConfig(
        source=str(SHARED / "landmarks"),
        others=str(SHARED / "others"),
        unknown=str(SHARED / "unknown_landmarks"),
        landmarks=str(SHARED / "landmarks.csv"),
        splits=str(SHARED / "splits.csv"),
    )
    catalog = build_catalog(data, seed=0, progress=False)
    table = catalog.table
    kind = table["landmark"].ne("").map({True: "landmark", False: "other"}).where(table["known"], "unknown")
    assert table.groupby([kind, table["split"]]).size().to_dict() == {
        ("landmark", "train"): 2935,
        ("landmark", "test"): 1162,
        ("other", "train"): 717,
        ("other", "calibrate"): 659,
        ("other", "test"): 625,
        ("unknown", "test"): 14,
    }
    assert catalog.rejects.empty
    assert len(catalog.landmarks) == 20
