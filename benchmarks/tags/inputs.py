"""Photos and a recognizer to measure the tag job with."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from benchmarks.throughput import trained_from
from landmark.config import MetadataConfig, NetworkConfig, WorldConfig
from landmark.network.embedder import Embedder
from landmark.photos.decode import decode, resize
from landmark.recognition.calibration import Calibration
from landmark.recognition.centroids import Centroids
from landmark.recognition.recognizer import Recognizer

ROOT = Path(__file__).resolve().parents[2]
LANDMARKS, CENTROIDS = 100, 6
SHARE = 0.02
"""Of photos that get a landmark."""
TWELVE = (4000, 3000)
"""Width and height of a 12-megapixel photo."""


def make_recognizer(folder: Path, encoded: list[bytes], size: int, seed: int) -> Path:
    """A recognizer whose network costs what a trained one does (two halves), and that finds a landmark in 2 % of the photos.

    Its centroids are random directions, which cost what learned ones do; what it says of a photo means nothing.
    """
    network = trained_from(NetworkConfig(image_size=size), 0)
    random = np.random.default_rng(seed)
    count = LANDMARKS * CENTROIDS
    vectors = random.normal(size=(count, network.embedding_dim)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    pixels = np.stack([resize(decode(data, min_side=size).image, size, network.config.resize) for data in encoded])
    best = (Embedder(network, "cpu")(pixels) @ vectors.T).max(1)
    ids = np.repeat([f"place_{n:03}" for n in range(LANDMARKS)], CENTROIDS).astype(object)
    centroids = Centroids(vectors, ids, np.full(count, 3), np.full(count, "", object))
    landmarks = pd.DataFrame(
        {"landmark": sorted(set(ids)), "name": "", "city": "", "country": "", "lat": np.nan, "lon": np.nan}
    )
    threshold = float(np.quantile(best, 1 - SHARE))
    calibration = Calibration(threshold=threshold, specificity=1 - SHARE, slope=50.0, intercept=-50 * threshold)
    Recognizer(network, centroids, calibration, None, None, landmarks, MetadataConfig()).save(folder)
    return folder


def natural(folder: Path | None, scratch: Path, count: int, seed: int) -> list[Path]:
    """So many photos to start from: of a folder, else drawn (a holiday of the generated world, 2 % of it landmarks)."""
    if folder is None:
        from landmark.photos.world.holiday import write_holiday

        folder = scratch / "holiday"
        write_holiday(folder, WorldConfig(size=512, seed=seed), count)
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in (".jpg", ".jpeg", ".png"))
    if not files:
        raise SystemExit(f"tagging: no photos in {folder}")
    chosen = np.random.default_rng(seed).permutation(len(files))[:count]
    return [files[n] for n in sorted(chosen)]


def large(file: Path, random: np.random.Generator) -> bytes:
    """A photo at 12 megapixels with a sensor's noise, JPEG of quality 90."""
    image = Image.open(file).convert("RGB").resize(TWELVE, Image.Resampling.BICUBIC)
    pixels = np.asarray(image, np.int16)
    noise = np.rint(random.normal(0, 3, pixels.shape[:2])).astype(np.int16)
    stream = io.BytesIO()
    Image.fromarray((pixels + noise[..., None]).clip(0, 255).astype(np.uint8)).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def small(file: Path, random: np.random.Generator) -> bytes:
    """A photo of about 5 kB: 160 pixels, a random part of it."""
    image = Image.open(file).convert("RGB")
    side = round(min(image.size) * random.uniform(0.6, 1))
    left, top = (int(random.integers(0, edge - side + 1)) for edge in image.size)
    stream = io.BytesIO()
    image.resize((160, 160), Image.Resampling.BICUBIC, (left, top, left + side, top + side)).save(stream, "JPEG", quality=80)
    return stream.getvalue()


def write_copies(folder: Path, encoded: list[bytes], count: int) -> Iterator[Path]:
    """So many files, no two alike: a comment after the start marker, which decoders pass over, makes each another one."""
    for number in range(count):
        comment = f"photo {number:09d}".encode()
        data = encoded[number % len(encoded)]
        file = folder / f"{number // 1000:04}" / f"{number:07}.jpg"
        if number % 1000 == 0:
            file.parent.mkdir(parents=True)
        file.write_bytes(data[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + data[2:])
        yield file


def command(photos: Path, model: Path, out: Path, home: Path) -> list[str]:
    """The tag job in a process of its own."""
    return [sys.executable, "-m", "benchmarks.tagging", "--job", *map(str, (photos, model, out, home))]


def environment() -> dict[str, str]:
    """Of that process."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def run_job(photos: Path, model: Path, out: Path, home: Path) -> dict[str, Any]:
    """Run it to the end; what it says."""
    done = subprocess.run(
        command(photos, model, out, home), env=environment(), cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
