"""A folder of 12-megapixel JPEGs: the whole job beside what its two parts can do, and where the rest of the time goes."""

from __future__ import annotations

import hashlib
import os
import shutil
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.tags.inputs import large, make_recognizer, natural, write_copies
from benchmarks.throughput import compare
from landmark.network.embedder import Embedder
from landmark.photos.decode import decode, resize
from landmark.recognition.recognizer import Recognizer
from landmark.tagging import job, tables
from landmark.tagging.output_config import OutputConfig
from landmark.tagging.outputs import Outputs
from landmark.tagging.scoring import Scorer
from landmark.tagging.shard import ShardFolder
from landmark.tagging.source import Listing
from landmark.tagging.state import State

SERIAL = (
    ("list the folder", Listing, "fill"),
    ("plan the shards", job._Job, "_count"),
    ("score", Scorer, "tags"),
    ("write shards", ShardFolder, "write"),
    ("commit (SQLite)", State, "replace"),
    ("write the tables", tables, "write_tables"),
    ("albums, gallery, sidecars", Outputs, "make"),
)
"""What one thread does between batches: seconds of the clock, all of it counted, though photos are read meanwhile."""
TABLES = OutputConfig(albums="none", gallery=False)
"""Tables alone, to compare with decoding and the network; with albums and gallery it is told apart."""
START = (("load the recognizer", Recognizer, "load"), ("start the network", Embedder, "__init__"))
"""Once a job, however many photos there are."""


def measure(scratch: Path, source: Path | None, count: int, distinct: int, rounds: int, size: int, seed: int) -> dict[str, Any]:
    """Rates [photos/s], their ratios and the shares of time."""
    random = np.random.default_rng(seed)
    encoded = [large(file, random) for file in natural(source, scratch, distinct, seed)]
    files = list(write_copies(scratch / "photos", encoded, count))
    volume = sum(file.stat().st_size for file in files)
    model = make_recognizer(scratch / "recognizer", encoded, size, seed)
    rates = _rates(scratch, files, model, rounds, size)
    return {
        "photos": count,
        "distinct": len(encoded),
        "source": "generated world" if source is None else "photos of a folder",
        "megabytes": round(volume / 1e6),
        "pixels": "4000 x 3000",
        "image_size": size,
        "cores": len(os.sched_getaffinity(0)),
        "rounds": rounds,
        **rates,
        "decode": _scaled(encoded, rounds, size),
        "overhead": _overhead(scratch, files, model),
    }


