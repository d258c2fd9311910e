from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from landmark import storage
from landmark.errors import LandmarkError, UsageError
from landmark.photos.catalog import Catalog


def tables(**changes: list[Any]) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    table = pd.DataFrame(
        {
            "photo": ["/a/1.jpg", "/a/2.jpg", "/o/3.jpg", "/u/4.jpg"],
            "landmark": ["a", "a", "", ""],
            "split": ["train", "test", "calibrate", "test"],
            "region": ["Europe", "Europe", "", ""],
            "sha256": [character * 64 for character in "0123"],
            "width": [4, 4, 4, 4],
            "height": [3, 3, 3, 3],
            "taken_at": [pd.Timestamp("2020-01-02 03:04:05"), pd.NaT, pd.NaT, pd.NaT],
            "lat": [48.85, np.nan, np.nan, np.nan],
            "lon": [2.29, np.nan, np.nan, np.nan],
            "group": [0, 1, 2, 3],
            "known": [True, True, True, False],
        }
    ).assign(**changes)
    landmarks = pd.DataFrame(
        {
            "landmark": ["a"],
            "name": ["A"],
            "city": [""],
            "country": [""],
            "region": ["Europe"],
            "lat": [np.nan],
            "lon": [np.nan],
            "names": ["{}"],
        }
    )
    return table, landmarks, pd.DataFrame({"photo": ["/a/x.jpg"], "reason": ["empty file"]})


def test_save_and_load(tmp_path: Path) -> None:
    catalog = Catalog(*tables())
    file = tmp_path / "deep" / "catalog.parquet"
    catalog.save(file)
    assert sorted(path.name for path in file.parent.iterdir()) == [
        "catalog.landmarks.parquet",
        "catalog.parquet",
        "catalog.rejects.parquet",
    ]
    loaded = Catalog.load(file)
    for name in ("table", "landmarks", "rejects"):
        pd.testing.assert_frame_equal(getattr(loaded, name), getattr(catalog, name))
    assert loaded.digest == catalog.digest
    first = file.read_bytes()
    loaded.save(str(file))
    assert file.read_bytes() == first


def test_empty_catalog_survives(tmp_path: Path) -> None:
    empty = Catalog(*tables()).only([False] * 4)
    assert len(empty) == 0
    empty.save(tmp_path / "x.parquet")
    assert len(Catalog.load(tmp_path / "x.parquet")) == 0


def test_split_and_only() -> None:
    catalog = Catalog(*tables())
    assert catalog.split("test").table["photo"].tolist() == ["/a/2.jpg", "/u/4.jpg"]
    assert catalog.only(catalog.table["landmark"] == "a").table.index.tolist() == [0, 1]
    with pytest.raises(UsageError, match="expected one of train, calibrate, test"):
        catalog.split("validation")


def test_digest_depends_on_contents_not_on_paths_or_order() -> None:
    table, landmarks, rejects = tables()
    digest = Catalog(table, landmarks, rejects).digest
    moved = table.assign(photo="/elsewhere" + table["photo"], group=[9, 8, 7, 6]).iloc[::-1]
    assert Catalog(moved, landmarks, rejects.iloc[:0]).digest == digest
    assert Catalog(table.assign(split=["train", "train", "calibrate", "test"]), landmarks, rejects).digest != digest
    assert Catalog(table, landmarks.assign(lat=[1.0]), rejects).digest != digest
    assert Catalog(table.assign(known=True), landmarks, rejects).digest != digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"split": ["train", "test", "calibrate", "val"]}, r"/u/4\.jpg: its split must be one of"),
        ({"landmark": ["a", "b", "", ""]}, r"/a/2\.jpg: its landmark isn't in the table"),
        ({"landmark": ["a", "a", "", "a"]}, r"/u/4\.jpg: it has a landmark, so `known` must be true"),
        ({"sha256": ["0" * 64, "0" * 64, "1" * 64, "2" * 64]}, r"/a/2\.jpg: another row has the same contents"),
        ({"sha256": ["0" * 64, "1" * 64, "2" * 64, "x"]}, "64 hex digits"),
        ({"photo": ["/a", "/a", "/b", "/c"]}, "/a: it has two rows"),
        ({"group": [0, 0, 1, 2]}, "group 0 lies in two splits"),
        ({"width": [0, 1, 1, 1]}, "at least 1"),
        ({"lat": [91.0, 0, 0, 0]}, "lat 91.0 of '/a/1.jpg' must be from -90 to 90"),
        ({"landmark": ["a", None, "", ""]}, "empty cells in column 'landmark'"),
        ({"group": ["x", "y", "z", "w"]}, "wrong type"),
    ],
)
def test_rules(changes: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(LandmarkError, match=message) as error:
        Catalog(*tables(**changes))
    assert "\n" not in str(error.value)


def test_rules_of_landmarks() -> None:
    table, landmarks, rejects = tables()
    with pytest.raises(LandmarkError, match="no column 'known'"):
        Catalog(table.drop(columns="known"), landmarks, rejects)
    with pytest.raises(LandmarkError, match="landmark 'a' has two rows"):
        Catalog(table, pd.concat([landmarks, landmarks]), rejects)
    with pytest.raises(UsageError, match="can't be used as a folder name"):
        Catalog(table, landmarks.assign(landmark=["../a"]), rejects)


def test_load_refuses_what_is_no_whole_catalog(tmp_path: Path) -> None:
    file = tmp_path / "c.parquet"
    with pytest.raises(LandmarkError, match="cannot be read"):
        Catalog.load(file)
    catalog = Catalog(*tables())
    catalog.save(file)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(LandmarkError, match="not a catalog"):
        Catalog.load(file)
    pd.DataFrame({"x": [1]}).to_parquet(file)
    with pytest.raises(LandmarkError, match="not a catalog"):
        Catalog.load(file)
    file.write_bytes(whole)
    rejects = tmp_path / "c.rejects.parquet"
    pd.DataFrame({"photo": ["/other"], "reason": ["of another run"]}).to_parquet(rejects)
    with pytest.raises(LandmarkError, match="of another catalog"):
        Catalog.load(file)


def test_failed_save_leaves_the_old_catalog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "c.parquet"
    old = Catalog(*tables())
    old.save(file)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("landmark.photos.catalog.pq.write_table", full)
    with pytest.raises(LandmarkError, match="No space left"):
        old.only([True, False, True, True]).save(file)
    assert Catalog.load(file).digest == old.digest
    assert len(list(tmp_path.iterdir())) == 3


def test_in_s3(monkeypatch: pytest.MonkeyPatch) -> None:
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
        catalog = Catalog(*tables())
        catalog.save("s3://photos/c.parquet")
        assert Catalog.load("s3://photos/c.parquet").digest == catalog.digest
    storage._s3_client.cache_clear()
