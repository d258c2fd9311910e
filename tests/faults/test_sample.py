"""One fault of `landmark bench faults`, done for real: a kill in the first run ever, before its version becomes champion.

All its scenarios without servers, once each, with LANDMARK_FAULTS=1.
"""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.faulting import local_kills, local_others
from benchmarks.faulting.case import Case, Scenario
from benchmarks.faulting.checker import PLACED_FILES, Undisturbed
from benchmarks.faulting.command import Command
from benchmarks.faulting.place import Place
from benchmarks.faulting.runner import Local, play
from benchmarks.faulting.watch import Watch
from tests.test_cli import ROOT


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    made = Place(tmp_path_factory.mktemp("faults"))
    made.write_config()
    return made


def undisturbed(place: Place, overrides: tuple[str, ...]) -> Undisturbed:
    """By plain calls of the steps in a home of their own."""
    home, out = place.root / f"plain{len(overrides)}", place.root / "plain.json"
    command = [sys.executable, "-m", "benchmarks.faulting.plain", str(place.config), str(home), str(out), *overrides]
    environment = {**Command.variables(place), "LANDMARK_CACHE": str(home / "embeddings")}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    digests, files, metrics = json.loads(out.read_text())
    same = {name: digest for name, digest in files.items() if name not in PLACED_FILES}
    return Undisturbed(0, 0, {"train": digests["train"]}, same, metrics, True, {}, {})


def killed_at(case: Case, aim: dict[str, object]) -> None:
    with Watch(case.registry) as watch:
        command = case.start(aim={**aim, "under": str(case.home)})
        assert command.wait() == -signal.SIGKILL, command.said()
        case.orphans(command)
        case.bring_back(case.look())
    case.champions_were(watch.seen)


def test_killed_before_the_first_champion_is_made(place: Place) -> None:
    case = Case("first", 0, 1, place, "first", undisturbed(place, ()), random.Random(0), first=None)
    killed_at(case, {"event": "set_registered_model_alias", "alias": "champion", "number": 1, "when": "before"})
    assert case.findings.wrong == []
    assert case.champions == [None, "1"]
    assert len(case.findings.checks) >= 15


@pytest.mark.skipif(not os.environ.get("LANDMARK_FAULTS"), reason="takes an hour; LANDMARK_FAULTS=1 runs it")
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("scenario", [*local_kills.SCENARIOS, *local_others.SCENARIOS], ids=lambda one: one.name)
def test_each_scenario(scenario: Scenario, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = Path(tmp_path_factory.getbasetemp()) / "every-fault"
    folder.mkdir(exist_ok=True)
    world = Local(folder)
    world.prepare()
    row = play(world, scenario, 0, 1, 1)
    if "skipped" in row:
        pytest.skip(row["skipped"])
    assert row["wrong"] == []
