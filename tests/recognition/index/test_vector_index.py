from __future__ import annotations

import hashlib
import json
import logging
import struct
from pathlib import Path

import faiss
import numpy as np
import pytest

from landmark.config import IndexConfig
from landmark.errors import LandmarkError
from landmark.recognition.index.policy import plan
from landmark.recognition.index.vector_index import VectorIndex
from tests.recognition.samples import around, unit

CPU = IndexConfig(device="cpu")
COUNT, DIM = 10_000, 16


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    random = np.random.default_rng(0)
    return around(random.normal(size=(500, DIM)), COUNT // 500 + 1, 0.15, random)


@pytest.fixture(scope="module")
def built(vectors: np.ndarray) -> VectorIndex:
    return VectorIndex.build(vectors[:COUNT], CPU, queries=vectors[COUNT:])


@pytest.fixture
def saved(built: VectorIndex, tmp_path: Path) -> Path:
    built.save(tmp_path / "index")
    return tmp_path / "index"


@pytest.mark.parametrize(
    ("count", "dim", "max_bytes", "factory", "refine"),
    [
        (1, 256, None, "Flat", ()),
        (9_983, 256, None, "Flat", ()),
        (9_984, 256, None, "IVF256,PQ32", ("SQ8", "SQfp16")),
        (39_240, 256, None, "IVF512,PQ32", ("SQ8", "SQfp16")),
        (1_000_000, 128, None, "IVF4096,PQ16", ("SQ8", "SQfp16")),
        (1_580_470, 512, None, "IVF4096,PQ64", ("SQ8", "SQfp16")),
        (1_580_470, 512, 130_000_000, "IVF4096,PQ64", ()),  # GLDv2-clean as PQ64 takes about 0.11 GB
        (1_580_470, 512, 1_000_000_000, "IVF4096,PQ64", ("SQ8",)),
        (1_580_470, 512, 80_000_000, "IVF4096,PQ32", ()),
        (100_000, 1536, None, "IVF1024,PQ96", ("SQ8", "SQfp16")),
        (100_000, 1280, None, "IVF1024,PQ64", ("SQ8", "SQfp16")),
        (100_000, 37, None, "IVF1024,SQ8", ("SQfp16",)),
        (10_000_000_000, 512, None, "IVF65536,PQ64", ("SQ8", "SQfp16")),
    ],
)
def test_the_policy(count: int, dim: int, max_bytes: int | None, factory: str, refine: tuple[str, ...]) -> None:
    made = plan(count, dim, max_bytes)
    assert (made.factory, made.refine) == (factory, refine)


@pytest.mark.parametrize(("count", "most"), [(1000, 1000), (1_000_000, 8_000_000)])
def test_an_impossible_size_is_refused(count: int, most: int) -> None:
    with pytest.raises(LandmarkError, match=rf"max_bytes {most}: {count} vectors"):
        plan(count, 256, most)


def test_few_vectors_are_searched_exactly(caplog: pytest.LogCaptureFixture) -> None:
    rows = unit(np.random.default_rng(1).normal(size=(200, 24)))
    queries = unit(np.random.default_rng(2).normal(size=(30, 24)))
    with caplog.at_level(logging.INFO):
        index = VectorIndex.build(rows, CPU)
    assert "too few to train" in caplog.text
    similarity, ids = index.search(queries, 7)
    expected = queries @ rows.T
    assert (ids == np.argsort(-expected, axis=1)[:, :7]).all()
    assert np.allclose(similarity, -np.sort(-expected, axis=1)[:, :7], atol=1e-5)
    assert (index.kind, index.nprobe, len(index), index.dim) == ("exact", 0, 200, 24)
    assert 200 * 24 * 4 <= index.bytes <= 200 * 24 * 4 + 100


def test_more_results_than_vectors() -> None:
    index = VectorIndex.exact(np.eye(3, dtype=np.float32))
    similarity, ids = index.search(np.eye(3, dtype=np.float32)[:1], 5)
    assert ids[0, 0] == 0
    assert ids[0, 3:].tolist() == [-1, -1]
    assert np.isneginf(similarity[0, 3:]).all()
    assert index.search(np.zeros((0, 3), np.float32), 2)[1].shape == (0, 2)


def test_ivf_pq_reaches_the_recall_on_queries_that_it_does_not_hold(built: VectorIndex, vectors: np.ndarray) -> None:
    queries, stored = vectors[COUNT:], vectors[:COUNT]
    assert built.kind.startswith("IVF256,PQ2")
    found = built.search(queries, 1)[1][:, 0]
    reached = (queries * stored[found]).sum(1) >= (queries @ stored.T).max(1) - 1e-5
    assert reached.mean() >= 0.95
    last = built.operating_points[-1]
    assert last.recall_at_1 >= 0.95 > built.operating_points[0].recall_at_1
    assert (last.index, last.nprobe) == (built.kind, built.nprobe)
    assert last.bytes_per_vector == pytest.approx(built.bytes / COUNT)
    assert last.queries_per_second > 0


def test_without_queries_some_vectors_are_held_out_and_added_after(vectors: np.ndarray) -> None:
    index = VectorIndex.build(vectors[:COUNT], CPU.model_copy(update={"recall": 0.5}))
    assert len(index) == COUNT
    rows = np.arange(0, COUNT, 97)
    assert (index.search(vectors[rows], 10)[1] == rows[:, None]).any(1).mean() > 0.9  # ids are row numbers


def test_stored_vectors_are_no_queries(vectors: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
    mixed = np.concatenate([vectors[:50], vectors[COUNT : COUNT + 200]])
    VectorIndex.build(vectors[:COUNT], CPU.model_copy(update={"recall": 0.3}), queries=mixed)
    assert "50 of 250 queries are stored vectors" in caplog.text


def test_a_recall_out_of_reach_is_said(vectors: np.ndarray, caplog: pytest.LogCaptureFixture) -> None:
    small = CPU.model_copy(update={"max_bytes": 150_000})
    index = VectorIndex.build(vectors[:COUNT], small, queries=vectors[COUNT:])
    assert "0.950 was asked for" in caplog.text
    assert index.bytes <= 150_000
    assert index.operating_points[-1].recall_at_1 < 0.95


@pytest.mark.parametrize("fixture", ["ivf", "exact"])
def test_saved_and_loaded(fixture: str, built: VectorIndex, vectors: np.ndarray, tmp_path: Path) -> None:
    index = built if fixture == "ivf" else VectorIndex.exact(vectors[:50])
    index.save(tmp_path / "index")
    read = VectorIndex.load(tmp_path / "index")
    for one, two in zip(index.search(vectors[COUNT:], 5), read.search(vectors[COUNT:], 5), strict=True):
        assert (one == two).all()
    assert (read.kind, read.nprobe, read.bytes) == (index.kind, index.nprobe, index.bytes)
    assert read.operating_points == index.operating_points
    points = json.loads((tmp_path / "index" / "operating_points.json").read_text())
    assert len(points) == len(index.operating_points)


@pytest.mark.parametrize("position", [0, 5, 14, 40, 200, -10])
def test_a_changed_byte_is_noticed(saved: Path, position: int) -> None:
    data = bytearray((saved / "index.faiss").read_bytes())
    data[position] ^= 0xFF
    (saved / "index.faiss").write_bytes(data)
    with pytest.raises(LandmarkError, match="damaged"):
        VectorIndex.load(saved)


@pytest.mark.parametrize("file", ["index.faiss", "index.json", "operating_points.json"])
def test_missing_and_cut_off_files_are_refused(saved: Path, file: str) -> None:
    data = (saved / file).read_bytes()
    (saved / file).write_bytes(data[:-20])
    with pytest.raises(LandmarkError):
        VectorIndex.load(saved)
    (saved / file).unlink()
    with pytest.raises(LandmarkError):
        VectorIndex.load(saved)


def forge(folder: Path, data: bytes, **changes: object) -> None:
    """An index with a checksum that is right, as a stranger could make it."""
    values = json.loads((folder / "index.json").read_text())
    (folder / "index.faiss").write_bytes(data)
    values |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), **changes}
    (folder / "index.json").write_text(json.dumps(values))


