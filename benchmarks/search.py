"""Search side by side: exact, IVF, HNSW (faiss, hnswlib, usearch), Annoy, autofaiss's choice, RaBitQ, and ours.

    landmark bench search [--data real] [--count 1000000] [--row ours-0.3] [--part compare] [--threads 2] [--minutes 60]

Parts, all in one file of results: `compare` (the rows at equal recall, and the best recall in few bytes), `promise` (what
ours promises, measured on fresh queries of several kinds), `update` (adding 1 % beside building all again). Data: `real`, the
photos; `made`, up to --count vectors around them, of which the recipe is said in `searching/inputs.py`.

Every row runs in a process of its own: a crash is a row that failed. What is done is kept in --folder, and an interrupted run
called again goes on from there; a row is measured again when its code, its package's version or the options have changed.
Rows whose package is not installed are named and left out; those that --minutes leaves no time for too: call it again.
Packages: `pip install hnswlib annoy usearch fire` and `pip install --no-deps autofaiss embedding-reader` (autofaiss asks for
numpy and pandas of years ago, and runs with today's).
"""

from __future__ import annotations

import argparse
import logging
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.machine import machine
from benchmarks.searching.inputs import FAR, Inputs, make_inputs, open_inputs
from benchmarks.searching.picture import draw
from benchmarks.searching.promise import judged
from benchmarks.searching.rows import ROWS
from benchmarks.searching.table import document
from benchmarks.searching.tasks import LIMIT, code_of, kept, missing, perform
from benchmarks.searching.update import LIMIT as ADDED_TO
from landmark.console import print_table
from landmark.errors import UsageError
from landmark.home import default_home
from landmark.storage import write_bytes, write_json

log = logging.getLogger(__name__)

RESULTS = Path(__file__).parent / "results"
VECTORS = Path(__file__).resolve().parents[2] / "shared" / "vectors" / "landmark_vectors.npz"
DATA, PARTS = ("real", "made"), ("compare", "promise", "update")
COUNT = 1_000_000
PROMISED = ("real", "blobs", "digits")
PROMISE_MINUTES = {"real": 2.0, "blobs": 4.0, "digits": 0.2}
REAL_SIZE = 0.03
"""A real data set's share of the time that a million vectors take."""


