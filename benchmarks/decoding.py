"""Decoding 12-megapixel JPEGs: at reduced scale in the DCT against whole, and Pillow's decoder against simplejpeg's.

    python -m benchmarks.decoding [--rounds 7] [--out FILE]

Contestants run in turns in one process, one photo at a time in one thread; a ratio is the median over rounds of the ratio
within a round, beside its lowest and highest. What scaling saves is the inverse DCT and the colours; the entropy coding of all
bytes is decoded in any case, so that the ratio falls with the size of the file, which the picture's noise sets.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.throughput import Rates, compare
from landmark.photos.decode import decode, resize
from landmark.storage import write_json

RESULTS = Path(__file__).parent / "results"
SIZE = (4000, 3000)
QUALITIES = (85, 95)
INPUTS = (128, 224)
SOFT = 0.2
"""Where the contrast of fine detail has fallen to 1/e [cycles a pixel]."""
NOISE = (1.5, 4.0)
"""Of a phone that takes it out, and of a camera that does not [levels of 255]."""


def natural(size: tuple[int, int], seed: int, sigma: float) -> Image.Image:
    """A picture with the spectrum of photos (amplitude 1/f), as soft as lens and demosaicing leave it, and a camera's noise."""
    width, height = size
    random = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None, :]).astype(np.float32) + 1 / width
    amplitude = np.exp(-((frequency / SOFT) ** 2)) / frequency
    planes = []
    for _ in range(3):
        plane = np.fft.irfft2(np.exp(2j * np.pi * random.random(frequency.shape, np.float32)) * amplitude, (height, width))
        planes.append((plane / plane.std()).astype(np.float32))
    grey, *colour = planes
    noise = random.normal(0, sigma, (height, width)).astype(np.float32)
    pixels = np.stack([grey, grey + 0.3 * colour[0], grey + 0.3 * colour[1]], axis=2) * 50 + 120 + noise[..., None]
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def ours(file: str, side: int, scaled: bool, alone: bool) -> int:
    """Read and decode one photo, and resize it unless decoding `alone` counts."""
    image = decode(file, min_side=side if scaled else None).image
    if not alone:
        resize(image, side)
    return 1


def theirs(file: str, side: int) -> int:
    """The same by simplejpeg: no EXIF, no check of the size."""
    import simplejpeg

    pixels = simplejpeg.decode_jpeg(Path(file).read_bytes(), "RGB", min_height=side, min_width=side)
    resize(Image.fromarray(pixels), side)
    return 1


def differ(file: str, side: int) -> dict[str, float]:
    """By how much the network's input differs between the two decoders [levels of 255]."""
    import simplejpeg

    pixels = simplejpeg.decode_jpeg(Path(file).read_bytes(), "RGB", min_height=side, min_width=side)
    a = resize(decode(file, min_side=side).image, side).astype(int)
    b = resize(Image.fromarray(pixels), side).astype(int)
    return {"largest": int(np.abs(a - b).max()), "mean": round(float(np.abs(a - b).mean()), 4)}


def spread(upper: Rates, lower: Rates) -> dict[str, float]:
    """Ratio of two rates by processor time, which other work on the machine disturbs least: median, lowest, highest."""
    ratios = [a / b for a, b in zip(upper.cpu, lower.cpu, strict=True)]
    return {
        "median": round(float(np.median(ratios)), 2),
        "lowest": round(min(ratios), 2),
        "highest": round(max(ratios), 2),
        "median_wall": upper.over(lower)["ratio"],
    }


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, print, and write the result.

    Returns:
        What was written.
    """
    parser = argparse.ArgumentParser(description="decoding of 12-megapixel JPEGs", prog="python -m benchmarks.decoding")
    parser.add_argument("--rounds", type=int, default=7, help="rounds that count [count]")
    parser.add_argument("--out", type=Path, default=RESULTS / "decoding.json", help="result file")
    options = parser.parse_args(arguments)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        for sigma, quality in itertools.product(NOISE, QUALITIES):
            file = str(Path(folder) / "photo.jpg")
            natural(SIZE, 0, sigma).save(file, quality=quality)
            for side in INPUTS:
                runs: dict[str, Callable[[], int]] = {
                    "whole, alone": partial(ours, file, side, False, True),
                    "scaled, alone": partial(ours, file, side, True, True),
                    "whole": partial(ours, file, side, False, False),
                    "scaled": partial(ours, file, side, True, False),
                    "simplejpeg": partial(theirs, file, side),
                }
                rates = compare(runs, 0.0, options.rounds)
                rows.append(
                    {
                        "noise": sigma,
                        "quality": quality,
                        "input": side,
                        "bytes": Path(file).stat().st_size,
                        "per_second": {name: rate.median for name, rate in rates.items()},
                        "scaled_over_whole_decode": spread(rates["scaled, alone"], rates["whole, alone"]),
                        "scaled_over_whole": spread(rates["scaled"], rates["whole"]),
                        "simplejpeg_over_ours": spread(rates["simplejpeg"], rates["scaled"]),
                        "difference": differ(file, side),
                    }
                )
    result = {"machine": machine(1), "seed": 0, "size": list(SIZE), "rounds": options.rounds, "rows": rows}
    write_json(options.out, result)
    console = Console()
    names = ("scaled_over_whole_decode", "scaled_over_whole", "simplejpeg_over_ours")
    table = Table("noise", "quality", "MB", "input", *(name.replace("_", " ") for name in names))
    for row in rows:
        cells = [f"{row[name]['median']} ({row[name]['lowest']} to {row[name]['highest']})" for name in names]
        table.add_row(str(row["noise"]), str(row["quality"]), f"{row['bytes'] / 1e6:.1f}", str(row["input"]), *cells)
    console.print(table)
    console.print(f"written to {options.out}")
    return result


if __name__ == "__main__":
    main()