@pytest.mark.parametrize("claim", [(1 << 30, 16), (COUNT, 1 << 20), (-1, 16), (COUNT + 1, 16), (COUNT, 17)])
def test_a_header_that_claims_other_sizes_never_reaches_faiss(
    saved: Path, monkeypatch: pytest.MonkeyPatch, claim: tuple[int, int]
) -> None:
    count, dim = claim
    data = bytearray((saved / "index.faiss").read_bytes())
    data[4:16] = struct.pack("<iq", dim, count)
    forge(saved, bytes(data))
    monkeypatch.setattr(faiss, "deserialize_index", lambda _: pytest.fail("parsed"))
    with pytest.raises(LandmarkError, match="claims"):
        VectorIndex.load(saved)
    if count > 0 and dim < 1 << 16 and count > COUNT + 1:
        forge(saved, bytes(data), count=count, dim=dim)  # the settings lie along: the file is still too short
        with pytest.raises(LandmarkError, match="claims"):
            VectorIndex.load(saved)


@pytest.mark.parametrize("factory", ["HNSW8", "LSH", "Flat"])
def test_other_kinds_of_index_are_refused(saved: Path, factory: str) -> None:
    index = faiss.index_factory(DIM, factory)  # by distance, not by inner product
    index.add(unit(np.random.default_rng(0).normal(size=(COUNT, DIM))))
    forge(saved, faiss.serialize_index(index).tobytes())
    with pytest.raises(LandmarkError, match=r"no index that is used here|not an index of this project"):
        VectorIndex.load(saved)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "update the package"),
        ({"version": None}, "update the package"),
        ({"format": "other"}, "is this the folder of an index"),
        ({"nprobe": 100_000}, "nprobe 100000"),
        ({"nprobe": 0}, "nprobe 0"),
        ({"dim": "16"}, "'dim' must be int"),
        ({"count": True}, "'count' must be int"),
        ({"dim": 10**9}, "impossible"),
    ],
)
def test_strange_settings_are_refused(saved: Path, changes: dict[str, object], message: str) -> None:
    values = json.loads((saved / "index.json").read_text())
    (saved / "index.json").write_text(json.dumps({**values, **changes}))
    with pytest.raises(LandmarkError, match=message):
        VectorIndex.load(saved)


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
def test_wrong_queries_are_refused(rows: np.ndarray, message: str) -> None:
    index = VectorIndex.exact(np.eye(4, dtype=np.float32))
    with pytest.raises(LandmarkError, match=message):
        index.search(rows, 1)
    if "dimensions" not in message:
        with pytest.raises(LandmarkError, match=message):
            VectorIndex.build(rows, CPU)


