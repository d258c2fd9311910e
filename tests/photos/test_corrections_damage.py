"""Files of corrections that are cut off, damaged, of another version, replaced, or no files at all."""

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.errors import LandmarkError, UsageError
from landmark.photos.corrections import Corrections
from tests.photos.said import A, B, C, held, say


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "corrections.jsonl"


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_line_that_was_cut_off_is_no_line_and_takes_no_other_with_it(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cut") / "corrections.jsonl"
    file = Corrections(path)
    say(file, A)
    whole = path.stat().st_size
    say(file, B)
    cut = data.draw(st.integers(whole, path.stat().st_size - 2))
    os.truncate(path, cut)
    file = Corrections(path)
    assert set(file.current) == {A}
    say(file, C)
    os.truncate(path, path.stat().st_size - data.draw(st.integers(2, 20)))  # and once more, while mending the first
    file = Corrections(path)
    assert set(file.current) == {A}
    say(file, C)
    file.undo()
    say(file, C, "reject")
    assert held(Corrections(path)) == {A: ("confirm", "Eiffel Tower"), C: ("reject", "")} == held(file)


def test_a_last_line_without_its_end_counts_when_it_is_whole(path: Path) -> None:
    say(Corrections(path), A)
    os.truncate(path, path.stat().st_size - 1)  # some editors save files so
    file = Corrections(path)
    assert set(file.current) == {A}
    say(file, B)
    assert set(Corrections(path).current) == {A, B} == set(file.current)
    with path.open("ab") as stream:
        stream.write(b"{}\n")
    with pytest.raises(LandmarkError, match=r"corrections\.jsonl:3: damaged"):
        _ = file.current
    with pytest.raises(LandmarkError, match=r"corrections\.jsonl:3: damaged"):
        Corrections(path)


GOOD = {"version": 1, "sha256": A, "photo": "p", "verdict": "reject", "landmark": "", "said": "", "model": "m"}
GOOD |= {"time": "2026-05-01T10:00:00+00:00"}


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"\xff\xfe", "no JSON object"),
        (b"[" * 100_000, "no JSON object"),
        (b"[1]", "no JSON object"),
        (b"{}", "no JSON object with a 'version'"),
        (json.dumps({**GOOD, "version": 0}).encode(), "version 0"),
        (json.dumps({**GOOD, "version": True}).encode(), "version True"),
        (json.dumps({**GOOD, "version": "2"}).encode(), "version 2"),
        (json.dumps({name: value for name, value in GOOD.items() if name != "said"}).encode(), "no 'said'"),
        (json.dumps({**GOOD, "sha256": "A" * 64}).encode(), "64 hex digits"),
        (json.dumps({**GOOD, "sha256": 3}).encode(), "'sha256' is no text"),
        (json.dumps({**GOOD, "verdict": "maybe"}).encode(), "verdict 'maybe'"),
        (json.dumps({**GOOD, "landmark": "x"}).encode(), "leave it empty"),
        (json.dumps({**GOOD, "verdict": "correct", "landmark": "../x"}).encode(), "can't be used as a folder name"),
        (json.dumps({**GOOD, "time": "yesterday"}).encode(), "yesterday"),
        (json.dumps({**GOOD, "time": "2026-05-01T10:00:00"}).encode(), "time zone"),
        (json.dumps({"version": 1, "undo": A}).encode(), "no 'of'"),
    ],
)
def test_a_damaged_line_is_named(path: Path, line: bytes, why: str) -> None:
    say(Corrections(path), B)
    with path.open("ab") as stream:
        stream.write(line + b"\n" + json.dumps(GOOD).encode() + b"\n")
    with pytest.raises(LandmarkError, match=r"corrections\.jsonl:2: damaged correction .*; mend the line or remove it") as told:
        Corrections(path)
    assert why in str(told.value)
    assert "\n" not in str(told.value)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[::2]))  # the mend
    assert set(Corrections(path).current) == {A, B}


def test_lines_of_a_newer_version_are_not_guessed_at(path: Path) -> None:
    path.write_text(json.dumps(GOOD) + "\n" + json.dumps({"version": 2, "photos": [A]}) + "\n")
    with pytest.raises(
        LandmarkError, match=r"corrections\.jsonl:2: written by a newer Landmark \(version 2, this one knows 1\)"
    ):
        Corrections(path)


def test_an_undo_whose_line_was_removed_takes_nothing_else_back(path: Path) -> None:
    file = Corrections(path)
    say(file, A)
    say(file, A, "reject")
    file.undo()
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[2])
    assert held(file) == held(Corrections(path)) == {A: ("confirm", "Eiffel Tower")}


def test_a_file_that_was_replaced_is_read_anew(path: Path) -> None:
    file = Corrections(path)
    say(file, A)
    other = Corrections(path.with_name("other.jsonl"))
    say(other, B)
    say(other, C)
    other.file.replace(path)
    assert set(file.current) == {B, C}
    path.unlink()
    assert (file.current, file.undoable) == ({}, 0)
    say(file, A)
    assert set(Corrections(path).current) == {A}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"sha256": "x"}, "64 hex digits"),
        ({"verdict": "perhaps"}, "one of confirm, correct, reject"),
        ({"verdict": "reject"}, "leave it empty"),
        ({"landmark": ""}, "1 to 200 bytes"),
        ({"landmark": "a/b"}, "folder name"),
        ({"photo": "p" * (1 << 20)}, "over the limit"),
    ],
)
def test_what_cannot_be_said_is_not_written(path: Path, change: dict[str, str], why: str) -> None:
    values = {"sha256": A, "photo": "p", "verdict": "correct", "landmark": "x", "said": "", "model": "m", **change}
    with pytest.raises(UsageError, match=why):
        Corrections(path).add(**values)
    assert path.read_bytes() == b""


def test_a_full_disk_is_an_error_and_the_next_line_is_whole(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Corrections(path)
    say(file, A)
    real = os.write

    def full(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", no_more)
        return real(descriptor, data[:40])

    def no_more(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(LandmarkError, match=r"corrections\.jsonl: cannot be written \(No space left on device\)"):
        say(file, B)
    monkeypatch.setattr(os, "write", real)
    assert set(file.current) == {A}
    say(file, C)
    assert set(Corrections(path).current) == {A, C}


def test_what_is_no_file_of_lines_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(LandmarkError, match="pipe: not a regular file"):
        Corrections(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    with pytest.raises(LandmarkError, match=r"folder: (not a regular file|cannot be read)"):
        Corrections(tmp_path / "folder")
    (tmp_path / "endless").write_bytes(b"{" + b" " * (1 << 20))
    with pytest.raises(LandmarkError, match=r"endless:1: a line of more than 1048576 bytes"):
        Corrections(tmp_path / "endless")
    with pytest.raises(LandmarkError, match="cannot be"):
        say(Corrections(tmp_path / "endless" / "corrections.jsonl"), A)
