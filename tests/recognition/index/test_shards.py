"""An index built in shards: the same as in one process, gone on with after a kill, never mixed with another's parts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from landmark.errors import LandmarkError, UsageError
from landmark.recognition.index import shards as index_shards
from landmark.recognition.index import source as index_source
from landmark.recognition.index.build import Goal, build
from landmark.recognition.index.design import Design
from landmark.recognition.index.lists_file import join_lists, open_lists
from landmark.recognition.index.merge import merge
from landmark.recognition.index.rows import Rows
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.index.shards import add_shard, missing, part_of
from landmark.recognition.index.source import VectorSource
from landmark.recognition.index.training import Training, train
from landmark.storage import atomic_folder, sha256_file
from tests.recognition.samples import around

COUNT, DIM, K = 3600, 16, 5
RANDOM = np.random.default_rng(3)
ALL = RANDOM.permutation(around(RANDOM.normal(size=(150, DIM)), 25, 0.4, RANDOM)).astype(np.float16)
STORED, FRESH = ALL[:COUNT], ALL[COUNT:]
FAST = Design("OPQ4,IVF16,PQ4x4fs", "SQfp16", 16, 0)
ALONE = Design("IVF16,PQ8", "", 16, 0)
GRAPH = Design("OPQ4,IVF16_HNSW8,PQ4", "SQ8", 16, 0)
COPIES = Design("", "SQ8", 0, 0)
GOAL = Goal(0.5, K, device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Vectors in files of different lengths."""
    place = tmp_path_factory.mktemp("vectors")
    for number, rows in enumerate(np.split(STORED, [700, 1900, 2000])):
        np.save(place / f"{number}.npy", rows)
    return place


def in_shards(out: Path, vectors: Path, way: Design, shards: int, queries: np.ndarray | None = None) -> Path:
    work, source = out.with_suffix(".work"), VectorSource.of(vectors)
    train(work, source, GOAL, queries, way=way, shards=shards)
    for number in reversed(range(shards)):  # in any order
        assert add_shard(work, source, number)
    with atomic_folder(out) as temporary:
        merge(temporary, work, Rows.numbered(COUNT), GOAL)
    return out


def in_one(out: Path, vectors: Path, way: Design, queries: np.ndarray | None = None) -> Path:
    with atomic_folder(out) as temporary:
        build(temporary, VectorSource.of(vectors), Rows.numbered(COUNT), GOAL, queries, way=way)
    return out


def by_faiss(training: Training, way: Design) -> bytes:
    """The file of lists as FAISS makes it, in memory and with everything added by itself."""
    lists: Any = training.lists()
    if way.lists_factory.endswith("fs"):
        fast = faiss.IndexIVFPQFastScan(faiss.downcast_index(faiss.extract_index_ivf(lists)))
        rotated = isinstance(lists, faiss.IndexPreTransform)
        lists, before = (faiss.IndexPreTransform(fast), lists) if rotated else (fast, lists)
        if rotated:
            lists.prepend_transform(before.chain.at(0))
    held = np.sort(training.queries()[1])
    kept = np.setdiff1d(np.arange(COUNT), held)
    lists.add_with_ids(STORED[kept].astype(np.float32), kept)
    lists.add_with_ids(STORED[held].astype(np.float32), held)
    return bytes(faiss.serialize_index(lists))


@pytest.mark.parametrize("way", [FAST, ALONE, GRAPH, COPIES], ids=["registers", "residual", "graph", "copies"])
def test_the_same_as_in_one_process(way: Design, folder: Path, tmp_path: Path) -> None:
    one, several = in_one(tmp_path / "one", folder, way), in_shards(tmp_path / "several", folder, way, 4)
    assert {path.name for path in one.iterdir()} == {path.name for path in several.iterdir()}
    for name in ("lists.faiss", "copies.faiss", "rows.arrow", "alive.npy"):
        assert (one / name).is_file() == (several / name).is_file()
        assert not (one / name).is_file() or (one / name).read_bytes() == (several / name).read_bytes()
    if way.lists:
        assert (several / "lists.faiss").read_bytes() == by_faiss(Training.load(tmp_path / "several.work"), way)
    first, second = (SearchIndex.load(place) for place in (one, several))
    recalls = [{(p.nprobe, p.candidates): p.recall for p in index.points} for index in (first, second)]
    assert all(recalls[0][key] == recalls[1][key] for key in recalls[0].keys() & recalls[1].keys())
    assert (first.values["nprobe"], first.values["candidates"]) in recalls[1] or way.lists == 0
    second.values |= {key: first.values[key] for key in ("nprobe", "candidates")}  # which of equal points is fastest, is timed
    assert (first.search(FRESH, K)[1] == second.search(FRESH, K)[1]).all()


