"""Refreshing the centroids of many landmarks, beside scikit-learn in a loop; recognition by centroids beside nearest photo.

    landmark bench centroids [--landmarks 11381] [--photos 200] [--sample 500] [--workers 0] [--out FOLDER]

What the photos are is said in `centroid_inputs`. Refreshes are timed as they are called, with reading, keys, files, and
processes to start. scikit-learn's AgglomerativeClustering (average linkage, Euclidean) clusters one landmark after another,
as a loop does, in one thread. It is given three jobs:
- `one height`: one fit a landmark at the configured height, and the means: what a refresh with `earned: false` makes;
- `every fold and height`: a fit for each of six heights on all photos and on five folds of them, and the means: what an earned
  division (the default) needs of an estimator that is cut once a fit; its held-out similarities and choice are not asked of it;
- `every fold`: a fit a fold alone, as if it were cut at all heights for nothing: the least that it could take.
The first is done for all landmarks; of the others a sample, evenly spaced, is done and its time multiplied up to all
(`extrapolated`). Memory is the peak of anonymous memory of all processes together, beyond what there was before, sampled 20
times a second: what is mapped from files can be dropped at any time. One refresh is killed with SIGKILL half way and taken
up again. Recognition is exact search in float32, all queries together, in all threads; sensitivity is that at a threshold
which rejects 99 % of non-landmark photos of other places. On the real embeddings, landmarks have sides, nights and insides; the
made landmarks are one real landmark each, moved, so that one mean already tells most of them apart.

It takes about 6 minutes on 2 cores, 3 GB of disk (`--folder` says where) and 2 GB of memory besides what is mapped.
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

from benchmarks.centroid_inputs import NOISE, SHIFT, Inputs, change, make_inputs, real_inputs
from benchmarks.centroid_report import sections, text_of
from benchmarks.machine import machine
from landmark.config import CentroidsConfig
from landmark.console import print_table
from landmark.evaluation.open_set import OpenSet
from landmark.network.aspects import canonical_order, keep_valid, means_of
from landmark.recognition.centroids import Centroids
from landmark.recognition.division import CUTS, FOLDS
from landmark.recognition.refresh import Refreshed, refresh_centroids
from landmark.storage import write_bytes, write_json

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
    """Time of scikit-learn on a sample of the landmarks [s], multiplied up to all; share of landmarks with the same means."""
    embeddings = np.load(inputs.file, mmap_mode="r", allow_pickle=False)
    names, first, photos = np.unique(inputs.landmark, return_index=True, return_counts=True)
    chosen = np.unique(np.linspace(0, len(names) - 1, min(sample, len(names))).astype(int))
    own = None if made is None else dict(zip(names, np.split(made.vectors, _starts(made.landmark)[1:]), strict=True))
    seconds, same = 0.0, 0
    for number in chosen:
        begin = time.perf_counter()
        rows = np.array(embeddings[first[number] : first[number] + photos[number]])
        fold = np.arange(len(rows)) % FOLDS
        heights = [PLAIN.cut] if job != "every fold and height" else [cut * EARNED.cut for cut in CUTS if np.isfinite(cut)]
        parts = [rows] if job == "one height" else [rows, *(rows[fold != number] for number in range(FOLDS))]
        for part in parts:
            for height in heights:
                fitted = AgglomerativeClustering(n_clusters=None, distance_threshold=height, linkage="average").fit(part)
                means = means_of(part, keep_valid(fitted.labels_[None], PLAIN)[0])
        seconds += time.perf_counter() - begin
        if own is not None:
            order = canonical_order(rows)  # of clusters of one size, the first counts as the larger
            means = means_of(rows[order], keep_valid(fitted.labels_[order][None], PLAIN)[0])
            found = own[names[number]]
            same += found.shape == means.shape and bool(((found @ means.T).max(1) > 1 - 1e-5).all())
    result = {"sample": len(chosen), "sample_seconds": seconds, "extrapolated_seconds": seconds / len(chosen) * len(names)}
    return result if own is None else {**result, "same_means": same / len(chosen)}


def _starts(landmark: Any) -> Any:
    """Where each landmark's centroids begin."""
    return np.flatnonzero(np.concatenate([[True], landmark[1:] != landmark[:-1]]))


def killed(inputs: Inputs, folder: Path, blocks: int, workers: int, whole: Centroids) -> dict[str, float]:
    """A refresh in a process of its own, killed when half of the blocks are there, then taken up again."""
    inputs.save()
    arguments = [str(inputs.file), str(folder), f"--workers={workers}"]
    command = [sys.executable, "-m", "benchmarks.centroids", "--only-refresh", *arguments]
    process = subprocess.Popen(command, cwd=Path(__file__).parents[1])
    while len(list(folder.glob("block-*.npz"))) < blocks // 2 and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    again = refreshed(inputs, EARNED, folder, workers)
    return {
        "seconds_after": again.seconds,
        "landmarks_done_before": again.landmarks - again.clustered,
        "same_result": np.array_equal(again.centroids.vectors, whole.vectors),
    }


def recognition(inputs: Inputs, galleries: dict[str, tuple[Any, Any]]) -> list[dict[str, Any]]:
    """Sensitivity at 99 % specificity, bytes and exact search time a query by each gallery; ratios to the last one."""
    asked = np.concatenate([inputs.queries, inputs.strangers])
    truth = np.concatenate([inputs.truth, np.full(len(inputs.strangers), "")])
    rows: list[dict[str, Any]] = []
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
    for row in rows:
        row["times_less_memory"] = rows[-1]["bytes"] / row["bytes"]
        row["times_faster"] = rows[-1]["milliseconds_a_query"] / row["milliseconds_a_query"]
    return rows


