"""The flow of an index: through the real command, and a shard that fails, in Prefect's own words."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from landmark.recognition.index.goal import Goal
from landmark.steps.index_engines import build_index
from tests.recognition.samples import around
from tests.test_cli import ROOT, landmark

GOAL = Goal(0.9, 5, device="cpu")


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("v") / "vectors"
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(3):
        np.save(folder / f"{number}.npy", around(random.normal(size=(20, 12)), 50, 0.3, random))
    return folder


FAILS = """
import os, sys
from pathlib import Path
from flows.environment import prepare
from flows.server import Server

prepare(Path(sys.argv[3]))
server = Server(Path(sys.argv[3])).start()
from flows import index as flow
from landmark.errors import LandmarkError
from landmark.recognition.index.goal import Goal
from landmark.steps import index_shards

add, tried = index_shards.add, []

def flaky(job, number):
    tried.append(number)
    if number == 0:
        raise LandmarkError("row 77 holds NaN")
    if number == 1 and tried.count(1) == 1:
        raise OSError(116, "Stale file handle")
    return add(job, number)

index_shards.add = flaky
server.wait()
job = index_shards.Job(sys.argv[1], sys.argv[2], 3, Goal(0.9, 5, device="cpu"))
try:
    flow.build(job, workers=2)
except LandmarkError as error:
    print(error)
index_shards.add = add
flow.build(job)
print(sorted(tried))
"""


def test_shards_are_tasks_that_are_tried_again(vectors: Path, tmp_path: Path) -> None:
    build_index(vectors, tmp_path / "whole", GOAL)
    home, out = tmp_path / "home", tmp_path / "i"
    done = subprocess.run(
        [sys.executable, "-c", FAILS, vectors, out, home],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    error, tried = done.stdout.splitlines()
    assert "shard 0 of 3 (rows 0 to 999) could not be added: row 77 holds NaN" in error
    assert tried == "[0, 1, 1, 2]"  # what can't go better is not tried again, and finished shards are not added again
    for name in ("copies.faiss", "rows.arrow", "alive.npy"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
    with sqlite3.connect(home / "prefect" / "prefect.db") as database:
        states = database.execute("select name, state_type from flow_run order by start_time").fetchall()
        tasks = database.execute("select name, state_type, run_count from task_run").fetchall()
    assert states == [(str(out), "FAILED"), (str(out), "COMPLETED")]
    assert ("shard-1", "COMPLETED", 2) in tasks
    assert ("shard-0", "FAILED", 1) in tasks
    assert [name for name, _, _ in tasks].count("shard-2") == 1


def test_the_command(vectors: Path, tmp_path: Path) -> None:
    build = ("index", "build", vectors, "--out", tmp_path / "i", "--recall", "0.9", "-k", "5", "--device", "cpu")
    done = landmark(*build, "--shards", "3", "--engine", "prefect", "--home", tmp_path / "home", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["count"] == 3000
    assert not (tmp_path / ".i.shards").exists()
