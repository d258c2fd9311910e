"""Log files of bounded size: what a server prints, and the same of the time before."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

LIMIT = 10 * 2**20


def open_log(path: Path) -> int:
    """Open a log for a child process to append to; a file descriptor, for its owner's eyes only."""
    return os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY | os.O_CLOEXEC, 0o600)


def bound(path: Path, limit: int = LIMIT) -> None:
    """Move a log that has grown too large to `NAME.1` while its program goes on writing.

    The program holds the file open and appends, so the file is copied and emptied rather than renamed; lines that it
    writes in that moment are lost.
    """
    with contextlib.suppress(OSError):
        if path.stat().st_size > limit:
            previous = path.with_name(path.name + ".1")
            descriptor = os.open(previous, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600)
            with os.fdopen(descriptor, "wb") as copy, path.open("rb") as source:
                shutil.copyfileobj(source, copy)
            os.truncate(path, 0)


def last_line(path: Path) -> str:
    """The last line that says something, for a message of one line; empty if there is none."""
    with contextlib.suppress(OSError), path.open("rb") as stream:
        stream.seek(max(0, path.stat().st_size - 4096))
        lines = [line.strip() for line in stream.read().decode("utf-8", "replace").splitlines()]
        words = [line for line in lines if any(letter.isalnum() for letter in line)]
        return words[-1][:300] if words else ""
    return ""
