"""What people said of photos: the tag is right, it is another landmark, it is none. A file of JSON lines, only ever appended.

A line is `{"version": 1, "sha256", "photo", "verdict", "landmark", "said", "model", "time"}`, or it takes one back:
`{"version": 1, "undo": <sha256>, "of": <time of what is taken back>, "time"}`. A line with `"carried": <sha256>` says again
what was said of that file, before a program wrote into it: at the time of the first one. What a killed process wrote of a
line is no line: the next writer ends it with the control character CAN, which no JSON has in it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from landmark.cache import locked
from landmark.errors import LandmarkError, UsageError
from landmark.names import shown
from landmark.photos.correction import VERSION, Correction, Verdict, text

__all__ = ["FILE", "VERSION", "Correction", "Corrections"]

FILE = "corrections.jsonl"
"""How the file is called in a folder that `landmark tag` wrote."""
LONGEST = 1 << 20
"""Longest line [bytes]; a path has 4 KiB at most."""

_CANCELLED = b"\x18"


@dataclass(frozen=True, slots=True, eq=False)
class _Held:
    """A correction, what held before it, and its place in the order in which they are said."""

    correction: Correction
    before: _Held | None
    order: tuple[int, ...]


class Corrections:
    """The corrections in one file. Safe with several threads and processes.

    Args:
        file: path; it need not be there yet.
        name: how messages call it, where `file` is a copy.

    Raises:
        LandmarkError: it can't be read, is of a newer version, or a line of it is damaged; names file and line.
    """

    def __init__(self, file: Path, name: str | None = None) -> None:
        self.file = Path(file)
        self._name = shown(name or self.file)
        self._thread = threading.RLock()
        self._held: dict[str, _Held] = {}  # what holds now, by sha256
        self._stack: list[_Held] = []  # what can be taken back, as it stands in the file
        self._digest: str | None = None
        self._identity: tuple[int, int] | None = None
        self._read_to, self._number, self._open = 0, 0, False
        self._catch_up()

    @property
    def current(self) -> dict[str, Correction]:
        """What holds now, by sha256, with what other processes have added."""
        with self._thread:
            self._catch_up()
            return {sha256: held.correction for sha256, held in self._held.items()}

    @property
    def undoable(self) -> int:
        """How many corrections `undo` can take back, one after another."""
        with self._thread:
            self._catch_up()
            return len(self._stack)

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of `current`."""
        with self._thread:
            self._catch_up()
            if self._digest is None:
                digest = hashlib.sha256()
                for sha256 in sorted(self._held):
                    digest.update(_line(self._held[sha256].correction.fields()))
                self._digest = digest.hexdigest()
            return self._digest

    def add(self, sha256: str, photo: str, verdict: str, landmark: str, said: str, model: str) -> Correction:
        """Append what a person said; it is on the disk when this returns.

        Raises:
            UsageError: a value that can't be (see `Correction`).
            LandmarkError: it can't be written.
        """
        with self._writing() as descriptor:
            made = Correction(sha256, photo, cast(Verdict, verdict), landmark, said, model, datetime.now(UTC))
            self._append(descriptor, made.fields())
        return made

    def carry(self, moves: Iterable[tuple[Correction, str, str]]) -> int:
        """Say again what was said of files that a program has written into, with the time at which it was said.

        In the order in which corrections are taken back, it comes with the one that it repeats.

        Args:
            moves: what was said; sha256 of the file as it is now; its path or URI.

        Returns:
            Corrections added: of those that still hold, for files of which nothing is said yet.

        Raises:
            UsageError: a value that can't be (see `Correction`).
            LandmarkError: it can't be written.
        """
        with self._writing() as descriptor:
            rows = {}
            for said, sha256, photo in moves:
                held = self._held.get(said.sha256)
                if sha256 not in self._held and held is not None and held.correction == said:
                    rows[sha256] = {**replace(said, sha256=sha256, photo=photo).fields(), "carried": said.sha256}
            if rows:
                self._append(descriptor, *rows.values())
        return len(rows)

    def undo(self) -> Correction | None:
        """Take back the last correction that still holds; what held before holds again.

        Returns:
            What was taken back, or None if there is nothing.

        Raises:
            LandmarkError: it can't be written.
        """
        with self._writing() as descriptor:
            if not self._stack:
                return None
            last = max(self._stack, key=lambda held: held.order).correction
            row = {"version": VERSION, "undo": last.sha256, "of": last.time.isoformat(), "time": datetime.now(UTC).isoformat()}
            self._append(descriptor, row)
        return last

    @contextlib.contextmanager
    def _writing(self) -> Iterator[int]:
        lock = self.file.with_name(f".{self.file.name}.lock")
        name = self._name
        with self._thread, locked(lock, wait=f"{name}: another process writes; waiting for it"):
            try:
                new = not self.file.exists()
                descriptor = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
                try:
                    if new:
                        _sync_folder(self.file.parent)
                    self._catch_up()
                    yield descriptor
                finally:
                    os.close(descriptor)
            except OSError as error:
                raise LandmarkError(
                    f"{name}: cannot be written ({error.strerror or error}); free space or give permission, and say it again"
                ) from error

    def _append(self, descriptor: int, *rows: dict[str, Any]) -> None:
        end = os.fstat(descriptor).st_size
        before = _CANCELLED + b"\n" if end > self._read_to else b"\n" if self._open else b""
        lines = [_line(row) for row in rows]
        if (longest := max(map(len, lines))) > LONGEST:
            raise UsageError(f"correction: of {longest} bytes, over the limit of {LONGEST}; shorten the photo's path")
        data = before + b"".join(lines)
        while data:
            data = data[os.write(descriptor, data) :]
        os.fsync(descriptor)
        self._catch_up()

    def _forget(self) -> None:
        self._held, self._stack, self._digest, self._identity = {}, [], None, None
        self._read_to, self._number, self._open = 0, 0, False

    def _catch_up(self) -> None:
        """Read what was appended since the last time. Needs no lock: a line is taken once it is whole."""
        try:
            with open(self.file, "rb", opener=_open_at_once) as stream:
                status = os.fstat(stream.fileno())
                if not stat.S_ISREG(status.st_mode):
                    raise LandmarkError(f"{self._name}: not a regular file; corrections are kept in a file of JSON lines")
                identity = (status.st_dev, status.st_ino)
                if identity != self._identity or status.st_size < self._read_to:
                    self._forget()
                    self._identity = identity
                if status.st_size > self._read_to:
                    stream.seek(self._read_to)
                    self._read(stream)
        except FileNotFoundError:
            self._forget()
        except OSError as error:
            raise LandmarkError(f"{self._name}: cannot be read ({error.strerror}); mend its permissions") from error

    def _read(self, stream: BinaryIO) -> None:
        while line := stream.readline(LONGEST + 1):
            whole = line.endswith(b"\n")
            if self._open and line == b"\n":  # the end of a line that was taken without it
                self._read_to, self._open = self._read_to + 1, False
                continue
            where = f"{self._name}:{self._number + 1}"
            if len(line) > LONGEST:
                raise LandmarkError(f"{where}: a line of more than {LONGEST} bytes is no correction; remove it")
            if not whole and not _is_json(line):
                return  # still being written, or cut off by a kill
            if line.strip() and not line.endswith(_CANCELLED + b"\n"):
                self._take(line, where)
            self._read_to += len(line)
            self._number += 1
            self._open = not whole

    def _take(self, line: bytes, where: str) -> None:
        row = _parsed(line, where)
        try:
            if "undo" in row:
                self._take_back(text(row, "undo"), datetime.fromisoformat(text(row, "of")))
            else:
                self._hold(Correction.of(row), text(row, "carried") if "carried" in row else "")
        except (KeyError, TypeError, ValueError, UsageError) as error:
            what = f"no '{error.args[0]}'" if isinstance(error, KeyError) else str(error).removeprefix("correction: ")
            raise _damaged(where, shown(what)[:200]) from error
        self._digest = None

    def _hold(self, correction: Correction, carried: str) -> None:
        original = self._held.get(carried)
        order = (*(original.order if original is not None else ()), self._number)
        held = _Held(correction, self._held.get(correction.sha256), order)
        self._stack.append(held)
        self._held[correction.sha256] = held

    def _take_back(self, sha256: str, time: datetime) -> None:
        held = self._held.get(sha256)
        # A person may have removed the line that this one takes back.
        if held is None or held.correction.time != time:
            return
        del self._stack[next(n for n in range(len(self._stack) - 1, -1, -1) if self._stack[n] is held)]
        if held.before is None:
            del self._held[sha256]
        else:
            self._held[sha256] = held.before


def _line(row: dict[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=True).encode() + b"\n"


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _parsed(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
        version = row["version"]
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise _damaged(where, "no JSON object with a 'version'") from error
    if isinstance(version, int) and version > VERSION:
        raise LandmarkError(f"{where}: written by a newer Landmark (version {version}, this one knows {VERSION}); update it")
    if not isinstance(row, dict) or version is True or version != VERSION:
        raise _damaged(where, f"version {shown(str(version))[:50]}")
    return row


def _damaged(where: str, why: str) -> LandmarkError:
    return LandmarkError(f"{where}: damaged correction ({why}); mend the line or remove it")


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe would block for ever


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
