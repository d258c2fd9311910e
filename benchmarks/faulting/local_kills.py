"""Kills without servers: of the flow's process at any moment and at exact ones, of a child that loads photos, by Ctrl-C."""

from __future__ import annotations

import signal
import time

import psutil

from benchmarks.faulting.case import Case, Scenario, TooLate
from benchmarks.faulting.command import LONGEST, Command
from benchmarks.faulting.watch import Watch

AGAIN = "the same command"


def kill(case: Case) -> None:
    """SIGKILL at a moment of the whole run."""
    _signal(case, signal.SIGKILL, group=False)


def terminate(case: Case) -> None:
    """SIGTERM at a moment of the whole run."""
    _signal(case, signal.SIGTERM, group=False)


def interrupt(case: Case) -> None:
    """Ctrl-C, which the terminal sends to the whole group."""
    _signal(case, signal.SIGINT, group=True)


def _signal(case: Case, number: signal.Signals, *, group: bool) -> None:
    case.place.restore()
    with Watch(case.registry) as watch:
        command = case.start()
        case.wait_moment(command)
        sent = time.monotonic()
        command.kill(number, group=group)
        status = command.wait(120)
        case.happened = f"ended with {status} after {time.monotonic() - sent:.1f} s"
        if number != signal.SIGKILL:
            case.findings.say("ends when told", *([] if status != 0 else ["ended with 0, as if all were done"]))
        case.orphans(command)
        case.bring_back(case.look())
    case.champions_were(watch.seen)


AIMS: tuple[tuple[str, str, str | None], ...] = (
    ("rename", "before", None),
    ("rename", "after", None),
    ("rename", "before", None),
    ("remove", "before", None),
    ("remove", "after", None),
    ("write", "within", None),
    ("write", "before", None),
    ("create_model_version", "before", None),
    ("create_model_version", "after", None),
    ("set_model_version_tag", "after", None),
    ("set_model_version_tag", "before", None),
    ("log_artifact", "before", None),
    ("set_registered_model_alias", "before", "champion"),
    ("set_registered_model_alias", "after", "champion"),
    ("set_registered_model_alias", "after", "challenger"),
    ("set_terminated", "before", None),
)


def aimed(case: Case) -> None:
    """SIGKILL at one operation: the n-th rename, removal or write of a file, or call of MLflow's client."""
    event, when, alias = AIMS[case.number % len(AIMS)]
    most = 1 if alias is not None else case.undisturbed.counts.get(event, 0)
    number = case.chance.randint(1, max(1, most))
    case.moment = f"{when} {event} {number} of {most}" + (f" ({alias})" if alias else "")
    case.place.restore()
    _aimed(case, {"event": event, "when": when, "number": number, "alias": alias, "under": str(case.home)})


def _aimed(case: Case, aim: dict[str, object]) -> None:
    with Watch(case.registry) as watch:
        command = case.start(aim=aim)
        status = command.wait()
        if status != -signal.SIGKILL:
            raise TooLate
        case.phase = command.phase()
        case.happened = "killed"
        case.orphans(command)
        case.bring_back(case.look())
    case.champions_were(watch.seen)


def upload(case: Case) -> None:
    """SIGKILL while the model's files are written into the store."""
    files = case.undisturbed.counts.get("upload", 1)
    number = max(1, round(case.fraction() * files))
    case.moment = f"file {number} of {files} of the upload"
    case.place.restore()
    _aimed(case, {"event": "upload", "when": "within", "number": number, "under": str(case.home)})


def loader(case: Case) -> None:
    """SIGKILL of the process that loads photos for the training."""
    case.place.restore()
    with Watch(case.registry) as watch:
        command = case.start()
        if not command.wait_for("train ..."):
            raise TooLate
        share = case.fraction()
        case.moment = f"{100 * share:.0f} % of the training"
        command.wait_cpu(command.cpu() + share * case.undisturbed.counts["train_cpu_ms"] / 1000)
        victim = _child(command)
        if victim is None:
            raise TooLate
        case.phase = command.phase()
        begin = time.monotonic()
        victim.kill()
        status = command.wait()
        case.orphans(command)
        if status == 0:
            case.happened = "the flow mended itself"
            case.seconds = time.monotonic() - begin
            case.check({}, time.time(), None)
        else:
            case.happened = f"ended with {status}: {command.last_line()}"
            case.bring_back(case.look())
    case.champions_were(watch.seen)


def _child(command: Command) -> psutil.Process | None:
    """The child that loads photos: one of the flow's own, made by a fork of it."""
    deadline = time.monotonic() + LONGEST
    while command.alive and time.monotonic() < deadline and "train: done" not in command.said():
        try:
            for child in psutil.Process(command.process.pid).children():
                if "landmark.cli" in child.cmdline() and child.status() != psutil.STATUS_ZOMBIE:
                    return child
        except psutil.Error:
            continue
        time.sleep(0.002)
    return None


SCENARIOS = (
    Scenario("kill", "SIGKILL of the flow, any moment", AGAIN, 12, kill),
    Scenario(
        "kill-aimed", "SIGKILL of the flow at one rename, write, removal or call of MLflow", AGAIN, 16, aimed, ("passes",)
    ),
    Scenario("kill-upload", "SIGKILL while the model is uploaded", AGAIN, 4, upload, ("passes",)),
    Scenario("kill-loader", "SIGKILL of the child that loads photos", "itself, else the same command", 10, loader, ("long",)),
    Scenario("terminate", "SIGTERM of the flow", AGAIN, 3, terminate),
    Scenario("interrupt", "Ctrl-C", AGAIN, 3, interrupt),
)
