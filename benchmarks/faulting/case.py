"""One fault and what came of it: the frame that every scenario fills."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.faulting import checker
from benchmarks.faulting.checker import Findings, Reader, Undisturbed, read_folder
from benchmarks.faulting.command import Command
from benchmarks.faulting.place import RUN, VARIANTS, Place
from benchmarks.faulting.registry_view import Files, View

REFUSED = 3


class TooLate(Exception):
    """The command had ended before the fault could happen; the fault is drawn again."""


class Impossible(Exception):
    """This machine cannot have the fault; says why."""


@dataclass
class Case:
    """One run of a scenario.

    Attributes:
        scenario: its name.
        number: which of its runs, from 0.
        of: how many there are; moments are spread evenly over them.
        place: where.
        variant: what the retraining does otherwise.
        undisturbed: what it comes to.
        chance: the source of all that is drawn.
        early: factor on moments, where an earlier try came too late.
        moment: when the fault was.
        phase: what was going on then.
        happened: what it did to the command.
        seconds: from the command that brings it back to its end [s].
        redone: steps that were done and were done again.
        litter: temporary files that were left.
        champions: champions seen, in order.
        findings: what was checked.
    """

    scenario: str
    number: int
    of: int
    place: Place
    variant: str
    undisturbed: Undisturbed
    chance: random.Random
    early: float = 1.0
    moment: str = ""
    phase: str = ""
    happened: str = ""
    seconds: float | None = None
    redone: list[str] = field(default_factory=list)
    litter: list[str] = field(default_factory=list)
    champions: list[str | None] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    view: View | None = None
    read: Reader = read_folder
    first: str | None = "1"
    """The champion before."""
    started: list[Command] = field(default_factory=list)
    unfinished: tuple[int, int] = (0, 0)
    """Flow runs and MLflow runs that said before that they were going on."""

    @property
    def home(self) -> Path:
        """The home folder."""
        return self.place.home

    @property
    def overrides(self) -> tuple[str, ...]:
        """Of the variant."""
        return VARIANTS[self.variant]

    @property
    def registry(self) -> View:
        """The databases."""
        return self.view or Files(self.home)

    @property
    def allowed(self) -> list[str | None]:
        """Champions that there may be, in order."""
        if not self.undisturbed.promoted:
            return [self.first]
        return [self.first, "1" if self.first is None else "2"]

    def fraction(self) -> float:
        """A moment, as a share of the undisturbed run: one in each of as many equal parts as there are runs."""
        return self.early * (self.number + self.chance.random()) / self.of

    def wait_moment(self, command: Command, begin: float = 0.0, end: float = 1.0) -> None:
        """Wait until a command has used a share of the processor time of an undisturbed run; the moment is drawn.

        Raises:
            TooLate: it has ended before.
        """
        share = begin + (end - begin) * self.fraction()
        self.moment = f"{100 * share:.0f} % of the run"
        if not command.wait_cpu(share * self.undisturbed.cpu):
            raise TooLate
        self.phase = command.phase()

    def start(self, **more: Any) -> Command:
        """Start the retraining."""
        self.started.append(Command.retrain(self.place, self.overrides, **more))
        return self.started[-1]

    def end(self) -> None:
        """End whatever still runs, as it does where the fault came too late."""
        for command in self.started:
            if command.alive:
                command.kill()
                command.orphans()

    def look(self) -> dict[str, tuple[int, str]]:
        """Straight after the fault, before anything is mended: nothing that is in use is broken. The steps that are done."""
        checker.check_steps(self.home, self.findings)
        checker.check_run_folder(self.home, self.findings, must=False)
        checker.check_registry(self.registry, self.findings, self.read)
        return checker.steps(self.home)

    def bring_back(self, done: dict[str, tuple[int, str]], **more: Any) -> None:
        """The same command again, and the checks."""
        began = time.time()
        command = self.start(**more)
        status = command.wait()
        self.seconds = command.seconds
        self.judge_end(command, status)
        self.check(done, began, (command.result() or {}).get("ran"))
        self.orphans(command)

    def judge_end(self, command: Command, status: int) -> None:
        """Whether a command ended as an undisturbed one would."""
        good = {0} if self.undisturbed.promoted else {0, REFUSED}
        self.findings.say(
            "the same command ends well", *([] if status in good else [f"ended with {status}: {command.last_line()}"])
        )

    def orphans(self, command: Command) -> None:
        """No process of a command outlives it."""
        self.findings.say("no process is left", *command.orphans())

    def check(self, done: dict[str, tuple[int, str]], began: float, ran: Sequence[str] | None) -> None:
        """Everything is as after an undisturbed run; what was done was not done again.

        Args:
            done: steps that were done at the fault.
            began: when the command that brought it back began.
            ran: steps that it says it did; None: it does not say.
        """
        now = checker.steps(self.home)
        self.redone = [name for name, was in done.items() if name in now and now[name][0] != was[0]]
        gone = sorted(set(done) - set(now))
        self.findings.say(
            "what was done is kept", *([f"{len(gone)} finished steps are gone: {', '.join(gone)}"] if gone else [])
        )
        self.findings.say("only what was not done", *(f"{name} was done again" for name in self.redone))
        if ran is not None:
            made = {name.rpartition("-")[0] for name in set(now) - set(done)}
            wrong = [f"says it did {sorted(ran)}, made {sorted(made)}"] if set(ran) != made else []
            self.findings.say("says what it did", *wrong)
        checker.check_steps(self.home, self.findings)
        self.end_checks(began)

    def end_checks(self, began: float, run: str = RUN) -> None:
        """What must hold at the end, however it came about."""
        home, findings = self.home, self.findings
        try:
            checker.check_run_folder(home, findings, must=True, run=run)
            checker.check_same(home, self.undisturbed, findings, run)
            checker.check_answers(home, findings, run)
        except Exception as error:
            findings.say("the run's artefacts are there", f"{type(error).__name__}: {error}")
        checker.check_registry(self.registry, findings, self.read)
        champion = self.registry.aliases().get("champion")
        wanted = self.allowed[-1]
        findings.say("right champion", *([] if champion == wanted else [f"version {champion}, expected {wanted}"]))
        checker.check_ended(self.registry, findings, self.unfinished)
        last = checker.outcomes(home)[-1:]
        findings.say("journal tells", *([] if last and last[0] in ("done", "refused", "unchanged") else [f"its end: {last}"]))
        self.litter = checker.litter(home, began)
        again = self.start()
        status = again.wait()
        ran = (again.result() or {}).get("ran")
        findings.say("then nothing is left to do", *([] if (status, ran) == (0, []) else [f"ended with {status}, did {ran}"]))

    def champions_were(self, seen: Sequence[str | None]) -> None:
        """Take what the watch saw."""
        self.champions = list(seen)
        checker.check_champions_seen(self.champions, self.allowed, self.findings)

    def row(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "scenario": self.scenario,
            "number": self.number,
            "variant": self.variant,
            "moment": self.moment,
            "phase": self.phase,
            "happened": self.happened,
            "seconds": None if self.seconds is None else round(self.seconds, 1),
            "redone": self.redone,
            "litter": self.litter,
            "champions": self.champions,
            "checks": sorted(self.findings.checks),
            "wrong": self.findings.wrong,
        }


Play = Callable[[Case], None]


@dataclass(frozen=True)
class Scenario:
    """A kind of fault.

    Attributes:
        name: short.
        what: a line for the table.
        mends: what brings it back.
        times: how many runs.
        play: does one.
        variants: what the retrainings do otherwise, in turns.
        stack: whether it needs the servers of `landmark up --full`.
    """

    name: str
    what: str
    mends: str
    times: int
    play: Play
    variants: tuple[str, ...] = ("passes", "passes", "refused", "all new")
    stack: bool = False
