"""What people said of photos, whatever happens to the process, the disk and the file."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.photos import corrections as module
from landmark.photos.corrections import Corrections
from tests.photos.said import A, B, C, Said, held, say
from tests.test_cli import ROOT


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "corrections.jsonl"


def test_what_is_said_is_in_the_file_at_once(path: Path) -> None:
    file = Corrections(path)
    assert (file.current, file.undoable, file.undo()) == ({}, 0, None)
    made = file.add(A, "/photos/Tour\n😀\udcff.jpg", "correct", "Sacré-Cœur", "Eiffel Tower", "landmark/3")
    (row,) = [json.loads(line) for line in path.read_bytes().decode("ascii").splitlines()]
    assert {**row, "time": ""} == {
        "version": 1,
        "sha256": A,
        "photo": "/photos/Tour\n😀\udcff.jpg",
        "verdict": "correct",
        "landmark": "Sacré-Cœur",
        "said": "Eiffel Tower",
        "model": "landmark/3",
        "time": "",
    }
    assert Corrections(path).current == {A: made} == file.current
    assert made.time.utcoffset() is not None


def test_a_line_is_on_the_disk_when_add_returns(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(os.fstat(descriptor).st_size), real(descriptor)))
    say(Corrections(path), A)
    assert synced[-1] == path.stat().st_size
    assert len(synced) == 2  # the folder that a new file stands in, too


class Model:
    """What `Corrections` must do, in the simplest way."""

    def __init__(self) -> None:
        self.said: list[Said] = []

    def current(self) -> dict[str, tuple[str, str]]:
        return {sha256: (verdict, landmark) for sha256, verdict, landmark in self.said}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.just("undo"),
            st.just("open again"),
            st.tuples(st.sampled_from([A, B, C]), st.sampled_from(["confirm", "correct"]), st.sampled_from(["x", "y", "é 😀"])),
            st.tuples(st.sampled_from([A, B, C]), st.just("reject"), st.just("")),
        ),
        max_size=25,
    )
)
def test_any_sequence_is_what_a_list_would_hold(tmp_path_factory: pytest.TempPathFactory, steps: list[Any]) -> None:
    path = tmp_path_factory.mktemp("said") / "corrections.jsonl"
    files = [Corrections(path), Corrections(path)]
    model, digests = Model(), {}
    for number, step in enumerate(steps):
        file = files[number % 2]
        if step == "undo":
            taken = file.undo()
            expected = model.said.pop() if model.said else None
            assert (None if taken is None else (taken.sha256, taken.verdict, taken.landmark)) == expected
        elif step == "open again":
            files[number % 2] = Corrections(path)
        else:
            sha256, verdict, landmark = step
            file.add(sha256, "p", verdict, landmark, "", "m")
            model.said.append(step)
        for one in files:
            assert held(one) == model.current()
            assert one.undoable == len(model.said)
        assert files[0].digest == files[1].digest
        key = tuple(sorted((sha256, said.verdict, said.landmark, said.time) for sha256, said in file.current.items()))
        digests.setdefault(key, set()).add(file.digest)
    assert all(len(found) == 1 for found in digests.values())
    assert len({next(iter(found)) for found in digests.values()}) == len(digests)


def test_an_undo_brings_back_what_held_before(path: Path) -> None:
    file = Corrections(path)
    say(file, A)
    before = file.digest
    say(file, A, "reject")
    assert file.digest != before
    taken = file.undo()
    assert taken is not None
    assert taken.verdict == "reject"
    assert held(file) == {A: ("confirm", "Eiffel Tower")}
    assert file.digest == before
    assert len(path.read_bytes().splitlines()) == 3  # nothing is ever taken out of the file


SAYS = """
import sys
from pathlib import Path
from landmark.photos.corrections import Corrections
file = Corrections(Path(sys.argv[1]))
for number in range(int(sys.argv[2])):
    sha256 = sys.argv[3] + f"{number:063x}"
    file.add(sha256, "p" * 3000, "reject", "", "", "m")
    print(sha256, flush=True)
"""


def speaker(path: Path, count: int, digit: str) -> "subprocess.Popen[bytes]":
    arguments = [sys.executable, "-c", SAYS, str(path), str(count), digit]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT)


def test_carried_over_to_files_that_were_written_into(path: Path) -> None:
    file = Corrections(path)
    first, last = say(file, A, "correct", "Dom"), say(file, B, "reject")
    assert file.carry([(first, C, "/photos/new.jpg")]) == 1
    carried = file.current[C]
    assert (carried.time, carried.verdict, carried.landmark, carried.photo) == (first.time, "correct", "Dom", "/photos/new.jpg")
    assert carried.said == first.said
    assert json.loads(path.read_bytes().splitlines()[-1])["carried"] == A
    assert Corrections(path).current == file.current
    assert file.carry([(first, C, "/photos/new.jpg")]) == 0  # something is said of it
    # What a person said last is taken back first, and what was carried over goes with what it repeats.
    assert [file.undo(), file.undo()] == [last, carried]
    assert held(file) == {A: ("correct", "Dom")} == held(Corrections(path))
    assert file.undo() == first
    assert (file.undo(), file.carry([(first, C, "/photos/new.jpg")])) == (None, 0)  # it does not hold any more
    assert held(Corrections(path)) == {}


def test_many_carried_over_are_one_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Corrections(path)
    word = say(file, A)
    synced = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda descriptor: (synced.append(descriptor), real(descriptor)))
    assert file.carry([(word, f"{number:064x}", f"/photos/{number}.jpg") for number in range(500)]) == 500
    assert len(synced) == 1
    assert len(Corrections(path).current) == 501


def test_two_processes_at_once_lose_nothing(path: Path) -> None:
    processes = [speaker(path, 60, digit) for digit in "ab"]
    for process in processes:
        _, problems = process.communicate(timeout=60)
        assert process.returncode == 0, problems
    assert sorted(Corrections(path).current) == sorted(f"{digit}{number:063x}" for digit in "ab" for number in range(60))


def test_a_killed_process_loses_nothing_that_it_was_told_is_saved(path: Path) -> None:
    saved: list[str] = []
    for attempt in range(4):
        process = speaker(path, 10**6, f"{attempt:x}")
        assert process.stdout is not None
        saved.append(process.stdout.readline().decode().strip())
        time.sleep(0.02 + 0.03 * attempt)
        process.kill()
        saved += process.communicate()[0].decode().split()
    saved = [sha256 for sha256 in saved if len(sha256) == 64]  # the last print may have been cut off
    assert len(saved) > 8
    file = Corrections(path)
    assert set(saved) <= set(file.current)
    say(file, A)
    assert A in Corrections(path).current


def test_reading_needs_no_lock_and_writes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    say(Corrections(path), A)

    def no_lock(*_: object, **__: object) -> None:
        raise AssertionError("a folder that may only be read has no place for a lock")

    monkeypatch.setattr(module, "locked", no_lock)
    assert set(Corrections(path).current) == {A}


def test_only_what_is_new_is_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Corrections(path)
    for number in range(50):
        file.add(f"{number:064x}", "p", "reject", "", "", "m")
    read: list[bytes] = []
    real = module._parsed
    monkeypatch.setattr(module, "_parsed", lambda line, where: (read.append(line), real(line, where))[1])
    for number in range(50, 60):
        file.add(f"{number:064x}", "p", "reject", "", "", "m")
        assert len(file.current) == number + 1
    assert len(read) == 10
