"""Child processes that leave nothing behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import psutil

from landmark.errors import LandmarkError
from landmark.stack.logs import open_log
from landmark.stack.service import Service

MARK = "LANDMARK_SERVERS"
"""Environment variable of all that a supervisor starts, and of all that these start: its data folder."""

_PDEATHSIG, _SUBREAPER = 1, 36
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent dies, so that none gets out of sight (Linux)."""
    if _libc is not None:
        _libc.prctl(_SUBREAPER, 1, 0, 0, 0)


def end_with_parent(number: int) -> None:
    """Have the kernel send this process a signal when the thread that started it ends, however that is (Linux)."""
    if _libc is not None:
        _libc.prctl(_PDEATHSIG, number, 0, 0, 0)


def spawn(service: Service, log: Path, mark: Path) -> subprocess.Popen[bytes]:
    """Start a service in a process group of its own; it is killed if this process is.

    Raises:
        LandmarkError: the program cannot be started.
    """
    parent = os.getpid()

    def prepare() -> None:
        end_with_parent(signal.SIGKILL if service.stop != signal.SIGINT else signal.SIGQUIT)
        if os.getppid() != parent:  # it died before the kernel was asked
            os._exit(1)

    descriptor = open_log(log)
    try:
        return subprocess.Popen(
            service.command,
            cwd=service.folder,
            env={**service.environment, MARK: str(mark)},
            stdin=subprocess.DEVNULL,
            stdout=descriptor,
            stderr=descriptor,
            start_new_session=True,
            # The supervisor has one thread, so this is safe between fork and exec.
            preexec_fn=prepare,
            umask=0o077,
            user=service.user,
            group=_group(service.user) if service.user else None,
            extra_groups=[] if service.user else None,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise LandmarkError(f"{service.name}: {service.command[0]} cannot be started ({error})") from error
    finally:
        os.close(descriptor)


def _group(user: str) -> int:
    import pwd

    return pwd.getpwnam(user).pw_gid


def descendants(pid: int) -> list[psutil.Process]:
    """All processes below one, whatever their group or session; remains of ended ones are left out."""
    with contextlib.suppress(psutil.Error):
        return [one for one in psutil.Process(pid).children(recursive=True) if _lives(one)]
    return []


def end(processes: Iterable[psutil.Process], seconds: float) -> None:
    """End processes: SIGTERM, and SIGKILL for those that are still there after some seconds."""
    left = [one for one in processes if _lives(one)]
    for one in left:
        with contextlib.suppress(psutil.Error):
            one.terminate()
    deadline = time.monotonic() + seconds
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = [one for one in left if _lives(one)]
    for one in left:
        with contextlib.suppress(psutil.Error):
            one.kill()
    while left and time.monotonic() < deadline + 10:
        time.sleep(0.05)
        left = [one for one in left if _lives(one)]


def end_group(process: subprocess.Popen[bytes], stop: signal.Signals, seconds: float) -> None:
    """End a service: its signal to the main process, then SIGKILL to its whole group and to what it had started."""
    below = descendants(process.pid)
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(stop)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    end(below, 0)


def orphans(own: set[int]) -> list[psutil.Process]:
    """Processes that this one has adopted, and all below them.

    Args:
        own: its own children.
    """
    found: list[psutil.Process] = []
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process().children():
            if child.pid not in own and _lives(child):
                found += [child, *descendants(child.pid)]
    return found


def reap(own: Iterable[int]) -> None:
    """Take note of adopted processes that have ended, so that no remains pile up.

    Args:
        own: processes that somebody else waits for.
    """
    known = set(own)
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error, ChildProcessError):
                if child.pid not in known and child.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(child.pid, os.WNOHANG)


def leftovers(mark: Path) -> list[psutil.Process]:
    """Processes of an earlier supervisor of the same data folder that outlived it."""
    mine = {os.getpid(), *(one.pid for one in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.pid not in mine and process.environ().get(MARK) == str(mark):
                found.append(process)
    return found


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False
