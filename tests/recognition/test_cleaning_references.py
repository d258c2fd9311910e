"""References from a CSV: how photos are named, and every row that is wrong named in turn."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
import pytest

from landmark.errors import UsageError
from landmark.recognition.cleaning_references import read_references

TABLE = pd.DataFrame(
    {
        "photo": ["/p/arch/1.jpg", "/p/arch/2.jpg", "/p/bell/1.jpg", "/p/bell/0a1.jpg", "s3://bucket/bell/9.jpg"],
        "landmark": ["arch", "arch", "bell", "bell", "bell"],
        "split": ["train", "train", "train", "train", "test"],
    }
)


def read(folder: Path, *rows: str, header: str = "photo,landmark") -> list[bool]:
    file = folder / "references.csv"
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return [bool(value) for value in read_references(str(file), TABLE)]


def test_photos_are_named_by_path_or_its_end_or_by_id(tmp_path: Path) -> None:
    assert read(tmp_path, "/p/arch/1.jpg,arch", "bell/1.jpg,bell", "0a1,bell") == [True, False, True, True, False]
    assert read(tmp_path) == [False] * 5


def test_references_outside_the_train_split_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "landmark"):
        logging.getLogger("landmark").propagate = True
        assert read(tmp_path, "s3://bucket/bell/9.jpg,bell") == [False] * 5
    assert "1 references are not in the train split" in caplog.text


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("1.jpg,arch", r"references\.csv, row 3: '1\.jpg' stands for 2 photos; give more of its path"),
        ("arch/7.jpg,arch", "row 3: 'arch/7.jpg' is no photo of the catalog"),
        ("ch/1.jpg,arch", "row 3: 'ch/1.jpg' is no photo of the catalog"),
        (",arch", "row 3: '' is no photo"),
        ("bell/1.jpg,arch", "'bell/1.jpg' is a reference for 'arch', but the catalog labels it 'bell'"),
        ("bell/1.jpg,", "is a reference for '', but the catalog labels it 'bell'"),
    ],
)
def test_a_wrong_row_is_named(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(tmp_path, "/p/arch/1.jpg,arch", row)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="column 'landmark' is missing"):
        read(tmp_path, "a,b", header="photo,label")
    with pytest.raises(UsageError, match="no such file"):
        read_references(str(tmp_path / "none.csv"), TABLE)
