"""The supervisor: starts services in order, keeps them alive, says what runs, and ends them in reverse order."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import signal
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from landmark.errors import LandmarkError
from landmark.stack import found, keys, logs, process
from landmark.stack.service import Service
from landmark.stack.supervised import CHILDREN_SECONDS, GAVE_UP, SETTLED, TROUBLED, Patience, Supervised

log = logging.getLogger("landmark.stack")

STEP = 0.25
HOUSEKEEPING = 5.0


class Supervisor:
    """Keeps the services of one home alive until it is told to stop.

    Args:
        home: the home folder; the caller holds its lock (`only_one`).
        profile: name of the set of services, for others to know.
        services: those they need come first.
        patience: when a service is given up.
    """

    def __init__(self, home: Path, profile: str, services: Sequence[Service], patience: Patience | None = None) -> None:
        self.home = home.resolve()
        self.folder = found.folder_of(home)
        self.profile = profile
        self.state = "starting"
        self.services = [Supervised(service, self.folder, patience or Patience()) for service in services]
        self._said: dict[str, Any] = {}
        self._stop = False

    def run(self) -> None:
        """Supervise until SIGTERM or SIGINT; then stop everything. Call it in the main thread."""
        process.adopt_orphans()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._told_to_stop)
        keys.private_folder(self.folder / "logs")
        left = process.leftovers(self.folder)
        if left:
            log.warning("ending %d processes that an earlier supervisor left behind", len(left))
            process.end(left, 5.0)
        try:
            housekeeping = time.monotonic()
            while not self._stop:
                self._step()
                if time.monotonic() > housekeeping:
                    housekeeping = time.monotonic() + HOUSEKEEPING
                    self._keep_house()
                time.sleep(STEP)
        finally:
            self._end()

    def _told_to_stop(self, number: int, frame: object) -> None:
        self._stop = True

    def _step(self) -> None:
        ready = {one.service.name for one in self.services if one.state in SETTLED}
        for one in self.services:
            if self._stop:
                return
            one.step(ready)
        self.state = self._overall()
        self._say()

    def _overall(self) -> str:
        states = {one.state for one in self.services}
        if states <= set(SETTLED):
            return found.READY
        if GAVE_UP in states:
            return "failed"
        troubled = [one.service.name for one in self.services if one.state == TROUBLED]
        return f"degraded: {', '.join(troubled)} {TROUBLED}" if troubled else "starting"

    def _keep_house(self) -> None:
        for one in self.services:
            logs.bound(one.log)
        logs.bound(self.folder / "logs" / "supervisor.log")
        process.reap(self._own())

    def _own(self) -> set[int]:
        return {one.process.pid for one in self.services if one.process is not None}

    def _say(self) -> None:
        said = {
            "pid": os.getpid(),
            "born": found.birth(os.getpid()),
            "profile": self.profile,
            "state": self.state,
            "urls": {one.service.name: one.service.url for one in self.services if one.service.url},
            "env": str(self.folder / keys.ENV),
            "services": {one.service.name: one.said() for one in self.services},
        }
        if said == self._said:
            return
        try:
            keys.write_private(found.file_of(self.home), json.dumps(said, indent=2) + "\n")
            self._said = said
        except OSError as error:  # a full disk: the servers go on, and it is tried again
            log.warning("%s: cannot be written (%s)", found.file_of(self.home), error.strerror)

    def _end(self) -> None:
        self.state = "stopping"
        self._say()
        for one in reversed(self.services):
            one.stop()
            self._say()
            if one.service.keeps_children:
                process.end(process.orphans(self._own()), CHILDREN_SECONDS)
        process.end(process.descendants(os.getpid()), 5.0)
        with contextlib.suppress(OSError):
            found.file_of(self.home).unlink(missing_ok=True)
        log.info("all servers have ended")


@contextlib.contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Hold the lock of a home's servers.

    Raises:
        LandmarkError: another supervisor holds it, or the folder cannot be written.
    """
    folder = keys.private_folder(found.folder_of(home), 0o711)
    with (folder / "lock").open("a") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise LandmarkError(running_already(home)) from error
        yield


def running_already(home: Path) -> str:
    """What to say to one who wants to start servers that run."""
    servers = found.running(home)
    where = ", ".join(f"{name} {url}" for name, url in servers.urls.items()) if servers else "it starts or stops just now"
    return f"up: servers of {home.resolve()} run already ({where}); `landmark down` stops them"
