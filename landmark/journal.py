"""What was tried under a home folder, when, and what came of it: one line of JSON an event, only ever appended.

It is the project's own memory, so that `landmark status` can tell without any server. A line is written by one call, so
that several processes may write at once; one that was cut off by a full disk or a kill is passed over when it is read.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from landmark.cache import locked
from landmark.errors import GateRefused, LandmarkError
from landmark.secrets import scrub

log = logging.getLogger(__name__)

FILE = "journal.jsonl"
LARGEST = 4 << 20
"""Size beyond which a new file is begun [bytes]; the one before it is kept as journal.jsonl.1."""

Outcome = Literal["running", "done", "unchanged", "refused", "failed", "interrupted", "killed"]


@dataclass(frozen=True)
class Attempt:
    """One attempt of a flow.

    Attributes:
        id: names the attempt.
        flow: retrain, refresh, evaluate, tag.
        run: name of the run (of `tag`: the output folder).
        outcome: `killed` where its process is gone without a word.
        begun: ISO 8601, UTC, by the clock of then.
        seconds: how long it took, by a clock that nobody sets [s]; None while it runs, or if it was killed.
        why: the error's line; "".
        facts: what else was written down: prefect (id of the flow run), ran (steps), champion, ...
    """

    id: str
    flow: str
    run: str
    outcome: Outcome
    begun: str
    seconds: float | None = None
    why: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


class Note:
    """What an attempt that is going on has to say at its end."""

    def __init__(self) -> None:
        self.facts: dict[str, Any] = {}
        self.outcome: Outcome = "done"


class Journal:
    """The journal of a home folder."""

    def __init__(self, home: Path) -> None:
        self.home = Path(home).resolve()
        self.file = self.home / FILE

    @contextmanager
    def attempt(self, flow: str, run: str, **facts: Any) -> Iterator[Note]:
        """Write down that an attempt begins and how it ends; an error passes through.

        A journal that cannot be written is logged and stops no work.
        """
        key, begin, note = secrets.token_hex(8), time.monotonic(), Note()
        # Freed when the process ends, however it ends: so others see whether it still runs.
        lock = FileLock(self._lock(key))
        with contextlib.suppress(OSError):
            self._lock(key).parent.mkdir(parents=True, exist_ok=True)
            lock.acquire(timeout=0)
        self._append({"id": key, "event": "begun", "flow": flow, "run": run, "pid": os.getpid(), **facts})
        why = ""
        try:
            yield note
        except GateRefused as error:
            note.outcome, why = "refused", str(error)
            raise
        except Exception as error:
            note.outcome = "failed"
            why = str(error) if isinstance(error, LandmarkError) else f"{type(error).__name__}: {error}"
            raise
        except BaseException:
            note.outcome = "interrupted"
            raise
        finally:
            seconds = round(time.monotonic() - begin, 3)
            self._append({"id": key, "event": note.outcome, "seconds": seconds, "why": why, **note.facts})
            lock.release()
            with contextlib.suppress(OSError):
                self._lock(key).unlink(missing_ok=True)

    def attempts(self) -> list[Attempt]:
        """All attempts that the journal knows, oldest first (by their order in it, whatever the clock did)."""
        found = self._read()
        gone = {key for key, attempt in found.items() if attempt.outcome == "running" and not self._runs(key)}
        if gone:
            # One that ended since the file was read has said so before it let its lock go.
            found = {key: attempt for key, attempt in self._read().items() if key in found}
        return [_killed(attempt) if key in gone and attempt.outcome == "running" else attempt for key, attempt in found.items()]

    def _read(self) -> dict[str, Attempt]:
        found: dict[str, Attempt] = {}
        for row in self._rows():
            key = str(row.get("id"))
            facts = {name: value for name, value in row.items() if name not in _OWN}
            if row.get("event") == "begun":
                found[key] = Attempt(key, str(row["flow"]), str(row["run"]), "running", str(row["time"]), facts=facts)
            elif key in found:
                before = found[key]
                found[key] = Attempt(
                    key,
                    before.flow,
                    before.run,
                    row["event"],
                    before.begun,
                    row.get("seconds"),
                    str(row.get("why", "")),
                    {**before.facts, **facts},
                )
        return found

    def _lock(self, key: str) -> Path:
        return self.home / "locks" / f"attempt-{key}.lock"

    def _runs(self, key: str) -> bool:
        """Whether the process of an attempt still holds its lock."""
        if not key.isalnum() or not self._lock(key).exists():
            return False
        try:
            with FileLock(self._lock(key), timeout=0):
                self._lock(key).unlink(missing_ok=True)
        except Timeout:
            return True
        except OSError:
            return False
        return False

    def _rows(self) -> Iterator[dict[str, Any]]:
        for file in (self.file.with_name(f"{FILE}.1"), self.file):
            try:
                lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
            except OSError:
                continue
            for line in lines:
                with contextlib.suppress(ValueError):
                    row = json.loads(line)
                    if isinstance(row, dict) and {"id", "event", "time"} <= set(row):
                        yield row

    def _append(self, row: Mapping[str, Any]) -> None:
        stamped = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), **row}
        line = json.dumps(_scrubbed(stamped), default=str, ensure_ascii=True) + "\n"
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            self._turn()
            descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
            try:
                # A line that a full disk cut off must not take the next one with it.
                os.write(descriptor, b"\n" * _torn(self.file) + line.encode())
            finally:
                os.close(descriptor)
        except (OSError, LandmarkError) as error:
            log.warning("%s: cannot be written (%s); this attempt is not on record", self.file, error)

    def _turn(self) -> None:
        """Begin a new file where this one is too large."""

        def large() -> bool:
            return self.file.exists() and self.file.stat().st_size > LARGEST

        if large():
            with locked(self.home / "locks" / "journal.lock", wait="journal: another process begins a new file; waiting"):
                if large():
                    self.file.replace(self.file.with_name(f"{FILE}.1"))


_OWN = {"id", "event", "time", "flow", "run", "seconds", "why"}


def _scrubbed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _scrubbed(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_scrubbed(item) for item in value]
    return scrub(value) if isinstance(value, str) else value


def _torn(file: Path) -> bool:
    """Whether a file ends without the end of a line."""
    with file.open("rb") as stream:
        if stream.seek(0, os.SEEK_END) == 0:
            return False
        stream.seek(-1, os.SEEK_END)
        return stream.read(1) != b"\n"


def _killed(attempt: Attempt) -> Attempt:
    why = "its process was killed; the same command goes on from there"
    return Attempt(attempt.id, attempt.flow, attempt.run, "killed", attempt.begun, None, why, attempt.facts)
