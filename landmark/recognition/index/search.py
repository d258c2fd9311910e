"""A search index over photos: opened by memory map, searched by unit vectors, answers by photo id."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import faiss
import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError, UsageError
from landmark.names import shown
from landmark.recognition.index import device as index_device
from landmark.recognition.index import folder as index_folder
from landmark.recognition.index.engine import Engine, swig
from landmark.recognition.index.filter import Filter
from landmark.recognition.index.folder import COPIES, LISTS, POINTS
from landmark.recognition.index.promise import SearchPoint
from landmark.recognition.index.rows import Rows
from landmark.recognition.index.store import open_store
from landmark.recognition.vectors import check_vectors
from landmark.storage import atomic_folder, read_json, write_json

log = logging.getLogger(__name__)

Floats = NDArray[np.float32]
IMBALANCE_WORTH = 1.3
"""Times the imbalance at building from which searching is that much slower: lists are chosen by where vectors were then."""
ADDED_WORTH, REMOVED_WORTH = 0.5, 0.2
"""Shares from which codes are trained on too few of the vectors, and copies of removed ones take too much room."""
QUERIES = 4096
"""Searched at once."""


class SearchIndex:
    """What lies in one folder, as it was when it was opened; a later change of the folder does not reach it.

    Attributes:
        values: `index.json`: factory, dim, count, k, recall, nprobe, candidates, ...
        points: operating points measured while tuning.
        rows: ids and attributes, of removed rows too.
        alive: bool [rows], which rows are still there.
    """

    def __init__(
        self, engine: Engine, values: dict[str, Any], rows: Rows, alive: NDArray[np.bool_], points: list[SearchPoint]
    ) -> None:
        self.engine = engine
        self.values = values
        self.rows = rows
        self.alive = alive
        self.points = points
        self.dim = int(values["dim"])

    def __len__(self) -> int:
        return int(self.values["count"])

    @classmethod
    def exact(cls, vectors: NDArray[Any], ids: Sequence[str] | None = None) -> Self:
        """An index in memory that compares with every vector: for few vectors, and to measure others by.

        Args:
            vectors: unit vectors [n, d].
            ids: of each [n] (None: 0, 1, 2, ...).

        Raises:
            LandmarkError: no unit vectors; ids that do not fit them.
        """
        stored = check_vectors(vectors, "vectors")
        count, dim = stored.shape
        rows = Rows.numbered(count) if ids is None else Rows.of(ids)
        if len(rows) != count:
            raise LandmarkError(f"index: {len(rows)} ids for {count} vectors; give one a vector")
        copies: Any = faiss.IndexFlatIP(dim)
        copies.add(stored)
        values = {"factory": "Flat", "dim": dim, "rows": count, "count": count, "built_rows": count, "k": 1, "recall": 1.0}
        values |= {"nprobe": 0, "candidates": 0, "recall_confirmed": 1.0, "recall_low": 1.0, "imbalance_built": 1.0}
        return cls(Engine(None, copies), {**values, "trained_on": 0, "files": {}}, rows, np.ones(count, bool), [])

    @classmethod
    def load(cls, folder: str | Path, verify: bool = True, device: str = "cpu") -> Self:
        """Open a folder.

        Copies, ids and 8-bit codes are mapped; 4-bit codes are read, their blocks can't be mapped.

        Args:
            folder: of an index.
            verify: compare the checksums, which reads every file once.
            device: cpu, auto or gpu.

        Raises:
            UsageError: no index there; no GPU.
            LandmarkError: damaged, foreign, or of another version.
        """
        place = Path(folder)
        made = index_folder.consistent(place, lambda values: cls._open(place, values, verify))
        if index_device.choose(device) == "gpu" and not made.engine.to_gpu():
            problem = (
                f"index {shown(folder)}: {made.values['factory']} was built for the CPU; build it again with the device 'gpu'"
            )
            if device == "gpu":
                raise UsageError(problem)
            log.info("%s", problem)
        return made

    @classmethod
    def _open(cls, folder: Path, values: dict[str, Any], verify: bool) -> Self:
        index_folder.check_files(folder, values, verify)
        try:
            lists = None
            if LISTS in values["files"]:
                lists = faiss.read_index(str(folder / LISTS), faiss.IO_FLAG_MMAP)
            copies = open_store(folder / COPIES) if COPIES in values["files"] else None
            engine = Engine(lists, copies)
            _check(engine, values, folder)
            rows, alive = index_folder.read_rows(folder, values["rows"])
            points = [SearchPoint(**point) for point in read_json(folder / POINTS)]
            return cls(engine, values, rows, alive, points)
        except (OSError, RuntimeError, TypeError, ValueError, KeyError) as error:  # Arrow raises OSErrors and ValueErrors
            reason = " ".join(str(error).split())[-160:]
            raise LandmarkError(f"index {shown(folder)}: cannot be opened ({reason}); build it again") from error

    def save(self, folder: str | Path) -> None:
        """Write it, replacing a folder as a whole; without the picture of its operating points.

        Lists that are mapped are read into memory for it.

        Raises:
            LandmarkError: it can't be written.
        """
        with atomic_folder(Path(folder)) as temporary:
            if self.engine.lists is not None:
                _unmap(self.engine)
                faiss.write_index(self.engine.lists, str(temporary / LISTS))
            if self.engine.copies is not None:
                faiss.write_index(self.engine.copies, str(temporary / COPIES))
            write_json(temporary / POINTS, [asdict(point) for point in self.points])
            index_folder.write_rows(temporary, self.rows, self.alive)
            index_folder.seal(temporary, self.values)

    def search(self, queries: NDArray[Any], k: int | None = None, only: Filter | None = None) -> tuple[Floats, NDArray[Any]]:
        """The most similar photos of each query.

        The recall that was promised is that at the k it was built for, without a filter. With a filter that few photos fit
        (50,000) and stored copies, every one of them is compared: exact search, up to the copies' precision.

        Args:
            queries: unit vectors [q, d], float16 or float32.
            k: results (None: as many as it was built for).
            only: which photos may be found.

        Returns:
            similarity float32 [q, k], falling, and ids [q, k], int64 or text; where fewer are found: -inf and -1 or "".

        Raises:
            LandmarkError: queries that are no unit vectors of length d.
            UsageError: k below 1; a filter by what the index does not know.
        """
        similarity, found = self.search_rows(queries, k, only)
        return similarity, self.rows.ids(found)

    def search_rows(
        self, queries: NDArray[Any], k: int | None = None, only: Filter | None = None
    ) -> tuple[Floats, NDArray[np.int64]]:
        """`search` that answers with the numbers of rows [q, k] instead of ids; -1 where fewer are found."""
        wanted = int(self.values["k"]) if k is None else k
        if wanted < 1:
            raise UsageError(f"k {wanted}: must be at least 1")
        asked = check_vectors(queries, "queries", self.dim)
        selected = None
        if only is not None and not only.empty:
            selected = only.mask(self.rows) & self.alive
        elif self.engine.lists is None and not self.alive.all():
            selected = self.alive
        # The copies that are looked at grow with the results.
        candidates = -(-int(self.values["candidates"]) * max(wanted, self.values["k"]) // self.values["k"])
        similarity = np.full((len(asked), wanted), -np.inf, np.float32)
        found = np.full((len(asked), wanted), -1, np.int64)
        near = min(wanted, len(self))
        for start in range(0, len(asked) if near else 0, QUERIES):
            part = slice(start, start + QUERIES)
            try:
                similarity[part, :near], found[part, :near] = self.engine.search(
                    asked[part], near, int(self.values["nprobe"]), candidates, selected
                )
            except RuntimeError as error:
                raise LandmarkError(f"index: damaged ({' '.join(str(error).split())[-160:]}); build it again") from error
        if found.max(initial=-1) >= len(self.rows):
            raise LandmarkError("index: damaged (its lists name rows that it does not have); build it again")
        return similarity, found

    def info(self) -> dict[str, Any]:
        """Sizes, the promise as it was measured when the index was built, and how far it has drifted from that."""
        built, rows = int(self.values["built_rows"]), int(self.values["rows"])
        imbalance = self.engine.imbalance
        drift = imbalance / float(self.values["imbalance_built"])
        added, removed = (rows - built) / built, (rows - len(self)) / rows
        reasons = []
        if drift > IMBALANCE_WORTH:
            reasons.append(f"the lists are {drift:.2f} times as unequal as when they were built")
        if added > ADDED_WORTH:
            reasons.append(f"{added:.0%} were added since its codes were trained")
        if removed > REMOVED_WORTH:
            reasons.append(f"{removed:.0%} of the rows were removed and still take room")
        sizes = {name: int(facts["bytes"]) for name, facts in self.values["files"].items()}
        told = (
            "factory",
            "dim",
            "count",
            "k",
            "recall",
            "recall_confirmed",
            "recall_low",
            "promised",
            "milliseconds",
            "nprobe",
            "candidates",
            "trained_on",
        )
        return {
            **{key: self.values.get(key) for key in told},
            "bytes": sum(sizes.values()),
            "bytes_per_vector": (sizes.get(LISTS, 0) + sizes.get(COPIES, 0)) / max(len(self), 1),
            "added": rows - built,
            "removed": rows - len(self),
            "imbalance": imbalance,
            "imbalance_built": self.values["imbalance_built"],
            "rebuild": "; ".join(reasons),
        }


def _check(engine: Engine, values: dict[str, Any], folder: Path) -> None:
    """Whether what FAISS read is of the kinds that this project writes, and says what `index.json` says. Raises ValueError."""
    for part in (engine.lists, engine.copies):
        if part is not None and part.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise ValueError("it does not compare by inner product")
    if not (values["nprobe"] == 0 if engine.lists is None else 1 <= values["nprobe"] <= engine.list_count):
        raise ValueError(f"nprobe {values['nprobe']} does not fit {engine.list_count} lists")
    if engine.lists is None:
        return
    ivf: Any = engine.ivf
    quantizer: Any = faiss.downcast_index(ivf.quantizer)
    mapped: Any = faiss.downcast_InvertedLists(ivf.invlists)
    if not isinstance(ivf, faiss.IndexIVFPQFastScan | faiss.IndexIVFPQ | faiss.IndexIVFScalarQuantizer):
        raise ValueError(f"{type(ivf).__name__} is not used here")
    if not isinstance(quantizer, faiss.IndexFlat | faiss.IndexHNSWFlat):
        raise ValueError(f"{type(quantizer).__name__} is not used here")
    if (ivf.ntotal, quantizer.ntotal, quantizer.d) != (values["count"], ivf.nlist, ivf.d):
        raise ValueError(f"{ivf.ntotal} vectors in {quantizer.ntotal} of {ivf.nlist} lists, not {values['count']}")
    if isinstance(mapped, faiss.OnDiskInvertedLists) and mapped.filename not in ("", str(folder / LISTS)):
        raise ValueError("its lists lie in another file")


def _unmap(engine: Engine) -> None:
    """Lists that are mapped, in memory: FAISS would write no more of them than the name of their file."""
    ivf: Any = engine.ivf
    mapped: Any = faiss.downcast_InvertedLists(ivf.invlists)
    if isinstance(mapped, swig.OnDiskInvertedLists):
        lists = swig.ArrayInvertedLists(mapped.nlist, mapped.code_size)
        mapped.copy_subset_to(lists, swig.InvertedLists.SUBSET_TYPE_ID_RANGE, 0, np.iinfo(np.int64).max)
        ivf.replace_invlists(lists, True)
        lists.this.disown()
