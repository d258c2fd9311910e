"""This project's own index, built and searched as its users do."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.searching.inputs import FAR, Array, Inputs
from benchmarks.searching.measuring import K
from landmark.recognition.index.build import build
from landmark.recognition.index.goal import Goal
from landmark.recognition.index.rows import Rows
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.index.source import VectorSource
from landmark.recognition.index.tune import best_path

RECALL = 0.95
SETTING = ("nprobe", "candidates")
DEAR = ((16, 80), (32, 80), (32, 160), (48, 160), (64, 160), (64, 320), (96, 320), (128, 320), (192, 320), (256, 640))
"""Settings for queries unlike those that the index was tuned on; a user would tune on such ones (`queries`)."""


def goal_of(inputs: Inputs, share: float | None, recall: float = RECALL, strict: bool = False) -> Goal:
    """What to reach: a recall@10, in a share of exact search's bytes."""
    limit = None if share is None else int(share * inputs.exact_bytes)
    return Goal(recall=recall, k=K, max_bytes=limit, device="cpu", strict=strict)


def built(folder: Path, stored: Array | Path, goal: Goal, seed: int = 0) -> SearchIndex:
    """An index over vectors, from an array or a file, in a new folder, whatever was there before."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = VectorSource.of(stored)
    build(folder, source, Rows.numbered(source.count), goal, seed=seed)
    return SearchIndex.load(folder, verify=False)


class Ours:
    """The index by its written policy, searched at the settings that its own tuning found worth keeping.

    Args:
        share: limit as a share of exact search's bytes; None: none.
    """

    def __init__(self, share: float | None) -> None:
        self.share = share
        self.facts: dict[str, Any] = {}

    def build(self, inputs: Inputs, folder: Path, threads: int) -> None:
        """Train, fill, and tune on queries that it holds out itself."""
        self.folder = folder / self.place(inputs.name, self.share)
        self.index = built(self.folder, inputs.file, goal_of(inputs, self.share))
        told = self.index.values
        self.facts = {key: told.get(key) for key in ("factory", "recall", "recall_low", "recall_confirmed")}
        self.facts["own_setting"] = _written(told)

    @staticmethod
    def place(name: str, share: float | None) -> str:
        """Name of its folder, which stays for the measuring of additions."""
        return f"{name}-ours-{share or 'free'}"

    def save(self, folder: Path) -> int:
        """Size of its whole folder [bytes]."""
        return sum(file.stat().st_size for file in self.folder.iterdir())

    def settings(self, name: str = "") -> list[str]:
        """The operating points kept with the index that no other beats, cheapest first; for farther queries, dearer ones."""
        if name == FAR and self.index.values["candidates"]:
            return [_written(dict(zip(SETTING, pair, strict=True))) for pair in DEAR]
        return [_written(asdict(point)) for point in reversed(best_path(self.index.points))]

    def search(self, queries: Array, setting: str) -> NDArray[np.int64]:
        """Rows [q, 10]."""
        self.index.values.update({key: int(value) for key, _, value in (part.partition("=") for part in setting.split(","))})
        return np.asarray(self.index.search(queries, K)[1], np.int64)


def _written(values: Mapping[str, Any]) -> str:
    return ",".join(f"{key}={values[key]}" for key in SETTING)
