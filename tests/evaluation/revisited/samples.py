"""Small ground truths, and the measures once more: photo by photo, straight from their definition."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from landmark.evaluation.revisited.ground_truth import GroundTruth

GND = Path(__file__).parents[3].parent / "shared" / "gnd"
needs_gnd = pytest.mark.skipif(not GND.is_dir(), reason="needs the published ground truth in ../shared/gnd")

BOX = [0.0, 0.0, 8.0, 8.0]
WANTED = {"E": ["easy"], "M": ["easy", "hard"], "H": ["hard"]}


def content(database: int, *queries: Sequence[Sequence[int]]) -> dict[str, Any]:
    """A ground truth file's content: photos p0, p1, ...; queries q_0, q_1, ... of (easy, hard, junk)."""
    return {
        "imlist": [f"p{number}" for number in range(database)],
        "qimlist": [f"q_{number}" for number in range(len(queries))],
        "gnd": [{"easy": list(easy), "hard": list(hard), "junk": list(junk), "bbx": list(BOX)} for easy, hard, junk in queries],
    }


def truth(database: int, *queries: Sequence[Sequence[int]]) -> GroundTruth:
    return GroundTruth.parse(content(database, *queries), "sample")


def plain_scores(ranking: Sequence[int], graded: dict[str, set[int]], difficulty: str) -> tuple[float, dict[int, float]]:
    """AP and P@k of one whole or cut-off ranking, by the definition: one pass over the results."""
    positive = set().union(*(graded[grade] for grade in WANTED[difficulty]))
    junk = set().union(*graded.values()) - positive
    rank, found, ap = 0, 0, 0.0
    hits = []
    for photo in ranking:
        if photo in junk:
            continue
        if photo in positive:
            before = 1.0 if rank == 0 else found / rank
            found += 1
            ap += (before + found / (rank + 1)) / 2 / len(positive)
            hits.append(rank + 1)
        rank += 1
    precision = {}
    for k in (1, 5, 10):
        limit = min(hits[-1], k) if found == len(positive) else k
        precision[k] = sum(hit <= limit for hit in hits) / limit
    return ap, precision