def test_nonsense_is_refused() -> None:
    with pytest.raises(LandmarkError, match="k must be at least 1"):
        VectorIndex.exact(np.eye(4, dtype=np.float32)).search(np.eye(4, dtype=np.float32), 0)
    with pytest.raises(LandmarkError, match="no vectors"):
        VectorIndex.build(np.zeros((0, 4), np.float32), CPU)


def test_a_gpu_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss, "get_num_gpus", lambda: 0, raising=False)
    rows = np.eye(4, dtype=np.float32)
    with pytest.raises(LandmarkError, match=r"index\.device 'gpu'"):
        VectorIndex.build(rows, IndexConfig(device="gpu"))
    assert VectorIndex.build(rows, IndexConfig(device="auto")).device == "cpu"


@pytest.mark.gpu
@pytest.mark.skipif(getattr(faiss, "get_num_gpus", lambda: 0)() == 0, reason="FAISS finds no GPU")
def test_a_gpu_finds_the_same(vectors: np.ndarray, tmp_path: Path) -> None:
    index = VectorIndex.build(vectors[:COUNT], IndexConfig(device="gpu"), queries=vectors[COUNT:])
    assert index.device == "gpu"
    index.save(tmp_path / "index")
    on_cpu = VectorIndex.load(tmp_path / "index")
    same = index.search(vectors[COUNT:], 1)[1] == on_cpu.search(vectors[COUNT:], 1)[1]
    assert same.mean() > 0.97
    assert on_cpu.to_device("gpu").device == "gpu"