def _nearest(vectors: Any, asked: Any, chunk: int = 8192) -> tuple[Any, Any]:
    best, nearest = np.full(len(asked), -np.inf, np.float32), np.zeros(len(asked), np.int64)
    for start in range(0, len(vectors), chunk):
        for first in range(0, len(asked), 1024):
            part = slice(first, first + 1024)
            similarity = asked[part] @ np.asarray(vectors[start : start + chunk]).T
            row = similarity.argmax(1)
            top = similarity[np.arange(len(row)), row]
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


def galleries_of(inputs: Inputs, **made: Refreshed) -> dict[str, tuple[Any, Any]]:
    """Vectors and landmarks of what photos are compared with: centroids, and at last all photos."""
    rows = np.load(inputs.file, mmap_mode="r", allow_pickle=False)
    found = {name.replace("_", " "): (one.centroids.vectors, one.centroids.landmark) for name, one in made.items()}
    return {**found, "all photos": (rows, inputs.landmark)}


def on_real(options: argparse.Namespace, folder: Path) -> list[dict[str, Any]]:
    """Recognition on the real embeddings."""
    inputs = real_inputs(options.vectors, folder / "real.npy")
    jobs = (("one_mean_a_landmark", WHOLE), ("fixed_cut", PLAIN), ("earned", EARNED))
    made = {name: refreshed(inputs, settings, folder / "real" / name, options.workers) for name, settings in jobs}
    return recognition(inputs, galleries_of(inputs, **made))


def measure(options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """All figures."""
    _say(f"making {options.landmarks:,} landmarks of {options.photos} photos")
    inputs = make_inputs(options.vectors, folder / "embeddings.npy", options.landmarks, options.photos, options.queries)
    _say("refreshing at one height")
    plain, plain_memory = with_memory(lambda: refreshed(inputs, PLAIN, folder / "plain", options.workers))
    _say("refreshing at the earned height")
    earned, earned_memory = with_memory(lambda: refreshed(inputs, EARNED, folder / "earned", options.workers))
    loops = {}
    for job, size, made in (
        ("one height", options.landmarks, plain.centroids),
        ("every fold and height", options.sample, None),
        ("every fold", options.sample, None),
    ):
        _say(f"scikit-learn: {job}, {size} landmarks")
        loops[job] = loop(inputs, size, job, made)
        taken = plain.seconds if job == "one height" else earned.seconds
        loops[job].update(refresh_seconds=taken, ratio=loops[job]["extrapolated_seconds"] / taken)
    _say("refreshing again: nothing changed, killed half way")
    unchanged = refreshed(inputs, EARNED, folder / "earned", options.workers)
    blocks = len(list((folder / "earned").glob("block-*.npz")))
    resumed = killed(inputs, folder / "killed", blocks, options.workers, earned.centroids)
    whole = refreshed(inputs, WHOLE, folder / "whole", options.workers)
    _say("recognition")
    galleries = galleries_of(inputs, one_mean_a_landmark=whole, fixed_cut=plain, earned=earned)
    table, real = recognition(inputs, galleries), on_real(options, folder)
    _say("refreshing again: some changed")
    changed = change(inputs, max(1, options.landmarks // 100))
    partly = refreshed(inputs, EARNED, folder / "earned", options.workers)
    photos = options.landmarks * options.photos
    return {
        "landmarks": options.landmarks,
        "photos": photos,
        "dim": int(inputs.queries.shape[1]),
        "recipe": {"shift": SHIFT, "noise": NOISE, "seed": 0},
        "loops": loops,
        "peak_memory_mib": {"one height": plain_memory, "earned": earned_memory},
        "kept_bytes": sum(file.stat().st_size for file in (folder / "earned").iterdir()),
        "unchanged": {"seconds": unchanged.seconds, "clustered": unchanged.clustered},
        "changed": {"landmarks": changed, "seconds": partly.seconds, "clustered": partly.clustered},
        "resumed": resumed,
        "queries": len(inputs.queries),
        "recognition": table,
        "recognition_real": real,
        "delf": delf(photos, options.landmarks, table[2]["bytes"]),
    }


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


def main() -> None:
    """Measure, print, and write the result."""
    parser = argparse.ArgumentParser(description="centroids at scale", prog="landmark bench centroids")
    parser.add_argument("--landmarks", type=int, default=11_381)
    parser.add_argument("--photos", type=int, default=200, help="photos a landmark")
    parser.add_argument("--queries", type=int, default=2000, help="landmark photos to recognise, and as many non-landmark ones")
    parser.add_argument("--sample", type=int, default=500, help="landmarks that scikit-learn clusters more than once")
    parser.add_argument("--workers", type=int, default=0, help="processes; 0: one a CPU thread")
    parser.add_argument("--vectors", type=Path, default=VECTORS, help=".npz with real embeddings")
    parser.add_argument("--folder", type=Path, help="where there is room for the embeddings and more; default: a temporary one")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for centroids.json and centroids.md")
    parser.add_argument("--only-refresh", type=Path, nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only_refresh:
        file, folder = options.only_refresh
        refreshed(Inputs.load(file), EARNED, folder, options.workers)
        return
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        result = measure(options, Path(folder))
    versions = {name: version(name) for name in ("scikit-learn", "scipy", "fastcluster")}
    result.update(versions=versions, machine=machine(options.workers or None), seconds=round(time.monotonic() - begin))
    write_json(options.out / "centroids.json", result)
    about = (__doc__ or "").split("\n\n", 2)[2]
    write_bytes(options.out / "centroids.md", text_of(result, about).encode())
    for title, columns, rows in sections(result):
        print_table(title, columns, rows)


if __name__ == "__main__":
    main()
