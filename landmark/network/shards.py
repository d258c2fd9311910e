"""Shards: embeddings on disk, some thousand rows a file, each row known by the sha256 of its photo."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.storage import atomic_files, sha256_file

log = logging.getLogger(__name__)

FORMAT = 1
Floats = NDArray[np.float32]


class Shards:
    """The shards in one folder, all by the same network.

    A shard is `shard-<id>.npy` (float32 `[n, d]`) and `shard-<id>.json` (format, dim, sha256 of the .npy, keys), which is put
    in place last and without which the other counts for nothing: a killed run leaves whole shards only. What was damaged later
    is noticed when it is read, taken away and made again.

    Args:
        folder: where the shards are; made when the first is written.
        dim: length d of a row.
    """

    def __init__(self, folder: Path, dim: int) -> None:
        self.folder = folder
        self.dim = dim

    def write(self, keys: Sequence[str], rows: Floats) -> None:
        """Add a shard. The same keys give the same file name, so work done twice is kept once.

        Args:
            keys: sha256 of the photo of each row.
            rows: float32 `[n, d]`.

        Raises:
            LandmarkError: no space or no permission; no half shard is left.
        """
        if rows.shape != (len(keys), self.dim) or rows.dtype != np.float32:
            raise LandmarkError(f"shard: expected float32 [{len(keys)}, {self.dim}], got {rows.dtype} {list(rows.shape)}")
        file = self.folder / f"shard-{hashlib.sha256(' '.join(keys).encode()).hexdigest()[:16]}.npy"
        with atomic_files(file, file.with_suffix(".json")) as (data, note):
            with data.open("wb") as stream:
                np.lib.format.write_array(stream, rows, allow_pickle=False)
            content = {"format": FORMAT, "dim": self.dim, "sha256": sha256_file(data), "keys": list(keys)}
            note.write_text(json.dumps(content), encoding="utf-8")

    def read(self, wanted: Mapping[str, int]) -> Iterator[tuple[list[int], Floats]]:
        """Find rows by key, a shard at a time.

        Args:
            wanted: the caller's position for each key.

        Yields:
            Positions `[m]` and their rows `[m, d]`; each wanted key at most once.

        Raises:
            LandmarkError: a shard was written by a newer version.
        """
        seen: set[str] = set()
        for note in sorted(self.folder.glob("shard-*.json")):
            try:
                keys, rows = self._open(note)
            except (OSError, ValueError, KeyError, TypeError) as error:
                log.warning("shard %s is damaged (%s): its photos are embedded again", note, " ".join(str(error).split())[:200])
                note.unlink(missing_ok=True)
                note.with_suffix(".npy").unlink(missing_ok=True)
                continue
            chosen = [row for row, key in enumerate(keys) if key in wanted and key not in seen]
            if chosen:
                seen.update(keys[row] for row in chosen)
                yield [wanted[keys[row]] for row in chosen], np.asarray(rows[chosen])

    def _open(self, note: Path) -> tuple[list[str], Floats]:
        content = json.loads(note.read_text(encoding="utf-8"))
        if int(content["format"]) > FORMAT:
            raise LandmarkError(
                f"{note}: format {content['format']}, this version reads up to {FORMAT}; "
                "update the package or delete the folder"
            )
        keys, data = content["keys"], note.with_suffix(".npy")
        if not data.is_file() or sha256_file(data) != content["sha256"]:
            raise ValueError("sha256 differs")
        rows = np.load(data, mmap_mode="r", allow_pickle=False)
        if rows.shape != (len(keys), self.dim) or rows.dtype != np.float32:
            raise ValueError(f"{rows.dtype} {list(rows.shape)} instead of float32 {[len(keys), self.dim]}")
        return keys, rows
