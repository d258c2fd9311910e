"""Other faults without servers: a full disk, a clock that jumps, two at once, a model that is damaged in its store."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from benchmarks.faulting import checker
from benchmarks.faulting.case import REFUSED, Case, Impossible, Scenario, TooLate
from benchmarks.faulting.command import Command
from benchmarks.faulting.registry_view import Files
from benchmarks.faulting.watch import Watch

DISK = 48 << 20
YEAR = 31_536_000
CLOCK = "LANDMARK_CLOCK"
OTHER = "other"
SECOND = (f"name={OTHER}", "seed=7")


def disk(case: Case) -> None:
    """The home's disk fills up at a moment of the run."""
    try:
        case.place.restore(disk=DISK)
    except (OSError, PermissionError) as error:
        raise Impossible(str(error)) from error
    filler = case.home / "filler"
    with Watch(case.registry) as watch:
        command = case.start()
        case.wait_moment(command)
        _fill(filler)
        status = command.wait()
        case.happened = f"ended with {status}: {command.last_line()}"
        filler.unlink()
        case.orphans(command)
        case.bring_back(case.look())
    case.champions_were(watch.seen)


def _fill(file: Path) -> None:
    """Take every byte that is left."""
    size = 1 << 20
    with file.open("wb", buffering=0) as stream:
        while size:
            try:
                stream.write(b"\0" * size)
            except OSError:
                size //= 2


def library(folder: Path) -> Path:
    """The library that shifts the time of day, compiled.

    Raises:
        Impossible: there is no C compiler.
    """
    compiler, made = shutil.which("cc"), folder / "clock.so"
    if compiler is None:
        raise Impossible("no C compiler (cc), which makes the clock that jumps")
    source = Path(__file__).with_name("clock.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O2", "-o", str(made), str(source), "-ldl"], check=True)
    return made


def clock(case: Case) -> None:
    """The clock jumps by a year, forward or back, during the run or between two."""
    sign, between = (1 if case.number % 2 == 0 else -1), case.number % 4 >= 2
    file = case.place.root / "clock"
    file.write_text("0")
    environment = {"LD_PRELOAD": str(library(case.place.root)), CLOCK: str(file)}
    case.place.restore()
    jump = str(sign * YEAR)
    with Watch(case.registry) as watch:
        command = case.start(environment=environment)
        case.wait_moment(command)
        words = f"a year {'forward' if sign > 0 else 'back'}"
        if between:
            case.moment += f", killed; {words} before the next"
            command.kill()
            file.write_text(jump)
            case.happened = "killed"
            case.orphans(command)
            case.bring_back(case.look(), environment=environment)
        else:
            case.moment += f", {words}"
            file.write_text(jump)
            begin, began = time.monotonic(), time.time()
            status = command.wait()
            case.seconds = time.monotonic() - begin
            case.happened = f"ended with {status}"
            case.judge_end(command, status)
            case.orphans(command)
            if status in (0, REFUSED):
                case.check({}, began, None)
            else:
                case.bring_back(case.look(), environment=environment)
    case.champions_were(watch.seen)


def same_name(case: Case) -> None:
    """The same run twice at once: the second is refused."""
    case.place.restore()
    with Watch(case.registry) as watch:
        first = case.start()
        # Until it has the run's lock, either may get it.
        if not first.wait_for(" ..."):
            raise TooLate
        case.wait_moment(first, 0.4, 0.8)
        began = time.time()
        second = case.start()
        status = second.wait()
        refused = status == 1 and "another process is making it" in second.said()
        case.happened = "the second was refused" if refused else f"the second ended with {status}"
        late = not first.alive
        case.findings.say("the second is refused", *([] if refused or late else [f"{status}: {second.last_line()}"]))
        status = first.wait()
        case.judge_end(first, status)
        case.orphans(first)
        case.orphans(second)
        case.seconds = 0.0
        case.check({}, began, None)
    case.champions_were(watch.seen)


def two_names(case: Case) -> None:
    """Two runs on one registry at once."""
    case.place.restore()
    _two(case)


def two_fresh(case: Case) -> None:
    """Two runs at once where nothing is yet: no database, no champion."""
    case.place.restore(fresh=True)
    case.first = None
    _two(case)


