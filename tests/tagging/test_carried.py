"""What a person said of a photo whose file a program writes into afterwards, by real tag jobs."""

from __future__ import annotations

import hashlib
import logging
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, PngImagePlugin

from landmark.network.network import Network
from landmark.photos.corrections import Correction, Corrections
from landmark.recognition.recognizer import Recognizer
from landmark.tagging import carried, job, work
from landmark.tagging.shard import ShardFolder
from landmark.tagging.state import ShardRow, State
from tests.recognition.striped import NETWORK, paint
from tests.tagging.conftest import Tag, write_photo, write_photos

Real = tuple[Recognizer, Path]


def digest(photo: Path) -> str:
    return hashlib.sha256(photo.read_bytes()).hexdigest()


def comment(photo: Path, text: str = "five stars") -> None:
    """Write a comment into a PNG, and nothing else."""
    with Image.open(photo) as image:
        image.load()
        info = PngImagePlugin.PngInfo()
        info.add_text("Comment", text)
        image.save(photo, pnginfo=info)


def decided(out: Path) -> dict[str, tuple[str, str]]:
    table = pq.read_table(out / "tags.parquet").to_pandas()
    return {Path(row.photo).name: (row.landmark, row.decided_by) for row in table.itertuples()}


def say(out: Path, photo: Path, landmark: str) -> Correction:
    verdict = "correct" if landmark else "reject"
    return Corrections(out / "corrections.jsonl").add(digest(photo), str(photo), verdict, landmark, "arch", "m")


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """Ten, in three shards, half of them in each of two folders."""
    return write_photos(tmp_path / "photos", 10)


@pytest.fixture
def out(tmp_path: Path, photos: list[Path], tagged: Tag) -> Path:
    tagged()
    return tmp_path / "out"


def test_it_holds_for_the_file_as_it_is_now(
    out: Path, photos: list[Path], tagged: Tag, caplog: pytest.LogCaptureFixture
) -> None:
    words = [say(out, photos[0], "dome"), say(out, photos[3], ""), say(out, photos[5], "A new one")]
    tagged()
    for photo in (photos[0], photos[3], photos[4]):
        comment(photo)
    with caplog.at_level(logging.INFO):
        result = tagged()
    assert (result.read, result.embedded) == (3, 3)
    tags = decided(out)
    assert tags["000.png"] == ("dome", "person")
    assert tags["003.png"] == ("", "person")
    assert tags["005.png"] == ("A new one", "person")
    assert tags["004.png"][1] == "model"
    current = Corrections(out / "corrections.jsonl").current
    assert len(current) == 5
    again = current[digest(photos[0])]
    assert again == replace(words[0], sha256=digest(photos[0]))
    assert "2 corrections are carried over" in caplog.text
    assert "match no photo" not in caplog.text
    assert not (out / ".state" / "edited.npz").exists()
    for photo in (photos[0], photos[3]):
        comment(photo, "four stars")
    tagged()
    assert decided(out)["000.png"] == ("dome", "person")
    assert len(Corrections(out / "corrections.jsonl").current) == 7


@pytest.mark.skipif(shutil.which("exiftool") is None, reason="no exiftool here")
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_ratings_written_by_exiftool(tmp_path: Path, tagged: Tag, suffix: str) -> None:
    photos = [tmp_path / "photos" / f"{kind}{suffix}" for kind in range(3)]
    for kind, photo in enumerate(photos):
        photo.parent.mkdir(exist_ok=True)
        Image.fromarray(paint(kind, 5)).save(photo)
    tagged()
    out = tmp_path / "out"
    say(out, photos[1], "dome")
    subprocess.run(["exiftool", "-q", "-overwrite_original", "-Rating=3", "-XMP:Subject=holiday", str(photos[1])], check=True)
    before = Corrections(out / "corrections.jsonl").current
    assert digest(photos[1]) not in before
    tagged()
    assert decided(out)[photos[1].name] == ("dome", "person")


