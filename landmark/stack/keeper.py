"""The supervisor's parent: if the supervisor is killed, it ends what that leaves behind; if it is, the supervisor stops."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from landmark.errors import LandmarkError
from landmark.stack import found, process
from landmark.stack.logs import last_line, open_log

log = logging.getLogger("landmark.stack")

STOP_SECONDS = 90.0


class Keeper:
    """Starts the supervisor of a home and watches over it.

    Args:
        home: the home folder.
        profile: `light` or `full`.
        command: the supervisor's, where it is not the usual one.
    """

    def __init__(self, home: Path, profile: str, command: Sequence[str] | None = None) -> None:
        self.command = command or role_command(home, profile, "supervise")
        self.log = found.folder_of(home) / "logs" / "supervisor.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the supervisor as a child of this process (call it in the main thread)."""
        process.adopt_orphans()
        parent = os.getpid()

        def prepare() -> None:
            process.end_with_parent(signal.SIGTERM)
            if os.getppid() != parent:
                os._exit(1)

        descriptor = open_log(self.log)
        try:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=descriptor,
                stderr=descriptor,
                start_new_session=True,
                preexec_fn=prepare,
                umask=0o077,
            )
        finally:
            os.close(descriptor)

    def alive(self) -> bool:
        """Whether the supervisor runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Tell the supervisor to stop everything, wait for it, and end whatever is left."""
        if self._process is None:
            return
        if self.alive():
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_SECONDS)
        self.clear()

    def clear(self) -> None:
        """End all that the supervisor left behind."""
        assert self._process is not None
        if self.alive():
            self._process.kill()
            self._process.wait()
        left = process.descendants(os.getpid())
        if left:
            log.error("the supervisor was killed; ending the %d processes that it left behind", len(left))
            process.end(left, 5.0)

    def keep(self, owner: int | None = None) -> None:
        """Watch until the supervisor has ended.

        Args:
            owner: a process id; when that process has ended, all is stopped.
        """
        born = None if owner is None else found.birth(owner)
        while self.alive():
            if owner is not None and found.birth(owner) != born:
                self.stop()
                return
            time.sleep(0.5)
        self.clear()


def role_command(home: Path, profile: str, role: str) -> list[str]:
    """The command of a supervisor (`supervise`) or a keeper (`keep`)."""
    return [sys.executable, "-m", "landmark.stack", role, str(home.resolve()), profile]


def start_in_background(home: Path, profile: str, seconds: float, owner: int | None = None) -> found.Servers:
    """Start servers that outlive this process, and wait until all of them are ready.

    Args:
        home: the home folder.
        profile: `light` or `full`.
        seconds: longest time until they are [s].
        owner: a process whose end ends them.

    Raises:
        LandmarkError: they did not start in time; what had started is stopped.
    """
    keeper_log = found.folder_of(home) / "logs" / "supervisor.log"
    descriptor = open_log(keeper_log)
    try:
        keeper = subprocess.Popen(
            role_command(home, profile, "keep") + ([] if owner is None else [str(owner)]),
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            umask=0o077,
        )
    finally:
        os.close(descriptor)
    deadline = time.monotonic() + seconds
    try:
        while time.monotonic() < deadline:
            servers = found.running(home)
            if servers is not None and servers.state == found.READY:
                return servers
            if servers is not None and servers.state == "failed":
                failed = {name: one for name, one in servers.services.items() if one["state"] == "gave up"}
                words = "; ".join(f"{name} {one['message']} (see {one['log']})" for name, one in failed.items())
                raise LandmarkError(f"up: {words}")
            if keeper.poll() is not None:
                raise LandmarkError(f"up: {last_line(keeper_log).removeprefix('landmark: ')}; see {keeper_log}")
            time.sleep(0.25)
        raise LandmarkError(f"up: not ready after {seconds:.0f} s; see the logs in {keeper_log.parent}")
    except BaseException:
        stop(home)
        raise


def stop(home: Path, seconds: float = STOP_SECONDS) -> bool:
    """Stop the servers of a home: the supervisor ends them in order; after `seconds` they are killed.

    Returns:
        whether any were running.
    """
    servers = found.running(home)
    if servers is None:
        left = process.leftovers(found.folder_of(home))
        process.end(left, 5.0)
        found.file_of(home).unlink(missing_ok=True)
        return bool(left)
    born = found.birth(servers.pid)
    with contextlib.suppress(ProcessLookupError):
        os.kill(servers.pid, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while found.birth(servers.pid) == born:
        if time.monotonic() > deadline:
            below = process.descendants(servers.pid)
            with contextlib.suppress(psutil.Error):
                psutil.Process(servers.pid).kill()
            process.end(below, 5.0)
            found.file_of(home).unlink(missing_ok=True)
            break
        time.sleep(0.1)
    return True
