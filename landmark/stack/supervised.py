"""A service under supervision: what state it is in, and what follows."""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from landmark.errors import LandmarkError
from landmark.stack import logs, process
from landmark.stack.service import Service

log = logging.getLogger("landmark.stack")

WAITING, STARTING, READY, DONE, PAUSED, TROUBLED, GAVE_UP, STOPPED = (
    "waiting",
    "starting",
    "ready",
    "done",
    "paused",
    "waiting after too many deaths",
    "gave up",
    "stopped",
)
SETTLED = (READY, DONE)
CHILDREN_SECONDS = 20.0
REPORT_SECONDS = 8.0


@dataclass(frozen=True)
class Patience:
    """How often a service may die, and how long it is waited for.

    Args:
        deaths: after so many deaths within `window` it is given up, if it never was ready, else tried less often.
        window: [s].
        first: pause before the first restart; it doubles each time [s].
        longest: longest pause [s].
        later: pause between tries of one that was ready before and died too often; it is never given up [s].
        check: time between checks of a service that answers [s].
        silent: a service that answers no check for so long is started anew [s].
    """

    deaths: int = 6
    window: float = 600.0
    first: float = 1.0
    longest: float = 30.0
    later: float = 180.0
    check: float = 10.0
    silent: float = 90.0


@dataclass
class Supervised:
    """One service and its process. `step` is called again and again, and never waits for long."""

    service: Service
    folder: Path
    patience: Patience = field(default_factory=Patience)
    state: str = WAITING
    message: str = ""
    restarts: int = 0
    process: subprocess.Popen[bytes] | None = None
    _deaths: list[float] = field(default_factory=list)
    _since: float = 0.0
    _next: float = 0.0
    _answered: float = 0.0
    _was_ready: bool = False
    seconds: float | None = None
    """How long the last start took."""

    @property
    def log(self) -> Path:
        """Its log file."""
        return self.folder / "logs" / f"{self.service.name}.log"

    def step(self, ready: set[str]) -> None:
        """Look at the process and do what is due: start it, notice that it answers or has died, start it anew.

        Args:
            ready: names of the services that others may rely on now.
        """
        now = time.monotonic()
        if (self.state == WAITING and ready >= set(self.service.needs)) or (
            self.state in (PAUSED, TROUBLED) and now >= self._next
        ):
            self._start(now)
        elif self.state in (STARTING, READY) and self.process is not None:
            status = self.process.poll()
            if status is not None:
                self._ended(status, now)
            elif now >= self._next:
                self._check(now)

    def _start(self, now: float) -> None:
        self._since, self._next, self._answered = now, now, now
        self.state, self.message = STARTING, ""
        try:
            self.process = process.spawn(self.service, self.log, self.folder)
        except LandmarkError as error:
            self.process = None
            self._died(str(error), now)

    def _check(self, now: float) -> None:
        service = self.service
        good = not service.once and (service.ready is None or service.ready())
        now = time.monotonic()
        if good:
            self._answered = now
            if self.state == STARTING:
                self.state, self.seconds, self._was_ready = READY, now - self._since, True
                log.info("%s: ready after %.1f s", service.name, self.seconds)
        limit = service.start_seconds if self.state == STARTING else self.patience.silent
        if not good and now - self._answered > limit and self.process is not None:
            process.end_group(self.process, service.stop, service.stop_seconds)
            self._died(f"does not answer for {limit:.0f} s", now)
            return
        self._next = now + (self.patience.check if self.state == READY else 0.25)

    def _ended(self, status: int, now: float) -> None:
        assert self.process is not None
        if self.service.once and status == 0:
            self.state, self.seconds = DONE, now - self._since
            log.info("%s: done after %.1f s", self.service.name, self.seconds)
            return
        if not self.service.keeps_children:
            # Reads the group, not the tree: children of a process that is gone are no longer below it.
            process.end(group(self.process.pid), 1.0)
        self._died(f"ended with {status}: {logs.last_line(self.log)}", now)

    def _died(self, why: str, now: float) -> None:
        self._deaths = [moment for moment in self._deaths if now - moment < self.patience.window] + [now]
        self.message = why
        if len(self._deaths) >= self.patience.deaths:
            often = f"died {len(self._deaths)} times in {self.patience.window / 60:.0f} minutes"
            if self._was_ready:
                # It works as a rule: a full disk is emptied and memory is given back, and nobody may be there to say so.
                self.state, self._next = TROUBLED, now + self.patience.later
                self.restarts += 1
                self.message = f"{often}, tried again every {self.patience.later:.0f} s; last: {why}"
            else:
                self.state = GAVE_UP
                self.message = f"{often}, given up; last: {why}"
            log.error("%s: %s; see %s", self.service.name, self.message, self.log)
            return
        pause = min(self.patience.longest, self.patience.first * 2 ** (len(self._deaths) - 1))
        self.state, self._next = PAUSED, now + pause
        self.restarts += 1
        log.warning("%s: %s; started anew in %.0f s", self.service.name, why, pause)

    def stop(self) -> None:
        """End it and all that belongs to it."""
        if self.process is not None:
            began = time.monotonic()
            if self.service.keeps_children:
                self._end_children(self.process.pid)
            process.end_group(self.process, self.service.stop, self.service.stop_seconds)
            process.end(group(self.process.pid), 1.0)
            log.info("%s: stopped after %.1f s", self.service.name, time.monotonic() - began)
        self.state = STOPPED

    def _end_children(self, pid: int) -> None:
        """End a worker's flow runs first: it tells the server what became of them, which would take them to be running."""
        children = process.descendants(pid)
        if children and self.process is not None and self.process.poll() is None:
            process.end(children, CHILDREN_SECONDS)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(REPORT_SECONDS)

    def said(self) -> dict[str, Any]:
        """What others may know of it."""
        alive = self.process is not None and self.state in (STARTING, READY)
        return {
            "state": self.state,
            "pid": self.process.pid if alive and self.process is not None else None,
            "restarts": self.restarts,
            "message": self.message,
            "seconds": None if self.seconds is None else round(self.seconds, 1),
            "url": self.service.url,
            "log": str(self.log),
        }


def group(pid: int) -> list[psutil.Process]:
    """Processes of this supervisor whose group or session a service's main process had opened."""
    found = []
    for one in process.descendants(os.getpid()):
        try:
            if pid in (os.getpgid(one.pid), os.getsid(one.pid)):
                found.append(one)
        except OSError:
            continue
    return found
