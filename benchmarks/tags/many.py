"""Many small JPEGs: memory by their number, a second run, and a job that is killed again and again."""

from __future__ import annotations

import os
import random
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.tags.inputs import ROOT, command, environment, make_recognizer, natural, run_job, small, write_copies
from landmark.tagging import job
from landmark.tagging.shard import ShardFolder

DISTINCT = 2000
TIMES = ["added", "time"]


def measure(scratch: Path, source: Path | None, few: int, many: int, kills: int, size: int, seed: int) -> dict[str, Any]:
    """Peak memory [MiB], seconds, and what is left after kills."""
    drawn = np.random.default_rng(seed)
    started = natural(source, scratch, min(200, many), seed)
    encoded = [small(started[n % len(started)], drawn) for n in range(min(DISTINCT, many))]
    files = list(write_copies(scratch / "photos", encoded, many))
    for file in files[:few]:
        link = scratch / "few" / file.relative_to(scratch / "photos")
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(file, link)
    model, home = make_recognizer(scratch / "recognizer", encoded[:200], size, seed), scratch / "home"
    jobs = {few: run_job(scratch / "few", model, scratch / "out-few", home)}
    jobs[many] = run_job(scratch / "photos", model, scratch / "whole", home)
    again = run_job(scratch / "photos", model, scratch / "whole", home)
    assert again["read"] == 0
    assert not again["changed"]
    killed = _killed(scratch, model, home, kills, jobs[many]["process_seconds"], seed)
    return {
        "photos": many,
        "distinct_pictures": len(encoded),
        "bytes_a_photo": round(sum(map(len, encoded)) / len(encoded)),
        "image_size": size,
        "seed": seed,
        "peak_mib": {str(count): found["peak_mib"] for count, found in jobs.items()},
        "peak_growth": round(jobs[many]["peak_mib"] / jobs[few]["peak_mib"], 4),
        "first_run_seconds": jobs[many]["process_seconds"],
        "first_run_per_second": round(many / jobs[many]["process_seconds"], 1),
        "second_run_seconds": again["process_seconds"],
        "second_run_share": round(again["process_seconds"] / jobs[many]["process_seconds"], 5),
        "killed": killed | check(scratch / "whole", scratch / "killed", files),
    }


def _killed(scratch: Path, model: Path, home: Path, kills: int, whole: float, seed: int) -> dict[str, Any]:
    """The same job into another folder; after a time that is drawn it's killed, and started again, until it may end."""
    moments, done, out = random.Random(seed), 0, scratch / "killed"
    begin = time.perf_counter()
    while True:
        with subprocess.Popen(
            command(scratch / "photos", model, out, home), env=environment(), cwd=ROOT, stdout=subprocess.DEVNULL
        ) as process:
            try:
                # On average so long that the last kill meets a job that is nearly done.
                process.wait(moments.uniform(0, 2 * whole / kills) if done < kills else None)
            except subprocess.TimeoutExpired:
                process.kill()
                done += 1
                continue
        if process.returncode:
            raise SystemExit(f"tagging: the job ended with {process.returncode}")
        break
    return {"kills": done, "wanted": kills, "seconds": round(time.perf_counter() - begin, 1)}


def check(whole: Path, killed: Path, files: list[Path]) -> dict[str, Any]:
    """What a reader of both folders finds; both belong to the same photos."""
    tables = [pq.read_table(folder / "tags.parquet").drop(TIMES) for folder in (whole, killed)]
    names = Counter(tables[1]["photo"].to_pylist())
    kept: Counter[bytes] = Counter()
    for folder in (killed / job.STATE / "shards").iterdir():
        kept.update(row.photo for row in ShardFolder(folder).photos())
    wanted = {str(file) for file in files}
    return {
        "lost": len(wanted - set(names)),
        "twice": sum(count - 1 for count in names.values()),
        "foreign": len(set(names) - wanted),
        "in_shards_twice": sum(count - 1 for count in kept.values()),
        "same_table": tables[0].equals(tables[1]),
        "unreadable": len((killed / "unreadable.csv").read_text(encoding="utf-8").splitlines()) - 1,
    }