class Comparison:
    """One run of the benchmark: what is asked for, and how long it takes.

    Args:
        options: of the command line.
    """

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.folder: Path = options.folder
        self.inputs: dict[str, Inputs] = {}
        self.begin = time.monotonic()
        self.estimated_done = self.worked = 0.0
        self.left = sum(minutes for _, minutes in self.plan())

    def plan(self) -> list[tuple[str, float]]:
        """What is to be done, with the minutes that it takes about."""
        options, found = self.options, []
        for data in options.data:
            size = max(options.count / 1e6, 0.002) if data == "made" else REAL_SIZE
            if "compare" in options.part:
                found += [(f"{data} {name}", size * ROWS[name].minutes + 0.1) for name in options.row]
            if "update" in options.part:
                found.append((f"{data} update", size * 4 + 0.1))
        if "promise" in options.part:
            found += [(f"{data} promise", PROMISE_MINUTES[data]) for data in PROMISED]
        return found

    def run(self) -> dict[str, Any]:
        """All figures."""
        result: dict[str, Any] = {"data": {}, "promise": [], "update": []}
        for data in self.options.data:
            log.info("%s: vectors, queries and their true neighbours", data)
            self.inputs[data] = make_inputs(data, self.options.vectors, self.folder, self.options.queries, self.options.count)
        for data in self.options.data:
            rows = [self.row(data, name) for name in self.options.row] if "compare" in self.options.part else []
            if "update" in self.options.part:
                result["update"].append({"data": data, **self.update(data)})
            if not rows:
                continue
            result["data"][data] = self.facts(data, rows)
            if data == "made":
                self.inputs[FAR] = open_inputs(FAR, self.folder)
                result["data"][FAR] = self.facts(FAR, [{**row, "points": row[FAR]} if FAR in row else row for row in rows])
            result["promise"] += [told for row in rows if (told := self.promised(data, row)) is not None]
        if "promise" in self.options.part:
            for data in PROMISED:
                done = self.task("promise", data, data, PROMISE_MINUTES[data], {})
                result["promise"] += done.get("rows") or [{"data": data, "failed": reason(done)}]
        return result

    def facts(self, data: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
        """Rows of a data set with what they share."""
        inputs = self.inputs[data]
        count, dim = inputs.vectors.shape
        again = [self.row(data, "exact-again")] if "exact" in self.options.row and data != FAR else []
        ends = [row for row in rows if row["name"] == "exact"] + again
        rates = [point["reported"]["queries_per_second"] for row in ends for point in row.get("points", [])]
        before_after = dict(zip(("exact_before", "exact_again"), rates, strict=False))
        return {
            "count": count, "dim": dim, "queries": len(inputs.queries), "exact_bytes": inputs.exact_bytes, **before_after,
            "rows": rows,
        }  # fmt: skip

    def row(self, data: str, name: str) -> dict[str, Any]:
        """One row, measured or taken from the folder."""
        row = ROWS[name.removesuffix("-again")]
        head = {"name": name, "label": row.label, "ours": row.ours}
        absent = missing(row.packages)
        if absent:
            return {**head, "left_out": f"not installed: {', '.join(absent)}"}
        size = self.options.count / 1e6 if data == "made" else REAL_SIZE
        packages = {package: version(package) for package in ("faiss-cpu", *row.packages)}
        more = {"repeats": self.options.repeats, "packages": packages, "code": code_of("ours" if row.ours else "others")}
        return {**head, **self.task("compare", name, data, size * row.minutes + 0.1, more)}

    def update(self, data: str) -> dict[str, Any]:
        """Adding 1 % to an index of the rest."""
        whole = self.row(data, f"ours-{ADDED_TO}")
        if "build_seconds" not in whole:
            return {"failed": reason(whole)}
        size = self.options.count / 1e6 if data == "made" else REAL_SIZE
        return self.task("update", "add", data, size * 4 + 0.1, {"rebuild_seconds": whole["build_seconds"]})

    def promised(self, data: str, row: dict[str, Any]) -> dict[str, Any] | None:
        """What a row of ours promised, against all queries of the comparison."""
        own = str(row.get("facts", {}).get("own_setting"))
        point = next((point for point in row.get("points", []) if point["setting"] == own), None)
        if not row["ours"] or point is None or (row["facts"]["recall_low"] or 0) < row["facts"]["recall"]:
            return None
        inputs = self.inputs[data]
        count, dim = inputs.vectors.shape
        measured = (point["chosen"]["recall"] + point["reported"]["recall"]) / 2
        facts = {"data": data, "count": count, "dim": dim, "seed": 0, "factory": row["facts"]["factory"]}
        return {**facts, "promised": row["facts"]["recall"], **judged(row["facts"]["recall"], measured)}

    def task(self, part: str, name: str, data: str, minutes: float, more: dict[str, Any]) -> dict[str, Any]:
        """Perform a piece of work, or leave it out where there is no time."""
        options = self.options
        spec = {"part": part, "name": name, "data": data, "threads": options.threads, "queries": options.queries}
        spec |= {"count": options.count} if data == "made" else {}
        spec |= {"code": code_of(part)} if part != "compare" else {}
        pace = self.worked / self.estimated_done if self.estimated_done > 1 else 1.0
        spent = (time.monotonic() - self.begin) / 60
        before = kept({**spec, **more}, self.folder)
        if before is not None:
            self.left = max(0.0, self.left - minutes)
            return before
        if options.minutes is not None and spent + pace * minutes > options.minutes:
            return {"left_out": f"takes about {pace * minutes:.0f} minutes more, --minutes {options.minutes:g} leaves no time"}
        log.info(
            "%s %s %s: about %.1f min; %.1f min done, about %.0f min left",
            data,
            part,
            name,
            pace * minutes,
            spent,
            pace * self.left,
        )
        begin = time.monotonic()
        done = perform({**spec, **more}, self.folder, options.limit)
        self.left = max(0.0, self.left - minutes)
        took = (time.monotonic() - begin) / 60
        self.estimated_done, self.worked = self.estimated_done + minutes, self.worked + took
        if "failed" in done:
            log.warning("%s %s %s: failed: %s", data, part, name, done["failed"])
        return done


def reason(done: dict[str, Any]) -> str:
    """Why there are no figures."""
    return str(done.get("failed") or done.get("left_out"))


def report(result: dict[str, Any]) -> None:
    """Print the rows at recall 0.95."""
    from benchmarks.searching.choice import bucket, verdicts

    for name, data in result["data"].items():
        rows = [
            [one["label"], one["setting"], f"{one['recall']:.4f}", f"{one['times_exact']:.1f}", f"{one['share']:.3f}"]
            for one in bucket(data["rows"], 0.95, data["exact_bytes"])
        ]
        columns = ["recall@10 >= 0.95", "setting", "recall@10", "times exact", "bytes (share)"]
        print_table(f"{name}: {data['count']:,} vectors", columns, rows)
        print("\n".join(verdicts(data["rows"], data["exact_bytes"])))


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(
        prog="landmark bench search", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", action="append", choices=DATA, help="repeatable (both)")
    parser.add_argument("--part", action="append", choices=PARTS, help="repeatable (all)")
    parser.add_argument(
        "--row", action="append", choices=list(ROWS), metavar="ROW", help=f"repeatable (all): {', '.join(ROWS)}"
    )
    parser.add_argument("--count", type=int, default=COUNT, help="vectors to make")
    parser.add_argument("--queries", type=int, default=8000, help="held-out queries, half of them to choose settings by")
    parser.add_argument("--threads", type=int, default=2, help="of every engine")
    parser.add_argument("--repeats", type=int, default=3, help="times each setting is timed, the best counts")
    parser.add_argument("--minutes", type=float, help="leave out what would end later (all is done)")
    parser.add_argument("--limit", type=float, default=LIMIT, help="minutes after which one row is given up")
    parser.add_argument("--vectors", type=Path, default=VECTORS, help=".npz with real embeddings")
    parser.add_argument("--folder", type=Path, default=default_home() / "bench-search", help="keeps inputs and what is done")
    parser.add_argument("--out", type=Path, help="JSON; .md, .svg and .png beside it (results/search.json if all is measured)")
    options = parser.parse_args()
    whole = not (options.data or options.part or options.row) and options.count == COUNT
    options.out = options.out or (RESULTS if whole else options.folder) / "search.json"
    options.data, options.part, options.row = options.data or DATA, options.part or PARTS, options.row or list(ROWS)
    if min(options.count, options.threads, options.repeats) < 1 or options.queries < 2:
        raise UsageError("bench search: --count, --threads and --repeats must be at least 1, --queries 2")
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(message)s")
    log.setLevel(logging.INFO)
    options.folder.mkdir(parents=True, exist_ok=True)
    result = Comparison(options).run()
    packages = sorted({"faiss-cpu", "numpy", *(name for row in options.row for name in ROWS[row].packages)})
    versions = {name: version(name) for name in packages if not missing((name,))}
    result = {**result, "versions": versions, "machine": machine(options.threads)}
    write_json(options.out, result)
    changed = [f"--{name} {getattr(options, name)}" for name in ("queries", "count", "threads", "repeats")
               if getattr(options, name) != parser.get_default(name)]  # fmt: skip
    command = " ".join(["landmark bench search", *changed])
    write_bytes(options.out.with_suffix(".md"), document(result, command).encode())
    draw(result, options.out.with_suffix(".svg"))
    report(result)
    print(options.out.with_suffix(".md"), file=sys.stderr)


if __name__ == "__main__":
    main()
