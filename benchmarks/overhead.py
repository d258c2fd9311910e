"""What orchestration and tracking cost: the same retraining by plain function calls, and as a flow that is tracked and judged.

Each retraining is made in a process and a home folder of its own, the two ways in turns. Prefect's own start (its server, its
imports) is told apart. What the registry's steps and the gate took is in their manifests.

    landmark bench overhead [--config configs/demo.yaml] [--rounds 3] [--out benchmarks/results]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.machine import machine

ROOT = Path(__file__).resolve().parents[1]
PLAIN, FLOW = "plain", "flow"


def plain(config: str, home: str) -> dict[str, Any]:
    """The steps as plain calls: neither Prefect nor MLflow."""
    from landmark.config_file import load_config
    from landmark.run import Run
    from landmark.steps.plan import artefacts, plan

    begin = time.monotonic()
    settings = load_config(config, [f"home={home}", "registry.enabled=false"])
    run = Run(settings, plan(settings))
    for step in run.steps:
        run.perform(step)
    run.publish(artefacts(settings))
    return {"work": time.monotonic() - begin, "start": 0.0, "steps": {k: v.seconds for k, v in run.outputs.items()}}


def flow(config: str, home: str) -> dict[str, Any]:
    """The flow as the command runs it; the server and the imports of Prefect are timed apart."""
    from flows.environment import prepare
    from flows.parameters import RetrainParameters
    from flows.server import Server

    begin = time.monotonic()
    prepare(Path(home))
    server = Server(Path(home)).start()
    from flows.retrain import retrain

    server.wait()
    started = time.monotonic()
    result = retrain(RetrainParameters(config=config, overrides=(f"home={home}",)))
    return {"work": time.monotonic() - started, "start": started - begin, "steps": result["seconds"]}


def measure(way: str, config: str) -> dict[str, Any]:
    """One retraining in a fresh process and home; seconds."""
    with tempfile.TemporaryDirectory(prefix="landmark-overhead-") as folder:
        answer = Path(folder) / "answer.json"
        command = [sys.executable, "-m", "benchmarks.overhead", "--one", way, "--home", f"{folder}/home", "--config", config]
        begin = time.monotonic()
        done = subprocess.run(
            [*command, "--answer", str(answer)],
            cwd=ROOT,
            env={**os.environ, "LANDMARK_CACHE": f"{folder}/home/embeddings"},
            stdout=sys.stderr,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"overhead: the {way} retraining failed with {done.returncode}")
        found: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        return {**found, "process": time.monotonic() - begin}


def table(rounds: list[dict[str, dict[str, Any]]], config: str) -> dict[str, Any]:
    """Medians and the ratio, over rounds."""
    ratios = [row[FLOW]["work"] / row[PLAIN]["work"] for row in rounds]
    accounted = [_accounted(row[FLOW]) for row in rounds]
    return {
        "config": config,
        "rounds": len(rounds),
        "plain_seconds": median(row[PLAIN]["work"] for row in rounds),
        "flow_seconds": median(row[FLOW]["work"] for row in rounds),
        "register_seconds": median(row[FLOW]["steps"].get("register", 0.0) for row in rounds),
        "gate_seconds": median(row[FLOW]["steps"].get("gate", 0.0) for row in rounds),
        "accounted": median(accounted),
        "accounted_lowest": min(accounted),
        "accounted_highest": max(accounted),
        "prefect_start_seconds": median(row[FLOW]["start"] for row in rounds),
        "overhead": median(ratios) - 1,
        "overhead_lowest": min(ratios) - 1,
        "overhead_highest": max(ratios) - 1,
        "machine": machine(),
        "each": rounds,
    }


def _accounted(flow: dict[str, Any]) -> float:
    """Orchestration and tracking in a flow's own account: what is left of its time without the steps' work and the gate's."""
    work = sum(seconds for name, seconds in flow["steps"].items() if name != "register")
    return (flow["work"] - work) / flow["work"]


def markdown(found: dict[str, Any]) -> str:
    """The result as a page."""

    def percent(name: str) -> str:
        return f"{100 * found[name]:.1f} % ({100 * found[f'{name}_lowest']:.1f} to {100 * found[f'{name}_highest']:.1f} %)"

    made = f"{found['machine']['cpu']}, {found['machine']['cores']} cores"
    return "\n".join(
        [
            "# What orchestration and tracking cost",
            "",
            f"`landmark bench overhead --config {found['config']} --rounds {found['rounds']}`; {made}",
            "",
            "| | seconds (medians) |",
            "|---|---|",
            f"| the steps as plain calls | {found['plain_seconds']:.1f} |",
            f"| as a flow, tracked, registered and judged | {found['flow_seconds']:.1f} |",
            f"| ... of which registering (upload, download, comparison, version) | {found['register_seconds']:.1f} |",
            f"| ... of which the gate (a comparison of recognizers: work, not overhead) | {found['gate_seconds']:.1f} |",
            f"| Prefect's own start, apart | {found['prefect_start_seconds']:.1f} |",
            "",
            "Within one process, which no noise parts: of the flow's time, what is neither the work of steps nor the gate is",
            f"orchestration and tracking: **{percent('accounted')}**, registering included (curves are logged while training).",
            "",
            "Between two processes, with their noise: the flow takes",
            f"{percent('overhead')} longer than plain calls, the gate's work included. Medians (lowest to highest).",
            "",
        ]
    )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", default="configs/demo.yaml")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--one", choices=(PLAIN, FLOW), help=argparse.SUPPRESS)
    parser.add_argument("--home", help=argparse.SUPPRESS)
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        result = (plain if options.one == PLAIN else flow)(options.config, options.home)
        options.answer.write_text(json.dumps(result), encoding="utf-8")
        return
    rounds = []
    for number in range(options.rounds):
        order = (PLAIN, FLOW) if number % 2 == 0 else (FLOW, PLAIN)
        rounds.append({way: measure(way, options.config) for way in order})
        print(json.dumps(rounds[-1]), file=sys.stderr)
    found = table(rounds, options.config)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "overhead.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (options.out / "overhead.md").write_text(markdown(found), encoding="utf-8")
    print(markdown(found))


if __name__ == "__main__":
    main()
