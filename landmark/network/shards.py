"""Shards: embeddings on disk, some thousand rows a file, each row known by the sha256 of its photo."""

from __future__ import annotations

import hashlib
import io
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

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
                # Not write_array: where the disk is full, tofile raises an error that doesn't say so.
                np.lib.format.write_array_header_1_0(stream, np.lib.format.header_data_from_array_1_0(rows))
                stream.write(np.ascontiguousarray(rows).data)
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

    def whole(self, keys: Sequence[str]) -> Floats | None:
        """The rows of these keys, read and checked at once: for a folder that holds little else.

        Args:
            keys: in any order, some of them perhaps twice [n].

        Returns:
            Rows [n, d]; None where one is missing or damaged, which `read` then says and mends.

        Raises:
            LandmarkError: a shard was written by a newer version.
        """
        kept: list[str] = []
        parts = []
        for note in sorted(self.folder.glob("shard-*.json")):
            try:
                content = _note(note)
                data = note.with_suffix(".npy").read_bytes()
                stream = io.BytesIO(data)
                np.lib.format.read_magic(stream)
                shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
                if hashlib.sha256(data).hexdigest() != content["sha256"] or dtype != np.float32 or fortran:
                    return None
                if shape != (len(content["keys"]), self.dim):
                    return None
                parts.append(np.frombuffer(data, np.float32, offset=stream.tell()).reshape(shape))
                kept += content["keys"]
            except (OSError, ValueError, KeyError, TypeError):
                return None
        if len(parts) == 1 and kept == list(keys):
            return parts[0]
        rows = {key: row for row, key in enumerate(kept)}
        if not all(key in rows for key in keys):
            return None
        return (
            np.asarray(np.concatenate(parts)[[rows[key] for key in keys]]) if len(keys) else np.zeros((0, self.dim), np.float32)
        )

    def _open(self, note: Path) -> tuple[list[str], Floats]:
        content = _note(note)
        keys, data = content["keys"], note.with_suffix(".npy")
        if not data.is_file() or sha256_file(data) != content["sha256"]:
            raise ValueError("sha256 differs")
        rows = np.load(data, mmap_mode="r", allow_pickle=False)
        if rows.shape != (len(keys), self.dim) or rows.dtype != np.float32:
            raise ValueError(f"{rows.dtype} {list(rows.shape)} instead of float32 {[len(keys), self.dim]}")
        return keys, rows


def _note(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    if int(content["format"]) > FORMAT:
        raise LandmarkError(
            f"{file}: format {content['format']}, this version reads up to {FORMAT}; update the package or delete the folder"
        )
    return content
