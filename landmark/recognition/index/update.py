"""Photos that come and go without a rebuild: codes are added to the trained lists, or taken out of them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from landmark.errors import LandmarkError, UsageError
from landmark.names import shown
from landmark.recognition.index import folder as index_folder
from landmark.recognition.index.folder import COPIES, LISTS
from landmark.recognition.index.rows import Rows
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.index.source import VectorSource
from landmark.recognition.index.store import StoreWriter
from landmark.storage import atomic_folder

_COUNTED = ("format", "version", "files")


def add(folder: Path, source: VectorSource, rows: Rows) -> dict[str, Any]:
    """Add vectors with their ids; the folder is replaced as a whole.

    Args:
        folder: of an index.
        source: unit vectors [n, d].
        rows: id and attributes of each; none of the ids is in the index.

    Returns:
        what `SearchIndex.info` says afterwards.

    Raises:
        UsageError: ids that do not fit, or are there already.
        LandmarkError: other vectors than the index's; another writer; a damaged index. The old one stays in use.
    """
    with index_folder.writer(folder) as folder:
        index = SearchIndex.load(folder)
        if source.dim != index.dim:
            raise LandmarkError(
                f"{source.name}: {source.dim} dimensions where {index.dim} are needed; embed by the same network"
            )
        if len(rows) != source.count:
            raise UsageError(f"{rows.name}: {len(rows)} ids for {source.count} vectors; give one a vector, in the same order")
        joined = index.rows.joined(rows)
        # A photo that was removed may come back: its old row stays removed, and is found by no search.
        here = _living(index).positions(rows.table["id"]) >= 0
        if here.any():
            first = rows.table["id"][int(here.argmax())].as_py()
            raise UsageError(f"{rows.name}: id '{shown(str(first))}' is in the index already; remove it first, or leave it out")
        with atomic_folder(folder) as temporary:
            _copy(folder, temporary, index)
            lists = _read_lists(folder, index)
            start = len(index.rows)
            store = None
            if index.engine.copies is not None:
                store = StoreWriter(temporary / COPIES)
            for first_row, block in source.blocks():
                if lists is not None:
                    lists.add_with_ids(block, np.arange(len(block), dtype=np.int64) + start + first_row)
                if store is not None:
                    store.append(block)
            if store is not None:
                store.close()
            alive = np.concatenate([index.alive, np.ones(source.count, bool)])
            _finish(temporary, index, lists, joined, alive)
        return SearchIndex.load(folder, verify=False).info()


def remove(folder: Path, ids: Any) -> dict[str, Any]:
    """Remove photos by id; their copies keep their room until the index is built again.

    Args:
        folder: of an index.
        ids: [n], all of them in the index.

    Returns:
        what `SearchIndex.info` says afterwards.

    Raises:
        UsageError: an id that is not in the index; none would be left.
        LandmarkError: another writer; a damaged index. The old one stays in use.
    """
    with index_folder.writer(folder) as folder:
        index = SearchIndex.load(folder)
        wanted = Rows.of(ids)
        living = np.flatnonzero(index.alive)
        places = _living(index).positions(wanted.table["id"])
        if (places < 0).any():
            first = wanted.table["id"][int((places < 0).argmax())].as_py()
            raise UsageError(f"ids: '{shown(str(first))}' is not in the index ({int((places < 0).sum())} such); leave it out")
        if len(wanted) == len(index):
            raise UsageError("ids: no photo would be left; delete the folder instead")
        gone = living[places]
        with atomic_folder(folder) as temporary:
            _copy(folder, temporary, index)
            lists = _read_lists(folder, index)
            if lists is not None:
                lists.remove_ids(faiss.IDSelectorBatch(gone))
            alive = index.alive.copy()
            alive[gone] = False
            _finish(temporary, index, lists, index.rows, alive)
        return SearchIndex.load(folder, verify=False).info()


def _living(index: SearchIndex) -> Rows:
    return index.rows if index.alive.all() else Rows(index.rows.table.filter(index.alive))


def _copy(folder: Path, temporary: Path, index: SearchIndex) -> None:
    # Not a hard link: readers of the old folder have it mapped.
    for name in index.values["files"]:
        if name != LISTS:
            shutil.copyfile(folder / name, temporary / name)


def _read_lists(folder: Path, index: SearchIndex) -> Any | None:
    """The lists in memory, to be changed."""
    return faiss.read_index(str(folder / LISTS)) if index.engine.lists is not None else None


def _finish(temporary: Path, index: SearchIndex, lists: Any | None, rows: Rows, alive: Any) -> None:
    if lists is not None:
        faiss.write_index(lists, str(temporary / LISTS))
    index_folder.write_rows(temporary, rows, alive)
    values = {key: value for key, value in index.values.items() if key not in _COUNTED}
    index_folder.seal(temporary, {**values, "rows": len(rows), "count": int(alive.sum())})