def test_another_picture_under_the_name_inherits_nothing(
    out: Path, photos: list[Path], tagged: Tag, caplog: pytest.LogCaptureFixture
) -> None:
    for photo in photos[:2]:
        say(out, photo, "dome")
    write_photo(photos[0], 0, 77)  # painted alike, with other noise
    write_photo(photos[1], 3, 77)
    with caplog.at_level(logging.INFO):
        tagged()
    tags = decided(out)
    assert (tags["000.png"][1], tags["001.png"][1]) == ("model", "model")
    assert len(Corrections(out / "corrections.jsonl").current) == 2
    assert "0 corrections are carried over to photos that a program wrote into; 2 photos are other pictures" in caplog.text
    assert "2 corrections match no photo of the collection now" in caplog.text


def test_what_was_taken_back_stays_taken_back(out: Path, photos: list[Path], tagged: Tag) -> None:
    say(out, photos[0], "dome")
    Corrections(out / "corrections.jsonl").undo()
    comment(photos[0])
    tagged()
    assert decided(out)["000.png"][1] == "model"
    say(out, photos[0], "dome")
    comment(photos[0], "again")
    tagged()
    file = Corrections(out / "corrections.jsonl")
    assert file.undo().sha256 == digest(photos[0])
    comment(photos[0], "and again")
    tagged()
    assert decided(out)["000.png"][1] == "model"


def test_taken_back_or_said_anew_while_the_job_ran(
    out: Path, photos: list[Path], tagged: Tag, monkeypatch: pytest.MonkeyPatch
) -> None:
    say(out, photos[0], "dome")
    say(out, photos[2], "dome")
    for photo in (photos[0], photos[2]):
        comment(photo)
    file, run = Corrections(out / "corrections.jsonl"), work.Work.run

    def meanwhile(self: work.Work, *arguments: object) -> object:
        file.undo()
        old = Corrections(file.file).current
        assert [Path(word.photo).name for word in old.values()] == ["000.png"]
        say(out, photos[0], "bell")
        return run(self, *arguments)

    monkeypatch.setattr(work.Work, "run", meanwhile)
    tagged()
    assert decided(out)["002.png"][1] == "model"
    assert decided(out)["000.png"] == ("bell", "person")


def test_renamed_then_edited_and_copies(out: Path, photos: list[Path], tagged: Tag, tmp_path: Path) -> None:
    shutil.copy(photos[0], tmp_path / "photos" / "copy.png")
    tagged()
    say(out, photos[0], "dome")
    moved = photos[0].rename(photos[0].with_name("renamed.png"))
    tagged()
    tags = decided(out)
    assert tags["renamed.png"] == tags["copy.png"] == ("dome", "person")
    assert len(Corrections(out / "corrections.jsonl").current) == 1
    comment(moved, "one")
    comment(tmp_path / "photos" / "copy.png", "two")
    tagged()
    tags = decided(out)
    assert tags["renamed.png"] == tags["copy.png"] == ("dome", "person")


@pytest.mark.parametrize("moment", ["first shard", "all shards", "carried over"])
def test_killed_between(out: Path, photos: list[Path], tagged: Tag, monkeypatch: pytest.MonkeyPatch, moment: str) -> None:
    for photo in photos:
        say(out, photo, "dome")
        comment(photo)

    class Killed(BaseException):
        pass

    def killed(*_: object) -> None:
        raise Killed

    put, puts = State.replace, []

    def once(self: State, old: ShardRow | None, new: ShardRow | None, rest: bytes | None = None) -> None:
        if puts:
            raise Killed
        puts.append(new)
        put(self, old, new, rest)

    with monkeypatch.context() as patch:
        if moment == "first shard":
            patch.setattr(State, "replace", once)
        elif moment == "all shards":
            patch.setattr(job, "carry_over", killed)
        else:
            carry = Corrections.carry
            patch.setattr(Corrections, "carry", lambda *arguments: (carry(*arguments), killed()))
        with pytest.raises(Killed):
            tagged()
    assert (out / ".state" / "edited.npz").exists()
    comment(photos[0], "while nothing ran")
    tagged()
    assert set(decided(out).values()) == {("dome", "person")}
    assert len(Corrections(out / "corrections.jsonl").current) in (20, 21)
    assert not (out / ".state" / "edited.npz").exists()


