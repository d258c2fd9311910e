"""Kept embeddings of a large collection scored anew with other centroids: seconds by part, memory, against rows one by one.

    landmark bench rescoring [--photos 1000000] [--model .landmark/runs/photos/recognizer]

No photo is decoded: the files of the collection are empty, and each photo's embedding is a unit vector near one of the
recognizer's centroids or anywhere, made in the network's place. All else is the job as `landmark tag` runs it: it lists the
files, finds that the recognizer is another one of the same network, scores what is kept, writes each shard's tags and the final
tables. It runs in a process of its own, imports included. The way it was, a row at a time, is timed on some shards in the same
run and extrapolated. Writes results/rescoring.{json,md}.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks import by_row
from benchmarks.machine import machine
from landmark.errors import UsageError
from landmark.recognition.centroids import Centroids
from landmark.recognition.recognizer import Recognizer
from landmark.tagging import job, reading, tables, work
from landmark.tagging.output_config import OutputConfig
from landmark.tagging.shard import ShardFolder
from landmark.tagging.source import Listing
from landmark.tagging.state import State

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = 20_000
FOLDER = 1000
NEAR = 0.3
"""Share of photos that are near a centroid; the others lie anywhere."""


class Vectors:
    """In the network's place: a unit vector for each photo, by the number in its pixels."""

    batch = 512

    def __init__(self, recognizer: Recognizer) -> None:
        self._centroids = recognizer.centroids.vectors

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Vectors [n, d]."""
        random = np.random.default_rng(pixels[0, 0, 0].tolist())
        rows = random.standard_normal((len(pixels), self._centroids.shape[1]), np.float32)
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        near = random.random(len(pixels)) < NEAR
        rows[near] += 1.5 * self._centroids[random.integers(0, len(self._centroids), near.sum())]
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def made_up(listed: tuple[bytes, str], *_: object) -> reading.Read:
    """A photo as if it had been read."""
    digest = hashlib.sha256(listed[0])
    row = reading.PhotoRow(listed[0], listed[1], "", digest.hexdigest(), 4032, 3024, None, None, None, reading.now())
    return reading.Read(row, np.frombuffer(digest.digest()[:8], np.uint8).reshape(1, 1, 8))


def collection(folder: Path, count: int) -> None:
    """Empty files, a thousand a folder."""
    for start in range(0, count, FOLDER):
        place = folder / f"{start // FOLDER:05}"
        place.mkdir(parents=True)
        for number in range(start, min(count, start + FOLDER)):
            os.close(os.open(place / f"IMG_{number:07}.jpg", os.O_CREAT | os.O_WRONLY))


def other(recognizer: Recognizer, folder: Path) -> None:
    """Save the same network with centroids that have moved a little."""
    made = recognizer.centroids
    noise = np.random.default_rng(0).standard_normal(made.vectors.shape).astype(np.float32) / np.sqrt(made.vectors.shape[1])
    moved = made.vectors + 0.2 * noise
    vectors = np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), np.float32)
    changed: Centroids = replace(made, vectors=vectors)
    Recognizer(
        recognizer.network, changed, recognizer.calibration, recognizer.bank, None, recognizer.landmarks, recognizer.metadata
    ).save(folder)


def tag(folder: Path, model: Path) -> dict[str, Any]:
    """One job, with the seconds of its parts."""
    parts: dict[str, float] = {}

    def timed(owner: Any, name: str, what: str) -> None:
        function: Callable[..., Any] = getattr(owner, name)

        def wrapped(*arguments: Any) -> Any:
            begin = time.monotonic()
            try:
                return function(*arguments)
            finally:
                parts[what] = parts.get(what, 0.0) + time.monotonic() - begin

        setattr(owner, name, wrapped)

    timed(Listing, "fill", "listing the files")
    timed(job._Job, "_count", "finding what is to be done")
    timed(work.Work, "run", "scoring, tags of the shards, state")
    timed(tables, "write_tables", "final tables")
    begin = time.monotonic()
    plain = OutputConfig(albums="none", gallery=False)
    result = job.tag(str(folder / "photos"), model, folder / "out", folder / "home", outputs=plain, progress=False)
    parts["all"] = time.monotonic() - begin
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    return {
        "parts": parts,
        "cpu_seconds": cpu,
        "load": os.getloadavg()[0],
        "peak_bytes": used.ru_maxrss * 1024,
        "rescored": result.rescored,
        "read": result.read,
        "tagged": result.tagged,
    }


def child(way: str, folder: Path, model: Path) -> dict[str, Any]:
    """A job in a process of its own."""
    answer = folder / f"{way}.json"
    command = [sys.executable, "-m", "benchmarks.rescoring", "--one", way, "--folder", str(folder), "--model", str(model)]
    begin = time.monotonic()
    done = subprocess.run([*command, "--answer", str(answer)], cwd=ROOT, check=False)
    if done.returncode:
        raise SystemExit(f"rescoring: the job failed with {done.returncode}")
    found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
    return {**found, "process": time.monotonic() - begin}


def one(way: str, folder: Path, model: Path) -> dict[str, Any]:
    """What a child does: make the collection's state, score it anew, or score some of it by row."""
    if way == "by row":
        recognizer = Recognizer.load(model)
        with State(folder / "out" / job.STATE) as state:
            shards = list(tables.shards(state))
            folders = [ShardFolder(state.shards_folder / shard.id) for shard in shards]
        some = folders[: -(-SAMPLE // shards[0].photos)]
        begin = time.monotonic()
        photos = by_row.rescore(recognizer, some, recognizer.network.fingerprint, "by row", folder / "by_row.jsonl")
        return {"photos": photos, "seconds": time.monotonic() - begin}
    if way == "make":
        recognizer = Recognizer.load(model)
        work.read_photo = made_up  # type: ignore[assignment]
        work.Embedder = lambda *_, **__: Vectors(recognizer)  # type: ignore[misc,assignment]
    return tag(folder, model)


def markdown(found: dict[str, Any]) -> str:
    """The result as a page."""
    parts, size, cpu = found["parts"], found["recognizer"], found["machine"]
    named = ("listing the files", "finding what is to be done", "scoring, tags of the shards, state", "final tables")
    rest = found["process"] - sum(parts[name] for name in named)
    return "\n".join(
        [
            f"# {found['photos']:,} kept embeddings scored anew",
            "",
            f"`landmark bench rescoring --photos {found['photos']}`; {cpu['cpu']}, {cpu['cores']} cores",
            "",
            f"Unit vectors of {size['dim']} numbers, {size['centroids']} centroids of {size['landmarks']} landmarks, a bank of "
            f"{size['bank']} photos, shards of 512 photos. No photo is decoded: the files are empty and the vectors made up.",
            "",
            "| part | seconds |",
            "|---|---|",
            *(f"| {name} | {parts[name]:.1f} |" for name in named),
            f"| imports, loading the recognizer, the rest | {rest:.1f} |",
            f"| **all, as a process of its own** | **{found['process']:.1f}** |",
            f"| CPU time of that process, all threads | {found['cpu_seconds']:.1f} |",
            "",
            f"Load average at the end {found['load']:.1f}: what is over {cpu['cores']} is other programs with their share.",
            f"Peak memory {found['peak_bytes'] / 1e9:.2f} GB; tags.parquet {found['parquet_bytes'] / 1e6:.0f} MB, tags.jsonl "
            f"{found['jsonl_bytes'] / 1e6:.0f} MB. A row at a time, as it was: {found['by_row']['seconds']:.1f} s for "
            f"{found['by_row']['photos']:,} photos, so {found['by_row_seconds']:.0f} s for scoring all and writing the lines, "
            f"against {found['columns_seconds']:.0f} s: **{found['ratio']:.1f} times faster**.",
            "",
        ]
    )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="landmark bench rescoring", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--photos", type=int, default=1_000_000, help="photos of the collection [count]")
    parser.add_argument("--model", type=Path, default=Path(".landmark/runs/photos/recognizer"), help="a recognizer's folder")
    parser.add_argument("--work", type=Path, help="folder for the made-up collection (7 kB a photo); default: a temporary one")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder of the results")
    for name in ("--one", "--folder", "--answer"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        made = one(options.one, Path(options.folder), options.model)
        Path(options.answer).write_text(json.dumps(made), encoding="utf-8")
        return
    if not (options.model / "recognizer.json").is_file():
        raise UsageError(f"bench rescoring: no recognizer in {options.model}; give one with --model")
    folder = Path(tempfile.mkdtemp(prefix="landmark-rescoring-", dir=options.work))
    try:
        found = measure(folder, options.model.resolve(), options.photos)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "rescoring.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (options.out / "rescoring.md").write_text(markdown(found), encoding="utf-8")
    print(markdown(found))


def measure(folder: Path, model: Path, photos: int) -> dict[str, Any]:
    """Make a collection, score it anew, compare."""
    recognizer = Recognizer.load(model)
    collection(folder / "photos", photos)
    other(recognizer, folder / "other")
    made = child("make", folder, model)
    os.sync()
    found = child("score", folder, folder / "other")
    if (made["read"], found["read"], found["rescored"]) != (photos, 0, photos):
        raise SystemExit(f"rescoring: {made['read']} made, {found['read']} read and {found['rescored']} scored of {photos}")
    rows = child("by row", folder, folder / "other")
    seconds = found["parts"]["scoring, tags of the shards, state"] + found["parts"]["final tables"]
    by_row_seconds = rows["seconds"] / rows["photos"] * photos
    return {
        **found,
        "photos": photos,
        "made_seconds": made["process"],
        "by_row": rows,
        "by_row_seconds": by_row_seconds,
        "columns_seconds": seconds,
        "ratio": by_row_seconds / seconds,
        "jsonl_bytes": (folder / "out" / tables.JSONL).stat().st_size,
        "parquet_bytes": (folder / "out" / tables.PARQUET).stat().st_size,
        "recognizer": {
            "dim": recognizer.network.embedding_dim,
            "centroids": len(recognizer.centroids),
            "landmarks": len(recognizer.ids),
            "bank": len(recognizer.bank),
        },
        "rows": pq.read_metadata(folder / "out" / tables.PARQUET).num_rows,
        "machine": machine(),
    }


if __name__ == "__main__":
    main()
