"""What is done in a process of its own: one row of the comparison, promises, or additions."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import faiss

from benchmarks.searching.by_faiss import Exact
from benchmarks.searching.inputs import FAR, Inputs, open_inputs
from benchmarks.searching.measuring import NEAR, halves, sweep, timed
from benchmarks.searching.promise import promises
from benchmarks.searching.rows import ROWS
from benchmarks.searching.update import added

EXACT_REPEATS = 2


def run(spec: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The result of a piece of work."""
    faiss.omp_set_num_threads(spec["threads"])
    if spec["part"] == "promise":
        inputs = open_inputs("real", folder) if spec["data"] == "real" else None
        return {"rows": promises(spec["data"], inputs, folder)}
    inputs = open_inputs(spec["data"], folder)
    if spec["part"] == "update":
        return added(inputs, folder, spec["rebuild_seconds"])
    return row(spec["name"].removesuffix("-again"), inputs, folder, spec["threads"], spec["repeats"])


def row(name: str, inputs: Inputs, folder: Path, threads: int, repeats: int) -> dict[str, Any]:
    """Build, save, sweep.

    Returns:
        build_seconds, bytes, exact_near (queries/s of exact search, the better of before and after), points, facts; of made
        vectors `far` too: the points by real photos.
    """
    near = exact_rate(inputs)
    engine = ROWS[name].make()
    begin = time.perf_counter()
    engine.build(inputs, folder, threads)
    seconds = time.perf_counter() - begin + engine.facts.get("shared_seconds", 0.0)
    place = folder / f"{inputs.name}-{name}-saved"
    place.mkdir(exist_ok=True)
    try:
        size = engine.save(place)
        points = sweep(engine.search, engine.settings(), inputs, repeats, near)
        own = engine.facts.get("own_setting")
        if own is not None and str(own) not in [point["setting"] for point in points]:
            points += sweep(engine.search, [own], inputs, repeats, near)
        more = {}
        if inputs.name == "made":
            more[FAR] = sweep(engine.search, engine.settings(FAR), open_inputs(FAR, folder), repeats, near)
        near = max(near, exact_rate(inputs))
    finally:
        shutil.rmtree(place)
    return {"build_seconds": seconds, "bytes": size, "exact_near": near, "points": points, "facts": engine.facts, **more}


def exact_rate(inputs: Inputs) -> float:
    """Queries/s of exact search, so that a ratio does not depend on how busy the machine is from hour to hour."""
    exact, queries = Exact(), halves(inputs)[1].queries[:NEAR]
    exact.build(inputs)
    exact.search(queries[:64], "")
    return len(queries) / min(timed(lambda rows: exact.search(rows, ""), queries, 1)[1] for _ in range(EXACT_REPEATS))
