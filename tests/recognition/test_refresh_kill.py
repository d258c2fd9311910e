"""A refresh that is killed with SIGKILL: no process stays behind, no half file, and the next one goes on from there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from landmark.config import CentroidsConfig
from landmark.errors import LandmarkError
from landmark.recognition import blocks, refresh
from landmark.recognition.centroids import build_centroids
from landmark.recognition.refresh import refresh_centroids
from tests.recognition.test_refresh import same, small, uris

SCRIPT = """
import sys
import numpy as np
from landmark.config import CentroidsConfig
from landmark.recognition import blocks
from landmark.recognition.refresh import refresh_centroids

if __name__ == "__main__":
    blocks.BLOCK = 1
    rows = np.load(sys.argv[1], mmap_mode="r")
    ids = np.repeat([f"id{n:05}" for n in range(len(rows) // 12)], 12)
    refresh_centroids(rows, ids, [f"photo{n:05}.jpg" for n in range(len(rows))], CentroidsConfig(), sys.argv[2], workers=2)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_killed_and_taken_up_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 1)
    train, _, _ = small(8, 400)
    np.save(tmp_path / "x.npy", train)
    (tmp_path / "script.py").write_text(SCRIPT)
    store = tmp_path / "store"
    environment = {**os.environ, "PYTHONPATH": str(Path(refresh.__file__).parents[2])}
    command = [sys.executable, str(tmp_path / "script.py"), str(tmp_path / "x.npy"), str(store)]
    process = subprocess.Popen(command, env=environment)
    until = time.monotonic() + 300
    while len(list(store.glob("block-*.npz"))) < 10:
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < until
        time.sleep(0.01)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.wait()
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive
    held = sum(len(np.load(file)["keys"]) for file in store.glob("block-*.npz"))
    assert 10 <= held < 400
    ids = np.repeat([f"id{n:05}" for n in range(400)], 12)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    made = refresh_centroids(mapped, ids, uris(len(ids)), CentroidsConfig(), store, workers=1)
    assert made.clustered == 400 - held
    assert same(made.centroids, build_centroids(train, ids, uris(len(ids)), CentroidsConfig()))
    assert not list(store.glob(".*.tmp*"))


def test_a_process_that_dies_is_an_error_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 1)
    monkeypatch.setattr(refresh, "_start", os._exit)  # is given what is no exit status, so that no process ever starts
    train, ids, _ = small(9, 4)
    with pytest.raises(LandmarkError, match="run again with fewer processes"):
        refresh_centroids(train, ids, uris(len(ids)), CentroidsConfig(), tmp_path, workers=2)


def test_processes_that_cannot_start_are_not_waited_for(tmp_path: Path) -> None:
    # A program that is read from a pipe cannot be imported by a new process: that ends before it has taken anything in.
    random = np.random.default_rng(10)
    rows = random.normal(size=(600, 64)).astype(np.float32)
    np.save(tmp_path / "x.npy", rows / np.linalg.norm(rows, axis=1, keepdims=True))
    call = ", others=rows[1:])"  # larger than what a pipe holds
    script = SCRIPT.replace("sys.argv[2], workers=2)", "sys.argv[2], workers=2" + call)
    environment = {**os.environ, "PYTHONPATH": str(Path(refresh.__file__).parents[2])}
    command = [sys.executable, "-", str(tmp_path / "x.npy"), str(tmp_path / "store")]
    done = subprocess.run(command, input=script, env=environment, text=True, capture_output=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "did not start" in done.stderr.splitlines()[-1]
