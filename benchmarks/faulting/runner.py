"""Does the runs of scenarios one after the other, and keeps what came of each, so that a bench that is killed goes on."""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.faulting import checker
from benchmarks.faulting.case import REFUSED, Case, Impossible, Scenario, TooLate
from benchmarks.faulting.checker import Undisturbed
from benchmarks.faulting.command import Command
from benchmarks.faulting.place import VARIANTS, Place
from benchmarks.faulting.registry_view import Files

TRIES = 4


def say(text: str) -> None:
    """A line for who waits."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


class Local:
    """The place without servers, with its champion and what each variant comes to undisturbed."""

    def __init__(self, root: Path) -> None:
        self.place = Place(root)

    def prepare(self) -> None:
        """Make the champion, once."""
        self.place.write_config()
        if self.place.json("prepared") is not None:
            return
        say("making the champion")
        self.place.empty()
        status = (command := Command.retrain(self.place)).wait()
        if status != 0:
            raise SystemExit(f"faults: the first retraining failed with {status}: {command.last_line()}")
        command.orphans()
        self.place.keep()
        self.place.write("prepared", {"seconds": command.seconds})

    def undisturbed(self, variant: str) -> Undisturbed:
        """What a variant comes to; measured once."""
        name = f"undisturbed-{variant.replace(' ', '-')}"
        kept = self.place.json(name)
        if kept is not None:
            return Undisturbed(**kept)
        say(f"undisturbed: {variant}")
        self.place.restore()
        counts = self.place.root / "counts.json"
        aim = {"under": str(self.place.home)}
        command = Command.retrain(self.place, VARIANTS[variant], aim=aim, count=counts)
        cpu, train = self._cpu(command)
        status, result = command.wait(), command.result()
        if status not in (0, REFUSED) or result is None or command.seconds is None:
            raise SystemExit(f"faults: undisturbed, '{variant}' ended with {status}: {command.last_line()}")
        command.orphans()
        digests, files, metrics = checker.recognizer_digests(self.place.home)
        promoted = Files(self.place.home).aliases().get("champion") == "2"
        did = {**json.loads(counts.read_text(encoding="utf-8")), "train_cpu_ms": int(1000 * train)}
        made = Undisturbed(command.seconds, cpu, digests, files, metrics, promoted, did, result["seconds"])
        self.place.write(name, asdict(made))
        return made

    @staticmethod
    def _cpu(command: Command) -> tuple[float, float]:
        """Processor time of the whole command, and of its training [s]."""
        cpu = begin = end = 0.0
        while command.alive:
            cpu = max(cpu, command.cpu())
            said = command.said()
            begin = begin or (cpu if "train ..." in said else 0.0)
            end = end or (cpu if "train: done" in said else 0.0)
            time.sleep(0.02)
        return cpu, end - begin

    def case(self, scenario: Scenario, number: int, of: int, seed: int, tries: int) -> Case:
        """One run, drawn."""
        variant = scenario.variants[number % len(scenario.variants)]
        chance = random.Random(f"{seed} {scenario.name} {number} {tries}")
        early = 0.9**tries
        return Case(scenario.name, number, of, self.place, variant, self.undisturbed(variant), chance, early)


def play(world: Any, scenario: Scenario, number: int, of: int, seed: int) -> dict[str, Any]:
    """One run of a scenario; what came of it."""
    tries = 0
    while True:
        case: Case = world.case(scenario, number, of, seed, tries)
        begin = time.monotonic()
        try:
            scenario.play(case)
        except TooLate:
            tries += 1
            if tries < TRIES:
                continue
            case.happened = "ended before the fault, each time"
            case.findings.say("the fault happened", "never")
        except Impossible as error:
            return {**case.row(), "seed": seed, "skipped": str(error)}
        except Exception as error:
            case.findings.say("the run could be looked at", f"{type(error).__name__}: {' '.join(str(error).split())[:300]}")
        finally:
            case.end()
        return {**case.row(), "seed": seed, "tries": tries + 1, "whole_seconds": round(time.monotonic() - begin, 1)}


def run_all(worlds: dict[bool, Any], scenarios: Sequence[Scenario], times: int | None, seed: int, state: Path) -> None:
    """Do what has not been done yet, in an order that is drawn; each run is a line of the state file."""
    queue = [(scenario, number) for scenario in scenarios for number in range(scenario.times if times is None else times)]
    random.Random(seed).shuffle(queue)
    for done, (scenario, number) in enumerate(queue, 1):
        if any((row["scenario"], row["number"], row["seed"]) == (scenario.name, number, seed) for row in rows(state)):
            continue
        world = worlds[scenario.stack]
        world.prepare()
        row = play(world, scenario, number, times or scenario.times, seed)
        with state.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        verdict = row.get("skipped") or "; ".join(row["wrong"]) or "nothing lost"
        where = f"{scenario.name} {number}: {row['moment']}, {row['phase']}"
        say(f"{done}/{len(queue)} {where}: {row['happened'][:100]}: {verdict}")


def rows(state: Path) -> list[dict[str, Any]]:
    """Runs that were finished."""
    if not state.exists():
        return []
    return [json.loads(line) for line in state.read_text(encoding="utf-8").splitlines() if line.endswith("}")]
