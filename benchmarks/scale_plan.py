"""A plan on paper for many vectors: what a search index of 100 million or 10 billion takes, by arithmetic from measured rates.

    landmark bench scale_plan --measure                 measure the rates, about three minutes; writes results/scale.json
    landmark bench scale_plan [--document docs/scale.md]  print the plan; or write its tables into the document

Every figure is a count times or over a rate: the counts follow from `landmark.recognition.index.design`, the rates from
results/scale.json and results/throughput-*.json. What is assumed beside them is an option here, and stands in the document.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import re
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from benchmarks.machine import machine
from landmark.errors import UsageError
from landmark.recognition.index.design import COPY_BYTES, ID_BYTES, Design, design
from landmark.recognition.index.lists_file import join_lists
from landmark.recognition.index.training import HELD_OUT, ITERATIONS
from landmark.storage import read_json, write_bytes, write_json

library: Any = faiss  # its type stubs lack what its Python layer adds
RESULTS = Path(__file__).parent / "results"
DIM = 256
COUNTS = (100_000_000, 10_000_000_000)
SECONDS = 3.0
"""Each rate is measured for so long, at least."""
LISTS = 65_536
LISTS_WRITTEN = 4
"""Times that lists of 4-bit codes are written by a merge: joined, packed, joined with what was held out, packed."""
CODE_ALONE = DIM // 8
"""Bytes that a design without copies is allowed for a code, and what fits beside it."""


@dataclass(frozen=True)
class Machine:
    """What is assumed of a machine; rates grow with its cores.

    Attributes:
        cores: of the kind that the rates were measured on.
        gib: memory [GiB].
        reads: random reads of 4 KiB a second from its disk.
        nprobe: lists searched for a query.
        candidates: copies read for a query.
    """

    cores: int = 64
    gib: int = 512
    reads: float = 500_000.0
    nprobe: int = 64
    candidates: int = 80


def measure(threads: int) -> dict[str, Any]:
    """Rates of this machine at 256 dimensions, each a count a second."""
    faiss.omp_set_num_threads(threads)
    random = np.random.default_rng(0)
    rows = random.normal(size=(2 * LISTS, DIM)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rates: dict[str, float] = {}

    def rate(name: str, count: int, work: Callable[[], object]) -> None:
        done, start = 0, time.perf_counter()
        while time.perf_counter() - start < SECONDS:
            work()
            done += count
        rates[name] = done / (time.perf_counter() - start)

    rate("pairs compared", 8192 * 8192, lambda: faiss.knn(rows[:8192], rows[8192:16384], 1))
    graph: Any = faiss.IndexHNSWFlat(DIM, 32, faiss.METRIC_INNER_PRODUCT)
    start = time.perf_counter()
    graph.add(rows[:LISTS])
    rates["graph entries added"] = LISTS / (time.perf_counter() - start)
    rate("vectors assigned by the graph", 4096, lambda: graph.search(rows[LISTS : LISTS + 4096], 1))
    rotation: Any = faiss.RandomRotationMatrix(DIM, DIM)
    rotation.init(0)
    rate("vectors rotated", 16384, lambda: rotation.apply(rows[:16384]))
    for name, parts, bits in (("4-bit", 64, 4), ("8-bit", 32, 8)):
        index: Any = faiss.index_factory(DIM, f"IVF16,PQ{parts}x{bits}", faiss.METRIC_INNER_PRODUCT)
        index.do_polysemous_training = False
        index.train(rows[:16384])
        rate(f"{name} codes made", 16384, partial(index.pq.compute_codes, rows[:16384]))
        index.add(rows)
        searched: Any = library.IndexIVFPQFastScan(index) if bits == 4 else index
        parameters = library.SearchParametersIVF(nprobe=16)
        rate(f"{name} codes scanned", 256 * len(rows), partial(searched.search, rows[:256], 100, params=parameters))
        if bits == 8:
            with tempfile.TemporaryDirectory() as folder:
                part, out = Path(folder) / "part", Path(folder) / "out"
                faiss.write_index(index, str(part))
                index.reset()
                rate("bytes merged", 4 * part.stat().st_size, partial(join_lists, index, [part] * 4, out))
    data = rows.tobytes()
    rate("bytes hashed", len(data), lambda: hashlib.sha256(data).digest())
    copies: Any = faiss.IndexScalarQuantizer(DIM, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
    rate("copies made", 16384, lambda: copies.sa_encode(rows[:16384]))
    return {"machine": machine(), "threads": threads, "dim": DIM, "rates": {key: round(each, 1) for key, each in rates.items()}}


def embedding_rate() -> tuple[float, int, str]:
    """Photos a second from disk to embedding, on how many cores, and in which file that was measured."""
    found = sorted(RESULTS.glob("throughput-*.json"))
    if not found:
        raise UsageError("bench scale_plan: no results/throughput-*.json; run landmark bench throughput first")
    values = read_json(found[0])
    best = max(values["from_disk"].values(), key=lambda one: one["end_to_end_per_second"])
    return best["end_to_end_per_second"], values["machine"]["cores"], found[0].name


def sizes(way: Design, count: int) -> dict[str, float]:
    """Bytes of each part of an index."""
    code = int(match[1]) if (match := re.search(r",PQ(\d+)", way.lists_factory)) else DIM
    each = code / 2 if way.lists_factory.endswith("fs") else code
    copy = COPY_BYTES.get(way.copies, 0) * DIM
    links = (2 * 32 + 1) * 4 if "HNSW" in way.lists_factory else 0
    return {
        "codes": count * each,
        "ids": count * ID_BYTES,
        "lists' centres and graph": way.lists * (4 * DIM + links),
        "copies": count * copy,
    }


def plan(count: int, values: dict[str, Any], one: Machine, copies: bool) -> dict[str, float | str]:
    """The figures of one design: bytes, machines, hours, milliseconds."""
    rate = {key: float(each) / values["threads"] * one.cores for key, each in values["rates"].items()}
    photos, cores, _ = embedding_rate()
    way = design(count, DIM)
    if not copies:
        way = design(count, DIM, count * (CODE_ALONE + ID_BYTES) + 2**30)
    parts = sizes(way, count)
    lists = sum(size for key, size in parts.items() if key != "copies")
    memory = lists + count * (ID_BYTES + 1)
    written = parts["copies"] + (LISTS_WRITTEN if way.lists_factory.endswith("fs") else 1) * lists
    merging = written / float(values["rates"]["bytes merged"]) + 2 * sum(parts.values()) / float(
        values["rates"]["bytes hashed"]
    )
    machines = max(1, math.ceil(memory / (0.75 * one.gib * 2**30)))
    fast = way.lists_factory.endswith("fs")
    kind = "4-bit" if fast else "8-bit"
    graph = "HNSW" in way.lists_factory
    assigned = rate["vectors assigned by the graph"] if graph else rate["pairs compared"] / way.lists
    # The 8-bit rate is of 32 sub-quantisers: the time of another number goes with it.
    longer = 1.0 if fast else parts["codes"] / count / 32
    coded = 1 / (1 / assigned + 1 / rate["vectors rotated"] + longer / rate[f"{kind} codes made"])
    coded = 1 / (1 / coded + HELD_OUT / rate["pairs compared"] + (1 / rate["copies made"] if copies else 0))
    scanned = count * one.nprobe / way.lists
    # A query runs on one core; its rate is that of all of them over their number.
    query = scanned * longer / (rate[f"{kind} codes scanned"] / one.cores) / machines
    return {
        "design": way.factory,
        **{f"{key} [GB]": size / 1e9 for key, size in parts.items()},
        "memory [GB]": memory / 1e9,
        "disk, mapped [GB]": parts["copies"] / 1e9,
        "bytes a vector": sum(parts.values()) / count,
        "machines that hold it": machines,
        "embedding [machine-hours]": count / (photos / cores * one.cores) / 3600,
        "training [hours, one machine]": way.training * way.lists * ITERATIONS / rate["pairs compared"] / 3600,
        "adding all shards [machine-hours]": count / coded / 3600,
        "merging [hours, one process and disk]": merging / 3600,
        "lists searched for a query": one.nprobe,
        "codes scanned for a query": scanned,
        "query, codes [ms, one core]": 1e3 * query,
        "query, copies from disk [ms]": 1e3 * one.candidates / one.reads if copies else 0.0,
        "queries a second, all cores": one.cores / query,
        "1 % new: embedding [machine-hours]": 0.01 * count / (photos / cores * one.cores) / 3600,
        "1 % new: adding [machine-hours]": 0.01 * count / coded / 3600,
        "1 % new: files written again [GB]": sum(parts.values()) / 1e9,
    }


def tables(values: dict[str, Any], one: Machine) -> str:
    """The rates and the plan, as Markdown."""
    photos, cores, file = embedding_rate()
    lines = [
        f"Measured on {values['machine']['cpu']}, {values['threads']} threads, at {DIM} dimensions (`results/scale.json`)",
        "",
    ]
    lines += ["| rate | a second |", "|---|---:|"]
    lines += [f"| {key} | {each:,.0f} |" for key, each in values["rates"].items()]
    lines += [f"| photos embedded, from disk ({cores} cores, `results/{file}`) | {photos:,.0f} |", ""]
    assumed = [f"machines of {one.cores} such cores and {one.gib} GiB", "rates that grow with the cores"]
    assumed += [f"{one.reads:,.0f} random reads a second from a disk", f"nprobe {one.nprobe}, {one.candidates} candidates"]
    lines += [f"Assumed: {'; '.join(assumed)}.", ""]
    columns = [plan(count, values, one, copies) for count in COUNTS for copies in (True, False)]
    heads = [f"{count / 1e6:,.0f} million, {kind}" for count in COUNTS for kind in ("copies on disk", "codes alone")]
    lines += [f"| | {' | '.join(heads)} |", f"|---|{'---:|' * len(columns)}"]
    lines += [f"| {key} | {' | '.join(_cell(column[key]) for column in columns)} |" for key in columns[0]]
    return "\n".join(lines)


def _cell(value: float | str) -> str:
    if isinstance(value, str):
        return f"`{value}`"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"


def main() -> None:
    """Measure, or print the plan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--measure", action="store_true", help="measure the rates first")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rates", type=Path, default=RESULTS / "scale.json")
    parser.add_argument("--document", type=Path, help="write the tables between its two marks")
    for name, default in vars(Machine()).items():
        parser.add_argument(f"--{name}", type=type(default), default=default)
    options = parser.parse_args()
    if options.measure:
        write_json(options.rates, measure(options.threads))
    if not options.rates.is_file():
        raise UsageError(f"bench scale_plan: no {options.rates}; run it with --measure")
    one = Machine(**{name: getattr(options, name) for name in vars(Machine())})
    text = tables(read_json(options.rates), one)
    if options.document is None:
        print(text)
        return
    whole = options.document.read_text(encoding="utf-8")
    begin, end = "<!-- tables: landmark bench scale_plan -->\n", "<!-- end of tables -->"
    if begin not in whole or end not in whole:
        raise UsageError(f"--document {options.document}: it has not the marks {begin.strip()} and {end}")
    head, rest = whole.split(begin, 1)
    write_bytes(options.document, f"{head}{begin}{text}\n{end}{rest.split(end, 1)[1]}".encode())


if __name__ == "__main__":
    main()
