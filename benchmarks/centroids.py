"""Refreshing the centroids of many landmarks, beside scikit-learn in a loop; recognition by centroids beside nearest photo.

    landmark bench centroids [--landmarks 11381] [--photos 200] [--sample 200] [--workers 0] [--out FILE]

What the photos are is said in `centroid_inputs`. Refreshes are timed as they are called, with keys, files and processes.
scikit-learn's AgglomerativeClustering (average linkage, Euclidean) clusters an evenly spaced sample of the landmarks, one after
another as a loop does, and its time is multiplied up to all: that is an extrapolation, and called so. It is given three jobs:
- `one height`: one clustering a landmark, cut at the configured height, and the means: a refresh with `earned: false`;
- `every fold and height`: a fit for each of six heights on all photos and on five folds of them, what an earned division needs
  of an estimator that is cut once a fit; nothing else of it (no held-out similarities, no choice);
- `every fold`: a fit a fold alone, as if it were cut at all heights for nothing: the least that it could take.
Memory is the peak of anonymous memory of all processes together, sampled 20 times a second: what is mapped from files can be
dropped at any time. One refresh is killed with SIGKILL half way and taken up again.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from sklearn.cluster import AgglomerativeClustering

from benchmarks.centroid_inputs import NOISE, SHIFT, Inputs, change, make_inputs
from benchmarks.machine import machine
from landmark.config import CentroidsConfig
from landmark.console import print_table
from landmark.evaluation.open_set import OpenSet
from landmark.network.aspects import keep_valid, means_of
from landmark.recognition.centroids import Centroids
from landmark.recognition.granularity import CUTS, FOLDS
from landmark.recognition.refresh import Refreshed, refresh_centroids
from landmark.storage import write_json

RESULTS = Path(__file__).parent / "results"
VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors" / "landmark_vectors.npz"
PLAIN = CentroidsConfig(earned=False)
EARNED = CentroidsConfig()
WHOLE = CentroidsConfig(earned=False, cut=2.0)
DELF_FEATURES, DELF_DIM = 1000, 40
"""Local features of a photo, at most, and numbers in each (Noh et al., ICCV 2017)."""


def refreshed(inputs: Inputs, settings: CentroidsConfig, folder: Path, workers: int) -> Refreshed:
    """One refresh of all landmarks."""
    embeddings = np.load(inputs.file, mmap_mode="r", allow_pickle=False)
    photos = np.char.add("photo ", np.arange(len(embeddings)).astype(str))
    return refresh_centroids(
        embeddings, inputs.landmark, photos, settings, folder, others=inputs.others, seed=0, workers=workers
    )


def with_memory(work: Callable[[], Refreshed]) -> tuple[Refreshed, float]:
    """A refresh and the peak of anonymous memory [MiB] beyond what this process had before."""
    before, peak, done = _anonymous(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.05):
            peak[0] = max(peak[0], _anonymous())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        result = work()
    finally:
        done.set()
        watcher.join()
    return result, max(0.0, peak[0] - before)


def _anonymous() -> float:
    total = 0
    mine = psutil.Process()
    for process in (mine, *mine.children(recursive=True)):
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
        except OSError:  # it has ended
            continue
        found = re.search(r"RssAnon:\s*(\d+) kB", status)
        total += int(found[1]) if found else 0
    return total / 1024


def loop(inputs: Inputs, sample: int, job: str, made: Centroids | None = None) -> dict[str, Any]:
    """Time of scikit-learn on a sample of the landmarks [s], multiplied up to all, and whether the means are the same."""
    embeddings = np.load(inputs.file, mmap_mode="r", allow_pickle=False)
    names, first, photos = np.unique(inputs.landmark, return_index=True, return_counts=True)
    chosen = np.unique(np.linspace(0, len(names) - 1, min(sample, len(names))).astype(int))
    seconds, same = 0.0, 0
    for number in chosen:
        rows = np.array(embeddings[first[number] : first[number] + photos[number]])
        fold = np.arange(len(rows)) % FOLDS
        heights = [PLAIN.cut] if job != "every fold and height" else [cut * EARNED.cut for cut in CUTS if np.isfinite(cut)]
        parts = [rows] if job == "one height" else [rows, *(rows[fold != number] for number in range(FOLDS))]
        begin = time.perf_counter()
        for part in parts:
            for height in heights:
                fitted = AgglomerativeClustering(n_clusters=None, distance_threshold=height, linkage="average").fit(part)
                means = means_of(part, keep_valid(fitted.labels_, PLAIN))
        seconds += time.perf_counter() - begin
        if made is not None:
            own = made.vectors[made.landmark == names[number]]
            same += own.shape == means.shape and bool(((own @ means.T).max(1) > 1 - 1e-5).all())
    found = {"sample": len(chosen), "sample_seconds": seconds, "extrapolated_seconds": seconds / len(chosen) * len(names)}
    return found if made is None else {**found, "same_means": same / len(chosen)}


def killed(inputs: Inputs, arguments: list[str], folder: Path, blocks: int, workers: int) -> dict[str, float]:
    """A refresh in a process of its own, killed when half of the blocks are there, then taken up again."""
    command = [sys.executable, "-m", "benchmarks.centroids", "--only-refresh", str(folder), *arguments]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
    while len(list(folder.glob("block-*.npz"))) < blocks // 2 and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    again = refreshed(inputs, EARNED, folder, workers)
    return {"seconds_after": again.seconds, "landmarks_done_before": again.landmarks - again.clustered}


def recognition(inputs: Inputs, galleries: dict[str, tuple[Any, Any]]) -> list[dict[str, Any]]:
    """Sensitivity at 99 % specificity, bytes and exact search time a query by each gallery."""
    asked = np.concatenate([inputs.queries, inputs.strangers])
    truth = np.concatenate([inputs.truth, np.full(len(inputs.strangers), "")])
    rows = []
    for name, (vectors, landmark) in galleries.items():
        begin = time.perf_counter()
        similarity, nearest = _nearest(vectors, asked)
        seconds = time.perf_counter() - begin
        found = OpenSet(similarity, np.asarray(landmark, dtype=str)[nearest], truth)
        rows.append(
            {
                "gallery": name,
                "vectors": len(vectors),
                "bytes": int(vectors.size) * 4,
                "sensitivity_at_99": found.sensitivity_at(0.99),
                "milliseconds_a_query": seconds / len(asked) * 1e3,
            }
        )
    return rows


def _nearest(vectors: Any, asked: Any, chunk: int = 65_536) -> tuple[Any, Any]:
    best, nearest = np.full(len(asked), -np.inf, np.float32), np.zeros(len(asked), np.int64)
    for start in range(0, len(vectors), chunk):
        for first in range(0, len(asked), 1024):
            part = slice(first, first + 1024)
            similarity = asked[part] @ np.asarray(vectors[start : start + chunk]).T
            row, top = similarity.argmax(1), similarity.max(1)
            better = top > best[part]
            best[part] = np.where(better, top, best[part])
            nearest[part] = np.where(better, start + row, nearest[part])
    return best, nearest


def delf(photos: int, landmarks: int, centroid_bytes: int) -> dict[str, float]:
    """Arithmetic, not measured: bytes of DELF's local features (float32) beside these centroids."""
    photo = DELF_FEATURES * DELF_DIM * 4
    return {
        "bytes_a_photo": photo,
        "bytes_all_photos": photo * photos,
        "bytes_one_photo_a_landmark": photo * landmarks,
        "times_centroids_all_photos": photo * photos / centroid_bytes,
        "times_centroids_one_photo_a_landmark": photo * landmarks / centroid_bytes,
    }


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All figures."""
    inputs = make_inputs(options.vectors, folder / "embeddings.npy", options.landmarks, options.photos, options.queries)
    plain, plain_memory = with_memory(lambda: refreshed(inputs, PLAIN, folder / "plain", options.workers))
    earned, earned_memory = with_memory(lambda: refreshed(inputs, EARNED, folder / "earned", options.workers))
    loops = {
        "one height": loop(inputs, options.sample, "one height", plain.centroids),
        "every fold and height": loop(inputs, max(1, options.sample // 10), "every fold and height"),
        "every fold": loop(inputs, max(1, options.sample // 10), "every fold"),
    }
    refreshes = {"one height": plain.seconds, "every fold and height": earned.seconds, "every fold": earned.seconds}
    for job, row in loops.items():
        row.update(refresh_seconds=refreshes[job], ratio=row["extrapolated_seconds"] / refreshes[job])
    unchanged = refreshed(inputs, EARNED, folder / "earned", options.workers)
    blocks = len(list((folder / "earned").glob("block-*.npz")))
    arguments = [f"--{name}={getattr(options, name)}" for name in ("vectors", "landmarks", "photos", "queries", "workers")]
    resumed = killed(inputs, arguments, folder / "killed", blocks, options.workers)
    whole = refreshed(inputs, WHOLE, folder / "whole", options.workers)
    embeddings = np.load(inputs.file, mmap_mode="r", allow_pickle=False)
    galleries: dict[str, tuple[Any, Any]] = {
        name: (made.centroids.vectors, made.centroids.landmark)
        for name, made in (("one mean a landmark", whole), ("fixed cut", plain), ("earned", earned))
    }
    galleries["all photos"] = (embeddings, inputs.landmark)
    table = recognition(inputs, galleries)
    changed = change(inputs, max(1, options.landmarks // 100))
    partly = refreshed(inputs, EARNED, folder / "earned", options.workers)
    return {
        "landmarks": options.landmarks,
        "photos": len(embeddings),
        "dim": int(embeddings.shape[1]),
        "recipe": {"shift": SHIFT, "noise": NOISE, "seed": 0},
        "loops": loops,
        "peak_memory_mib": {"one height": plain_memory, "earned": earned_memory},
        "unchanged": {"seconds": unchanged.seconds, "clustered": unchanged.clustered},
        "changed": {"landmarks": changed, "seconds": partly.seconds, "clustered": partly.clustered},
        "resumed": resumed,
        "recognition": table,
        "delf": delf(len(embeddings), options.landmarks, table[2]["bytes"]),
    }


def report(result: dict[str, Any]) -> None:
    """Print the figures as tables."""
    rows = [
        [job, *(f"{row[key]:.2f}" for key in ("refresh_seconds", "extrapolated_seconds", "ratio")), str(row["sample"])]
        for job, row in result["loops"].items()
    ]
    columns = ["scikit-learn's job", "refresh [s]", "scikit-learn, extrapolated [s]", "ratio", "landmarks in its sample"]
    print_table(f"{result['landmarks']:,} landmarks, {result['photos']:,} photos", columns, rows)
    rows = [[name, f"{peak:.0f} MiB"] for name, peak in result["peak_memory_mib"].items()]
    print_table("peak memory beyond the mapped embeddings", ["refresh", "peak"], rows)
    rows = [
        ["nothing changed", f"{result['unchanged']['seconds']:.2f}", str(result["unchanged"]["clustered"])],
        [
            f"{result['changed']['landmarks']} changed",
            f"{result['changed']['seconds']:.2f}",
            str(result["changed"]["clustered"]),
        ],
        [
            "after SIGKILL",
            f"{result['resumed']['seconds_after']:.2f}",
            f"{result['resumed']['landmarks_done_before']} from before",
        ],
    ]
    print_table("refreshed again (earned)", ["", "seconds", "clustered"], rows)
    names = ("vectors", "bytes", "sensitivity_at_99", "milliseconds_a_query")
    rows = [[row["gallery"], *(f"{row[name]:,.4g}" for name in names)] for row in result["recognition"]]
    print_table("recognition, exact search", ["gallery", *names], rows)
    rows = [[name, f"{value:,.4g}"] for name, value in result["delf"].items()]
    print_table("DELF, by arithmetic", ["", ""], rows)


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description="centroids at scale", prog="landmark bench centroids")
    parser.add_argument("--landmarks", type=int, default=11_381)
    parser.add_argument("--photos", type=int, default=200, help="photos a landmark")
    parser.add_argument("--queries", type=int, default=2000, help="landmark photos to recognise, and as many non-landmark ones")
    parser.add_argument(
        "--sample", type=int, default=200, help="landmarks that scikit-learn clusters; a tenth where it fits often"
    )
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: one a CPU thread")
    parser.add_argument("--vectors", type=Path, default=VECTORS, help=".npz with real embeddings")
    parser.add_argument("--folder", type=Path, help="where there is room for the embeddings and more; default: a temporary one")
    parser.add_argument("--out", type=Path, default=RESULTS / "centroids.json")
    parser.add_argument("--only-refresh", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        if options.only_refresh:
            inputs = make_inputs(options.vectors, Path(folder) / "x.npy", options.landmarks, options.photos, options.queries)
            refreshed(inputs, EARNED, options.only_refresh, options.workers)
            return
        result = measure(options, Path(folder))
    versions = {name: version(name) for name in ("scikit-learn", "scipy", "fastcluster")}
    write_json(options.out, {**result, "versions": versions, "machine": machine(options.workers or None)})
    report(result)


if __name__ == "__main__":
    main()