def _two(case: Case) -> None:
    with Watch(case.registry) as watch:
        first = case.start()
        case.wait_moment(first, 0.0, 0.3)
        second = Command.retrain(case.place, SECOND)
        statuses = [one.wait() for one in (first, second)]
        case.happened = f"ended with {statuses[0]} and {statuses[1]}"
        wrong = [
            f"ended with {status}: {one.last_line()}"
            for one, status in zip((first, second), statuses, strict=True)
            if status not in (0, REFUSED)
        ]
        case.findings.say("both end well", *wrong)
        for one in (first, second):
            case.orphans(one)
        case.seconds = 0.0
        for overrides in (case.overrides, SECOND) if wrong else ():
            Command.retrain(case.place, overrides).wait()
    case.champions = list(watch.seen)
    checker.check_steps(case.home, case.findings)
    checker.check_registry(case.registry, case.findings)
    checker.check_ended(case.registry, case.findings)
    for name in ("fault", OTHER):
        checker.check_run_folder(case.home, case.findings, must=True, run=name)
        checker.check_answers(case.home, case.findings, name)
    versions = case.registry.versions()
    expected = 2 if case.first is None else 3
    case.findings.say("a version of each", *([] if len(versions) == expected else [f"{len(versions)} versions"]))
    gone = [one for one in zip(watch.seen, watch.seen[1:], strict=False) if one[0] is not None and one[1] is None]
    case.findings.say("champion at every moment", *(f"absent after {before}" for before, _ in gone))
    both = [Files(case.home).aliases().get("champion")]
    case.findings.say("right champion", *([] if both[0] in {one.number for one in versions} else [f"{both}"]))


def damaged(case: Case) -> None:
    """A file of the registered version is cut off or altered in the store before the gate looks at it."""
    case.place.restore()
    with Watch(case.registry) as watch:
        command = case.start(aim={"event": "write", "number": 1, "when": "before", "under": str(case.home / "work" / "gate-")})
        command.wait()
        version = next((one for one in case.registry.versions() if one.number == "2"), None)
        if version is None:
            raise TooLate
        case.phase = command.phase()
        folder = Path(version.place) / "artifacts" / "recognizer"
        victim = case.chance.choice([file for file in sorted(folder.rglob("*")) if file.is_file()])
        before = victim.read_bytes()
        kept = case.chance.randrange(len(before)) if case.number % 2 == 0 else len(before)
        place = case.chance.randrange(len(before))
        after = before[:kept] if kept < len(before) else before[:place] + bytes([before[place] ^ 1]) + before[place + 1 :]
        victim.write_bytes(after)
        case.moment = f"{victim.relative_to(folder)} " + (
            f"cut to {kept} bytes" if kept < len(before) else f"byte {place} altered"
        )
        case.orphans(command)
        begin = time.monotonic()
        again = case.start()
        status = again.wait()
        champion = case.registry.aliases().get("champion")
        case.happened = f"ended with {status}: {again.last_line()}"
        case.findings.say("never champion", *([] if champion == "1" else [f"version {champion} is champion"]))
        case.findings.say("said so", *([] if status == 1 and "not" in again.last_line() else [again.last_line()]))
        case.orphans(again)
        victim.write_bytes(before)
        case.bring_back(case.look())
        case.seconds = time.monotonic() - begin
    case.champions_were(watch.seen)


SCENARIOS = (
    Scenario("disk-full", "the home's disk is full from a moment on", "space freed, the same command", 5, disk, ("passes",)),
    Scenario("clock", "the clock jumps by a year, in a run or between two", "itself, or the same command", 4, clock),
    Scenario("same-run-twice", "the same run started twice", "itself: the second is refused", 2, same_name, ("passes",)),
    Scenario("two-runs", "two runs on one registry at once", "itself", 3, two_names, ("passes",)),
    Scenario("two-runs-fresh", "two runs at once in an empty home", "itself", 1, two_fresh, ("passes",)),
    Scenario(
        "damaged-model",
        "a file of the new version damaged in the store",
        "file put back, the same command",
        4,
        damaged,
        ("passes",),
    ),
)
