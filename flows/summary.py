"""What a retrain came to, for people and for scripts. Light to import."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from landmark.run import Run
from landmark.storage import read_json


def summary(run: Run) -> dict[str, Any]:
    """What a run came to: steps done this time, seconds a step, metrics, where things lie. JSON."""
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
    if run.config.cleaning.rounds:
        result["cleaning"] = {**run.outputs["catalog"].facts, "page": str(run.folder / "cleaning.html")}
    return result


def markdown(result: dict[str, Any]) -> str:
    """The summary as a page of tables."""
    lines = [f"# {result['run']}", "", f"Report: {Path(result['report']).as_uri()}", "", "| figure | value |", "|---|---|"]
    lines += [f"| {name} | {value:.4g} |" for name, value in result["metrics"].items()]
    lines += ["", "| step | seconds | done |", "|---|---|---|"]
    lines += [
        f"| {name} | {seconds:.1f} | {'now' if name in result['ran'] else 'before'} |"
        for name, seconds in result["seconds"].items()
    ]
    return "\n".join([*lines, "", f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"])
