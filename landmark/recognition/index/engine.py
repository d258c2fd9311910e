"""FAISS at work: inverted lists, copies that re-rank, selected rows; on the CPU or on GPUs."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from landmark.recognition.index import device as index_device

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]
swig: Any = faiss  # its type stubs lack what its Python layer adds, such as parameters by name
EXACT_SELECTION = 50_000
"""Rows up to which a selection is compared one by one: exact, and faster than lists that are mostly left out."""


class Engine:
    """Inverted lists whose entries are row numbers, and copies of the vectors by row number; one of them may be missing.

    Args:
        lists: FAISS's index of inverted lists, possibly behind a rotation.
        copies: FAISS's index of all rows, also of those that were removed from the lists.
    """

    def __init__(self, lists: Any, copies: Any) -> None:
        self.lists = lists
        self.copies = copies
        self._gpu: index_device.OnGpu | None = None

    @property
    def ivf(self) -> Any:
        """The inverted lists themselves."""
        return faiss.downcast_index(faiss.extract_index_ivf(self.lists))

    @property
    def list_count(self) -> int:
        """Number of inverted lists (0: none)."""
        return 0 if self.lists is None else int(self.ivf.nlist)

    @property
    def imbalance(self) -> float:
        """nlist * sum(size^2) / sum(size)^2: 1 if all lists are equally long (Jégou et al., PAMI 2011)."""
        return 1.0 if self.lists is None or not self.lists.ntotal else float(self.ivf.invlists.imbalance_factor())

    @property
    def has_graph(self) -> bool:
        """Whether a graph finds the nearest lists."""
        return self.lists is not None and isinstance(faiss.downcast_index(self.ivf.quantizer), faiss.IndexHNSW)

    def to_gpu(self) -> bool:
        """Search the lists on the GPUs that are there; selections stay on the CPU. Options are set at each search.

        Returns:
            whether there was anything to move that a GPU has kernels for.
        """
        if self.lists is not None:
            self._gpu = index_device.to_gpu(self.lists)
        return self._gpu is not None

    def search(
        self, queries: Floats, k: int, nprobe: int, candidates: int, selected: NDArray[np.bool_] | None = None
    ) -> tuple[Floats, Ints]:
        """Similarities [q, k] and rows [q, k] (-inf and -1 where there are fewer) among the selected rows, bool [rows]."""
        if selected is not None:
            rows = np.flatnonzero(selected)
            if self.copies is not None and (self.lists is None or len(rows) <= max(EXACT_SELECTION, k)):
                return self._among(queries, k, rows)
            # The same number of selected rows is looked at as would be without a selection.
            nprobe = (
                self.list_count if not len(rows) else int(min(self.list_count, np.ceil(nprobe * self.lists.ntotal / len(rows))))
            )
            if self.copies is None and len(rows) <= EXACT_SELECTION:
                nprobe = self.list_count
        if self.lists is None:
            similarity, found = _search(self.copies, queries, k)
        else:
            similarity, found = self._in_lists(queries, k, nprobe, candidates, selected)
            short = (found < 0).any(1)
            while short.any() and nprobe < self.list_count:  # too few in these lists: look into more
                nprobe = min(self.list_count, 4 * nprobe)
                similarity[short], found[short] = self._in_lists(queries[short], k, nprobe, candidates, selected)
                short = (found < 0).any(1)
        return np.where(found < 0, -np.inf, similarity).astype(np.float32), found

    def _in_lists(
        self, queries: Floats, k: int, nprobe: int, candidates: int, selected: NDArray[np.bool_] | None
    ) -> tuple[Floats, Ints]:
        index: Any = self.lists
        wanted = k * max(1, -(-candidates // k))  # FAISS takes candidates as so many times the results
        if self._gpu is not None and selected is None and index_device.within_limits(nprobe, wanted):
            index = self._gpu.index
        bits = None if selected is None else np.packbits(selected, bitorder="little")
        options: dict[str, Any] = {"nprobe": nprobe}
        if bits is not None:
            options["sel"] = swig.IDSelectorBitmap(bits)
        if self.has_graph and index is self.lists:
            # The graph must be searched at least as wide as the lists that are wanted from it.
            options["quantizer_params"] = swig.SearchParametersHNSW(efSearch=max(64, 2 * nprobe))
        parameters = swig.SearchParametersIVF(**options)
        if isinstance(index, faiss.IndexPreTransform):
            parameters = swig.SearchParametersPreTransform(index_params=parameters)
        if self.copies is None or not candidates:
            return _search(index, queries, k, parameters)
        # Its constructor would refuse copies of rows that have left the lists since: it gets them afterwards.
        hollow = swig.IndexFlatIP(index.d)
        refine = swig.IndexRefine(hollow, hollow)
        mine = [(part, part.this.own()) for part in (index, self.copies)]
        refine.ntotal, refine.base_index, refine.refine_index = self.copies.ntotal, index, self.copies
        for part, own in mine:
            part.this.own(own)  # SWIG thinks that what is set belongs to the new index, which does not free it
        factor = wanted / k
        refining = swig.IndexRefineSearchParameters(k_factor=factor, base_index_params=parameters)
        return _search(refine, queries, k, refining)

    def _among(self, queries: Floats, k: int, rows: Ints) -> tuple[Floats, Ints]:
        """Every one of these rows compared, block by block."""
        similarity = np.full((len(queries), k), -np.inf, np.float32)
        found = np.full((len(queries), k), -1, np.int64)
        for start in range(0, len(rows), EXACT_SELECTION):
            part = rows[start : start + EXACT_SELECTION]
            near = min(k, len(part))
            values, places = faiss.knn(queries, self.copies.reconstruct_batch(part), near, metric=faiss.METRIC_INNER_PRODUCT)
            similarity, found = merged(similarity, found, values, part[places])
        return similarity, found


def _search(index: Any, queries: Floats, k: int, parameters: Any = None) -> tuple[Floats, Ints]:
    """`index.search` with parameters, also where `faiss.contrib.torch_utils` was loaded, whose version takes none."""
    asked = np.ascontiguousarray(queries, np.float32)
    similarity, found = np.empty((len(asked), k), np.float32), np.empty((len(asked), k), np.int64)
    pointers = [swig.swig_ptr(array) for array in (asked, similarity, found)]
    index.search_c(len(asked), pointers[0], k, pointers[1], pointers[2], parameters)
    return similarity, found


def merged(similarity: Floats, rows: Ints, more: Floats, more_rows: Ints) -> tuple[Floats, Ints]:
    """The best of two lists of neighbours [q, a] and [q, b], as many as the first has."""
    values, all_rows = np.hstack([similarity, more]), np.hstack([rows, more_rows])
    best = np.argsort(-values, axis=1, kind="stable")[:, : similarity.shape[1]]
    return np.take_along_axis(values, best, 1), np.take_along_axis(all_rows, best, 1)


def nearest(queries: Floats, block: Floats, first: int, k: int) -> tuple[Floats, Ints]:
    """The most similar rows of a block [b, d] that starts at row `first`, by exact search [q, min(k, b)]."""
    # Plain arrays: with `faiss.contrib.torch_utils` loaded, as by other libraries, anything else passes for a tensor.
    rows = np.asarray(queries), np.asarray(block)
    similarity, places = faiss.knn(*rows, min(k, len(block)), metric=faiss.METRIC_INNER_PRODUCT)
    return similarity, places.astype(np.int64) + first
