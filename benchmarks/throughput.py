"""Throughput: photos a second through the network and from disk, and the memory that takes.

    landmark bench throughput [--photos 500] [--seconds 2] [--compile] [--out FILE]

Whatever is compared runs in turns in one process, on the same threads, so that other work on the machine meets all alike; a
ratio is the median over rounds of the ratio within a round. Absolute rates hold for the machine and its load at the time.
Beside each ratio of photos a second stands the ratio of photos a second of processor time, which other work disturbs less.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.trainer import trainer_step
from landmark.config import NetworkConfig
from landmark.network.backbone import parameter_stages
from landmark.network.embedder import Embedder, Floats
from landmark.network.embeddings import EmbeddingStore
from landmark.network.network import Network
from landmark.storage import write_json

RESULTS = Path(__file__).parent / "results"
Run = Callable[[], int]


@dataclass
class Rates:
    """Photos a second of one contestant, one figure a round: by the clock, and by the processor time of all threads."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """Median rate by the clock."""
        return round(statistics.median(self.wall), 1)

    def over(self, other: Rates) -> dict[str, float]:
        """Median ratio to another's rates, and the same by processor time."""
        return {"ratio": _ratio(self.wall, other.wall), "ratio_cpu": _ratio(self.cpu, other.cpu)}


def _ratio(upper: Sequence[float], lower: Sequence[float]) -> float:
    return round(statistics.median(a / b for a, b in zip(upper, lower, strict=True)), 3)


def compare(runs: Mapping[str, Run], seconds: float, rounds: int = 5) -> dict[str, Rates]:
    """Rates in turns: each run is repeated for `seconds` in each round, after one round that doesn't count.

    Args:
        runs: by name; each does a piece of work and says how many photos that were.
        seconds: time a run has in a round [s].
        rounds: rounds that count.

    Returns:
        Photos a second by name.
    """
    rates = {name: Rates() for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            begin, busy, photos = time.perf_counter(), time.process_time(), 0
            while True:
                photos += run()
                spent = time.perf_counter() - begin
                if spent >= seconds or turn == 0:
                    break
            if turn:
                rates[name].wall.append(photos / spent)
                rates[name].cpu.append(photos / (time.process_time() - busy))
    return rates


def trained_from(config: NetworkConfig, stage: int) -> Network:
    """A network whose backbone differs from the pretrained one from a stage on: trained with the first stages frozen."""
    network = Network.build(config)
    stages = parameter_stages(network.backbone)
    with torch.no_grad():
        for name, parameter in network.backbone.named_parameters():
            if stages[name] >= stage:
                parameter.mul_(1.001)
    return network


def engines(network: Network, threads: int, seconds: float, compiled: bool, photos: int = 64) -> dict[str, Any]:
    """Plain eager torch (contiguous NCHW, inference mode, input already normalised) against the engines.

    The engines start from the pixels, so normalisation counts for them and not for plain eager. Eager runs in batches
    of 8, 16 and 32 photos, and the engines are compared with the fastest of these.

    Returns:
        Rates [photos/s], ratios to plain eager, and the largest difference of a component.
    """
    size = network.config.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (photos, size, size, 3), dtype=np.uint8)
    plain = copy.deepcopy(network).to(memory_format=torch.contiguous_format).eval()
    images = network.normalise(torch.from_numpy(pixels)).contiguous()
    onnx, channels_last = Embedder(network, "cpu", threads, "onnx"), Embedder(network, "cpu", threads, "torch")

    def in_batches(module: torch.nn.Module, batch: int) -> Floats:
        with torch.inference_mode():
            return np.concatenate([module(images[i : i + batch]).numpy() for i in range(0, photos, batch)])

    functions: dict[str, Callable[[], Floats]] = {
        **{f"eager, batch {batch}": partial(in_batches, plain, batch) for batch in (8, 16, 32)},
        "eager, channels last": partial(channels_last, pixels),
        "ONNX Runtime": partial(onnx, pixels),
    }
    if compiled:
        functions["torch.compile"] = partial(in_batches, cast("torch.nn.Module", torch.compile(copy.deepcopy(plain))), 16)
    expected = in_batches(plain, 8)
    differences = {name: float(np.abs(function() - expected).max()) for name, function in functions.items()}
    rates = compare({name: lambda function=function: len(function()) for name, function in functions.items()}, seconds)  # type: ignore[misc]
    fastest = max((name for name in functions if "batch" in name), key=lambda name: statistics.median(rates[name].wall))
    return {
        name: {
            "photos_per_second": rates[name].median,
            **rates[name].over(rates[fastest]),
            "max_difference": differences[name],
        }
        for name in functions
    }


