"""Program of `test_killed`: does a step in a child that kills itself (SIGKILL) at a call, then says what the registry holds.

Its arguments: folder of the sample, home, and JSON: [[variant, target "module:attribute" or "", number of the call], ...].
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

from landmark.registry.connection import connect
from landmark.registry.trace import events
from landmark.registry.versions import aliases, versions
from tests.registry.samples import Sample


def kill_at(target: str, number: int) -> None:
    """Replace a function by one that kills this process instead of its number-th call."""
    module, _, path = target.partition(":")
    *parents, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for parent in parents:
        owner = getattr(owner, parent)
    whole, calls = getattr(owner, name), [0]

    def call(*arguments: Any, **options: Any) -> Any:
        calls[0] += 1
        if calls[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return whole(*arguments, **options)

    setattr(owner, name, call)


def state(home: Path) -> dict[str, Any]:
    client = connect(home)
    there = versions(client, "landmark")
    return {
        "versions": [str(version.version) for version in there],
        "aliases": aliases(client, "landmark"),
        "gates": [version.tags.get("landmark.gate") for version in there],
        "outcomes": [event.outcome for event in events(there)],
    }


def in_child(work: Any) -> int:
    """Do it in a process of its own; how that ended."""
    process = os.fork()
    if process == 0:
        try:
            work()
            sys.stdout.flush()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def main(folder: Path, home: Path, jobs: list[tuple[str, str, int]]) -> None:
    # Nothing has connected or computed yet: the children are forked from a process without threads.
    sample = Sample(folder, home)
    for variant, target, number in jobs:

        def work(variant: str = variant, target: str = target, number: int = number) -> None:
            if target:
                kill_at(target, number)
            facts = sample.gate(variant, sample.config(max_seconds_ratio=None))
            print(json.dumps({"facts": facts}))

        status = in_child(work)
        print(json.dumps({"job": [variant, target, number], "status": status}), flush=True)
        in_child(lambda: print(json.dumps({"state": state(home)})))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))
