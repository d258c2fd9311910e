"""An index over any vectors, as plain functions: search, add, remove; what building needs to know."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landmark.errors import UsageError
from landmark.evaluation.search_plot import operating_points
from landmark.names import shown
from landmark.recognition.index import folder as index_folder
from landmark.recognition.index import update as index_update
from landmark.recognition.index.filter import Filter
from landmark.recognition.index.goal import Goal
from landmark.recognition.index.promise import SearchPoint
from landmark.recognition.index.rows import Rows
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.index.source import VectorSource
from landmark.storage import atomic_file, read_bytes

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
MAX_QUERIES = 1_000_000
"""Of a file of queries; more are searched in parts."""


def check_place(place: Path, vectors: Path) -> None:
    """Whether an index may be written to a folder.

    Raises:
        UsageError: other things are in it, or it lies among the vectors.
    """
    if vectors.is_dir() and place.is_relative_to(vectors):
        raise UsageError(f"--out {shown(place)}: it lies in the folder of the vectors, all of which are read; give another")
    if place.is_dir() and any(place.iterdir()) and not (place / index_folder.INDEX).is_file():
        raise UsageError(f"--out {shown(place)}: a folder with other things in it; give another, or an index to replace")
    if (place / index_folder.INDEX).is_file() and b'"landmark-index"' in read_bytes(place / index_folder.INDEX):
        raise UsageError(f"--out {shown(place)}: the gallery of a recognizer; give another folder")


def read_rows(ids: str | Path | None, source: VectorSource) -> Rows:
    """Ids and attributes from a file, else numbers."""
    return Rows.numbered(source.count) if ids is None else Rows.read(ids)


def read_queries(queries: str | Path | None, source: VectorSource) -> Floats | None:
    """Queries to tune on, if a file is given."""
    return None if queries is None else _queries(queries, source.dim)


def draw(points: list[SearchPoint], chosen: SearchPoint, goal: Goal) -> str:
    """The picture of an index's operating points (SVG)."""
    return operating_points(points, chosen, goal.recall, goal.k)


def search_index(
    index: str | Path,
    queries: str | Path,
    out: str | Path,
    k: int | None = None,
    only: Filter | None = None,
    device: str = "cpu",
) -> dict[str, Any]:
    """Search an index and write `ids` [q, k] and `similarities` [q, k] into one .npz.

    Returns:
        queries, k, and how many results were found (counts).
    """
    if Path(out).suffix != ".npz":
        raise UsageError(f"--out {shown(out)}: results are written as .npz; give a name that ends so")
    opened = SearchIndex.load(index, device=device)
    if k is not None and k > opened.values["k"]:
        log.warning("-k %d: the index was built for %d; for more, no recall is promised", k, opened.values["k"])
    if only is not None and not only.empty and not only.mask(opened.rows).any():
        log.warning("no photo of the index is of such a landmark, region or place")
    similarity, ids = opened.search(_queries(queries, opened.dim), k, only)
    with atomic_file(Path(out)) as temporary, temporary.open("wb") as file:
        np.savez(file, ids=ids, similarities=similarity)
    return {"queries": len(ids), "k": int(ids.shape[1]), "found": int(np.isfinite(similarity).sum()), "out": str(out)}


def add_to_index(index: str | Path, vectors: str | Path, ids: str | Path | None = None) -> dict[str, Any]:
    """Add vectors; without ids they go on from the largest number in the index."""
    source = VectorSource.of(vectors)
    if ids is not None:
        return index_update.add(Path(index), source, Rows.read(ids))
    known = SearchIndex.load(index, verify=False).rows
    if known.text or known.table.num_columns > 1:
        raise UsageError("index add: give --ids FILE with the same columns as those of the index")
    first = int(np.max(known.table["id"].to_numpy())) + 1
    return index_update.add(Path(index), source, Rows.of(np.arange(first, first + source.count)))


def remove_from_index(index: str | Path, ids: Sequence[str], file: str | Path | None = None) -> dict[str, Any]:
    """Remove photos by ids as written on a command line, or in a file."""
    if bool(ids) == (file is not None):
        raise UsageError("index remove: give ids, or --ids FILE (one of the two)")
    known = SearchIndex.load(index, verify=False).rows
    given: list[Any] = list(ids) if file is None else Rows.read(file).table["id"].to_pylist()
    if known.text:
        return index_update.remove(Path(index), [str(value) for value in given])
    if not all(str(value).isascii() and str(value).isdigit() for value in given):
        raise UsageError("index remove: the ids of this index are whole numbers")
    return index_update.remove(Path(index), [int(value) for value in given])


def _queries(path: str | Path, dim: int) -> Floats:
    source = VectorSource.of(path)
    if source.dim != dim:
        raise UsageError(f"{source.name}: {source.dim} dimensions where the index has {dim}; embed by the same network")
    if source.count > MAX_QUERIES:
        raise UsageError(f"{source.name}: {source.count} queries, at most {MAX_QUERIES} at once; split the file")
    return np.concatenate([block for _, block in source.blocks()])