def test_the_same_with_queries_from_outside_and_ranges_of_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_source, "BLOCK", 500)
    np.save(tmp_path / "v.npy", STORED)
    source = VectorSource.of(tmp_path / "v.npy")
    assert source.ranges(3) == [(0, 1000), (1000, 2500), (2500, COUNT)]  # whole blocks; 1200 and 2400 are not
    one = in_one(tmp_path / "one", tmp_path / "v.npy", FAST, FRESH)
    several = in_shards(tmp_path / "several", tmp_path / "v.npy", FAST, 3, FRESH)
    for name in ("lists.faiss", "copies.faiss"):
        assert (one / name).read_bytes() == (several / name).read_bytes()
    assert SearchIndex.load(several).values["queries_tuned_on"] == len(FRESH)


def test_files_are_kept_whole_where_there_are_enough(folder: Path) -> None:
    source = VectorSource.of(folder)
    assert source.ranges(4) == [(0, 700), (700, 1900), (1900, 2000), (2000, COUNT)]
    assert source.ranges(2) == [(0, 1900), (1900, COUNT)]
    assert source.ranges(50) == source.ranges(4)  # no file has two blocks of 65,536 rows
    rows = [block for _, block in source.blocks(700, 2000)]
    assert (np.concatenate(rows) == STORED[700:2000]).all()


@pytest.mark.parametrize("entries", [3, 400])
def test_lists_are_joined_as_faiss_writes_them(entries: int, tmp_path: Path) -> None:
    """Few entries: FAISS writes the numbers of the lists that are not empty; many: the sizes of all."""
    index: Any = faiss.index_factory(DIM, "IVF16,SQ8", faiss.METRIC_INNER_PRODUCT)
    index.train(STORED.astype(np.float32))
    empty = faiss.clone_index(index)
    for number, start in enumerate((0, entries)):
        part = faiss.clone_index(empty)
        rows = np.arange(start, start + entries)
        part.add_with_ids(STORED[rows].astype(np.float32), rows)
        index.add_with_ids(STORED[rows].astype(np.float32), rows)
        faiss.write_index(part, str(tmp_path / f"{number}"))
    join_lists(empty, [tmp_path / "0", tmp_path / "1"], tmp_path / "joined")
    assert (tmp_path / "joined").read_bytes() == bytes(faiss.serialize_index(index))
    assert open_lists(tmp_path / "joined").ntotal == 2 * entries


def test_what_is_done_is_not_done_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = VectorSource.of(folder)
    training = train(tmp_path / "w", source, GOAL, way=ALONE, shards=4)
    assert add_shard(tmp_path / "w", source, 2)
    assert missing(training) == [0, 1, 3]
    monkeypatch.setattr(index_shards, "_fill", lambda *_: pytest.fail("done before"))
    assert not add_shard(tmp_path / "w", source, 2)
    again = train(tmp_path / "w", source, Goal(0.6, K, device="cpu"), way=ALONE, shards=4)
    assert (again.key, missing(again)) == (training.key, [0, 1, 3])  # the recall to promise matters at the end only
    with (
        pytest.raises(LandmarkError, match=r"shard 0 \(rows 0 to 699\) has not been added"),
        atomic_folder(tmp_path / "o") as out,
    ):
        merge(out, tmp_path / "w", Rows.numbered(COUNT), GOAL)
    with pytest.raises(UsageError, match="shards 0 to 3"):
        add_shard(tmp_path / "w", source, 4)


def test_parts_of_another_input_or_training_are_not_mixed_in(folder: Path, tmp_path: Path) -> None:
    place = tmp_path / "v"
    place.mkdir()
    for path in folder.iterdir():
        (place / path.name).write_bytes(path.read_bytes())
    source = VectorSource.of(place)
    training = train(tmp_path / "w", source, GOAL, way=ALONE, shards=4)
    add_shard(tmp_path / "w", source, 0)
    other = train(tmp_path / "x", source, GOAL, seed=1, way=ALONE, shards=4)
    part_of(training, 0).rename(part_of(other, 0))
    assert missing(other) == [0, 1, 2, 3]
    np.save(place / "1.npy", STORED[700:1900][::-1])
    changed = VectorSource.of(place)
    with pytest.raises(LandmarkError, match="the vectors have changed"):
        add_shard(tmp_path / "x", changed, 0)
    assert train(tmp_path / "x", changed, GOAL, seed=1, way=ALONE, shards=4).key != other.key
    assert not part_of(other, 0).exists()


def test_a_damaged_part_is_noticed_and_made_again(folder: Path, tmp_path: Path) -> None:
    source = VectorSource.of(folder)
    training = train(tmp_path / "w", source, GOAL, way=ALONE, shards=2)
    for number in range(2):
        add_shard(tmp_path / "w", source, number)
    file = part_of(training, 1) / "lists.faiss"
    digest, data = sha256_file(file), bytearray(file.read_bytes())
    data[-100] ^= 0xFF
    file.write_bytes(data)
    with (
        pytest.raises(LandmarkError, match=r"lists.faiss: damaged .* shard 1 is made again"),
        atomic_folder(tmp_path / "o") as out,
    ):
        merge(out, tmp_path / "w", Rows.numbered(COUNT), GOAL)
    assert missing(training) == [1]
    assert add_shard(tmp_path / "w", source, 1)
    assert sha256_file(file) == digest
