"""Two recognizers on the same test photos, in the same process: decisions, sizes, times."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
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

MOST_UNREADABLE = 0.05
"""Share of the test photos beyond which what cannot be read is no accident of a few files."""
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
        anchor: None: it is the champion, or there is none.
        names: landmark id -> name.
        unreadable: test photos left out, as they cannot be read [count].
        used: test photos left out, as one of them was trained or calibrated on them [count].
    """

    catalog: Catalog
    photos: Photos
    champion: Seen | None
    challenger: Seen
    anchor: Seen | None
    names: dict[str, str]
    unreadable: int
    used: int


def compare(
    champion: Path | None,
    challenger: Path,
    catalog: Catalog,
    home: Path,
    config: RunConfig,
    *,
    anchor: Path | None = None,
    seen_before: Collection[str] = (),
) -> Comparison:
    """Let all decide on the test split; embeddings that the home's store has are not made again.

    Args:
        champion: folder of its recognizer.
        challenger: folder of its recognizer.
        catalog: with a test split.
        home: home folder.
        config: of the run.
        anchor: folder of its recognizer; None: it is the champion, or there is none.
        seen_before: first 16 hex digits of the sha256 of photos that one of them was trained or calibrated on.

    Raises:
        LandmarkError: no test photos are left that can be read, or so many cannot that the verdict would rest on the others.
    """
    test = catalog.split("test")
    fair = ~test.table["sha256"].str[:16].isin(set(seen_before)).to_numpy(bool)
    if len(test) and not fair.any():
        raise LandmarkError("gate: one of the two was trained or calibrated on every test photo; add others to the test split")
    used, test = int((~fair).sum()), test.only(fair)
    named = (("champion", champion), ("challenger", challenger), ("anchor", anchor))
    folders = {name: folder for name, folder in named if folder is not None}
    loaded = {name: Recognizer.load(folder) for name, folder in folders.items()}
    vectors = {name: embed_catalog(made.network, test, home, config).vectors for name, made in loaded.items()}
    ok = ~np.any([np.isnan(found[:, 0]) for found in vectors.values()], axis=0) if len(test) else np.zeros(0, bool)
    if not ok.any():
        raise LandmarkError("gate: the catalog has no test photo that can be read; add some to its test split")
    if (~ok).mean() > MOST_UNREADABLE:
        raise LandmarkError(
            f"gate: {int((~ok).sum())} of {len(ok)} test photos cannot be read any more; see that their disk is there, or "
            "change any setting of `data` to have them catalogued again"
        )
    chosen = test.only(ok)
    timed = {name: made for name, made in loaded.items() if name != "anchor"}
    rounds = times(list(timed.values()), chosen.table["photo"].tolist(), config.registry.gate)
    seconds = dict(zip(timed, rounds, strict=True))
    seen = {
        name: decide(made, chosen, vectors[name][ok], size_of(folders[name]), seconds.get(name, np.zeros(0)))
        for name, made in loaded.items()
    }
    landmarks = catalog.landmarks
    return Comparison(
        catalog=chosen,
        photos=Photos.of(chosen.table),
        champion=seen.get("champion"),
        challenger=seen["challenger"],
        anchor=seen.get("anchor"),
        names={str(key): str(name) for key, name in zip(landmarks["landmark"], landmarks["name"], strict=True)},
        unreadable=int((~ok).sum()),
        used=used,
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