def test_unreadable_for_a_while(out: Path, photos: list[Path], tagged: Tag, caplog: pytest.LogCaptureFixture) -> None:
    for photo in photos[:2]:
        say(out, photo, "dome")
        comment(photo)
    whole = photos[0].read_bytes()
    photos[0].write_bytes(whole[:50])
    tagged()
    assert "what was said of 1 photos that changed is not carried over: 0 could not be compared" in caplog.text
    assert "000.png" not in decided(out)
    assert decided(out)["001.png"] == ("dome", "person")
    caplog.clear()
    photos[0].write_bytes(whole)
    tagged()
    assert decided(out)["000.png"] == ("dome", "person")
    assert "not carried over" not in caplog.text
    photos[1].write_bytes(b"")
    tagged()
    photos[1].unlink()
    tagged()
    assert not (out / ".state" / "edited.npz").exists()


def test_another_network_in_the_same_job(
    out: Path, photos: list[Path], tagged: Tag, real: Real, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    network = Network.build(NETWORK, seed=1)
    made = real[0]
    Recognizer(
        network, made.centroids, made.calibration, made.bank, None, made.landmarks, made.metadata
    ).save(tmp_path / "other")  # fmt: skip
    say(out, photos[0], "dome")
    say(out, photos[2], "dome")
    comment(photos[0])
    tagged(model=tmp_path / "other")
    tags = decided(out)
    assert tags["002.png"] == ("dome", "person")
    assert tags["000.png"][1] == "model"
    assert "what was said of 1 photos that changed is not carried over: 1 could not be compared" in caplog.text
    assert not (out / ".state" / "edited.npz").exists()
    comment(photos[2])
    tagged(model=tmp_path / "other")
    assert decided(out)["002.png"] == ("dome", "person")


def test_no_shard_is_opened_without_need(
    out: Path, photos: list[Path], tagged: Tag, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    opened: list[str] = []
    real_photos: Callable[[ShardFolder], object] = ShardFolder.photos

    def put_aside(state: State, listing: object, *rest: object) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(ShardFolder, "photos", lambda self: (opened.append(self.folder.name), real_photos(self))[1])
            carried.put_aside(state, listing, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(job, "put_aside", put_aside)
    comment(photos[9])
    tagged()
    assert opened == []
    say(out, photos[0], "dome")  # the shard of folder 0, where nothing changes
    comment(photos[9])
    write_photo(tmp_path / "photos" / "2" / "new.png", 1, 99)
    tagged()
    assert opened == []
    comment(photos[0])
    tagged()
    assert len(opened) == 1


def test_a_damaged_file_of_what_was_put_aside(
    out: Path, photos: list[Path], tagged: Tag, caplog: pytest.LogCaptureFixture
) -> None:
    file = out / ".state" / "edited.npz"
    for content in (b"", b"PK\x03\x04 no archive", np.array([object()], object).dumps()):
        file.write_bytes(content)
        caplog.clear()
        tagged()
        assert "edited.npz is damaged" in caplog.text
        assert not file.exists()
    file.write_bytes(b"")
    say(out, photos[0], "dome")
    comment(photos[0])
    tagged()
    assert decided(out)["000.png"] == ("dome", "person")


def test_names_that_no_photo_can_have_are_passed_over(out: Path, photos: list[Path], tagged: Tag) -> None:
    file = Corrections(out / "corrections.jsonl")
    for number, name in enumerate(("", "\ud800", "/a\0b", "s3://bucket/😀\n<script>.png", "../" * 60 + "x")):
        file.add(f"{number}" * 64, name, "reject", "", "", "m")
    say(out, photos[0], "dome")
    comment(photos[0])
    tagged()
    assert decided(out)["000.png"] == ("dome", "person")


def test_a_shard_by_a_photo(out: Path, photos: list[Path]) -> None:
    with State(out / ".state") as state:
        first = state.after(None)
        assert first is not None
        second = state.after(first.first)
        assert second is not None
        assert state.holding(b"") == first == state.holding(first.first) == state.holding(second.first[:-1])
        assert state.holding(second.first) == second == state.holding(second.first + b"\0")
        assert state.holding(b"\xff") == list(_all(state))[-1]


def _all(state: State) -> list[ShardRow]:
    rows: list[ShardRow] = []
    while (row := state.after(rows[-1].first if rows else None)) is not None:
        rows.append(row)
    return rows
