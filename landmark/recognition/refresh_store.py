"""What a refresh of centroids keeps on disk: a file a block, so that what is unchanged is not clustered again."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from landmark.recognition.refresh_block import Kept, Solved
from landmark.storage import atomic_file

log = logging.getLogger(__name__)

DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
KEY_BYTES = 32


class RefreshStore:
    """The files of blocks in one folder.

    A file is `block-<key>.npz`: keys [L, 32] and sizes [L] of its landmarks, labels and held_out [r, N] of their photos one
    after another, choice [L]. It is named by the sha256 of what it was made from, and is there as a whole or not at all. What
    was damaged later is noticed when it is read (the checksums of the zip), and made again.

    Args:
        folder: where the files are; made when the first is written.
        index: file name by key of a landmark's clustering, as `read_index` gives it.
    """

    def __init__(self, folder: Path, index: dict[bytes, str] | None = None) -> None:
        self.folder = folder
        self.index = index or {}
        self._open: dict[str, _Content] = {}

    @staticmethod
    def name(key: bytes) -> str:
        """The file of a block."""
        return f"block-{key.hex()[:32]}.npz"

    def read_index(self) -> dict[bytes, str]:
        """Where each clustering is kept; a damaged file is passed over, with a warning, and left out."""
        found = {}
        for file in sorted(self.folder.glob("block-*.npz")):
            try:
                with np.load(file, allow_pickle=False) as content:
                    keys = content["keys"]
                if keys.dtype != np.uint8 or keys.ndim != 2 or keys.shape[1] != KEY_BYTES:
                    raise ValueError(f"keys are {keys.dtype} {list(keys.shape)}")
            except DAMAGED as error:
                _warn(file, error)
                continue
            found.update(dict.fromkeys((row.tobytes() for row in keys), file.name))
        return found

    def recall(self, key: bytes) -> Kept | None:
        """A landmark's clustering, or None where there is none that is whole."""
        name = self.index.get(key)
        return None if name is None else self._load(name).kept.get(key)

    def recall_choice(self, key: bytes) -> list[int] | None:
        """The choice of a block whose clusterings were all recalled, or None."""
        return self._load(self.name(key)).choice

    def close(self) -> None:
        """Let go of the files that were read."""
        self._open.clear()

    def write(self, solved: Solved) -> str:
        """Keep a block; returns the file's name.

        Raises:
            LandmarkError: no space or no permission; no half file is left.
        """
        name = self.name(solved.key)
        if self._load(name).choice is None:
            with atomic_file(self.folder / name) as temporary, temporary.open("wb") as stream:
                np.savez(
                    stream,
                    allow_pickle=False,
                    keys=np.frombuffer(b"".join(kept.key for kept in solved.kept), np.uint8).reshape(-1, KEY_BYTES),
                    sizes=np.array([kept.labels.shape[1] for kept in solved.kept], np.int64),
                    labels=np.concatenate([kept.labels for kept in solved.kept], axis=1),
                    held_out=np.concatenate([kept.held_out for kept in solved.kept], axis=1),
                    choice=np.array(solved.choice, np.int64),
                )
        return name

    def prune(self, used: Iterable[str]) -> None:
        """Take away the files of blocks that are no more, and what killed processes left of theirs."""
        names = set(used)
        for file in (*self.folder.glob("block-*.npz"), *self.folder.glob(".*.tmp.npz")):
            if file.name not in names:
                file.unlink(missing_ok=True)

    def _load(self, name: str) -> _Content:
        if name not in self._open:
            try:
                self._open[name] = _read(self.folder / name)
            except FileNotFoundError:
                return _Content({}, None)
            except DAMAGED as error:
                _warn(self.folder / name, error)
                self._open[name] = _Content({}, None)
        return self._open[name]


@dataclass(frozen=True, eq=False)
class _Content:
    kept: dict[bytes, Kept]
    choice: list[int] | None


def _read(file: Path) -> _Content:
    with np.load(file, allow_pickle=False) as content:
        keys, sizes, choice = content["keys"], content["sizes"], content["choice"]
        labels: NDArray[np.int32] = content["labels"]
        held_out: NDArray[np.float32] = content["held_out"]
    ends = np.cumsum(sizes)
    if labels.shape != held_out.shape or not len(keys) == len(sizes) == len(choice) > 0 or ends[-1] != labels.shape[1]:
        raise ValueError("its parts do not match")
    kept = {
        key.tobytes(): Kept(key.tobytes(), labels[:, end - size : end], held_out[:, end - size : end])
        for key, size, end in zip(keys, sizes, ends, strict=True)
    }
    return _Content(kept, [int(number) for number in choice])


def _warn(file: Path, error: Exception) -> None:
    log.warning("%s is damaged (%s): its landmarks are clustered again", file, " ".join(str(error).split())[:200])
