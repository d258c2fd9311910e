"""The step cache: outputs of steps in folders that are named by what they were made from.

`<home>/steps/<step>-<key16>/` holds a step's files and `manifest.json`, which is written last: a folder without a valid
manifest is no output. Work in progress lies in `<home>/work/<step>-<key16>/` and is renamed as a whole, so a step that is
killed leaves no half output, and a step that keeps checkpoints finds them again under the same key.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from landmark.errors import LandmarkError
from landmark.storage import sha256_file

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
FORMAT = 1
CANNOT_WRITE = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS)


def content_key(content: Mapping[str, Any]) -> str:
    """The sha256 of a mapping's canonical JSON (sorted keys, no spaces).

    >>> content_key({"a": 1, "b": [2]}) == content_key({"b": [2], "a": 1})
    True
    """
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True)
class Output:
    """What a step made.

    Attributes:
        folder: where its files lie.
        step: name of the step.
        key: sha256 of all that the step depends on.
        digest: sha256 that stands for the content; steps that read this output are keyed by it.
        facts: small results that the step reports (counts, rates), JSON.
        seconds: time that the step took [s].
        created: when it was finished, ISO 8601, UTC.
    """

    folder: Path
    step: str
    key: str
    digest: str
    facts: dict[str, Any]
    seconds: float
    created: str


@dataclass(frozen=True)
class StepCache:
    """All outputs of steps under one home folder."""

    home: Path

    def folder(self, step: str, key: str) -> Path:
        """Where the output of a step lies once it is finished."""
        return self.home / "steps" / f"{step}-{key[:16]}"

    def get(self, step: str, key: str, *, deep: bool = False) -> Output | None:
        """The finished output of a step, or None where there is none or it is damaged.

        Args:
            step: name of the step.
            key: its key.
            deep: compare each file's sha256, not only its size.
        """
        folder = self.folder(step, key)
        try:
            manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            log.warning("%s: %s is damaged (%s); the step is done again", step, folder / MANIFEST, error)
            return None
        try:
            if manifest["format"] != FORMAT or manifest["key"] != key:
                return None
            for name, file in manifest["files"].items():
                if (folder / name).stat().st_size != file["bytes"] or (deep and sha256_file(folder / name) != file["sha256"]):
                    log.warning("%s: %s is not as it was made; the step is done again", step, folder / name)
                    return None
            return Output(folder, step, key, manifest["digest"], manifest["facts"], manifest["seconds"], manifest["created"])
        except (OSError, LandmarkError, KeyError, TypeError, AttributeError) as error:
            log.warning("%s: %s is damaged (%s); the step is done again", step, folder, error)
            return None

    def make(self, step: str, key: str, work: Callable[[Path], Mapping[str, Any]], *, resumes: bool = False) -> Output:
        """Do a step and keep its output.

        Two processes that need the same output do not make it twice: the second waits for the first.

        Args:
            step: name of the step.
            key: its key.
            work: writes files into the folder it is given, returns facts; a fact `digest` stands for the content,
                else the sha256 over all files does.
            resumes: leave the folder of a broken-off attempt to `work`, which goes on from what it finds there.

        Raises:
            LandmarkError: the folder cannot be written; names the path.
        """
        with self._lock(step, key):
            made = self.get(step, key, deep=True)
            if made is not None:
                return made
            partial = self.home / "work" / f"{step}-{key[:16]}"
            try:
                return self._make(step, key, work, partial, resumes)
            except OSError as error:
                if error.errno not in CANNOT_WRITE:
                    raise
                raise LandmarkError(
                    f"{step}: {error.filename or partial}: {error.strerror}; free some space or mend the permissions, "
                    "then give the same command again"
                ) from error

    def _make(self, step: str, key: str, work: Callable[[Path], Mapping[str, Any]], partial: Path, resumes: bool) -> Output:
        if partial.exists() and not resumes:
            shutil.rmtree(partial)
        partial.mkdir(parents=True, exist_ok=True)
        begin = time.monotonic()
        try:
            facts = dict(work(partial))
        except BaseException:
            if not resumes:
                shutil.rmtree(partial, ignore_errors=True)
            raise
        seconds = round(time.monotonic() - begin, 3)
        files = {
            file.relative_to(partial).as_posix(): {"bytes": file.stat().st_size, "sha256": sha256_file(file)}
            for file in sorted(partial.rglob("*"))
            if file.is_file() and file != partial / MANIFEST
        }
        digest = str(facts.pop("digest", None) or content_key({name: file["sha256"] for name, file in files.items()}))
        created = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = {
            "format": FORMAT,
            "step": step,
            "key": key,
            "digest": digest,
            "facts": facts,
            "seconds": seconds,
            "created": created,
            "files": files,
        }
        (partial / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
        folder = self.folder(step, key)
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            shutil.rmtree(folder)
        partial.replace(folder)
        return Output(folder, step, key, digest, facts, seconds, created)

    @contextmanager
    def _lock(self, step: str, key: str) -> Iterator[None]:
        file = self.home / "locks" / f"{step}-{key[:16]}.lock"
        with locked(file, wait=f"{step}: another process makes the same output; waiting for it"):
            yield


@contextmanager
def locked(file: Path, *, wait: str | None = None, refuse: str | None = None) -> Iterator[None]:
    """Hold a lock between processes; it is freed when the process ends, however it ends.

    Args:
        file: the lock's file; it stays.
        wait: line logged while waiting for another holder.
        refuse: message of the error raised instead of waiting.

    Raises:
        LandmarkError: another process holds it and `refuse` is given, or the file cannot be written.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(file)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            if refuse is not None:
                raise LandmarkError(refuse) from None
            log.info("%s", wait)
            lock.acquire()
    except OSError as error:
        raise LandmarkError(f"{file}: cannot be locked ({error.strerror or error}); mend the folder's permissions") from error
    try:
        yield
    finally:
        lock.release()
