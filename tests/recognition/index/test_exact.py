"""An index in memory that compares with every vector, and indexes that are saved where they were not built."""

from __future__ import annotations

from pathlib import Path

import faiss
import numpy as np
import pytest

from landmark.errors import LandmarkError
from landmark.recognition.index.build import build
from landmark.recognition.index.design import Design
from landmark.recognition.index.goal import Goal
from landmark.recognition.index.rows import Rows
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.index.source import VectorSource
from landmark.storage import atomic_folder
from tests.recognition.samples import around, unit

RANDOM = np.random.default_rng(0)
ALL = RANDOM.permutation(around(RANDOM.normal(size=(100, 16)), 12, 0.4, RANDOM))
STORED, FRESH = ALL[:1000], ALL[1000:]


def test_every_vector_is_compared() -> None:
    index = SearchIndex.exact(STORED)
    similarity, ids = index.search(FRESH, 7)
    expected = FRESH @ STORED.T
    assert (ids == np.argsort(-expected, axis=1)[:, :7]).all()
    assert np.allclose(similarity, -np.sort(-expected, axis=1)[:, :7], atol=1e-5)
    assert (len(index), index.dim, index.values["factory"]) == (1000, 16, "Flat")


def test_more_results_than_vectors() -> None:
    index = SearchIndex.exact(np.eye(3, dtype=np.float32), ["a", "b", "c"])
    similarity, ids = index.search(np.eye(3, dtype=np.float32)[:1], 5)
    assert ids[0, 0] == "a"
    assert ids[0, 3:].tolist() == ["", ""]
    assert np.isneginf(similarity[0, 3:]).all()
    assert index.search_rows(np.eye(3, dtype=np.float32)[:1], 5)[1][0, [0, 3, 4]].tolist() == [0, -1, -1]
    assert index.search(np.zeros((0, 3), np.float32), 2)[1].shape == (0, 2)


def test_in_memory_it_is_what_is_built_on_disk(tmp_path: Path) -> None:
    exact = SearchIndex.exact(STORED, [f"photo {row}" for row in range(1000)])
    exact.save(tmp_path / "saved")
    with atomic_folder(tmp_path / "built") as folder:
        build(folder, VectorSource.of(STORED), Rows.of([f"photo {row}" for row in range(1000)]), Goal(device="cpu"))
    for name in ("copies.faiss", "rows.arrow", "alive.npy"):
        assert (tmp_path / "saved" / name).read_bytes() == (tmp_path / "built" / name).read_bytes()
    read = SearchIndex.load(tmp_path / "saved")
    for one, two in zip(exact.search(FRESH, 5), read.search(FRESH, 5), strict=True):
        assert (one == two).all()
    assert read.info()["rebuild"] == exact.info()["rebuild"] == ""


@pytest.mark.parametrize("factory", ["IVF16,SQ8", "OPQ4,IVF16,PQ4x4fs"])
def test_a_mapped_index_is_saved_whole(factory: str, tmp_path: Path) -> None:
    way = Design(factory, "SQfp16", 16, 0)
    with atomic_folder(tmp_path / "one") as folder:
        build(folder, VectorSource.of(STORED), Rows.numbered(1000), Goal(0.8, 1, device="cpu"), FRESH, way=way)
    index = SearchIndex.load(tmp_path / "one")
    before = index.search(FRESH, 3)[1]
    index.save(tmp_path / "two")
    assert (index.search(FRESH, 3)[1] == before).all()
    for name in ("lists.faiss", "copies.faiss", "operating_points.json", "rows.arrow"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    for file in (tmp_path / "one").iterdir():
        file.unlink()
    assert (SearchIndex.load(tmp_path / "two").search(FRESH, 3)[1] == before).all()


def test_without_strictness_the_best_there_is_is_taken(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    goal, way = Goal(0.99, 1, device="cpu", strict=False), Design("IVF16,PQ4x4fs", "", 16, 0)
    with atomic_folder(tmp_path / "i") as folder:
        build(folder, VectorSource.of(STORED), Rows.numbered(1000), goal, FRESH, way=way)
    assert "recall@1 0.99 can't be promised: at best" in caplog.text
    index = SearchIndex.load(tmp_path / "i")
    assert index.values["recall_confirmed"] < 0.99
    assert index.values["nprobe"] == max(point.nprobe for point in index.points if point.confirmed is not None)
    with atomic_folder(tmp_path / "few") as folder:
        build(folder, VectorSource.of(STORED), Rows.numbered(1000), goal, FRESH[:20], way=way)
    with pytest.raises(LandmarkError, match="2 queries are too few"), atomic_folder(tmp_path / "few") as folder:
        build(folder, VectorSource.of(STORED), Rows.numbered(1000), goal, FRESH[:2], way=way)


def test_stored_vectors_are_no_queries(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    mixed = np.concatenate([STORED[:50], FRESH])
    goal, way = Goal(0.05, 1, device="cpu"), Design("IVF16,PQ4x4fs", "", 16, 0)
    with atomic_folder(tmp_path / "i") as folder:
        build(folder, VectorSource.of(STORED), Rows.numbered(1000), goal, mixed, way=way)
    assert "50 of 250 queries are stored vectors" in caplog.text


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (np.eye(4) * 2, "row 0 has length 2, not 1"),
        (np.concatenate([np.eye(4), np.zeros((1, 4))]), "row 4 is all zeros"),
        (np.where(np.eye(4) == 1, np.nan, 0), "row 0 holds NaN"),
        (np.where(np.eye(4) == 1, np.inf, 0), "row 0 holds NaN or infinite"),
        (np.eye(5), "5 dimensions where 4 are needed"),
        (np.ones(4), r"got shape \[4\]"),
        (np.eye(4, dtype=np.int64), "floating-point"),
    ],
)
def test_wrong_vectors_are_refused(rows: np.ndarray, message: str) -> None:
    index = SearchIndex.exact(np.eye(4, dtype=np.float32))
    with pytest.raises(LandmarkError, match=message):
        index.search(rows, 1)
    if "dimensions" not in message:
        with pytest.raises(LandmarkError, match=message):
            SearchIndex.exact(rows)


def test_wrong_ids_and_devices_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LandmarkError, match="2 ids for 4 vectors"):
        SearchIndex.exact(np.eye(4, dtype=np.float32), ["a", "b"])
    with pytest.raises(LandmarkError, match="'a' is there twice"):
        SearchIndex.exact(np.eye(2, dtype=np.float32), ["a", "a"])
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0, raising=False)
    with pytest.raises(LandmarkError, match="device 'gpu': FAISS finds no GPU"):
        build(tmp_path, VectorSource.of(unit(np.eye(4))), Rows.numbered(4), Goal(device="gpu"))