def write_photos(folder: Path, count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """JPEGs with the spectrum of photos (amplitude 1/f) and a camera's noise, 320 x 240 to 640 x 480 pixels; no two are alike.

    Returns:
        Paths and sha256.
    """
    random = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    encoded = []
    for width, height in ((640, 480), (480, 640), (500, 375), (320, 240)) * 4:
        frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]) + 1 / width
        planes = [
            np.fft.irfft2(np.exp(2j * np.pi * random.random(frequency.shape)) / frequency, (height, width)) for _ in range(3)
        ]
        grey, *colour = [plane / plane.std() for plane in planes]
        pixels = (
            np.stack([grey, grey + 0.3 * colour[0], grey + 0.3 * colour[1]], axis=2) * 50
            + 120
            + random.normal(0, 4, (height, width, 1))
        )
        file = folder / "base.jpg"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(file, quality=88)
        encoded.append(file.read_bytes())
        file.unlink()
    photos, digests = [], []
    for number in range(count):
        # A comment segment after the start marker makes each file another one, and decoders pass over it.
        comment = f"photo {number:09d}".encode()
        base = encoded[number % len(encoded)]
        data = base[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + base[2:]
        path = folder / f"{number:06d}.jpg"
        path.write_bytes(data)
        photos.append(str(path))
        digests.append(hashlib.sha256(data).hexdigest())
    return photos, digests


def from_disk(network: Network, photos: list[str], sha256: list[str], threads: int, rounds: int = 3) -> dict[str, Any]:
    """Decoding alone, the network alone, and both as a pipeline, each with all threads.

    On the same cores the two together can reach 1 / (1 / decode + 1 / network) photos a second at best.
    """
    embedder = Embedder(network, "cpu", threads)
    size = network.config.image_size
    pixels = np.random.default_rng(0).integers(0, 256, (embedder.batch, size, size, 3), dtype=np.uint8)

    with tempfile.TemporaryDirectory() as folder:

        def store() -> EmbeddingStore:
            # A new folder each time: nothing may come from the store.
            return EmbeddingStore(tempfile.mkdtemp(dir=folder), network, threads=threads, progress=False, embedder=embedder)

        def decode() -> int:
            return sum(len(batch.positions) for batch in store()._decoded(photos, sha256, list(range(len(photos)))))

        def run() -> int:
            for _ in range(0, len(photos), len(pixels)):
                embedder(pixels)
            return -(-len(photos) // len(pixels)) * len(pixels)

        def both() -> int:
            result = store().embed_photos(photos, sha256)
            assert not result.failed
            return len(result.vectors)

        rates = compare({"decode": decode, "network": run, "end to end": both}, 0.0, rounds)
    decoding, running = rates["decode"], rates["network"]
    limit = Rates(
        [1 / (1 / d + 1 / n) for d, n in zip(decoding.wall, running.wall, strict=True)],
        [1 / (1 / d + 1 / n) for d, n in zip(decoding.cpu, running.cpu, strict=True)],
    )
    return {
        "photos": len(photos),
        "engine": embedder.engine,
        **{f"{name.replace(' ', '_')}_per_second": values.median for name, values in rates.items()},
        "limit_per_second": limit.median,
        **rates["end to end"].over(limit),
    }


def peak_memory(network: Network, photos: list[str], sha256: list[str], sizes: Sequence[int], threads: int) -> dict[str, float]:
    """Peak resident memory of a process that embeds so many photos [MiB], by number of photos."""
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        network.save(Path(folder) / "network")
        for size in sizes:
            listing = Path(folder) / "photos.json"
            listing.write_text(json.dumps([photos[:size], sha256[:size]]))
            command = [sys.executable, "-m", "benchmarks.throughput", "--memory-of", folder, "--threads", str(threads)]
            done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1])
            peaks[str(size)] = round(float(done.stdout.split()[-1]) / 1024, 1)
    return peaks


def _embed_for_memory(folder: Path, threads: int) -> None:
    torch.set_num_threads(threads)
    photos, sha256 = json.loads((folder / "photos.json").read_text())
    network = Network.load(folder / "network")
    with tempfile.TemporaryDirectory() as store:
        result = EmbeddingStore(store, network, threads=threads, progress=False).embed_photos(photos, sha256)
        assert result.vectors.shape[0] == len(photos)
        assert not result.failed
        # VmHWM rather than ru_maxrss: that one starts from the peak of the process that started this one.
        peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    print(peak[1])


