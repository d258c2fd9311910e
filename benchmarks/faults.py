"""What survives: kills, stopped servers, a full disk, a clock that jumps, two at once, done to real retrainings.

Each run is one fault at a moment that is drawn (the seed says which), whatever brings the retraining back, and a check of what
is left by code that reads files and databases itself. Runs that are finished are kept in --work: a bench that is ended goes on.

    landmark bench faults [--only NAME ...] [--times N] [--seed S] [--out benchmarks/results]
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path

os.environ.setdefault("DO_NOT_TRACK", "1")

from benchmarks.faulting import local_kills, local_others, stack_faults
from benchmarks.faulting.results import write
from benchmarks.faulting.runner import Local, rows, run_all, say

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
SCENARIOS = (*local_kills.SCENARIOS, *local_others.SCENARIOS, *stack_faults.SCENARIOS)


def main() -> None:
    """Run, print, write; ends with 1 where anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [scenario.name for scenario in SCENARIOS]
    parser.add_argument("--only", action="append", choices=[*names, "local", "stack"], help="may be given several times")
    parser.add_argument(
        "--times",
        type=int,
        help="runs of each scenario (else each has its own number); 0: only write the results of those that are done",
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "landmark-faults", help="scratch and state")
    parser.add_argument("--lane", default="a", help="letter; a second bench at once on the same --work needs another")
    parser.add_argument("--note", default="", help="what a reader of the results must know of these runs besides")
    options = parser.parse_args()
    wanted = options.only or names
    chosen = [one for one in SCENARIOS if one.name in wanted or ("stack" if one.stack else "local") in wanted]
    options.work.mkdir(parents=True, exist_ok=True)
    state = options.work / "runs.jsonl"
    # Short: a socket's path has 107 letters at most.
    servers = stack_faults.StackWorld(options.work.resolve() / f"stack-{options.lane}")
    worlds = {False: Local(options.work.resolve() / f"local-{options.lane}"), True: servers}
    try:
        run_all(worlds, chosen, options.times, options.seed, state)
    finally:
        if any(one.stack for one in chosen) and servers.stack.state() != "down":
            servers.stack.down()
    # Where the scratch folder lay is nobody's business.
    done = json.loads(json.dumps(rows(state)).replace(str(options.work.resolve()), "WORK"))
    docs = ROOT / "docs" / "faults.md" if options.out.resolve() == RESULTS else None
    print(write(options.out, docs, SCENARIOS, done, options.note))
    lost = [row for row in done if row["wrong"]]
    if lost:
        say(f"{len(lost)} runs in which a check failed")
        raise SystemExit(1)


if __name__ == "__main__":
    main()
