from __future__ import annotations

import hashlib
import logging
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.errors import UsageError
from landmark.photos.listing import Listing
from landmark.photos.splits import assign_splits, consistent_groups, read_splits


def contents(n: int) -> list[str]:
    return [hashlib.sha256(str(number).encode()).hexdigest() for number in range(n)]


def test_fractions_are_of_groups() -> None:
    landmark = ["a"] * 40 + [""] * 100
    split = assign_splits(landmark, np.arange(140), contents(140), [""] * 140, 0.15, 0.25, 0)
    assert Counter(split[:40]) == {"train": 24, "calibrate": 6, "test": 10}
    assert Counter(split[40:]) == {"train": 60, "calibrate": 15, "test": 25}


@given(
    sizes=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    joins=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), max_size=20),
    calibrate=st.floats(0, 0.6),
    test=st.floats(0, 0.39),
    seed=st.integers(0, 99),
)
@settings(max_examples=150, deadline=None)
def test_groups_stay_whole_and_every_landmark_trains(
    sizes: list[int], joins: list[tuple[int, int]], calibrate: float, test: float, seed: int
) -> None:
    landmark = [name for name, size in zip("abcde", sizes, strict=False) for _ in range(size)]
    group = np.arange(len(landmark))
    for a, b in joins:  # groups across landmarks too
        if a < len(group) and b < len(group):
            group[group == group[b]] = group[a]
    split = assign_splits(landmark, group, contents(len(group)), [""] * len(group), calibrate, test, seed)
    assert set(split) <= {"train", "calibrate", "test"}
    for number in set(group.tolist()):
        assert len(set(split[group == number])) == 1
    for name in set(landmark):
        assert "train" in split[[item == name for item in landmark]]


def test_seed_and_order_and_other_landmarks() -> None:
    sha, group, none = contents(60), np.arange(60), [""] * 60
    first = assign_splits(["a"] * 60, group, sha, none, 0.2, 0.3, 0)
    assert (first == assign_splits(["a"] * 60, group, sha, none, 0.2, 0.3, 0)).all()
    assert (first != assign_splits(["a"] * 60, group, sha, none, 0.2, 0.3, 1)).any()
    assert (first[::-1] == assign_splits(["a"] * 60, group, sha[::-1], none, 0.2, 0.3, 0)).all()
    more = assign_splits(["a"] * 60 + ["b"] * 60, np.arange(120), contents(120), [""] * 120, 0.2, 0.3, 0)
    assert (more[:60] == first).all()


def test_pinned_photos_keep_their_split_and_take_their_group_along() -> None:
    group = np.array([0, 0, 1, 1, 1, 2, 3])
    pinned = ["test", "", "train", "test", "", "", ""]
    split = assign_splits(["a"] * 7, group, contents(7), pinned, 0.0, 0.5, 0)
    assert split[:5].tolist() == ["test", "test", "train", "test", "train"]
    assert sorted(split[5:]) == ["test", "train"]
    cut = consistent_groups(group, split)
    assert cut[:5].tolist() == [0, 0, 1, 2, 1]


def test_a_landmark_that_the_csv_never_trains_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assign_splits(["a", "a"], np.arange(2), contents(2), ["test", "test"], 0.1, 0.1, 0)
    assert "landmark 'a': no photo in split train" in caplog.text


@pytest.fixture
def listing(tmp_path: Path) -> Listing:
    listing = Listing(roots=[str(tmp_path / "data" / "landmarks"), str(tmp_path / "data" / "others")])
    for name in ("landmarks/a/1.jpg", "landmarks/a/2.jpg", "others/3.jpg"):
        (tmp_path / "data" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "data" / name).touch()
        listing.add(str(tmp_path / "data" / name), "a" if "a/" in name else "")
    return listing


def csv(folder: Path, *lines: str) -> str:
    file = folder / "splits.csv"
    file.write_text("\n".join(["photo,split", *lines]) + "\n", encoding="utf-8")
    return str(file)


@pytest.mark.parametrize("folder", ["data", "data/landmarks", "."])
def test_paths_are_relative_to_the_csv_or_beside_the_sources(tmp_path: Path, listing: Listing, folder: str) -> None:
    splits = read_splits(csv(tmp_path / folder, "landmarks/a/1.jpg,train", "others/3.jpg,calibrate"), listing)
    assert splits == {listing.photo[0]: "train", listing.photo[2]: "calibrate"}


def test_a_photo_outside_the_catalog_is_no_error(tmp_path: Path, listing: Listing) -> None:
    (tmp_path / "data" / "more.jpg").touch()
    assert read_splits(csv(tmp_path / "data", "more.jpg,train", "landmarks/a/1.jpg,test"), listing) == {
        listing.photo[0]: "test"
    }


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["landmarks/a/1.jpg,validation"], r"splits\.csv, row 2: split 'validation' must be one of train, calibrate, test"),
        (["landmarks/a/1.jpg,train", "landmarks/a/9.jpg,train"], r"row 3: photo 'landmarks/a/9\.jpg' isn't there"),
        (["landmarks/a/1.jpg,train", "landmarks/./a/1.jpg,test"], r"row 3: .* is in split 'train' already"),
        (["../../../../../../../../etc/none,train"], "isn't there"),
        ([",train"], "row 2: photo '' isn't there"),
    ],
)
def test_bad_rows(tmp_path: Path, listing: Listing, lines: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_splits(csv(tmp_path / "data", *lines), listing)


def test_unknown_landmarks_are_for_test(tmp_path: Path, listing: Listing) -> None:
    listing.known[2] = False
    with pytest.raises(UsageError, match="such photos are for test only"):
        read_splits(csv(tmp_path / "data", "others/3.jpg,train"), listing)


def test_missing_column(tmp_path: Path, listing: Listing) -> None:
    (tmp_path / "s.csv").write_text("photo,part\nx,train\n")
    with pytest.raises(UsageError, match=r"s\.csv: column 'split' is missing; it needs photo,split"):
        read_splits(str(tmp_path / "s.csv"), listing)
