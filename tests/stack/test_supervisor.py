"""The supervisor, with services that cost nothing: order, restarts, and that nothing is left behind however it ends."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from landmark.errors import LandmarkError
from landmark.stack import found, keeper, process, supervisor
from tests.test_cli import ROOT

SUPERVISE = """
import os, sys
from pathlib import Path
from landmark.stack.service import Service
from landmark.stack.supervised import Patience
from landmark.stack.supervisor import Supervisor, only_one

home, folder = Path(sys.argv[1]), Path(sys.argv[2])
def service(name, code, **options):
    return Service(name, (sys.executable, "-S", "-c", code, name), dict(os.environ), folder, **options)
services = eval(sys.argv[3])
with only_one(home):
    patience = Patience(deaths=3, window=60, first=0.05, longest=0.2, later=1.0, check=0.3, silent=1.0)
    Supervisor(home, "test", services, patience).run()
"""
SLEEP = "import sys, time; from pathlib import Path; Path(sys.argv[1] + '.up').touch(); time.sleep(600)"
STUBBORN = """
import signal, subprocess, sys, time
from pathlib import Path
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-S", "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"], start_new_session=True)
Path("child").write_text(str(child.pid))
Path(sys.argv[1] + ".up").touch()
time.sleep(600)
"""
TWO = f"[service('a', {SLEEP!r}), service('b', {STUBBORN!r}, stop_seconds=0.3)]"


class Supervision:
    """A supervisor in a process of its own, and whoever watches over it."""

    def __init__(self, home: Path, services: str, keep: bool = False) -> None:
        self.home, self.folder = home, home.parent
        command = [sys.executable, "-c", SUPERVISE, str(home), str(self.folder), services]
        if keep:
            code = "import sys; from pathlib import Path; from landmark.stack.keeper import Keeper\n"
            code += "one = Keeper(Path(sys.argv[1]), 'test', sys.argv[2:]); one.start(); one.keep()"
            command = [sys.executable, "-c", code, str(home), *command]
        (home / "servers" / "logs").mkdir(parents=True, exist_ok=True)
        self.log = self.folder / "log"
        with self.log.open("ab") as stream:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=stream, start_new_session=True)

    def wait(self, what: Callable[[], Any], seconds: float = 30) -> Any:
        deadline = time.monotonic() + seconds
        while not (value := what()):
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        return value

    def said(self, name: str) -> dict[str, Any]:
        servers = found.running(self.home)
        return servers.services[name] if servers is not None else {"state": None, "restarts": -1, "pid": None}

    def up(self) -> found.Servers:
        def ready() -> found.Servers | None:
            servers = found.running(self.home)
            return servers if servers is not None and servers.state == "ready" else None

        return self.wait(ready)

    def family(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Supervision]]:
    made: list[Supervision] = []

    def begin(services: str, **options: Any) -> Supervision:
        made.append(Supervision(tmp_path / "home", services, **options))
        return made[-1]

    yield begin
    for one in made:
        below = process.descendants(one.process.pid)
        one.process.kill()
        one.process.wait()
        process.end([*below, *process.leftovers(found.folder_of(one.home))], 0)


def alive(processes: list[psutil.Process]) -> list[psutil.Process]:
    return [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def test_services_start_in_order_and_end_in_reverse(start: Callable[..., Supervision]) -> None:
    code = "import signal, sys, time; write = lambda word: open('order', 'a').write(word + ' '); time.sleep(0.5); "
    code += "signal.signal(signal.SIGTERM, lambda *_: (write('-' + sys.argv[1]), sys.exit())); write(sys.argv[1]); "
    code += "time.sleep(600)"
    wrote = "lambda: (folder / 'order').exists() and '{}' in (folder / 'order').read_text()"
    services = f"service('a', {code!r}, ready={wrote.format('a')}), "
    services += "service('step', \"open('order', 'a').write('step ')\", needs=('a',), once=True), "
    services += f"service('b', {code!r}, needs=('step',), ready={wrote.format('b')})"
    one = start(f"[{services}]")
    assert one.up().services["step"]["state"] == "done"
    family = one.family()
    assert len(family) == 2
    assert keeper.stop(one.home)
    assert (one.folder / "order").read_text() == "a step b -b -a "
    assert alive(family) == []
    assert not found.file_of(one.home).exists()
    assert not keeper.stop(one.home)


def test_a_service_that_worked_is_never_given_up(start: Callable[..., Supervision]) -> None:
    code = f"import os, sys; os.path.exists('broken') and sys.exit('no space left'); {SLEEP}"
    one = start(f"[service('a', {code!r}), service('b', {SLEEP!r})]")
    one.up()
    other = one.said("b")["pid"]
    (one.folder / "broken").touch()
    os.kill(one.said("a")["pid"], signal.SIGKILL)
    one.wait(lambda: one.said("a")["state"] == "waiting after too many deaths")
    assert re.match(r"died \d times in 1 minutes, tried again every 1 s; last: ended with", one.said("a")["message"])
    servers = found.running(one.home)
    assert servers is not None
    assert servers.state == "degraded: a waiting after too many deaths"
    assert one.said("b")["pid"] == other
    restarts = one.said("a")["restarts"]
    one.wait(lambda: one.said("a")["restarts"] > restarts)
    assert "last: ended with 1: no space left" in one.said("a")["message"]
    (one.folder / "broken").unlink()
    assert one.up().services["a"]["message"] == ""


def test_what_a_failing_program_says_is_passed_on(start: Callable[..., Supervision]) -> None:
    one = start("[service('a', \"import sys; sys.exit('port 5 is taken')\", once=True), service('b', 'x', needs=('a',))]")
    one.wait(lambda: one.said("a")["state"] == "gave up")
    assert one.said("a")["message"].endswith("last: ended with 1: port 5 is taken")
    assert one.said("b")["state"] == "waiting"


def test_a_service_that_does_not_answer_is_started_anew(start: Callable[..., Supervision]) -> None:
    one = start(f"[service('a', {SLEEP!r}, ready=lambda: not (folder / 'hung').exists())]")
    one.up()
    (one.folder / "hung").touch()
    one.wait(lambda: one.said("a")["restarts"] == 1)
    (one.folder / "hung").unlink()
    one.up()


def test_what_ignores_sigterm_is_killed_with_its_children(start: Callable[..., Supervision]) -> None:
    one = start(TWO)
    one.up()
    one.wait((one.folder / "child").exists)
    family = one.family()
    assert len(family) == 3
    assert keeper.stop(one.home)
    assert alive(family) == []


@pytest.mark.parametrize("victim", ["supervisor", "keeper"])
def test_nothing_is_left_when_it_is_killed(start: Callable[..., Supervision], victim: str) -> None:
    one = start(TWO, keep=True)
    servers = one.up()
    one.wait((one.folder / "b.up").exists)
    family = one.family()
    assert len(family) == 4  # the supervisor, two services and a service's child in a session of its own
    os.kill(servers.pid if victim == "supervisor" else one.process.pid, signal.SIGKILL)
    one.process.wait(30)
    one.wait(lambda: alive(family) == [])
    assert found.running(one.home) is None


def test_what_outlived_both_is_ended_by_the_next_one(start: Callable[..., Supervision]) -> None:
    one = start(TWO, keep=True)
    servers = one.up()
    one.wait((one.folder / "b.up").exists)
    family = one.family()
    child = psutil.Process(int((one.folder / "child").read_text()))
    for pid in (one.process.pid, servers.pid):
        os.kill(pid, signal.SIGSTOP)
    for pid in (one.process.pid, servers.pid):
        os.kill(pid, signal.SIGKILL)
    one.process.wait(30)
    one.wait(lambda: alive(family) == [child])  # the kernel ended the services; it does not know of their children
    again = start(f"[service('a', {SLEEP!r})]")
    again.up()
    assert alive([child]) == []


def test_the_remains_of_a_supervisor_are_not_believed(tmp_path: Path) -> None:
    said = {
        "pid": os.getpid(),
        "born": "another boot:1",
        "profile": "full",
        "state": "ready",
        "urls": {},
        "env": "x",
        "services": {},
    }
    file = found.file_of(tmp_path)
    file.write_text(json.dumps(said))
    assert found.running(tmp_path) is None
    file.write_text(json.dumps({**said, "born": found.birth(os.getpid())}))
    servers = found.running(tmp_path)
    assert servers is not None
    assert servers.pid == os.getpid()
    for damaged in ("", "{", "[]", '{"pid": 1}', json.dumps({**said, "pid": "x"})):
        file.write_text(damaged)
        assert found.running(tmp_path) is None


def test_two_processes_with_one_number_differ_in_birth() -> None:
    child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE)
    assert found.birth(child.pid) not in (None, found.birth(os.getpid()))
    child.kill()
    child.wait()
    assert found.birth(child.pid) is None


def test_one_supervisor_a_home(tmp_path: Path) -> None:
    with supervisor.only_one(tmp_path), pytest.raises(LandmarkError, match=r"run already .*landmark down"):  # noqa: SIM117
        with supervisor.only_one(tmp_path):
            pass
    with supervisor.only_one(tmp_path):
        pass
