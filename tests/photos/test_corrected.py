"""What people said of photos, in the next catalog: where it goes, what it changes, and what it must not."""

import hashlib
import json
import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.config import DataConfig
from landmark.photos.build import build_catalog
from landmark.photos.catalog import Catalog
from landmark.photos.corrections import Corrections
from tests.photos.sample import folder, put

DAY = datetime(2026, 5, 1, 10, tzinfo=UTC)


def digest(photo: Path) -> str:
    return hashlib.sha256(photo.read_bytes()).hexdigest()


class Person:
    """Someone who looks at tagged photos; `out` is the folder that `landmark tag` wrote."""

    def __init__(self, out: Path) -> None:
        self.out = out
        out.mkdir(parents=True, exist_ok=True)
        (out / "tagging.json").write_text("{}")
        self.file = Corrections(out / "corrections.jsonl")

    def has(self, *photos: Path | str, sha256: str = "") -> None:
        """What `landmark tag` wrote of the collection as it was at its last run."""
        rows = [{"photo": str(photo), "sha256": sha256 or digest(Path(photo)), "name": ""} for photo in photos]
        pq.write_table(pa.Table.from_pylist(rows), self.out / "tags.parquet")

    def says(self, photo: Path | str, landmark: str, sha256: str = "") -> None:
        verdict = "correct" if landmark else "reject"
        self.file.add(sha256 or digest(Path(photo)), str(photo), verdict, landmark, "a", "landmark/3")


@pytest.fixture
def person(tmp_path: Path) -> Person:
    return Person(tmp_path / "out")


@pytest.fixture
def data(tmp_path: Path) -> DataConfig:
    return folder(tmp_path, {"a": 8, "b": 8}, others=12)


def build(data: DataConfig, *outs: object) -> Catalog:
    return build_catalog(data.model_copy(update={"corrections": tuple(str(out) for out in outs)}), seed=0, progress=False)


def row(catalog: Catalog, photo: object) -> dict[str, Any]:
    (found,) = catalog.table[catalog.table["photo"] == str(photo)].to_dict("records")
    return {str(name): found[name] for name in ("landmark", "split", "known", "verified")}


def drawn(catalog: Catalog, split: str, landmark: str) -> list[Path]:
    table = catalog.table[(catalog.table["split"] == split) & (catalog.table["landmark"] == landmark)]
    return [Path(photo) for photo in table["photo"]]


def reasons(catalog: Catalog) -> dict[str, str]:
    return dict(zip(catalog.rejects["photo"], catalog.rejects["reason"], strict=True))


def test_photos_that_the_source_does_not_have_train(data: DataConfig, person: Person, tmp_path: Path) -> None:
    before = build(data)
    shows_a, none, fresh = (put(tmp_path / "holiday" / f"{n}.jpg", 500 + n) for n in range(3))
    person.says(shows_a, "a")
    person.says(none, "")
    person.says(fresh, "c")
    after = build(data, person.out)
    assert row(after, shows_a) == {"landmark": "a", "split": "train", "known": True, "verified": True}
    assert row(after, none) == {"landmark": "", "split": "train", "known": True, "verified": True}
    assert row(after, fresh) == {"landmark": "c", "split": "train", "known": True, "verified": True}
    assert after.landmarks["landmark"].tolist() == ["a", "b", "c"]
    assert after.rejects.empty
    old = after.table[~after.table["verified"]].set_index("photo")[["landmark", "split"]]
    pd.testing.assert_frame_equal(old, before.table.set_index("photo")[["landmark", "split"]])
    assert after.digest != before.digest


def test_a_new_landmark_may_be_named_in_the_table_of_landmarks(data: DataConfig, person: Person, tmp_path: Path) -> None:
    person.says(put(tmp_path / "holiday.jpg", 500), "c")
    csv = tmp_path / "landmarks.csv"
    csv.write_text("landmark,name,city,country,region,lat,lon\nc,Sea Gate,Porto,Portugal,Europe,41.1,-8.6\n")
    table = build(data.model_copy(update={"landmarks": str(csv)}), person.out).landmarks.set_index("landmark")
    assert table.loc["c", ["name", "city"]].tolist() == ["Sea Gate", "Porto"]


@pytest.mark.parametrize("split", ["train", "calibrate", "test"])
@pytest.mark.parametrize("landmark", ["a", ""])
def test_a_near_duplicate_trains_only_beside_photos_that_train(
    data: DataConfig, person: Person, tmp_path: Path, split: str, landmark: str
) -> None:
    from PIL import Image

    twin = drawn(build(data), split, landmark)[0]
    near = tmp_path / "holiday.png"
    Image.open(twin).save(near)
    person.says(near, "b")
    after = build(data, person.out)
    if split == "train":
        assert row(after, near)["landmark"] == "b"
        groups = after.table.set_index("photo")["group"]
        assert groups[str(near)] == groups[str(twin)]
    else:
        assert reasons(after) == {str(near): f"corrections: nearly the same as a photo of split {split}; left out"}
    assert row(after, twin) == {"landmark": landmark, "split": split, "known": True, "verified": False}


