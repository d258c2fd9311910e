"""Two recognizers on the same test photos, in the same process: decisions, sizes, times."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from landmark.config import RunConfig
from landmark.errors import LandmarkError
from landmark.gate_config import GateConfig
from landmark.photos.catalog import Catalog
from landmark.recognition.recognizer import Recognizer
from landmark.registry.gate import Photos, Seen
from landmark.steps.embedding import Vectors, embed_catalog

WARM = 4
"""Photos that each recognizer sees before it is timed."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """What the gate judges by.

    Attributes:
        catalog: the test photos that both could embed.
        photos: the same, as the gate takes them.
        champion: None: there is none.
        challenger: what wants to take its place.
        names: landmark id -> name.
        unreadable: test photos left out, as they cannot be read [count].
    """

    catalog: Catalog
    photos: Photos
    champion: Seen | None
    challenger: Seen
    names: dict[str, str]
    unreadable: int


def compare(champion: Path | None, challenger: Path, catalog: Catalog, home: Path, config: RunConfig) -> Comparison:
    """Let both decide on the test split; embeddings that the home's store has are not made again.

    Args:
        champion: folder of its recognizer.
        challenger: folder of its recognizer.
        catalog: with a test split.
        home: home folder.
        config: of the run.

    Raises:
        LandmarkError: no test photos that can be read.
    """
    test = catalog.split("test")
    folders = {name: folder for name, folder in (("champion", champion), ("challenger", challenger)) if folder is not None}
    loaded = {name: Recognizer.load(folder) for name, folder in folders.items()}
    vectors = {name: embed_catalog(made.network, test, home, config).vectors for name, made in loaded.items()}
    ok = ~np.any([np.isnan(found[:, 0]) for found in vectors.values()], axis=0) if len(test) else np.zeros(0, bool)
    if not ok.any():
        raise LandmarkError("gate: the catalog has no test photo that can be read; add some to its test split")
    chosen = test.only(ok)
    seconds = times(list(loaded.values()), chosen.table["photo"].tolist(), config.registry.gate)
    seen = {
        name: decide(made, chosen, vectors[name][ok], size_of(folders[name]), seconds[number])
        for number, (name, made) in enumerate(loaded.items())
    }
    landmarks = catalog.landmarks
    return Comparison(
        catalog=chosen,
        photos=Photos.of(chosen.table),
        champion=seen.get("champion"),
        challenger=seen["challenger"],
        names={str(key): str(name) for key, name in zip(landmarks["landmark"], landmarks["name"], strict=True)},
        unreadable=int((~ok).sum()),
    )


def decide(recognizer: Recognizer, catalog: Catalog, vectors: Vectors, size: int, seconds: NDArray[np.float64]) -> Seen:
    """What a recognizer gives each photo of a catalog, threshold and GPS veto as in service."""
    table = catalog.table
    scored = recognizer.score(np.asarray(vectors, np.float32), lat=table["lat"].to_numpy(), lon=table["lon"].to_numpy())
    return Seen(
        landmark=scored["landmark"].to_numpy(object),
        accepted=scored["accepted"].to_numpy(bool),
        knows=frozenset(str(landmark) for landmark in recognizer.centroids.landmark),
        bytes=size,
        seconds=seconds,
    )


def size_of(folder: Path) -> int:
    """Size of a recognizer's folder [bytes]."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def times(recognizers: Sequence[Recognizer], photos: Sequence[str], rule: GateConfig) -> NDArray[np.float64]:
    """Seconds a photo, from file to answer, of each recognizer in each round [recognizers, rounds].

    They take turns, and each is first in every other round: what else the machine does meets them alike.
    """
    order = np.random.default_rng(rule.seed).permutation(len(photos))[: rule.timed_photos]
    timed = [photos[row] for row in order]
    for recognizer in recognizers:
        recognizer.recognize(timed[:WARM])
    found = np.zeros((len(recognizers), rule.timed_rounds))
    for turn in range(rule.timed_rounds):
        numbers = range(len(recognizers)) if turn % 2 == 0 else reversed(range(len(recognizers)))
        for number in numbers:
            begin = time.perf_counter()
            recognizers[number].recognize(timed)
            found[number, turn] = (time.perf_counter() - begin) / len(timed)
    return found
