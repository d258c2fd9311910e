"""A tag job that is killed at random moments, and taken up again until it is done."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from landmark.recognition.recognizer import Recognizer
from landmark.tagging import job
from landmark.tagging.shard import ShardFolder
from tests.tagging.conftest import Tag, write_photos

SCRIPT = """
import multiprocessing, os, random, sys, time
from landmark.child import follow_parent
from landmark.recognition.recognizer import Recognizer  # what takes seconds is imported before the fork
from landmark.tagging import job, tables, work

import pyarrow.parquet as pq

PHOTOS = 60
photos, model, out, home, log, kills = sys.argv[1:]
embed, write = work.Work._embed, tables.write_tables

def logged(self, opened):
    # One write a batch, so that a kill leaves whole lines.
    lines = "".join(f"{os.fsdecode(read.row.photo)}\\n" for read in opened.waiting)
    with open(log, "a") as file:
        file.write(lines)
    time.sleep(0.02)  # so that a kill meets every part of a shard
    embed(self, opened)

def slowly(*arguments):
    time.sleep(0.1)
    return write(*arguments)

def child():
    follow_parent()
    job.tag(photos, model, out, home, shard=5, progress=False)

def size():
    return os.stat(log).st_size if os.path.exists(log) else 0

if __name__ == "__main__":
    work.Work._embed, tables.write_tables = logged, slowly
    moment, killed = random.Random(0), 0
    while True:
        process = multiprocessing.get_context("fork").Process(target=child)
        process.start()
        before = size()
        while size() == before and process.is_alive():
            time.sleep(0.002)
        if killed < int(kills):
            process.join(moment.uniform(0.0, 0.15))
            process.kill()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -9, process.exitcode
        tables_file = os.path.join(out, "tags.parquet")
        if os.path.exists(tables_file):  # killed while albums and gallery were made
            assert pq.read_metadata(tables_file).num_rows == PHOTOS, "tables are there only when all is done"
        killed += 1
    print(killed)
"""
PHOTOS, KILLS = 60, 8


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_killed_at_random_moments(tmp_path: Path, tagged: Tag, real: tuple[Recognizer, Path], home: Path) -> None:
    files = write_photos(tmp_path / "photos", PHOTOS)
    tagged(out=tmp_path / "whole", shard=5)
    (tmp_path / "script.py").write_text(SCRIPT)
    out, log = tmp_path / "out", tmp_path / "log"
    command = [sys.executable, str(tmp_path / "script.py"), *map(str, (tmp_path / "photos", real[1], out, home, log, KILLS))]
    environment = {**os.environ, "PYTHONPATH": str(Path(job.__file__).parents[2])}
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    kills = int(done.stdout)
    assert kills >= 3
    tables = [pq.read_table(folder / "tags.parquet").to_pandas() for folder in (tmp_path / "whole", out)]
    pd.testing.assert_frame_equal(*(table.drop(columns=["time", "added"]) for table in tables))
    assert len(tables[1]) == PHOTOS
    counts = Counter(log.read_text().split("\n")[:-1])
    assert set(counts) == {str(file) for file in files}
    # A photo is embedded again only if a kill met its shard before that was whole: of at most seven photos, at a time.
    assert sum(counts.values()) - PHOTOS <= kills * 7
    assert not list(out.glob(".*.tmp*"))
    shards = list((out / ".state/shards").iterdir())
    kept = [row.photo for folder in shards for row in ShardFolder(folder).photos()]
    assert sorted(kept) == sorted(os.fsencode(file) for file in files), "each photo is in one shard, and no folder is left over"