@pytest.mark.parametrize("split", ["train", "calibrate", "test"])
def test_photos_of_the_source(data: DataConfig, person: Person, split: str) -> None:
    before = build(data)
    (shows_a, *_), (shows_b, *_), (none, other, *_) = (drawn(before, split, landmark) for landmark in ("a", "b", ""))
    person.says(shows_a, "a")
    person.says(shows_b, "a")
    person.says(none, "")
    person.says(other, "b")
    after = build(data, person.out)
    kept = {"split": split, "known": True, "verified": True}
    assert row(after, shows_a) == {"landmark": "a", **kept}
    assert row(after, shows_b) == {"landmark": "a", **kept}  # the better truth, wherever it was drawn to
    assert row(after, none) == {"landmark": "", **kept}
    if split == "train":
        assert row(after, other) == {"landmark": "b", **kept}
        assert after.rejects.empty
    else:
        why = f"corrections: was drawn for split {split} as what it does not show; left out"
        assert reasons(after) == {str(other): why}
    splits = before.table.set_index("photo")["split"]
    assert (after.table.set_index("photo")["split"] == splits[after.table["photo"]]).all()


def test_a_landmark_photo_that_shows_none_trains_as_such_or_is_left_out(data: DataConfig, person: Person) -> None:
    before = build(data)
    train, test = drawn(before, "train", "a")[0], drawn(before, "test", "a")[0]
    for photo in (train, test):
        person.says(photo, "")
    after = build(data, person.out)
    assert row(after, train) == {"landmark": "", "split": "train", "known": True, "verified": True}
    assert list(reasons(after)) == [str(test)]


def test_photos_of_unknown_landmarks_stay_test_photos(data: DataConfig, person: Person, tmp_path: Path) -> None:
    rejected, named = (put(tmp_path / "unknown" / f"{n}.jpg", 700 + n) for n in range(2))
    person.says(rejected, "")
    person.says(named, "a")
    after = build(data.model_copy(update={"unknown": str(tmp_path / "unknown")}), person.out)
    assert row(after, rejected) == {"landmark": "", "split": "test", "known": False, "verified": False}
    assert list(reasons(after)) == [str(named)]


def test_the_later_word_of_two_holds(
    data: DataConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    photo, agreed = (put(tmp_path / f"holiday{n}.jpg", 500 + n) for n in range(2))
    people = [Person(tmp_path / name) for name in ("ann", "ben")]
    for hour, (one, shown, landmark) in enumerate(
        [(people[1], photo, "a"), (people[0], photo, ""), (people[0], agreed, "b"), (people[1], agreed, "b")]
    ):
        one.says(shown, landmark)
        file = one.out / "corrections.jsonl"
        lines = file.read_text().splitlines()
        lines[-1] = json.dumps({**json.loads(lines[-1]), "time": (DAY + timedelta(hours=hour)).isoformat()})
        file.write_text("\n".join(lines) + "\n")
    for outs in ([people[0].out, people[1].out], [people[1].out, people[0].out / "corrections.jsonl"]):
        caplog.clear()
        after = build(data, *outs)
        assert row(after, photo)["landmark"] == ""
        assert row(after, agreed)["landmark"] == "b"
        assert "1 photos are said to show two things" in caplog.text


def test_photos_that_are_gone_or_others_now_are_rejects(
    data: DataConfig, person: Person, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone, changed, damaged, fine = (put(tmp_path / "holiday" / f"{n}.jpg", 500 + n) for n in range(4))
    listed = drawn(build(data), "train", "a")[0]
    person.says(gone, "a")
    person.says(changed, "a")
    damaged.write_bytes(damaged.read_bytes()[:300])
    person.says(damaged, "a")
    person.says(listed, "b", sha256="e" * 64)  # of what it was before
    person.says("/holiday/\udcff\n.jpg", "a", sha256="f" * 64)
    person.says(fine, "a")
    gone.unlink()
    put(changed, 900)
    with caplog.at_level(logging.INFO):
        after = build(data, person.out)
    why = reasons(after)
    assert why.pop(str(gone)) == "corrections: cannot be opened (No such file or directory)"
    assert why.pop(str(changed)).startswith("corrections: its content is not what it was")
    assert why.pop(str(listed)).startswith("corrections: its content is not what it was")
    assert "damaged or cut off" in why.pop(str(damaged))
    assert why == {"/holiday/\\udcff\\n.jpg": "corrections: file name isn't valid UTF-8; rename the file"}
    assert row(after, fine)["landmark"] == "a"
    assert row(after, listed) == {"landmark": "a", "split": "train", "known": True, "verified": False}
    assert "6 photos, of which the source had 0 and 1 are new; 5 left out" in caplog.text


@settings(max_examples=12, deadline=None)
@given(words=st.lists(st.tuples(st.integers(0, 39), st.sampled_from(["", "a", "b", "c"])), max_size=30))
def test_whatever_is_said_no_answer_leaks(tmp_path_factory: pytest.TempPathFactory, words: list[tuple[int, str]]) -> None:
    root = tmp_path_factory.mktemp("said")
    data = folder(root, {"a": 8, "b": 8}, others=12)
    before = build(data)
    photos = [Path(photo) for photo in before.table["photo"]]
    photos += [put(root / "holiday" / f"{n}.png", 1 + 2 * n) for n in range(12)]  # most are near-duplicates of the source's
    person = Person(root / "out")
    for number, landmark in words:
        person.says(photos[number], landmark)
    after = build(data, person.out)  # a catalog refuses groups that lie in two splits
    splits = before.table.set_index("photo")["split"]
    for _, found in after.table.iterrows():
        assert found["split"] == splits.get(found["photo"], "train")
        assert found["photo"] in splits or found["verified"]
    said = {str(photos[number]): landmark for number, landmark in words}
    missing = (set(splits.index) | set(said)) - set(after.table["photo"])
    assert missing == set(reasons(after))
    for photo, landmark in said.items():
        if photo not in missing:
            assert row(after, photo)["landmark"] == landmark
