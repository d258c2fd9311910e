"""The list of sidecars that could not be written."""

from __future__ import annotations

import csv
import filecmp
from pathlib import Path
from typing import Self

from landmark.errors import LandmarkError
from landmark.names import shown


class Rejects:
    """`sidecars.csv`, which keeps its time where nothing in it changes. Use as a context manager.

    Raises:
        LandmarkError: no space or no permission.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._new = file.parent / ".state" / f"{file.name}.new"

    def __enter__(self) -> Self:
        self._stream = self._new.open("w", encoding="utf-8", newline="")
        self._table = csv.writer(self._stream)
        self._table.writerow(["photo", "sidecar", "reason"])
        return self

    def write(self, rows: list[tuple[str, str, str]]) -> None:
        """Take in photo, sidecar and reason."""
        self._table.writerows(rows)

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            self._stream.close()
            if kind is None and not (self._file.is_file() and filecmp.cmp(self._new, self._file, shallow=False)):
                self._new.replace(self._file)
        except OSError as error:
            if kind is None:
                raise LandmarkError(f"{shown(self._file)}: cannot be written ({error.strerror}); free some space") from error
        finally:
            self._new.unlink(missing_ok=True)
