"""What a home folder need not keep: outputs of steps that no run stands on any more, and were not used for long.

Nothing that is deleted here is lost: it is made, embedded or downloaded again when it is asked for. A clock that jumps can
therefore cost time, and nothing else. What a run's folder says it was made from is kept, however old.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from landmark.cache import MANIFEST, locked
from landmark.errors import LandmarkError
from landmark.run import RECORD

log = logging.getLogger(__name__)

DAY = 86400.0
KINDS = ("steps", "work", "embeddings", "models")
LEFT_DAYS = 1.0
"""Age from which what a killed write left beside its target is no longer somebody's [days]."""


@dataclass(frozen=True)
class Pruned:
    """One folder or file that was, or would be, deleted.

    Attributes:
        path: below the home folder.
        bytes: its size.
        days: since it was used last.
    """

    path: str
    bytes: int
    days: float

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def prune(home: Path, days: float, dry_run: bool = False, own: str | None = None) -> list[Pruned]:
    """Delete what was not used for long and no run stands on.

    While a run is being made, nobody can tell what it will stand on: then only what killed writes left is looked at.

    Args:
        home: the home folder.
        days: how long something unused is kept [days].
        dry_run: delete nothing.
        own: name of the run that the caller makes, and has published.

    Returns:
        What was deleted, or would be; what another process works on is passed over.
    """
    home = Path(home).resolve()
    busy = _being_made(home, own)
    if busy:
        log.info("prune: run '%s' is being made, so outputs of steps and downloads stay", busy[0])
    keys, fingerprints = _kept(home)
    found = []
    for path in _candidates(home, () if busy else KINDS, keys, fingerprints):
        age = (time.time() - _used(path)) / DAY
        limit = LEFT_DAYS if path.name.startswith(".") else days
        if age < limit:
            continue
        one = Pruned(path.relative_to(home).as_posix(), _bytes(path), round(age, 1))
        if dry_run or _delete(home, path, limit):
            found.append(one)
    return found


def _kept(home: Path) -> tuple[set[str], set[str]]:
    """Names of the step folders that runs stand on, and fingerprints of the networks in them."""
    names: set[str] = set()
    for record in (home / "runs").glob(f"*/{RECORD}"):
        try:
            row = json.loads(record.read_text(encoding="utf-8"))
            # `gathering`: what a run that is being published, or was killed in it, will stand on; `before`: what it stood on.
            for steps in (row["steps"], row.get("gathering") or {}, row.get("before") or {}):
                names |= {f"{step}-{output['key'][:16]}" for step, output in steps.items()}
        except (OSError, ValueError, KeyError, TypeError) as error:
            # Not knowing what a run stands on, nothing of its steps may go.
            raise LandmarkError(
                f"{record}: cannot be read ({error}), so nothing is deleted; give the run's command again"
            ) from error
    fingerprints = set()
    for name in names:
        try:
            fingerprints.add(str(json.loads((home / "steps" / name / MANIFEST).read_text(encoding="utf-8"))["digest"]))
        except (OSError, ValueError, KeyError):
            continue
    return names, fingerprints


def _being_made(home: Path, own: str | None) -> list[str]:
    """Names of the runs whose locks are held, but for the caller's own."""
    held = []
    for file in sorted((home / "locks").glob("run-*.lock")):
        name = file.stem.removeprefix("run-")
        if name == own:
            continue
        try:
            with FileLock(file, timeout=0):
                pass
        except OSError:  # held by another (filelock's Timeout is one), or not to be opened: not known to be free
            held.append(name)
    return held


def _candidates(home: Path, kinds: Sequence[str], keys: set[str], fingerprints: set[str]) -> Iterator[Path]:
    for kind in kinds:
        for path in sorted((home / kind).glob("*")) if (home / kind).is_dir() else ():
            if not path.is_dir() or path.is_symlink():
                continue
            if kind == "embeddings" and (len(path.name) != 64 or path.name in fingerprints):
                continue
            if kind in ("steps", "work") and path.name in keys:
                continue
            yield path
    for place in (home / "runs", *(home / "runs").glob("*")):
        if place.is_dir():
            yield from (path for path in place.glob(".*") if path.name.endswith((".tmp", ".old")) or ".tmp." in path.name)


def _used(path: Path) -> float:
    """When a folder was used last: the youngest of itself and what lies in it directly."""
    try:
        times = [path.lstat().st_mtime]
        if path.is_dir() and not path.is_symlink():
            times += [entry.lstat().st_mtime for entry in path.iterdir()]
        return max(times)
    except OSError:
        return time.time()


def _bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    return sum(file.lstat().st_size for file in files if not file.is_dir())


def _delete(home: Path, path: Path, days: float) -> bool:
    """Delete under the lock by which a step or a download is made; whether it was done."""
    try:
        with locked(home / "locks" / f"{path.name}.lock", refuse=f"{path.name}: in use"):
            if (time.time() - _used(path)) / DAY < days:  # used meanwhile
                return False
            if path.is_dir() and not path.is_symlink():
                # The manifest goes first: a step's folder that is half deleted is no output.
                (path / MANIFEST).unlink(missing_ok=True)
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
    except (LandmarkError, OSError) as error:
        log.info("prune: %s stays (%s)", path, error)
        return False
    return True
