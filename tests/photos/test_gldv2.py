from __future__ import annotations

import logging
from pathlib import Path

import pytest

from landmark.config import DataConfig
from landmark.errors import UsageError
from landmark.photos.build import build_catalog
from tests.photos.sample import put

IDS = ["0a1b2c3d4e5f6071", "0a1f", "ffe0000000000001", "17660ef415d37059", "92b6290d571448f6", "cd41bf948edc0340"]


@pytest.fixture
def data(tmp_path: Path) -> DataConfig:
    for seed, name in enumerate(IDS):
        put(tmp_path / "images" / name[0] / name[1] / name[2] / f"{name}.jpg", seed)
    for seed in range(4):
        put(tmp_path / "others" / f"{seed}.jpg", 100 + seed)
    (tmp_path / "train_clean.csv").write_text(f"landmark_id,images\n1,{' '.join(IDS[:3])}\n203093,{' '.join(IDS[3:])}\n")
    rows = [f"{name},https://upload.wikimedia.org/{name}.JPG,{1 if number < 3 else 203093}" for number, name in enumerate(IDS)]
    (tmp_path / "train.csv").write_text("\n".join(["id,url,landmark_id", *rows]) + "\n")
    (tmp_path / "train_label_to_category.csv").write_text(
        "landmark_id,category\n1,http://commons.wikimedia.org/wiki/Category:Happy_Valley\n5,http://commons.wikimedia.org/wiki/Category:X\n"
    )
    return DataConfig(format="gldv2", source=str(tmp_path), images=str(tmp_path / "images"), others=str(tmp_path / "others"))


@pytest.mark.parametrize("source", ["", "train_clean.csv", "train.csv"])
def test_both_csvs_give_the_same_catalog(data: DataConfig, source: str) -> None:
    catalog = build_catalog(data.model_copy(update={"source": f"{data.source}/{source}"}), 0, False)
    landmark = {
        Path(photo).stem: name for photo, name in zip(catalog.table["photo"], catalog.table["landmark"], strict=True) if name
    }
    assert landmark == {name: "1" if number < 3 else "203093" for number, name in enumerate(IDS)}
    assert catalog.table["photo"].str.endswith("/images/1/7/6/17660ef415d37059.jpg").sum() == 1
    assert catalog.landmarks["name"].tolist() == ["Happy Valley", "203093"]


def test_landmarks_csv_and_splits_by_id(data: DataConfig, tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("landmark,name,city,country,region,lat,lon\n1,One,,,Asia,22,114\n")
    (tmp_path / "s.csv").write_text(f"photo,split\n{IDS[0]},test\nimages/0/a/1/{IDS[1]}.jpg,train\n0/a/1/{IDS[1]}.jpg,train\n")
    catalog = build_catalog(
        data.model_copy(update={"landmarks": str(tmp_path / "l.csv"), "splits": str(tmp_path / "s.csv")}), 0, False
    )
    split = {Path(photo).stem: name for photo, name in zip(catalog.table["photo"], catalog.table["split"], strict=True)}
    assert (split[IDS[0]], split[IDS[1]]) == ("test", "train")
    assert catalog.landmarks["region"].tolist() == ["Asia", ""]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("train_clean.csv", "landmark_id,photos\n1,a\n", r"train_clean\.csv: column 'id' is missing"),
        ("train_clean.csv", "images\nabc\n", r"train_clean\.csv: column 'landmark_id' is missing; it needs landmark_id,images"),
        (
            "train_clean.csv",
            f"landmark_id,images\n1,{IDS[0]}\n2,{IDS[0]}\n",
            r"row 3: photo '0a1b.*' is under landmark '2' and under '1' \(row 2\)",
        ),
        (
            "train_clean.csv",
            f"landmark_id,images\n1,{IDS[0]}\n2,{IDS[1]} 0000000000000000\n",
            r"row 3: photo '0{16}' isn't there: .*/0/0/0/0{16}\.jpg",
        ),
        (
            "train_clean.csv",
            f"landmark_id,images\n1,{IDS[0]} ../../../etc/passwd\n",
            r"row 2: '\.\./\.\./\.\./etc/passwd' isn't a photo id",
        ),
        ("train_clean.csv", "landmark_id,images\n1,ab\n", "row 2: 'ab' isn't a photo id"),
        ("train_clean.csv", f"landmark_id,images\n1,{IDS[0]}\n4,  \n", "row 3: landmark '4' has no images"),
        ("train_clean.csv", f"landmark_id,images\n,{IDS[0]}\n", "1 to 200 bytes"),
        ("train_clean.csv", f"landmark_id,images\n../x,{IDS[0]}\n", "landmark id '../x' can't be used"),
        ("train_clean.csv", "landmark_id,images\n", "no photos listed"),
    ],
)
def test_bad_csv(data: DataConfig, tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UsageError, match=message) as error:
        build_catalog(data, 0, False)
    assert "\n" not in str(error.value)


def test_repeated_rows_of_one_landmark_are_one(data: DataConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "train_clean.csv").write_text(f"landmark_id,images\n1,{IDS[0]} {IDS[1]}\n1,{IDS[0]}\n")
    with caplog.at_level(logging.WARNING):
        catalog = build_catalog(data, 0, False)
    assert (catalog.table["landmark"] == "1").sum() == 2
    assert "1 rows repeat a photo" in caplog.text


def test_photo_that_leads_out_of_the_images(data: DataConfig, tmp_path: Path) -> None:
    put(tmp_path / "secret.jpg", 7)
    (tmp_path / "images" / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "images" / "a" / "b" / "c" / "abc1.jpg").symlink_to(tmp_path / "secret.jpg")
    (tmp_path / "train_clean.csv").write_text(f"landmark_id,images\n1,{IDS[0]} abc1\n")
    with pytest.raises(UsageError, match="photo 'abc1' isn't there"):
        build_catalog(data, 0, False)


def test_no_csv(data: DataConfig, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is no CSV, and holds neither train_clean\.csv nor train\.csv"):
        build_catalog(data.model_copy(update={"source": str(tmp_path / "images")}), 0, False)
