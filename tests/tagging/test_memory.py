"""Memory does not grow with the number of photos."""

from __future__ import annotations

import hashlib
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from landmark.recognition.recognizer import Recognizer
from landmark.tagging import work
from landmark.tagging.job import tag
from landmark.tagging.output_config import OutputConfig
from landmark.tagging.reading import Read, read_photo
from landmark.tagging.source import Listing

PIXELS = np.zeros((32, 32, 3), np.uint8)


class Constant:
    """An embedder that embeds everything alike."""

    batch = 16

    def __init__(self, vector: np.ndarray) -> None:
        self.vector = vector

    def __call__(self, photos: np.ndarray) -> np.ndarray:
        return np.repeat(self.vector[None], len(photos), 0)


def made_up(listed: tuple[bytes, str], size: int, mode: str, known: object) -> Read:
    """A photo that is there, though no file is."""
    row = read_photo(listed, size, mode, {}).row
    assert row.reason == "no such file"
    return Read(replace(row, reason="", sha256=hashlib.sha256(listed[0]).hexdigest()), PIXELS.copy())


def peak_of(count: int, folder: Path, model: Path, home: Path) -> int:
    """Most bytes of Python objects and arrays while a job is done, then done again with other photos."""
    folder.mkdir()
    (folder / "list.txt").write_text("".join(f"{n:07}.jpg\n" for n in range(count)))
    tracemalloc.start()
    # The gallery holds as many photos as it shows, whatever the number of all.
    few = OutputConfig(shown=50, near_misses=50, why=0)
    result = tag(str(folder / "list.txt"), model, folder / "out", home, shard=64, outputs=few, progress=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.photos == result.embedded == count
    return peak


def test_memory_of_a_job(tmp_path: Path, real: tuple[Recognizer, Path], home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "read_photo", made_up)
    monkeypatch.setattr(work, "Embedder", lambda *_, **__: Constant(real[0].centroids.vectors[0]))
    monkeypatch.setattr("landmark.tagging.tables.ROWS", 256)
    peak_of(64, tmp_path / "warm", real[1], home)
    small, large = (peak_of(count, tmp_path / str(count), real[1], home) for count in (400, 1600))
    assert large < small + 400_000, "a third of what the rows of 1,200 photos take as objects"


def test_memory_of_a_listing(tmp_path: Path) -> None:
    tracemalloc.start()
    with Listing(tmp_path / "listing.sqlite") as listing:
        listing.fill((b"/photos/%09d.jpg" % (n * 7919 % 100_000), "1-2") for n in range(100_000))
        assert listing.count == 100_000
        found = listing.between(b"/photos/000050000", None)
        assert next(found) == (b"/photos/000050000.jpg", "1-2")
        assert sum(1 for _ in found) == 49_999
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000
