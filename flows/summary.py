"""What a run came to, for people and for scripts. Light to import."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from landmark.run import Run
from landmark.storage import read_json
from landmark.summary import verdict


def summary(run: Run) -> dict[str, Any]:
    """What a run came to: steps done this time, seconds a step, metrics, the gate's verdict, where things lie. JSON."""
    result: dict[str, Any] = {
        "run": run.config.name,
        "folder": str(run.folder),
        "report": str(run.folder / "report.html"),
        "ran": run.ran,
        "seconds": {name: output.seconds for name, output in run.outputs.items()},
        "metrics": read_json(run.outputs["evaluate"].folder / "metrics.json"),
    }
    if "register" in run.outputs:
        result["registered"] = run.outputs["register"].facts
    if "gate" in run.outputs:
        result["gate"] = {**run.outputs["gate"].facts, "page": str(run.outputs["gate"].folder / "gate.html")}
    if run.config.cleaning.rounds:
        result["cleaning"] = {**run.outputs["catalog"].facts, "page": str(run.folder / "cleaning.html")}
    return result


def figures(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a figure."""
    return [{"figure": name, "value": value} for name, value in result["metrics"].items()]


def steps(result: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A row a step: seconds, and whether it was done now."""
    return [
        {"step": name, "seconds": round(seconds, 1), "done": "now" if name in result["ran"] else "before"}
        for name, seconds in result["seconds"].items()
    ]


def checks(folder: Path) -> list[dict[str, Any]]:
    """A row a check of the gate's verdict that lies in a folder."""
    file = folder / "verdict.json"
    return list(read_json(file).get("checks", [])) if file.exists() else []


def markdown(result: Mapping[str, Any]) -> str:
    """The summary as a page of tables."""
    lines = [f"# {result['run']}", "", f"Report: {Path(result['report']).as_uri()}", ""]
    if "registered" in result:
        lines += [f"Model: models:/{result['registered']['model']}/{result['registered']['version']}", ""]
    if "gate" in result:
        lines += [f"Gate: {verdict(result['gate'])}", ""]
    lines += ["| figure | value |", "|---|---|"]
    lines += [f"| {name} | {value:.4g} |" for name, value in result["metrics"].items()]
    lines += ["", "| step | seconds | done |", "|---|---|---|"]
    lines += [f"| {row['step']} | {row['seconds']:.1f} | {row['done']} |" for row in steps(result)]
    return "\n".join([*lines, "", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"])
