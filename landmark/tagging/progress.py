"""How far a job is: a bar on a terminal, else a line now and then."""

from __future__ import annotations

import logging
import sys
import time
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

log = logging.getLogger(__name__)

EVERY = 30.0
"""Between two lines [s]."""


class Bar:
    """Photos done, photos a second, time left, on stderr. Use as a context manager.

    Args:
        total: photos to do.
        visible: False: say nothing.
        label: what is done to them.
    """

    def __init__(self, total: int, visible: bool = True, label: str = "tagging") -> None:
        self._total, self._label = total, label
        self._done = 0
        self._started = self._said = time.monotonic()
        self._lines = visible and not sys.stderr.isatty()
        rate = TextColumn("{task.fields[rate]}")
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), rate, TimeRemainingColumn())
        show = visible and sys.stderr.isatty()
        self._bar = Progress(*columns, console=Console(stderr=True), disable=not show, transient=True, speed_estimate_period=60)
        self._task = self._bar.add_task(label, total=total, rate="")

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def advance(self, photos: int) -> None:
        """So many more are done."""
        self._done += photos
        now = time.monotonic()
        rate = self._done / max(now - self._started, 1e-9)
        self._bar.update(self._task, advance=photos, rate=f"{rate:.0f} photos/s")
        if self._lines and now - self._said >= EVERY:
            self._said = now
            left = (self._total - self._done) / max(rate, 1e-9)
            log.info("%s: %d of %d photos, %.0f photos/s, %s left", self._label, self._done, self._total, rate, duration(left))


def duration(seconds: float) -> str:
    """A span of time in words.

    >>> duration(59), duration(3600), duration(200000)
    ('0:00:59', '1:00:00', '2 d 7:33:20')
    """
    days, rest = divmod(round(seconds), 86400)
    text = f"{rest // 3600}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days} d {text}" if days else text
