"""Adding one hundredth to an index, beside building all of it again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.searching.by_ours import SETTING, Ours, built, goal_of
from benchmarks.searching.inputs import Inputs
from benchmarks.searching.measuring import K
from landmark.recognition.index.promise import recall_shares
from landmark.recognition.index.rows import Rows
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.index.source import VectorSource
from landmark.recognition.index.update import add

SHARE = 0.01
LIMIT = 0.3
"""Of exact search's bytes, as the row that it is compared with."""


def added(inputs: Inputs, folder: Path, rebuild_seconds: float) -> dict[str, Any]:
    """Build on 99 %, add 1 %, and search both indexes at the setting of the whole one.

    Args:
        inputs: stored vectors and queries.
        folder: with the index that `Ours(0.3)` left there.
        rebuild_seconds: what that took.

    Returns:
        add_seconds, rebuild_seconds, share_of_rebuild, recall (after adding), recall_rebuilt, all at the same setting.
    """
    stored = inputs.vectors
    first = len(stored) - max(1, int(SHARE * len(stored)))
    place = folder / f"{inputs.name}-update"
    built(place, stored[:first], goal_of(inputs, LIMIT))
    begin = time.perf_counter()
    add(place, VectorSource.of(stored[first:]), Rows.of(np.arange(first, len(stored))))
    seconds = time.perf_counter() - begin
    whole = SearchIndex.load(folder / Ours.place(inputs.name, LIMIT), verify=False)
    part = SearchIndex.load(place, verify=False)
    part.values.update({key: whole.values[key] for key in SETTING})
    recall = {
        name: float(
            recall_shares(np.asarray(index.search(inputs.queries, K)[1], np.int64), inputs.truth, inputs.similarity, K).mean()
        )
        for name, index in (("recall", part), ("recall_rebuilt", whole))
    }
    return {
        "added": len(stored) - first,
        "add_seconds": seconds,
        "rebuild_seconds": rebuild_seconds,
        "share_of_rebuild": seconds / rebuild_seconds,
        **recall,
    }
