"""Which setting stands for a row: chosen by one half of the queries, its figures from the other half."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

BUCKETS = (0.90, 0.95, 0.98, 0.99)
NEARLY = 1.05
"""Rows of so many times our bytes are named too: a hair more is no excuse."""
FEW_BYTES, FAST = 0.1, 20.0
"""What `few_bytes` looks for: the best recall in fewer bytes than this share of exact search's, at so many times its speed."""
Result = dict[str, Any]


def fastest(result: Result, recall: float) -> dict[str, Any] | None:
    """The point of highest speed among those of at least this recall, both on the choosing half."""
    fitting = [point for point in result.get("points", []) if point["chosen"]["recall"] >= recall]
    return max(fitting, key=lambda point: float(point["chosen"]["queries_per_second"]), default=None)


def line(result: Result, point: dict[str, Any], exact_bytes: int) -> dict[str, Any]:
    """A row of a table: figures on the reporting half."""
    rate = point["reported"]["queries_per_second"]
    return {
        "name": result["name"],
        "label": result["label"],
        "ours": result["ours"],
        "setting": point["setting"],
        "recall": point["reported"]["recall"],
        "missed_first": point["reported"]["missed_first"],
        "queries_per_second": rate,
        "times_exact": rate / result["exact_near"],
        "milliseconds": 1000 / rate,
        "bytes": result["bytes"],
        "share": result["bytes"] / exact_bytes,
        "build_seconds": result["build_seconds"],
    }


def bucket(results: Sequence[Result], recall: float, exact_bytes: int) -> list[dict[str, Any]]:
    """A line a row that reaches the recall, fastest first (as a multiple of exact search's speed)."""
    lines = [line(result, point, exact_bytes) for result in results if (point := fastest(result, recall)) is not None]
    return sorted(lines, key=lambda one: -float(one["times_exact"]))


def few_bytes(results: Sequence[Result], exact_bytes: int) -> list[dict[str, Any]]:
    """Of each row in fewer than a tenth of the bytes: the best recall at 20 times exact search's speed; best first."""
    lines = []
    for result in results:
        if "points" not in result or result["bytes"] >= FEW_BYTES * exact_bytes:
            continue
        fitting = [point for point in result["points"] if point["chosen"]["queries_per_second"] >= FAST * result["exact_near"]]
        if fitting:
            best = max(fitting, key=lambda point: float(point["chosen"]["recall"]))
            lines.append(line(result, best, exact_bytes))
    return sorted(lines, key=lambda one: -float(one["recall"]))


def verdicts(results: Sequence[Result], exact_bytes: int, recall: float = 0.95, share: float = 0.3) -> list[str]:
    """What the figures say of ours in at most this share of the bytes, and of every method of no more bytes, or a hair more."""
    lines = bucket(results, recall, exact_bytes)
    mine = next((one for one in lines if one["ours"] and one["share"] <= share), None)
    if mine is None:
        return [f"ours does not reach recall@10 >= {recall:g} in at most {share:g} of exact search's bytes."]
    told = [
        f"ours ({mine['label']}): {mine['times_exact']:.1f} times exact search's queries/s at recall@10 {mine['recall']:.4f} "
        f"in {mine['share']:.3f} of its bytes."
    ]
    reached = {one["name"]: one for one in lines}
    for result in results:
        if result["ours"] or "points" not in result or result["bytes"] > NEARLY * mine["bytes"]:
            continue
        other = reached.get(result["name"])
        if other is None:
            best = max(point["reported"]["recall"] for point in result["points"])
            told.append(
                f"{result['label']}, {result['bytes'] / exact_bytes:.3f} of the bytes: does not reach it ({best:.4f} at best)."
            )
        else:
            ratio = other["times_exact"] / mine["times_exact"]
            word = "faster" if ratio > 1 else "slower"
            told.append(
                f"{other['label']}, {other['share']:.3f} of the bytes: {word} than ours, {other['times_exact']:.1f} times "
                f"exact ({max(ratio, 1 / ratio):.2f} times)."
            )
    if len(told) == 1:
        told.append("No other row takes as few bytes.")
    first = lines[0]
    told.append(
        f"Whatever its bytes, the fastest at recall@10 >= {recall:g} is {first['label']}: {first['times_exact']:.1f} times "
        f"exact in {first['share']:.3f} of its bytes."
    )
    return told