def _rates(scratch: Path, files: list[Path], model: Path, rounds: int, size: int) -> dict[str, Any]:
    """Decoding alone, the network alone, and the job, in turns. Together the two reach 1 / (1/decode + 1/network) at best."""
    network = Recognizer.load(model).network
    embedder = Embedder(network, "cpu", cache=scratch / "home" / "embeddings")
    pixels = np.random.default_rng(0).integers(0, 256, (embedder.batch, size, size, 3), dtype=np.uint8)
    mode = network.config.resize
    part = files[: max(64, len(files) // 4)]

    def one(file: Path) -> None:
        resize(decode(file.read_bytes(), min_side=size).image, size, mode)

    def decoding() -> int:
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            return sum(1 for _ in pool.map(one, part))

    def embedding() -> int:
        batches = max(1, len(part) // len(pixels))
        for _ in range(batches):
            embedder(pixels)
        return batches * len(pixels)

    tagged = 0
    started: list[float] = []

    def whole(outputs: OutputConfig) -> int:
        nonlocal tagged
        shutil.rmtree(scratch / "out", ignore_errors=True)
        with _clocks(START) as seconds:
            result = job.tag(str(scratch / "photos"), model, scratch / "out", scratch / "home", outputs=outputs, progress=False)
        if not outputs.gallery:
            started.append(sum(seconds.values()))
        assert result.read == len(files)
        assert not result.unreadable
        tagged = result.tagged
        return result.read

    runs: dict[str, Callable[[], int]] = {
        "decode": decoding,
        "network": embedding,
        "job": lambda: whole(TABLES),
        "everything": lambda: whole(OutputConfig()),
    }
    found = compare(runs, 0.0, rounds)
    limits = [1 / (1 / d + 1 / n) for d, n in zip(found["decode"].wall, found["network"].wall, strict=True)]
    ratios = [rate / limit for rate, limit in zip(found["job"].wall, limits, strict=True)]
    limits_cpu = [1 / (1 / d + 1 / n) for d, n in zip(found["decode"].cpu, found["network"].cpu, strict=True)]
    # The first job was of the round that doesn't count.
    later = [
        len(files) / (len(files) / rate - start) / limit
        for rate, start, limit in zip(found["job"].wall, started[1:], limits, strict=True)
    ]
    return {
        "engine": embedder.engine,
        "share_tagged": round(tagged / len(files), 4),
        **{f"{name}_per_second": spread(rates.wall) for name, rates in found.items()},
        "limit_per_second": spread(limits),
        "of_limit": spread(ratios),
        "of_limit_cpu": spread([rate / limit for rate, limit in zip(found["job"].cpu, limits_cpu, strict=True)]),
        "start_seconds": spread(started[1:]),
        "of_limit_after_start": spread(later),
    }


def _scaled(encoded: list[bytes], rounds: int, size: int) -> dict[str, Any]:
    """One photo at a time, decoded in the DCT at the scale that is needed, and whole."""
    some = encoded[:24]

    def by(min_side: int | None) -> Callable[[], int]:
        def run() -> int:
            for data in some:
                resize(decode(data, min_side=min_side).image, size)
            return len(some)

        return run

    found = compare({"scaled": by(size), "whole": by(None)}, 0.0, rounds)
    ratios = [a / b for a, b in zip(found["scaled"].wall, found["whole"].wall, strict=True)]
    return {
        "scaled_per_second": spread(found["scaled"].wall),
        "whole_per_second": spread(found["whole"].wall),
        "ratio": spread(ratios),
    }


def _overhead(scratch: Path, files: list[Path], model: Path) -> dict[str, Any]:
    """One more job with a clock around each part that is neither decoding nor the network."""
    hashing = 0.0
    for file in files:
        data = file.read_bytes()
        begin = time.thread_time()
        hashlib.sha256(data).digest()
        hashing += time.thread_time() - begin
    shutil.rmtree(scratch / "out", ignore_errors=True)
    with _clocks(SERIAL + START) as seconds:
        begin = time.perf_counter()
        job.tag(str(scratch / "photos"), model, scratch / "out", scratch / "home", progress=False)
        wall = time.perf_counter() - begin
    cores = len(os.sched_getaffinity(0))
    parts = {name: {"seconds": round(value, 3), "share": round(value / wall, 5)} for name, value in seconds.items()}
    # Of all cores' time, since the threads that read do it.
    parts["hash (sha256)"] = {"seconds": round(hashing, 3), "share": round(hashing / cores / wall, 5)}
    begin_again = time.perf_counter()
    job.tag(str(scratch / "photos"), model, scratch / "out", scratch / "home", progress=False)
    again = time.perf_counter() - begin_again
    return {
        "seconds": round(wall, 2),
        "start": {name: parts.pop(name) for name, _, _ in START},
        "parts": parts,
        "share": round(sum(part["share"] for part in parts.values()), 5),
        "nothing_to_do_seconds": round(again, 3),
    }


@contextmanager
def _clocks(parts: Sequence[tuple[str, Any, str]]) -> Iterator[dict[str, float]]:
    """Seconds by part; what is called within a part counts there only."""
    seconds = {name: 0.0 for name, _, _ in parts}
    kept = [(owner, name, owner.__dict__[name]) for _, owner, name in parts]
    inside = False

    def clocked(label: str, function: Any) -> Any:
        def run(*arguments: Any, **options: Any) -> Any:
            nonlocal inside
            if inside:
                return function(*arguments, **options)
            inside, begin = True, time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                inside = False
                seconds[label] += time.perf_counter() - begin

        return run

    try:
        for (label, owner, name), (_, _, old) in zip(parts, kept, strict=True):
            if isinstance(old, classmethod):
                setattr(owner, name, staticmethod(clocked(label, old.__get__(None, owner))))
            else:
                setattr(owner, name, clocked(label, old))
        yield seconds
    finally:
        for owner, name, old in kept:
            setattr(owner, name, old)


def spread(values: list[float]) -> dict[str, float]:
    """Median, lowest and highest."""
    return {name: round(float(f(values)), 4) for name, f in (("median", statistics.median), ("lowest", min), ("highest", max))}
