"""Faults with servers: the worker killed, each server stopped or killed for 30 s, all of them started anew, S3 gone."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import psutil

from benchmarks.faulting import checker
from benchmarks.faulting.case import REFUSED, Case, Scenario, TooLate
from benchmarks.faulting.checker import PLACED_FILES, Undisturbed
from benchmarks.faulting.command import ROOT, Command
from benchmarks.faulting.place import Place
from benchmarks.faulting.runner import say
from benchmarks.faulting.servers import PHOTOS, Stack
from benchmarks.faulting.watch import Watch

AWAY = 30.0
"""How long a server is away [s]."""
SERVERS = ("mlflow", "s3", "postgres", "prefect")


class StackCase(Case):
    """A run with servers: each retraining has a seed of its own, so that something is left to do."""

    stack: Stack
    own: tuple[str, ...]
    next: str

    @property
    def overrides(self) -> tuple[str, ...]:
        """Of this run alone."""
        return self.own

    @property
    def allowed(self) -> list[str | None]:
        """Champions that there may be, in order."""
        made = [version for version in self.registry.versions() if version.number == self.next]
        # Each has a seed of its own: whether it is good enough the gate alone can say.
        refused = made and made[0].tags.get("landmark.gate") == "refused"
        return [self.first] if refused else [self.first, self.next]


class StackWorld:
    """The place with servers."""

    def __init__(self, root: Path) -> None:
        self.place = Place(root)
        self.stack = Stack(self.place)
        self._made: Undisturbed | None = None

    def prepare(self) -> None:
        """Start the servers, make the champion and an undisturbed retraining; what was made before is kept."""
        if self._made is not None and self.stack.wait_ready():
            return
        self.place.write_config()
        say("starting the servers")
        self.stack.up()
        self._retrain()
        kept = self.place.json("undisturbed")
        if kept is None:
            kept = asdict(self._retrain("seed=10"))
            self.place.write("undisturbed", kept)
        self._made = Undisturbed(**kept)

    def _retrain(self, *overrides: str) -> Undisturbed:
        command, cpu = Command.retrain(self.place, overrides), 0.0
        while command.alive:
            cpu = max(cpu, command.cpu())
            time.sleep(0.05)
        status = command.wait()
        if status not in (0, REFUSED) or command.seconds is None:
            raise SystemExit(f"faults: with servers, undisturbed, it ended with {status}: {command.last_line()}")
        digests, files, metrics = checker.recognizer_digests(self.place.home)
        return Undisturbed(command.seconds, cpu, digests, files, metrics, True, {}, {})

    def plain(self, overrides: tuple[str, ...]) -> Undisturbed:
        """What a run comes to by plain calls of its steps."""
        assert self._made is not None
        home, out = self.place.root / "plain", self.place.root / "plain.json"
        command = [sys.executable, "-m", "benchmarks.faulting.plain", str(self.place.config), str(home), str(out), *overrides]
        variables = {**Command.variables(self.place), **self.stack.variables(), "LANDMARK_CACHE": str(home / "embeddings")}
        done = subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"faults: plain calls failed: {done.stderr[-500:]}")
        digests, files, metrics = json.loads(out.read_text(encoding="utf-8"))
        same = {name: digest for name, digest in files.items() if name not in PLACED_FILES}
        made = self._made
        return Undisturbed(made.seconds, made.cpu, {"train": digests["train"]}, same, metrics, True, {}, {})

    def case(self, scenario: Scenario, number: int, of: int, seed: int, tries: int) -> Case:
        """One run, drawn."""
        chance = random.Random(f"{seed} {scenario.name} {number} {tries}")
        own: tuple[str, ...] = (f"seed={chance.randrange(1000, 10_000)}",)
        if scenario.name == "s3-photos":
            own = (*own, *self._photos(chance.randrange(10**9)))
        self.stack.up()
        case = StackCase(scenario.name, number, of, self.place, "passes", self.plain(own), chance, 0.9**tries)
        case.stack, case.own = self.stack, own
        case.view, case.read = self.stack.view(), self.stack.read
        case.first = case.view.aliases().get("champion")
        case.next = str(max(int(version.number) for version in case.view.versions()) + 1)
        case.unfinished = checker.unfinished(case.view)
        return case

    def _photos(self, number: int) -> tuple[str, ...]:
        """Put the world's photos into a new folder of the bucket; the settings that read them from there."""
        (world,) = list((self.place.home / "steps").glob("world-*"))[:1]
        client, prefix = self.stack.s3(), f"photos-{number}"
        for file in sorted((world / "photos").rglob("*")):
            if file.is_file():
                client.upload_file(str(file), PHOTOS, f"{prefix}/{file.relative_to(world / 'photos').as_posix()}")
        base = f"s3://{PHOTOS}/{prefix}"
        return ("data.format=folder", f"data.source={base}/landmarks", f"data.others={base}/others")


def _stack(case: Case) -> Stack:
    assert isinstance(case, StackCase)
    return case.stack


def worker(case: Case) -> None:
    """SIGKILL of the worker."""
    _worker(case, with_flow=False)


