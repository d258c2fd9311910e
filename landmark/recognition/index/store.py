"""Copies of the vectors that re-rank candidates, written block by block and read by memory map. Knows FAISS's file."""

from __future__ import annotations

import shutil
import struct
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
CHUNK = 1 << 24


class StoreWriter:
    """Writes a FAISS file of copies without holding them: header first, codes appended, both counts set at the end.

    The layout of such a file is the header with the number of vectors at byte 8, the length of the codes as the header's last
    eight bytes, and the codes; a test compares it with what FAISS writes.

    Args:
        path: file to write; with `empty` None it must hold copies already, and they stay.
        empty: a trained index of copies without vectors.
    """

    def __init__(self, path: Path, empty: Any | None = None) -> None:
        if empty is None:
            mapped = open_store(path)
            self.count = int(mapped.ntotal)
            with path.open("rb") as file:
                header = bytearray(file.read(path.stat().st_size - self.count * int(mapped.sa_code_size())))
            header[8:16] = header[-8:] = bytes(8)
            self._coder = faiss.deserialize_index(np.frombuffer(header, np.uint8))
        else:
            self.count = 0
            self._coder = empty
            path.write_bytes(faiss.serialize_index(empty).tobytes())
        self._header = len(faiss.serialize_index(self._coder))
        self._file = path.open("r+b")
        self._file.seek(0, 2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def append(self, rows: Floats) -> None:
        """Add copies of rows [b, d]."""
        self._file.write(self._coder.sa_encode(rows).tobytes())
        self.count += len(rows)

    def append_file(self, path: Path) -> None:
        """Add all copies of another file of this kind, made with the same ranges, as they are."""
        with path.open("rb") as file:
            self.count += struct.unpack("<8xq", file.read(16))[0]
            file.seek(self._header)
            shutil.copyfileobj(file, self._file, CHUNK)

    def close(self) -> None:
        """Set the counts; the file is whole afterwards."""
        # FAISS counts the codes of float32 copies in floats, those of others in bytes.
        size = self.count * int(self._coder.sa_code_size()) // (4 if isinstance(self._coder, faiss.IndexFlat) else 1)
        for place, value in ((8, self.count), (self._header - 8, size)):
            self._file.seek(place)
            self._file.write(struct.pack("<q", value))
        self._file.close()


def new_store(kind: str, sample: Floats) -> Any:
    """An index of copies without vectors ("Flat", "SQfp16", "SQ8", "SQ6"), its ranges taken from a sample [n, d]."""
    index = faiss.index_factory(sample.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
    index.train(sample)
    return index


def open_store(path: Path) -> Any:
    """The copies, mapped: nothing is read before a search touches it."""
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP_IFC)
