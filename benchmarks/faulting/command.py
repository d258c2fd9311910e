"""A retraining as a user starts it: the command in a process of its own, everything it starts marked."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.faulting.place import Place

ROOT = Path(__file__).resolve().parents[2]
INJECT = Path(__file__).parent / "inject"
MARK = "LANDMARK_FAULT_RUN"
OTHERS = ("PREFECT_", "MLFLOW_", "AWS_", "LANDMARK_")
"""Settings of the user's own servers, which are none of a fault's business."""
LONGEST = 600.0
"""A command that takes longer hangs [s]."""


class Command:
    """`landmark WORDS`, started now.

    Args:
        place: where.
        words: e.g. retrain CONFIG seed=1 --json.
        aim: where it is to end itself; see inject/sitecustomize.py.
        count: file for how much it did.
        environment: what else stands in its environment.
    """

    def __init__(
        self,
        place: Place,
        words: Sequence[str],
        *,
        aim: dict[str, Any] | None = None,
        count: Path | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.mark = secrets.token_hex(8)
        self.log = place.logs / f"{time.strftime('%H%M%S')}-{self.mark}.log"
        self.out = self.log.with_suffix(".out")
        variables = self.variables(place)
        variables |= {**(environment or {}), MARK: self.mark}
        path = [str(ROOT)]
        if aim is not None or count is not None:
            path.insert(0, str(INJECT))
            variables |= {"LANDMARK_FAULT_AIM": json.dumps(aim)} if aim is not None else {}
            variables |= {"LANDMARK_FAULT_COUNT": str(count)} if count is not None else {}
        variables["PYTHONPATH"] = os.pathsep.join(path)
        self.begin = time.monotonic()
        with self.log.open("wb") as log, self.out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "landmark.cli", *words],
                cwd=place.root,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
                start_new_session=True,
                # A shell's background job, as a bench may be, is deaf to Ctrl-C, and so would be what it starts.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
        self.seconds: float | None = None

    @staticmethod
    def variables(place: Place) -> dict[str, str]:
        """The environment of a command, without settings of the user's own servers."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(OTHERS)}
        return {**own, "OMP_NUM_THREADS": "1", "LANDMARK_CACHE": str(place.home / "embeddings"), **place.extra}

    @classmethod
    def retrain(cls, place: Place, overrides: Sequence[str] = (), **more: Any) -> Command:
        """The retraining of the place's config."""
        return cls(place, ["retrain", str(place.config), *overrides, "--json"], **more)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def wait(self, seconds: float = LONGEST) -> int:
        """Its exit status; one that hangs is killed.

        Raises:
            TimeoutError: it hangs.
        """
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise TimeoutError(f"still running after {seconds:.0f} s; its last line: {self.last_line()}") from None
        finally:
            self.seconds = time.monotonic() - self.begin
        return status

    def wait_cpu(self, seconds: float) -> bool:
        """Wait until it has used so much processor time, which hangs less on what else the machine does; whether it runs then.

        Raises:
            TimeoutError: it hangs.
        """
        deadline = time.monotonic() + LONGEST
        while self.alive and self.cpu() < seconds:
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"still running after {LONGEST:.0f} s; its last line: {self.last_line()}")
            time.sleep(0.01)
        return self.alive

    def cpu(self) -> float:
        """Processor time of its process [s]."""
        try:
            used = psutil.Process(self.process.pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(used.user + used.system)

    def wait_for(self, text: str, seconds: float = LONGEST) -> bool:
        """Wait until it has said something; whether it did while it ran."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if text in self.said():
                return True
            if not self.alive:
                return False
            time.sleep(0.01)
        return False

    def kill(self, number: int = signal.SIGKILL, *, group: bool = False) -> None:
        """Send it a signal."""
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)
        if number == signal.SIGKILL:
            self.process.wait()

    def said(self) -> str:
        """What it wrote to its log."""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def last_line(self) -> str:
        """The last line of it."""
        return (self.said().strip().splitlines() or ["nothing"])[-1][:300]

    def phase(self) -> str:
        """Which step it had come to."""
        lines = [line for line in self.said().splitlines() if line.endswith((" ...", " s"))]
        if not lines:
            return "start"
        last = lines[-1].split(" ", 1)[1]
        return last.removesuffix(" ...") if last.endswith("...") else f"after {last.partition(':')[0]}"

    def result(self) -> dict[str, Any] | None:
        """The JSON that it printed."""
        try:
            found: dict[str, Any] = json.loads(self.out.read_text(encoding="utf-8"))
        except ValueError:
            return None
        return found

    def family(self) -> list[psutil.Process]:
        """All processes alive that it started, directly or not, itself left out."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                if process.pid != self.process.pid and process.environ().get(MARK) == self.mark:
                    found.append(process)
        return found

    def orphans(self, seconds: float = 20.0) -> list[str]:
        """What of it still lives some seconds after its end, as command lines; it is ended then."""
        deadline = time.monotonic() + seconds
        while (left := self.family()) and time.monotonic() < deadline:
            time.sleep(0.25)
        told = []
        for process in left:
            with contextlib.suppress(psutil.Error):
                told.append(" ".join(process.cmdline())[:120])
                process.kill()
        return told
