"""What a search index promises and keeps: time, memory, links, fresh queries, ids that take no room."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from landmark.errors import LandmarkError, UsageError
from landmark.recognition.index import device as index_device
from landmark.recognition.index import update as index_update
from landmark.recognition.index.build import Goal, build
from landmark.recognition.index.design import Design
from landmark.recognition.index.engine import Engine
from landmark.recognition.index.rows import Rows
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.index.source import VectorSource
from landmark.steps.index_engines import build_index
from landmark.storage import atomic_folder
from tests.recognition.samples import around

COUNT, DIM, K = 2000, 16, 5
RANDOM = np.random.default_rng(1)
ALL = RANDOM.permutation(around(RANDOM.normal(size=(100, DIM)), 25, 0.4, RANDOM))
STORED, FRESH = ALL[:COUNT], ALL[COUNT:]
REFINED = Design("IVF16,PQ4x4fs", "SQfp16", 16, 0)


def make(folder: Path, goal: Goal, queries: np.ndarray | None = None, rows: Rows | None = None) -> Path:
    with atomic_folder(folder) as temporary:
        build(temporary, VectorSource.of(STORED), rows or Rows.numbered(COUNT), goal, queries, way=REFINED)
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("index") / "i", Goal(0.9, K, device="cpu"))


def test_searching_leaves_faiss_objects_with_their_owner(original: Path) -> None:
    """What belongs to nobody is never freed: an index that is opened again after each change would fill the memory."""
    index = SearchIndex.load(original)
    index.search(FRESH)
    assert index.engine.lists.this.own()
    assert index.engine.copies.this.own()


def test_the_time_of_a_query_is_kept_or_the_best_is_named(
    original: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SearchIndex.load(original).info()["milliseconds"] > 0
    with pytest.raises(LandmarkError, match=r"takes .* ms for a query asked alone, not 1e-06: no setting can be had"):
        make(tmp_path / "i", Goal(0.9, K, device="cpu", milliseconds=1e-6))
    seconds = {nprobe: nprobe * 1e-3 for nprobe in range(1, 17)}

    class Clock:
        now = 0.0

        def perf_counter(self) -> float:
            return self.now

    clock = Clock()
    search = Engine.search

    def slow(engine: Engine, queries: np.ndarray, k: int, nprobe: int, *rest: object) -> object:
        clock.now += seconds[nprobe]
        return search(engine, queries, k, nprobe, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Engine, "search", slow)
    monkeypatch.setattr("landmark.recognition.index.tune.time", clock)
    with pytest.raises(LandmarkError, match=r"not 1\.5: a recall of about 0\.\d+ can be had"):
        make(tmp_path / "i", Goal(0.9, K, device="cpu", milliseconds=1.5))
    assert not (tmp_path / "i").exists()
    made = SearchIndex.load(make(tmp_path / "i", Goal(0.6, K, device="cpu", milliseconds=16.5)))
    assert made.values["milliseconds"] == pytest.approx(made.values["nprobe"])


def test_a_promise_that_is_none_is_not_called_one(original: Path, tmp_path: Path) -> None:
    assert SearchIndex.load(original).info()["promised"]
    poor = Design("IVF16,PQ2", "", 16, 0)
    with atomic_folder(tmp_path / "i") as temporary:
        goal = Goal(0.99, K, device="cpu", strict=False)
        build(temporary, VectorSource.of(STORED), Rows.numbered(COUNT), goal, way=poor)
    assert not SearchIndex.load(tmp_path / "i").info()["promised"]


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_stored_vectors_as_queries_are_seen_through_rounding_and_lengths(
    kind: type, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stored = (STORED * np.linspace(0.995, 1.005, COUNT)[:, None]).astype(kind)
    asked = np.concatenate([stored[:300].astype(np.float32), FRESH[:200]])
    with atomic_folder(tmp_path / "i") as temporary:
        build(temporary, VectorSource.of(stored), Rows.numbered(COUNT), Goal(0.8, K, device="cpu"), asked, way=REFINED)
    assert "300 of 500 queries are stored vectors themselves" in caplog.text
    assert SearchIndex.load(tmp_path / "i").values["queries_tuned_on"] == 200


def test_numbers_of_rows_are_not_stored_until_they_are_others(original: Path, tmp_path: Path) -> None:
    assert "id" not in pa.ipc.open_file(pa.memory_map(str(original / "rows.arrow"))).schema.names
    folder = make(tmp_path / "i", Goal(0.9, K, device="cpu"), rows=Rows.of(np.arange(COUNT), {"landmark": ["l"] * COUNT}))
    opened = SearchIndex.load(folder)
    assert opened.rows.table.column_names == ["id", "landmark"]
    assert opened.rows.ids(np.array([5, -1])).tolist() == [5, -1]
    plain = make(tmp_path / "p", Goal(0.9, K, device="cpu"))
    index_update.add(plain, VectorSource.of(FRESH[:3]), Rows.of([COUNT, COUNT + 1, 10**12]))
    assert SearchIndex.load(plain).search(FRESH[:3], 1)[1].ravel().tolist() == [COUNT, COUNT + 1, 10**12]


def test_what_is_behind_a_link_is_changed_and_the_link_stays(tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", STORED)
    np.save(tmp_path / "w.npy", FRESH[:7])
    build_index(tmp_path / "v.npy", tmp_path / "real", Goal(0.9, K, device="cpu"))
    (tmp_path / "link").symlink_to("real")
    index_update.add(tmp_path / "link", VectorSource.of(FRESH[:5]), Rows.of(np.arange(COUNT, COUNT + 5)))
    assert (tmp_path / "link").is_symlink()
    assert len(SearchIndex.load(tmp_path / "real")) == COUNT + 5
    build_index(tmp_path / "w.npy", tmp_path / "link", Goal(0.9, K, device="cpu"))
    assert (tmp_path / "link").is_symlink()
    assert len(SearchIndex.load(tmp_path / "real")) == 7
    assert sorted(path.name for path in tmp_path.iterdir()) == [".real.lock", "link", "real", "v.npy", "w.npy"]


def test_a_gpu_that_cannot_search_it_is_an_error(
    original: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(index_device, "gpus", lambda: 1)  # codes scanned in registers are never moved
    with pytest.raises(UsageError, match="was built for the CPU; build it again"):
        SearchIndex.load(original, device="gpu")
    with caplog.at_level("INFO"):
        assert len(SearchIndex.load(original, device="auto")) == COUNT
    assert "was built for the CPU" in caplog.text


@pytest.mark.parametrize(
    "change", [{"k": 0}, {"built_rows": 0}, {"imbalance_built": 0}, {"candidates": 2**40}, {"files": {"rows.arrow": 3}}]
)
def test_values_that_cannot_be_are_refused(original: Path, tmp_path: Path, change: dict[str, object]) -> None:
    for file in original.iterdir():
        (tmp_path / file.name).symlink_to(file)
    values = json.loads((original / "index.json").read_text())
    (tmp_path / "index.json").unlink()
    (tmp_path / "index.json").write_text(json.dumps({**values, **change}))
    with pytest.raises(LandmarkError, match="build the index again"):
        SearchIndex.load(tmp_path)


def test_more_results_than_the_index_was_built_for_are_all_there(original: Path) -> None:
    similarity, ids = SearchIndex.load(original).search(FRESH[:20], 400)
    assert (ids >= 0).all()
    assert all(len(set(row)) == 400 for row in ids.tolist())
    assert (np.diff(similarity, axis=1) <= 0).all()
    everything = SearchIndex.load(original).search(FRESH[:2], COUNT + 5)[1]
    assert np.array_equal(np.sort(everything[:, :COUNT]), np.tile(np.arange(COUNT), (2, 1)))
    assert (everything[:, COUNT:] == -1).all()


def test_what_a_killed_writer_left_is_removed_by_the_next(original: Path, tmp_path: Path) -> None:
    folder = make(tmp_path / "i", Goal(0.9, K, device="cpu"))
    for left in (".i.0123456789abcdef.tmp", ".other.0123456789abcdef.tmp"):
        (tmp_path / left).mkdir()
        (tmp_path / left / "lists.faiss").touch()
    index_update.remove(folder, [3])
    assert sorted(path.name for path in tmp_path.iterdir()) == [".i.lock", ".other.0123456789abcdef.tmp", "i"]


def test_a_picture_that_is_damaged_keeps_nobody_from_searching(original: Path, tmp_path: Path) -> None:
    np.save(tmp_path / "v.npy", STORED)
    build_index(tmp_path / "v.npy", tmp_path / "i", Goal(0.9, K, device="cpu"))
    (tmp_path / "i" / "operating_points.svg").write_text("")
    assert len(SearchIndex.load(tmp_path / "i")) == COUNT


def test_it_works_beside_faiss_torch_utilities(original: Path, tmp_path: Path) -> None:
    """Libraries load them, and they replace FAISS's own functions for the whole process."""
    code = (
        "import sys, numpy as np, faiss.contrib.torch_utils\n"
        "from landmark.recognition.index.search import SearchIndex\n"
        "from landmark.recognition.index.engine import nearest\n"
        "queries = np.load(sys.argv[2], mmap_mode='r')\n"
        "index = SearchIndex.load(sys.argv[1])\n"
        "np.save(sys.argv[3], index.search(queries, 3)[1])\n"
        "assert nearest(queries, queries, 0, 1)[1].ravel().tolist() == list(range(len(queries)))\n"
    )
    np.save(tmp_path / "q.npy", FRESH[:9])
    arguments = [str(original), str(tmp_path / "q.npy"), str(tmp_path / "out.npy")]
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(tmp_path / "out.npy"), SearchIndex.load(original).search(FRESH[:9], 3)[1])
