"""Rows on disk: an array that is written a few rows at a time, and never lies in memory as a whole."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError

Floats = NDArray[np.float32]


class RowFile:
    """Float32 rows `[n, d]` in a temporary file without a name, written row by row and mapped at the end.

    Args:
        folder: where there is room for it; made if it isn't there.
        rows: n.
        dim: d.

    Raises:
        LandmarkError: not enough room, or no permission.
    """

    def __init__(self, folder: Path, rows: int, dim: int) -> None:
        self._folder = folder
        self._shape = (rows, dim)
        self._row_bytes = 4 * dim

    def __enter__(self) -> RowFile:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = tempfile.TemporaryFile(dir=self._folder)
            if self._shape[0] and hasattr(os, "posix_fallocate"):
                # Reserved now, for a full disk would otherwise kill the process when a mapped page is written.
                os.posix_fallocate(self._file.fileno(), 0, self._shape[0] * self._row_bytes)
        except OSError as error:
            raise LandmarkError(
                f"{self._folder}: no room for {self._shape[0]} embeddings ({error.strerror}); free "
                f"{self._shape[0] * self._row_bytes >> 20} MiB or give permission"
            ) from error
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, positions: Sequence[int], rows: Floats) -> None:
        """Write rows `[m, d]` to positions `[m]`."""
        for position, row in zip(positions, rows, strict=True):
            self._file.seek(position * self._row_bytes)
            self._file.write(row.tobytes())

    def copy(self, source: int, target: int) -> None:
        """Copy one row."""
        self._file.seek(source * self._row_bytes)
        row = self._file.read(self._row_bytes)
        self._file.seek(target * self._row_bytes)
        self._file.write(row)

    def array(self) -> Floats:
        """All rows `[n, d]`, mapped; changes stay private. The file goes when the array goes."""
        if not self._shape[0]:
            return np.empty(self._shape, dtype=np.float32)
        self._file.flush()
        return np.memmap(self._file, dtype=np.float32, mode="c", shape=self._shape)
