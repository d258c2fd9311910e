"""Who adds the shards of an index: shards that fail, processes that die, a build that is killed."""

from __future__ import annotations

import errno
import importlib.util
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from landmark.errors import LandmarkError
from landmark.recognition.index.goal import Goal
from landmark.steps import index_engines, index_shards
from landmark.steps.index_engines import build_index
from landmark.steps.index_shards import Job, build_in_shards, may_pass
from tests.recognition.samples import around
from tests.test_cli import ROOT, landmark, one_line

COUNT, DIM = 12_000, 16
FILES = ("lists.faiss", "copies.faiss", "rows.arrow", "alive.npy")
GOAL = Goal(0.6, 5, device="cpu")


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("v") / "vectors"
    folder.mkdir()
    random = np.random.default_rng(0)
    rows = random.permutation(around(random.normal(size=(500, DIM)), COUNT // 500, 0.3, random)).astype(np.float16)
    for number, part in enumerate(np.split(rows, [5000, 8000])):
        np.save(folder / f"{number}.npy", part)
    return folder


@pytest.fixture(scope="module")
def whole(vectors: Path) -> Path:
    """The index made in one process."""
    build_index(vectors, vectors.parent / "whole", GOAL)
    return vectors.parent / "whole"


def job(vectors: Path, out: Path) -> Job:
    return Job(str(vectors), str(out), 3, GOAL)


def same(first: Path, second: Path) -> bool:
    return all((first / name).read_bytes() == (second / name).read_bytes() for name in FILES)


def test_processes_make_the_same_index(vectors: Path, whole: Path, tmp_path: Path) -> None:
    told = build_in_shards(job(vectors, tmp_path / "i"), lambda *shards: index_engines.processes(*shards, workers=2))
    assert told["count"] == COUNT
    assert same(tmp_path / "i", whole)
    assert {path.name for path in tmp_path.iterdir()} == {"i", ".i.lock"}


def test_a_shard_that_fails_is_tried_again(vectors: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    tried: list[int] = []

    def flaky(job: Job, number: int) -> bool:
        tried.append(number)
        if number == 1 and tried.count(1) < 3:
            raise OSError(errno.ESTALE, "Stale file handle")
        return add(job, number)

    add = index_shards.add
    monkeypatch.setattr(index_engines, "add", flaky)
    monkeypatch.setattr(index_engines.time, "sleep", waited.append)
    build_in_shards(job(vectors, tmp_path / "i"), index_engines.local)
    assert tried == [0, 1, 2, 1, 1]
    assert waited == [2.0, 4.0]
    assert same(tmp_path / "i", whole)


def test_a_shard_that_fails_for_good_is_named_and_the_others_kept(
    vectors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def fails(job: Job, number: int) -> bool:
        tried.append(number)
        if number == 1:
            raise LandmarkError("block at row 5000: row 77 holds NaN")
        return add(job, number)

    add = index_shards.add
    monkeypatch.setattr(index_engines, "add", fails)
    with pytest.raises(LandmarkError, match=r"shard 1 of 3 \(rows 5000 to 7999\) could not be added: .*row 77 holds NaN; "):
        build_in_shards(job(vectors, tmp_path / "i"), index_engines.local)
    assert tried == [0, 1, 2]
    assert {path.name for path in (tmp_path / ".i.shards").iterdir() if path.is_dir()} == {"part-00000", "part-00002"}
    assert not (tmp_path / "i").exists()


@pytest.mark.parametrize(
    ("error", "again"),
    [
        (OSError(errno.EIO, "Input/output error"), True),
        (MemoryError(), True),
        (ConnectionResetError(), True),
        (FileNotFoundError(), False),
        (PermissionError(), False),
        (LandmarkError("row 3 holds NaN"), False),
    ],
)
def test_only_what_may_pass_is_tried_again(error: BaseException, again: bool) -> None:
    assert may_pass(error) == again
    wrapped = LandmarkError("vectors.npy: cannot be read")
    wrapped.__cause__ = error
    assert may_pass(wrapped) == again


DIES = """
import os, sys
from pathlib import Path
from landmark.recognition.index.goal import Goal
from landmark.steps import index_engines, index_shards
from landmark.steps.index_shards import Job, build_in_shards

flag = Path(sys.argv[3])
add = index_shards.add

def once(job, number):
    if number == 2 and not flag.exists():
        flag.touch()
        os._exit(9)
    return add(job, number)

index_engines.add = once
index_engines.BACK_OFF = 0.01
if __name__ == "__main__":
    build_in_shards(Job(sys.argv[1], sys.argv[2], 3, Goal(0.6, 5, device="cpu")), index_engines.processes)
"""

SLEEPS = """
import sys, time
from landmark.recognition.index import shards
from landmark.recognition.index.goal import Goal
from landmark.steps import index_engines
from landmark.steps.index_shards import Job, build_in_shards

fill = shards._fill

def slow(folder, training, source, first, stop):
    made = fill(folder, training, source, first, stop)
    if first:
        print("half", flush=True)
        time.sleep(600)
    return made

shards._fill = slow
build_in_shards(Job(sys.argv[1], sys.argv[2], 3, Goal(0.6, 5, device="cpu")), index_engines.local)
"""


def start(code: str, folder: Path, *arguments: Path) -> subprocess.Popen[str]:
    (folder / "script.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, str(folder / "script.py"), *map(str, arguments)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_process_that_dies_is_replaced(vectors: Path, whole: Path, tmp_path: Path) -> None:
    made = start(DIES, tmp_path, vectors, tmp_path / "i", tmp_path / "flag")
    _, errors = made.communicate(timeout=300)
    assert made.returncode == 0, errors
    assert (tmp_path / "flag").exists()
    assert same(tmp_path / "i", whole)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_killed_half_way_it_goes_on(vectors: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = start(SLEEPS, tmp_path, vectors, tmp_path / "i")
    assert made.stdout is not None
    assert made.stdout.readline() == "half\n"
    made.kill()
    made.communicate()
    before = (tmp_path / ".i.shards" / "training.json").stat().st_mtime_ns
    done: list[Sequence[int]] = []

    def engine(job: Job, numbers: Sequence[int]) -> index_engines.Failures:
        assert (job.work / "training.json").stat().st_mtime_ns == before  # not trained again
        done.append(numbers)
        return index_engines.local(job, numbers)

    build_in_shards(job(vectors, tmp_path / "i"), engine)
    assert done == [[1, 2]]
    assert same(tmp_path / "i", whole)
    assert not (tmp_path / ".i.shards").exists()


def test_the_command(vectors: Path, whole: Path, tmp_path: Path) -> None:
    options = ["--recall", "0.6", "-k", "5", "--device", "cpu"]
    made = landmark("index", "build", vectors, "--out", tmp_path / "i", "--shards", "3", *options, "--json")
    assert made.returncode == 0, made.stderr
    assert same(tmp_path / "i", whole)
    build = ("index", "build", vectors, "--out", tmp_path / "j")
    assert "give local, processes, prefect or ray" in one_line(landmark(*build, "--shards", "2", "--engine", "dask"), 2)
    inside = landmark("index", "build", vectors, "--out", vectors / "i")
    assert "lies in the folder of the vectors" in one_line(inside, 2)
    assert "shards 0: must be at least 1" in one_line(landmark(*build, "--shards", "0"), 2)
    assert "workers 0" in one_line(landmark(*build, "--shards", "2", "--engine", "processes", "--workers", "0"), 2)


@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: pip install 'landmark[ray]'")
def test_ray_makes_the_same_index(vectors: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flaky(job: Job, number: int) -> bool:
        tried = Path(f"{job.out}-{number}")
        if number == 0:
            raise LandmarkError("row 77 holds NaN")
        if not tried.exists():
            tried.touch()
            if number == 1:
                raise OSError(errno.ESTALE, "Stale file handle")
            os._exit(9)
        return index_shards.add(job, number)

    def engine(job: Job, numbers: Sequence[int]) -> index_engines.Failures:
        return index_engines.ray(job, numbers, workers=2)

    add = index_engines.add
    monkeypatch.setattr(index_engines, "add", flaky)
    with pytest.raises(LandmarkError, match=r"shard 0 of 3 .* not be added: .*holds NaN"):
        build_in_shards(job(vectors, tmp_path / "i"), engine)
    monkeypatch.setattr(index_engines, "add", add)
    assert {path.name for path in (tmp_path / ".i.shards").iterdir() if path.is_dir()} == {"part-00001", "part-00002"}
    build_in_shards(job(vectors, tmp_path / "i"), engine)
    assert same(tmp_path / "i", whole)


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_without_ray_the_extra_is_named(vectors: Path, tmp_path: Path) -> None:
    build = ("index", "build", vectors, "--out", tmp_path / "i", "--shards", "3", "--engine", "ray")
    assert "pip install 'landmark[ray]'" in one_line(landmark(*build), 2)
    assert list(tmp_path.iterdir()) == []
