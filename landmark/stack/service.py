"""One program that the supervisor keeps alive, and how to tell that it is."""

from __future__ import annotations

import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGTERM, Signals


@dataclass(frozen=True)
class Service:
    """A program, and what the supervisor must know of it.

    Args:
        name: short name; also that of its log.
        command: program and arguments. Everyone on the machine can read these: no secret.
        environment: its whole environment.
        folder: its working folder.
        ready: says whether it answers; None: it is as soon as it runs.
        needs: services that must be ready (or done) before it starts.
        once: a step that ends by itself; its exit status 0 is what is waited for.
        user: account to run it as, where it refuses to run as root.
        stop: the signal that ends it in good order.
        start_seconds: longest time until it answers [s].
        stop_seconds: longest time in which it ends [s].
        keeps_children: what it started goes on when it dies (a worker's flow runs), until the supervisor stops.
        url: its address for people.
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str] = field(repr=False)
    folder: Path
    ready: Callable[[], bool] | None = None
    needs: tuple[str, ...] = ()
    once: bool = False
    user: str | None = None
    stop: Signals = SIGTERM
    start_seconds: float = 240.0
    stop_seconds: float = 20.0
    keeps_children: bool = False
    url: str | None = None


def answers(url: str, seconds: float = 3.0) -> bool:
    """Whether an address of this machine answers with 200; no proxy is asked."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=seconds) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError, ValueError):
        return False


def listens(port: int) -> bool:
    """Whether something takes connections on a loopback port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False
