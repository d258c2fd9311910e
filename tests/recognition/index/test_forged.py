"""Folders of an index as a stranger could make them: every checksum is right, and still nothing of it is searched."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from landmark.errors import LandmarkError
from landmark.recognition.index import folder as index_folder
from landmark.recognition.index.build import build
from landmark.recognition.index.design import Design
from landmark.recognition.index.goal import Goal
from landmark.recognition.index.rows import Rows
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.index.source import VectorSource
from landmark.storage import atomic_folder
from tests.recognition.samples import around, unit

COUNT, DIM = 1000, 16
RANDOM = np.random.default_rng(0)
ALL = RANDOM.permutation(around(RANDOM.normal(size=(100, DIM)), 12, 0.4, RANDOM))


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("forged") / "index"
    source, way = VectorSource.of(ALL[:COUNT]), Design("IVF16,SQ8", "SQ8", 16, 0)
    with atomic_folder(place) as folder:
        build(folder, source, Rows.numbered(COUNT), Goal(0.5, 1, device="cpu"), ALL[COUNT:], way=way)
    return place


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "index"))


def forge(folder: Path, **changes: Any) -> None:
    """Seal a folder whose files were changed."""
    values = json.loads((folder / "index.json").read_text())
    index_folder.seal(folder, {**values, **changes})


def lists_of(factory: str, metric: int = faiss.METRIC_INNER_PRODUCT, count: int = COUNT) -> Any:
    index = faiss.index_factory(DIM, factory, metric)
    rows = unit(np.random.default_rng(0).normal(size=(count, DIM)))
    index.train(rows)
    index.add(rows)
    return index


@pytest.mark.parametrize("file", ["lists.faiss", "copies.faiss"])
@pytest.mark.parametrize("claim", [(1 << 40, 16), (COUNT, 1 << 20), (-1, 16), (COUNT + 1, 16), (COUNT, 17)])
def test_a_header_that_claims_other_sizes_never_reaches_faiss(
    folder: Path, monkeypatch: pytest.MonkeyPatch, file: str, claim: tuple[int, int]
) -> None:
    data = bytearray((folder / file).read_bytes())
    data[4:16] = struct.pack("<iq", claim[1], claim[0])
    (folder / file).write_bytes(data)
    forge(folder)
    monkeypatch.setattr(faiss, "read_index", lambda *_: pytest.fail("parsed"))
    with pytest.raises(LandmarkError, match=rf"{file} is not what index\.json says"):
        SearchIndex.load(folder)


@pytest.mark.parametrize("factory", ["HNSW8", "LSH", "Flat", "IVF16,Flat", "IVF16,RQ2x8"])
def test_other_kinds_never_reach_faiss(folder: Path, monkeypatch: pytest.MonkeyPatch, factory: str) -> None:
    faiss.write_index(lists_of(factory, faiss.METRIC_L2), str(folder / "lists.faiss"))
    forge(folder)
    monkeypatch.setattr(faiss, "read_index", lambda *_: pytest.fail("parsed"))
    with pytest.raises(LandmarkError, match=r"lists\.faiss is not what index\.json says"):
        SearchIndex.load(folder)


def by_distance(folder: Path) -> None:
    faiss.write_index(lists_of("IVF16,SQ8", faiss.METRIC_L2), str(folder / "lists.faiss"))


def behind_a_rotation(folder: Path) -> None:
    faiss.write_index(lists_of("OPQ4,HNSW8"), str(folder / "lists.faiss"))


def lists_found_by_codes(folder: Path) -> None:
    faiss.write_index(lists_of("IVF16(PQ4x4fs),SQ8"), str(folder / "lists.faiss"))


def lists_elsewhere(folder: Path) -> None:
    # FAISS writes the file's name, not the lists: whoever opens that index opens the file named.
    index = lists_of("IVF16,SQ8")
    lists = faiss.OnDiskInvertedLists(16, index.code_size, str(folder.parent / "secret"))
    lists.merge_from(index.invlists, 0)
    index.replace_invlists(lists)
    faiss.write_index(index, str(folder / "lists.faiss"))


def fewer_inside(folder: Path) -> None:
    index = faiss.index_factory(DIM, "PCA16,IVF16,SQ8", faiss.METRIC_INNER_PRODUCT)
    index.train(ALL[:COUNT])
    index.add(ALL[: COUNT - 1])
    index.ntotal = COUNT
    faiss.write_index(index, str(folder / "lists.faiss"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (by_distance, "does not compare by inner product"),
        (behind_a_rotation, "cannot be opened"),
        (lists_found_by_codes, "is not used here"),
        (lists_elsewhere, "its lists lie in another file"),
        (fewer_inside, "999 vectors in 16 of 16 lists, not 1000"),
    ],
)
def test_what_faiss_made_of_it_is_checked(folder: Path, change: Callable[[Path], None], message: str) -> None:
    change(folder)
    forge(folder)
    with pytest.raises(LandmarkError, match=message):
        SearchIndex.load(folder)


@pytest.mark.parametrize("nprobe", [0, 17, 100_000])
def test_lists_that_are_not_there_cannot_be_searched(folder: Path, nprobe: int) -> None:
    forge(folder, nprobe=nprobe)
    with pytest.raises(LandmarkError, match=f"nprobe {nprobe} does not fit 16 lists"):
        SearchIndex.load(folder)