def worker_and_flow(case: Case) -> None:
    """SIGKILL of the worker and of the flow's process at once."""
    _worker(case, with_flow=True)


def _worker(case: Case, *, with_flow: bool) -> None:
    stack = _stack(case)
    with Watch(case.registry, 0.5) as watch:
        asked = stack.submit(case.overrides)
        process = stack.flow_process(asked)
        if process is None:
            raise TimeoutError(f"the worker took no flow run: {stack.state_of(asked)}")
        share = case.fraction()
        case.moment = f"{100 * share:.0f} % of the run"
        while _cpu(process) < share * case.undisturbed.cpu:
            if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
                raise TooLate
            time.sleep(0.02)
        case.phase = _step(case)
        begin, began = time.monotonic(), time.time()
        if with_flow:
            process.kill()
        stack.signal("worker", signal.SIGKILL, group=False)
        done = checker.steps(case.home)
        state = stack.wait_final(asked)
        case.happened = f"flow run {state['name']}: {str(state.get('message') or '')[:120]}"
        case.findings.say("no process is left", *stack.left_of(asked))
        if state["type"] != "COMPLETED":
            done = case.look()
            stack.wait_ready()
            again = stack.submit(case.overrides)
            state = stack.wait_final(again)
            case.happened += f"; the next: {state['name']}"
            wrong = [] if state["type"] == "COMPLETED" else [f"{state['name']}: {state.get('message')}"]
            case.findings.say("the next run ends well", *wrong)
            case.findings.say("no process is left", *stack.left_of(again))
        case.seconds = time.monotonic() - begin
        stack.wait_ready()
        case.check(done, began, None)
    case.champions_were(watch.seen)


def _cpu(process: psutil.Process) -> float:
    try:
        used = process.cpu_times()
    except psutil.Error:
        return 0.0
    return float(used.user + used.system)


def _step(case: Case) -> str:
    """The step that was going on, by what lies in work/."""
    names = [path.name.rpartition("-")[0] for path in sorted((case.home / "work").glob("*"))]
    return ", ".join(names) or "between steps"


def away(case: Case) -> None:
    """A server stands still for 30 s, or is killed."""
    service = SERVERS[case.number % len(SERVERS)]
    _away(case, service, killed=(case.number // len(SERVERS)) % 2 == 1)


def photos_away(case: Case) -> None:
    """The photos lie in S3, and S3 stands still for 30 s, or is killed."""
    _away(case, "s3", killed=case.number % 2 == 1)


def _away(case: Case, service: str, *, killed: bool) -> None:
    stack = _stack(case)
    with Watch(case.registry, 0.5) as watch:
        command = case.start()
        case.wait_moment(command, 0.3)
        case.moment += f", {service} {'killed' if killed else f'stopped for {AWAY:.0f} s'}"
        begin = time.monotonic()
        done = checker.steps(case.home)
        if killed:
            stack.signal(service, signal.SIGKILL)
        else:
            pids = [process.pid for process in _family(stack.pid(service))]
            for pid in pids:
                _send(pid, signal.SIGSTOP)
            time.sleep(AWAY)
            for pid in reversed(pids):
                _send(pid, signal.SIGCONT)
        _end(case, command, done, begin)
    case.champions_were(watch.seen)


def restart(case: Case) -> None:
    """All servers are stopped and started anew in the middle of a run."""
    stack = _stack(case)
    with Watch(case.registry, 0.5) as watch:
        command = case.start()
        case.wait_moment(command, 0.3)
        begin = time.monotonic()
        done = checker.steps(case.home)
        stack.down()
        time.sleep(1.0)
        stack.up()
        _end(case, command, done, begin)
    case.champions_were(watch.seen)


def _end(case: Case, command: Command, done: dict[str, tuple[int, str]], begin: float) -> None:
    """What a command came to whose servers were away; the same command again where it did not survive."""
    stack, began = _stack(case), time.time()
    status = command.wait()
    case.happened = "survived" if status in (0, REFUSED) else f"ended with {status}: {command.last_line()}"
    case.findings.say("servers come back", *([] if stack.wait_ready() else [f"state {stack.state()}"]))
    case.orphans(command)
    if status in (0, REFUSED):
        case.seconds = time.monotonic() - begin
        case.check(done, began, None)
    else:
        case.bring_back({**done, **case.look()})


def _family(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    return []


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(psutil.Error):
        psutil.Process(pid).send_signal(number)


SCENARIOS = (
    Scenario("kill-worker", "SIGKILL of the worker", "itself, else the next run", 10, worker, stack=True),
    Scenario("kill-worker-and-flow", "SIGKILL of worker and flow at once", "the next run", 2, worker_and_flow, stack=True),
    Scenario(
        "server-away",
        "MLflow, S3, Postgres, Prefect: each stopped for 30 s, each killed",
        "itself, else the same command",
        8,
        away,
        stack=True,
    ),
    Scenario("restart", "all servers stopped and started anew", "itself, else the same command", 1, restart, stack=True),
    Scenario(
        "s3-photos",
        "photos in S3, which is stopped for 30 s or killed",
        "itself, else the same command",
        2,
        photos_away,
        stack=True,
    ),
)
