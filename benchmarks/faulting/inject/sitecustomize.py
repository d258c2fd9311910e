"""Read by Python at its start where this folder stands on PYTHONPATH: ends the process with SIGKILL at one exact operation.

LANDMARK_FAULT_AIM holds JSON: `event` (rename, remove, write, upload, or a method of MLflow's client), `number` (which of
them, from 1), `when` (before; after: at whatever it does next; within: some milliseconds later), `under` (only paths below
it), `alias` (only for that alias). LANDMARK_FAULT_COUNT names a file that takes how many of each there were, at the end.
"""

from __future__ import annotations

import atexit
import json
import os
import random
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

CLIENT = ("create_model_version", "set_model_version_tag", "set_registered_model_alias", "log_artifact", "set_terminated")
KINDS = {"os.rename": "rename", "os.remove": "remove", "open": "write"}


def end() -> None:
    """As kill -9 would."""
    os.kill(os.getpid(), signal.SIGKILL)


class Aim:
    """Counts what the process does, and ends it where it should be hit."""

    def __init__(self, aim: dict[str, Any], count: str | None) -> None:
        self.aim, self.pid, self.armed = aim, os.getpid(), False
        self.seen: dict[str, int] = {}
        self.under = str(aim.get("under", ""))
        if count is not None:
            atexit.register(lambda: os.getpid() == self.pid and Path(count).write_text(json.dumps(self.seen)))

    def hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit event."""
        if self.armed and os.getpid() == self.pid:
            self.armed = False  # what ends it is an event too
            end()
        kind = KINDS.get(event)
        if kind is None or os.getpid() != self.pid:
            return
        if kind == "write" and not _writes(arguments):
            return
        path = arguments[0] if isinstance(arguments[0], str | bytes | os.PathLike) else ""
        name = os.fsdecode(path)
        if name.startswith(self.under):
            self.happens(kind)
            if kind == "write" and "/mlflow/artifacts/models/" in name:
                self.happens("upload")

    def happens(self, kind: str) -> None:
        """One more of a kind is about to be done."""
        self.seen[kind] = self.seen.get(kind, 0) + 1
        if self.aim.get("event") != kind or self.aim.get("number") != self.seen[kind]:
            return
        when = self.aim.get("when", "before")
        if when == "before":
            end()
        elif when == "after":
            self.armed = True
        else:
            threading.Thread(target=_soon, daemon=True).start()

    def wrap(self, client: Any, name: str) -> None:
        """Hear of a method of MLflow's client too."""
        original = getattr(client, name)

        def method(*arguments: Any, **named: Any) -> Any:
            alias = self.aim.get("alias")
            if os.getpid() != self.pid or (alias is not None and alias not in arguments):
                return original(*arguments, **named)
            late = self.aim.get("when") == "after" and self.aim.get("event") == name
            if late:
                made = original(*arguments, **named)
                self.seen[name] = self.seen.get(name, 0) + 1
                if self.aim.get("number") == self.seen[name]:
                    end()
                return made
            self.happens(name)
            return original(*arguments, **named)

        setattr(client, name, method)

    def wait_for_client(self) -> None:
        """Wrap MLflow's client when it has been imported."""
        while True:
            module = sys.modules.get("mlflow.tracking.client")
            if module is not None and hasattr(getattr(module, "MlflowClient", None), "set_terminated"):
                break
            time.sleep(0.02)
        for name in CLIENT:
            self.wrap(module.MlflowClient, name)


def _writes(arguments: tuple[Any, ...]) -> bool:
    mode, flags = arguments[1], arguments[2]
    return any(letter in mode for letter in "wax+") if isinstance(mode, str) else bool(flags & (os.O_WRONLY | os.O_RDWR))


def _soon() -> None:
    time.sleep(random.uniform(0, 0.004))
    end()


def main() -> None:
    """Only in the process that the command started, not in its children."""
    aim, count = os.environ.get("LANDMARK_FAULT_AIM"), os.environ.get("LANDMARK_FAULT_COUNT")
    if "landmark.cli" not in sys.orig_argv or not (aim or count):
        return
    mine = Aim(json.loads(aim or "{}"), count)
    sys.addaudithook(mine.hear)
    threading.Thread(target=mine.wait_for_client, daemon=True).start()


main()
