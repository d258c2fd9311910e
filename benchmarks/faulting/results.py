"""What all runs came to: faults.json and faults.md."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.faulting.case import Scenario
from benchmarks.machine import machine

LOST = ("whole", "same as undisturbed", "artefacts are there", "one version")
CHAMPION = ("champion", "let in")


HOW = """
Each run is one fault, done to a real retraining: photos, training, centroids, index, calibration, report, registration, gate.
A home folder that holds a champion is set back to the same state; the retraining starts; the fault comes at a moment that is
drawn (one in each of as many equal parts of the run as there are runs; the seed says which); then whatever brings it back, as
a rule the same command. The moments, what was going on then and what happened are in `benchmarks/results/faults.json`.

What is left is looked at by code that trusts nothing of the project: it reads the files, SQLite's tables or the servers'
answers, and the objects in S3 itself. Straight after the fault, and again at the end:

- every finished step, the run's recognizer and the champion's artefact in the store are as their manifests' sha256 say;
- `metrics.json` is whole; the recognizer loads and recognises a photo;
- one version for each content; every version that ever was champion has a verdict `passed` against the one before it;
- the champion, looked at ten times a second by another process (twice, with servers), was never absent
  and never another than it may be;
- a step that was finished keeps its manifest's inode: it was not done again, and the command says it did what it did;
- network, centroids, bank and calibration are byte for byte, and figures to the last digit, what an undisturbed run gives;
- the journal tells of the end, no flow run and no MLflow run is left running, no process is left;
- the same command once more has nothing to do.

What differs by right: an index writes down how fast it is, so that its manifest and the recognizer's differ from run to run.
"Other findings" are checks that fail without anything being lost; temporary files that a kill leaves are counted apart.

One operation is aimed at exactly: the process ends itself by SIGKILL before, at or after the n-th rename, removal or write of
a file, or call of MLflow's client. The clock is the time of day of the flow and of its server, moved by a library that is
loaded before all others (`benchmarks/faulting/clock.c`; it needs a C compiler).
A full disk is a file system of its own that a file fills up; it needs the right to mount.
"""


def document(found: dict[str, Any]) -> str:
    """The page of the documentation: how it is done, and the table."""
    head, *rest = markdown(found).split("\n", 2)
    return "\n".join([head, HOW, *rest])


def write(out: Path, docs: Path | None, scenarios: Sequence[Scenario], done: Sequence[dict[str, Any]], note: str = "") -> str:
    """Write the results, and the documentation's page where it is wanted; the results' page.

    Args:
        out: folder of the results.
        docs: the documentation's page.
        scenarios: in the order of the table.
        done: a row a run.
        note: what a reader must know of these runs besides.
    """
    rows = [summed(scenario, [row for row in done if row["scenario"] == scenario.name]) for scenario in scenarios]
    rows = [row for row in rows if row["runs"] or row["skipped"]]
    found = {
        "machine": machine(),
        "seeds": sorted({row["seed"] for row in done}),
        "note": note,
        "table": rows,
        "runs": list(done),
    }
    out.mkdir(parents=True, exist_ok=True)
    (out / "faults.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    page = markdown(found)
    (out / "faults.md").write_text(page, encoding="utf-8")
    if docs is not None:
        docs.write_text(document(found), encoding="utf-8")
    return page


def summed(scenario: Scenario, runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A row of the table."""
    played = [row for row in runs if "skipped" not in row]
    seconds = [row["seconds"] for row in played if row["seconds"]]
    return {
        "scenario": scenario.name,
        "what": scenario.what,
        "mends": scenario.mends,
        "runs": len(played),
        "skipped": next((row["skipped"] for row in runs if "skipped" in row), None),
        "artefacts_lost": sum(any(_of(line, LOST) for line in row["wrong"]) for row in played),
        "wrong_champion": sum(any(_of(line, CHAMPION) for line in row["wrong"]) for row in played),
        "steps_redone": sum(len(row["redone"]) for row in played),
        "other_findings": sum(any(not _of(line, LOST + CHAMPION) for line in row["wrong"]) for row in played),
        "litter": sum(len(row["litter"]) for row in played),
        "seconds": median(seconds) if seconds else None,
        "longest": max(seconds) if seconds else None,
    }


def _of(line: str, words: Sequence[str]) -> bool:
    check = line.partition(":")[0]
    return any(word in check for word in words)


def markdown(found: dict[str, Any]) -> str:
    """The page."""
    computer = found["machine"]
    rows = found["table"]
    runs = sum(row["runs"] for row in rows)
    lines = [
        "# What was tried, and what was lost",
        "",
        f"`landmark bench faults`, seeds {', '.join(map(str, found['seeds']))}; {computer['cpu']}, {computer['cores']} cores",
        "",
        f"{runs} runs: {sum(row['artefacts_lost'] for row in rows)} with an artefact lost or half written, "
        f"{sum(row['wrong_champion'] for row in rows)} with a wrong champion, "
        f"{sum(row['steps_redone'] for row in rows)} finished steps done again.",
        "",
        *([found["note"], ""] if found.get("note") else []),
        "| fault | what brings it back | runs | artefacts lost | wrong champion | steps redone | other findings | "
        "temporary files left | seconds to recover (median, longest) |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        if not row["runs"]:
            lines.append(f"| {row['what']} | {row['mends']} | skipped: {row['skipped']} | | | | | | |")
            continue
        seconds = "" if row["seconds"] is None else f"{row['seconds']:.0f}, {row['longest']:.0f}"
        lines.append(
            f"| {row['what']} | {row['mends']} | {row['runs']} | {row['artefacts_lost']} | {row['wrong_champion']} | "
            f"{row['steps_redone']} | {row['other_findings']} | {row['litter']} | {seconds} |"
        )
    if wrong := [row for row in found["runs"] if row["wrong"]]:
        lines += ["", "## Findings", ""]
        lines += [
            f"- {row['scenario']} {row['number']} ({row['moment']}, {row['phase']}): {'; '.join(row['wrong'])}" for row in wrong
        ]
    return "\n".join([*lines, ""])