def training_step(step: Run, bare: Run, seconds: float = 5.0) -> dict[str, float]:
    """The trainer's step against the bare forward and backward of the same network and batch, in turns.

    Args:
        step: does whole steps of the trainer (loading, augmentation, losses, optimiser) and says how many photos that were.
        bare: forward and backward of the same network, batch size and image size.
        seconds: time each has in a round [s].
    """
    rates = compare({"step": step, "bare": bare}, seconds)
    return {
        "step_per_second": rates["step"].median,
        "bare_per_second": rates["bare"].median,
        **rates["step"].over(rates["bare"]),
    }


def report(result: Mapping[str, Any], console: Console) -> None:
    """Print the result as tables."""
    for name, figures in result["engines"].items():
        table = Table(
            "engine", "photos/s", "x eager", "by processor time", "max difference", title=f"embed: {name}", title_justify="left"
        )
        for engine, row in figures.items():
            table.add_row(
                engine,
                f"{row['photos_per_second']:.0f}",
                f"{row['ratio']:.2f}",
                f"{row['ratio_cpu']:.2f}",
                f"{row['max_difference']:.1e}",
            )
        console.print(table)
    table = Table(
        "network",
        "decode",
        "network",
        "limit",
        "end to end",
        "of limit",
        "by processor time",
        title="from disk [photos/s]",
        title_justify="left",
    )
    for name, row in result["from_disk"].items():
        keys = ("decode_per_second", "network_per_second", "limit_per_second", "end_to_end_per_second")
        table.add_row(name, *(f"{row[key]:.0f}" for key in keys), f"{row['ratio']:.3f}", f"{row['ratio_cpu']:.3f}")
    console.print(table)
    columns = ("trainer", "bare", "ratio", "by processor time")
    table = Table(*columns, title="training step [photos/s]", title_justify="left")
    row = result["training_step"]
    rates = (f"{row[key]:.0f}" for key in ("step_per_second", "bare_per_second"))
    table.add_row(*rates, f"{row['ratio']:.3f}", f"{row['ratio_cpu']:.3f}")
    console.print(table)
    table = Table("photos", "peak memory [MiB]", title="memory", title_justify="left")
    for size, peak in result["peak_memory_mib"].items():
        table.add_row(size, f"{peak:.0f}")
    console.print(table)


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, print, and write the result.

    Returns:
        What was written.
    """
    parser = argparse.ArgumentParser(description="embedding throughput on the CPU", prog="landmark bench throughput")
    parser.add_argument("--size", type=int, default=128, help="side of the network's input [pixels]")
    parser.add_argument("--photos", type=int, default=500, help="photos for the run from disk [count]")
    parser.add_argument("--memory", type=int, nargs=2, default=[1000, 8000], help="two numbers of photos to compare memory at")
    parser.add_argument("--seconds", type=float, default=2.0, help="time of each engine in a round [s]")
    parser.add_argument("--batch", type=int, default=64, help="photos a training step [count]")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="CPU threads")
    parser.add_argument("--compile", action="store_true", help="measure torch.compile too (a minute or more to compile)")
    parser.add_argument("--out", type=Path, help="result file; default: results/throughput-<cpu>.json beside this file")
    parser.add_argument("--memory-of", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.memory_of:
        _embed_for_memory(options.memory_of, options.threads)
        return {}
    torch.set_num_threads(options.threads)
    config = NetworkConfig(image_size=options.size)
    networks = {
        "pretrained alone": Network.frozen_baseline(config),
        "pretrained and tuned": trained_from(config, 0),
        "pretrained and tuned, first 4 stages frozen": trained_from(config, 4),
    }
    info = machine(options.threads)
    result: dict[str, Any] = {"machine": info, "seed": 0, "backbone": config.backbone, "image_size": options.size}
    result["engines"] = {
        name: engines(network, options.threads, options.seconds, options.compile) for name, network in networks.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        photos, sha256 = write_photos(Path(folder), max(options.photos, *options.memory))
        subset = photos[: options.photos], sha256[: options.photos]
        result["from_disk"] = {name: from_disk(network, *subset, options.threads) for name, network in networks.items()}
        network = networks["pretrained and tuned"]
        step, bare = trainer_step(*subset, options.batch, options.size, Path(folder) / "trainer")
        result["training_step"] = training_step(step, bare)
        result["peak_memory_mib"] = peak_memory(network, photos, sha256, options.memory, options.threads)
    slug = re.sub(r"[^a-z0-9]+", "-", info["cpu"].lower()).strip("-")
    file = options.out or RESULTS / f"throughput-{slug}-{info['cores']}cores.json"
    write_json(str(file), result)
    console = Console()
    report(result, console)
    console.print(f"written to {file}")
    return result


if __name__ == "__main__":
    main()
