"""Looks at the champion again and again while a retraining goes on, and writes down each value it had."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from benchmarks.faulting.registry_view import View

EVERY = 0.1


class Watch:
    """Watches in a thread of this process, which is another one than the retraining's."""

    def __init__(self, view: View, every: float = EVERY) -> None:
        self.view, self.every = view, every
        self.seen: list[str | None] = []
        self.looks = self.unanswered = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join(30)

    def _watch(self) -> None:
        while not self._stop.is_set():
            try:
                champion = self.view.aliases().get("champion")
            except Exception:
                self.unanswered += 1  # a server that is stopped just now
            else:
                self.looks += 1
                if not self.seen or self.seen[-1] != champion:
                    self.seen.append(champion)
            time.sleep(self.every)
