"""The file of inverted lists: several put together list by list, none of them held in memory. Knows FAISS's file."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from landmark.errors import LandmarkError

swig: Any = faiss
LISTS_MARK, EMPTY_BYTES = b"ilar", 32
"""How FAISS's record of inverted lists begins, and how long it is at the end of a file without entries."""


def open_lists(path: Path) -> Any:
    """Lists, mapped: nothing of them is read before a search touches it. Codes scanned in registers are read at once."""
    return faiss.read_index(str(path), faiss.IO_FLAG_MMAP)


def join_lists(empty: Any, parts: Sequence[Path], out: Path) -> None:
    """Write the entries of several files of lists, which were trained as one, into one file, as FAISS would write them.

    FAISS has two ways of its own: merging in memory, which takes all of it (and in version 1.15 damages codes of 4 bits that
    are packed for registers), and on disk (`faiss.contrib.ondisk`), which leaves two files. So the lists are written one
    after the other: the entries of the first part, then those of the next. Memory: what is trained, and one list.

    Args:
        empty: the trained lists, without entries.
        parts: files of lists, none of them packed for registers.
        out: file to write.
    """
    opened = [open_lists(path) for path in parts]
    lists = [swig.extract_index_ivf(index).invlists for index in opened]
    nlist, code_size = int(lists[0].nlist), int(lists[0].code_size)
    sizes = np.array([[part.list_size(number) for number in range(nlist)] for part in lists], np.int64)
    total = sizes.sum(0)
    there = np.flatnonzero(total)
    with out.open("wb") as file:
        file.write(_header(empty, int(total.sum())))
        file.write(LISTS_MARK + struct.pack("<QQ", nlist, code_size))
        full = len(there) > nlist // 2
        counts = total if full else np.stack([there, total[there]], 1).ravel()
        file.write((b"full" if full else b"sprs") + struct.pack("<Q", len(counts)) + counts.astype("<u8").tobytes())
        for number in there.tolist():
            held = [(part, int(size)) for part, size in zip(lists, sizes[:, number], strict=True) if size]
            for part, size in held:
                file.write(swig.rev_swig_ptr(part.get_codes(number), size * code_size).data)
            for part, size in held:
                file.write(swig.rev_swig_ptr(part.get_ids(number), size).data)


def _header(empty: Any, count: int) -> bytes:
    """All that stands before the lists."""
    empty.ntotal = swig.extract_index_ivf(empty).ntotal = count
    data = faiss.serialize_index(empty).tobytes()
    if data[-EMPTY_BYTES:][:4] != LISTS_MARK:
        raise LandmarkError(
            f"FAISS {faiss.__version__} writes inverted lists in another way; install the version in constraints.txt"
        )
    return bytes(data[:-EMPTY_BYTES])


def pack_lists(path: Path, out: Path) -> None:
    """Write lists of plain 4-bit codes as lists that are scanned in registers. Memory: all codes, as for searching them."""
    plain = open_lists(path)
    fast: Any = swig.IndexIVFPQFastScan(faiss.downcast_index(faiss.extract_index_ivf(plain)))
    if isinstance(plain, faiss.IndexPreTransform):
        chain: Any = plain.chain
        whole: Any = faiss.IndexPreTransform(fast)
        whole.prepend_transform(chain.at(0))
        faiss.write_index(whole, str(out))
    else:
        faiss.write_index(fast, str(out))
