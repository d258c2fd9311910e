"""The comparison in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.searching.choice import BUCKETS, FAST, FEW_BYTES, bucket, few_bytes, verdicts
from benchmarks.searching.inputs import FAR, RECIPE
from benchmarks.searching.promise import ALLOWED

COLUMNS = (
    "engine, setting",
    "recall@10",
    "1 - recall@1",
    "queries/s",
    "times exact",
    "ms a query",
    "bytes (share of exact)",
    "build [s]",
)
NOTES = (
    "Queries are not stored; all of them in one batch, on the same threads. Of each row's settings, half of the "
    "queries choose (the fastest that reaches the recall), the other half gives the figures; a copy of a photo that was "
    "missed is as right as it. `times exact` is against exact search timed in the same process, before the building and after "
    "the last setting (the better counts). Bytes are those of the saved index, of ours of its whole folder. Build: training "
    "and adding; of ours tuning too. Graphs have 16 links and are built with efConstruction 100, the least that is usual: more "
    "cost build time and bytes.",
    "Rows run in processes of their own, and an interrupted benchmark goes on later: they may be hours apart, and beside other "
    "work.",
    "Inverted files of FAISS share coarse centroids (computed once, counted in each) and code residuals. Annoy has no search "
    "in batches: a pool of threads asks it one query after another (it releases Python's lock while it searches). "
    "autofaiss: the first key of its own `get_optimal_index_keys_v2`, built by FAISS's factory with a shorter training of the "
    "rotation, because its `build_index` fails beside the FAISS of today; it is swept like the others and at the setting that "
    "its own tuning finds.",
)


def cells(row: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(row)} |"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table."""
    return "\n".join([cells(columns), cells(["---"] * len(columns)), *(cells(row) for row in rows)])


def lines_of(lines: Sequence[dict[str, Any]]) -> str:
    """Measured rows, ours in bold."""
    rows = []
    for one in lines:
        label = f"**{one['label']}**" if one["ours"] else one["label"]
        name = f"{label}: `{one['setting']}`" if one["setting"] else label
        rows.append(
            [
                name,
                f"{one['recall']:.4f}",
                f"{one['missed_first']:.4f}",
                f"{one['queries_per_second']:,.0f}",
                f"{one['times_exact']:.1f}",
                f"{one['milliseconds']:.3f}",
                f"{one['bytes']:,} ({one['share']:.3f})",
                f"{one['build_seconds']:.1f}",
            ]
        )
    return table(COLUMNS, rows)


def section(name: str, data: dict[str, Any]) -> list[str]:
    """The parts of one data set."""
    results, size = data["rows"], data["exact_bytes"]
    title = f"{name}: {data['count']:,} vectors of {data['dim']} numbers, {data['queries']:,} queries (half of them reported)"
    parts = [f"## {title}"]
    if name == "made":
        parts.append(f"A vector made = {RECIPE}. Queries are made in the same way.")
    if name == FAR:
        parts.append("The made vectors again, the same indexes, asked by real photos: farther from all that is stored.")
    rates = [result["exact_near"] for result in results if "points" in result]
    if rates:
        drift = f"Exact search beside each row: {min(rates):,.0f} to {max(rates):,.0f} queries/s."
        if data.get("exact_again"):
            before, after = data["exact_before"], data["exact_again"]
            drift = f"Exact search at the start {before:,.0f} queries/s, at the end {after:,.0f}. {drift}"
        parts.append(drift)
    parts += ["\n".join(f"- {told}" for told in verdicts(results, size))]
    for recall in BUCKETS:
        parts += [f"### recall@10 >= {recall:g}", lines_of(bucket(results, recall, size))]
    few = few_bytes(results, size)
    what = f"### Best recall at >= {FAST:g} times exact search's queries/s in < {FEW_BYTES:g} of its bytes"
    parts += [what, lines_of(few) if few else "No row."]
    failed = [f"- {result['label']}: failed: {result['failed']}" for result in results if "failed" in result]
    failed += [f"- {result['label']}: left out: {result['left_out']}" for result in results if "left_out" in result]
    if failed:
        parts += ["### Not measured", "\n".join(failed)]
    return parts


def promise_table(rows: Sequence[dict[str, Any]]) -> str:
    """Promised and measured."""
    lines = []
    for row in rows:
        if "measured" in row:
            end = [f"{row['measured']:.4f}", f"{row['difference']:+.4f}", "yes" if row["held"] else "**no**"]
        else:
            end = ["", "", row.get("refused") or f"not measured: {row.get('failed') or row.get('left_out')}"]
        lines.append(
            [
                row["data"],
                f"{row['count']:,}" if "count" in row else "",
                str(row.get("dim", "")),
                str(row.get("seed", "")),
                f"`{row['factory']}`" if "factory" in row else "",
                f"{row['promised']:g}" if "promised" in row else "",
                *end,
            ]
        )
    columns = (
        "data",
        "vectors",
        "numbers",
        "seed",
        "index",
        "promised",
        "measured",
        "difference",
        f"no more than {ALLOWED:g} under",
    )
    return table(columns, lines)


def update_table(rows: Sequence[dict[str, Any]]) -> str:
    """Adding and building again."""
    lines = []
    for row in rows:
        if "add_seconds" not in row:
            lines.append([row["data"], f"not measured: {row.get('failed') or row['left_out']}", *[""] * 5])
            continue
        figures = (f"{row['add_seconds']:.2f}", f"{row['rebuild_seconds']:.1f}", f"{100 * row['share_of_rebuild']:.2f} %")
        recalls = (f"{row['recall']:.4f}", f"{row['recall_rebuilt']:.4f}")
        lines.append([row["data"], f"{row['added']:,}", *figures, *recalls])
    columns = (
        "data",
        "added",
        "adding [s]",
        "building all [s]",
        "share",
        "recall@10 after adding",
        "recall@10 of all built again",
    )
    return table(columns, lines)


def document(result: dict[str, Any], command: str) -> str:
    """All of it."""
    machine = result["machine"]
    parts = [
        "# Search: every method on the same vectors, queries and threads",
        f"`{command}`",
        f"{machine['cpu']}, {machine['threads']} threads, {machine['date']}; "
        + ", ".join(f"{name} {number}" for name, number in result["versions"].items()),
        "![Recall against speed](search.svg)" if result["data"] else "",
        *NOTES,
    ]
    for name, data in result["data"].items():
        parts += section(name, data)
    if result["promise"]:
        parts += ["## What ours promises, measured on queries it has never seen", promise_table(result["promise"])]
    if result["update"]:
        parts += [
            "## Adding 1 % to an index of the other 99 %, and both searched at the same setting",
            update_table(result["update"]),
        ]
    return "\n\n".join(part for part in parts if part) + "\n"
