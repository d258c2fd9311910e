"""Free ports on loopback, the same ones at the next start if they are still free."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterable
from pathlib import Path

from landmark.stack.keys import write_private

FILE = "ports.json"
TWIN = 10_000
"""SeaweedFS opens a second port this much above some of its ports."""


def choose(folder: Path, names: Iterable[str], twins: Iterable[str] = ()) -> dict[str, int]:
    """A free port for each name, remembered in the folder.

    Args:
        folder: where they are remembered.
        names: who needs one.
        twins: names whose port + 10000 must be free as well.
    """
    remembered: dict[str, int] = {}
    with contextlib.suppress(OSError, ValueError, AttributeError, TypeError):
        read = json.loads((folder / FILE).read_text(encoding="utf-8"))
        remembered = {str(name): int(port) for name, port in read.items()}
    pairs = set(twins)
    taken: set[int] = set()
    chosen: dict[str, int] = {}
    for name in names:
        port = remembered.get(name, 0)
        while not _suits(port, name in pairs, taken):
            port = _any()
        chosen[name] = port
        taken |= {port, port + TWIN} if name in pairs else {port}
    if chosen != {name: remembered.get(name) for name in chosen}:
        write_private(folder / FILE, json.dumps({**remembered, **chosen}, indent=2) + "\n")
    return chosen


def _suits(port: int, twin: bool, taken: set[int]) -> bool:
    wanted = [port, port + TWIN] if twin else [port]
    return all(1024 <= one < 65536 and one not in taken and is_free(one) for one in wanted)


def is_free(port: int) -> bool:
    """Whether a server could listen on a loopback port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do it: connections that have ended a moment ago are in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
