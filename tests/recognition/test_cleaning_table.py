"""The table of verdicts: what stands in it, what it does to a catalog, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from landmark.errors import LandmarkError
from landmark.photos.catalog import Catalog
from landmark.recognition.cleaning import Verdict
from landmark.recognition.cleaning_evidence import NOTHING, Evidence
from landmark.recognition.cleaning_table import (
    NEEDED,
    NO_LANDMARK,
    NOT_JUDGED,
    OTHER_LANDMARK,
    REFERENCE,
    TIED,
    CleaningTable,
)


def catalog() -> Catalog:
    """Five photos of a landmark, one of another, one that shows none, one for test."""
    labels = ["arch"] * 5 + ["bell", "", "arch"]
    count = len(labels)
    table = pd.DataFrame(
        {
            "photo": [f"/photos/{n}.jpg" for n in range(count)],
            "landmark": labels,
            "split": ["train"] * (count - 1) + ["test"],
            "region": "",
            "sha256": [f"{n:064x}" for n in range(count)],
            "width": 8,
            "height": 8,
            "taken_at": pd.NaT,
            "lat": np.nan,
            "lon": np.nan,
            "group": range(count),
            "known": True,
        }
    )
    landmarks = pd.DataFrame({"landmark": ["arch", "bell"], "name": ["Arch", "Bell"], "city": "", "country": "", "region": ""})
    landmarks = landmarks.assign(lat=np.nan, lon=np.nan, names="{}")
    return Catalog(table, landmarks, pd.DataFrame({"photo": ["/broken.jpg"], "reason": ["cut off"]}))


def verdict(kept: list[bool]) -> Verdict:
    """Of the first five photos and the one of the bell; the fifth photo of the arch has no embedding."""
    return Verdict(
        kept=np.array(kept),
        tied=np.array([True, True, False, False, True]),
        reference=np.array([True, False, False, False, True]),
        cluster=np.array([0, 0, 1, 2, 0]),
        evidence=Evidence(
            np.array([0.9, 0.8, 0.1, 0.2, np.nan], np.float32),
            np.array([0.1, 0.2, 0.6, 0.5, 0.3], np.float32),
            np.array([1, NOTHING, 1, NOTHING, 0]),
        ),
        rival=np.array(["bell", "", "bell", "", "arch"], object),
    )


JUDGED = np.array([True, True, True, True, False, True, False])


def made(kept: list[bool], number: int = 1, before: CleaningTable | None = None) -> CleaningTable:
    return CleaningTable.of(catalog().split("train"), JUDGED, verdict(kept), number, before)


def test_each_photo_has_its_reason() -> None:
    table = made([True, True, False, False, True]).table
    assert table["reason"].tolist() == [REFERENCE, TIED, OTHER_LANDMARK, NO_LANDMARK, NOT_JUDGED, REFERENCE, NOT_JUDGED]
    assert table["kept"].tolist() == [True, True, False, False, True, True, True]
    assert table["rival"].tolist() == ["bell", "", "bell", "", "", "arch", ""]
    assert table["cluster"].tolist() == [0, 0, 1, 2, -1, 0, -1]
    assert table["similarity"].isna().tolist() == [False, False, False, False, True, True, True]
    assert made([True] * 5).table["reason"].tolist()[2:4] == [NEEDED, NEEDED]


def test_counts() -> None:
    found = made([True, True, False, False, True])
    assert found.counts() == {"labelled": 6, "dropped": 2, "dropped_other_landmark": 1, "dropped_no_landmark": 1}


def test_the_catalog_loses_what_was_dropped_and_says_so() -> None:
    cleaned = made([True, True, False, False, True]).apply(catalog())
    assert [Path(photo).stem for photo in cleaned.table["photo"]] == ["0", "1", "4", "5", "6", "7"]
    assert cleaned.rejects.values.tolist() == [
        ["/broken.jpg", "cut off"],
        ["/photos/2.jpg", f"cleaning: {OTHER_LANDMARK}"],
        ["/photos/3.jpg", f"cleaning: {NO_LANDMARK}"],
    ]
    assert made([True] * 5).apply(catalog()).digest == catalog().digest


def test_a_verdict_keeps_the_round_that_it_stands_since() -> None:
    first = made([True, True, False, False, True])
    second = made([True, False, False, True, True], 2, first)
    assert second.table["round"].tolist() == [1, 2, 1, 2, 1, 1, 1]
    assert second.kept_of(catalog().table["sha256"]).tolist() == [True, False, False, True, True, True, True, True]


def test_it_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    found = made([True, True, False, False, True])
    found.save(tmp_path / "a.parquet")
    loaded = CleaningTable.load(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(loaded.table, found.table, check_dtype=False)
    loaded.save(tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()


def test_what_is_no_table_of_cleaning_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LandmarkError, match=r"none\.parquet: cannot be read .*clean again"):
        CleaningTable.load(tmp_path / "none.parquet")
    (tmp_path / "cut.parquet").write_bytes(b"PAR1 and then nothing")
    with pytest.raises(LandmarkError, match=r"cut\.parquet: cannot be read"):
        CleaningTable.load(tmp_path / "cut.parquet")
    catalog().table.to_parquet(tmp_path / "catalog.parquet")
    with pytest.raises(LandmarkError, match="no column 'kept'"):
        CleaningTable.load(tmp_path / "catalog.parquet")
    with pytest.raises(LandmarkError, match=r"photo /photos/0\.jpg: kept False for the reason 'reference'"):
        CleaningTable(made([True] * 5).table.assign(kept=False))
