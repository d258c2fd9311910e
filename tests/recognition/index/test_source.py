"""Vectors on disk: every format gives the same rows; damaged and foreign ones are named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from landmark.errors import LandmarkError
from landmark.recognition.index import source as index_source
from landmark.recognition.index.source import VectorSource
from tests.recognition.samples import unit

ROWS = unit(np.random.default_rng(0).normal(size=(50, 8)))


def write(path: Path, rows: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, rows)
    elif path.suffix == ".npz":
        np.savez_compressed(path, vectors=rows, landmark=np.arange(len(rows)))
    else:
        flat = pa.array(rows.ravel())
        pq.write_table(
            pa.table({"id": np.arange(len(rows)), "embedding": pa.FixedSizeListArray.from_arrays(flat, rows.shape[1])}), path
        )
    return path


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".parquet"])
def test_every_format(suffix: str, dtype: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_source, "BLOCK", 16)
    stored = ROWS.astype(dtype)
    source = VectorSource.of(write(tmp_path / f"v{suffix}", stored))
    assert (source.count, source.dim) == (50, 8)
    starts, blocks = zip(*source.blocks(), strict=True)
    assert np.array_equal(np.concatenate(blocks), stored.astype(np.float32))
    assert starts[0] == 0
    assert all(start == sum(map(len, blocks[:i])) for i, start in enumerate(starts))
    assert np.array_equal(source.take(np.array([49, 3, 17])), stored.astype(np.float32)[[3, 17, 49]])


def test_a_folder_of_shards_in_the_order_of_names(tmp_path: Path) -> None:
    for name, part in (("b.npz", ROWS[20:30]), ("a.npy", ROWS[:20]), ("c/d.parquet", ROWS[30:])):
        write(tmp_path / name, part)
    (tmp_path / "notes.txt").write_text("not vectors")
    source = VectorSource.of(tmp_path)
    assert np.array_equal(np.concatenate([block for _, block in source.blocks()]), ROWS)
    assert np.array_equal(source.take(np.array([19, 20, 49])), ROWS[[19, 20, 49]])


def test_shards_of_two_networks_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.npy", ROWS)
    write(tmp_path / "b.npy", unit(np.ones((3, 9))))
    with pytest.raises(LandmarkError, match=r"b\.npy: 9 dimensions, the shards before have 8"):
        VectorSource.of(tmp_path)


@pytest.mark.parametrize(
    ("row", "message"), [(np.nan, "holds NaN"), (0.0, "all zeros"), (2.0, "has length .* divide each vector by its length")]
)
def test_rows_that_are_no_unit_vectors_are_named(row: float, message: str, tmp_path: Path) -> None:
    bad = ROWS.copy()
    bad[7] *= row
    with pytest.raises(LandmarkError, match=f"row 7 .*{message}"):
        list(VectorSource.of(write(tmp_path / "v.npy", bad)).blocks())


def test_files_that_are_no_vectors(tmp_path: Path) -> None:
    for suffix in (".npy", ".npz", ".parquet"):
        path = write(tmp_path / f"cut{suffix}", ROWS)
        path.write_bytes(path.read_bytes()[:-400])
        with pytest.raises(LandmarkError, match=rf"cut\{suffix}"):
            list(VectorSource.of(path).blocks())
        path.write_bytes(b"")
        with pytest.raises(LandmarkError, match="cannot be read"):
            VectorSource.of(path)
    np.save(tmp_path / "objects.npy", np.array([{}, {}]), allow_pickle=True)
    with pytest.raises(LandmarkError, match="an array of objects"):
        VectorSource.of(tmp_path / "objects.npy")
    np.save(tmp_path / "line.npy", np.ones(4, np.float32))
    with pytest.raises(LandmarkError, match=r"expected vectors \[n, d\]"):
        VectorSource.of(tmp_path / "line.npy")
    np.savez(tmp_path / "two.npz", a=ROWS, b=ROWS)
    with pytest.raises(LandmarkError, match="2 candidates"):
        VectorSource.of(tmp_path / "two.npz")
    with pytest.raises(LandmarkError, match="no such file"):
        VectorSource.of(tmp_path / "nowhere.npy")
    with pytest.raises(LandmarkError, match="holds no vectors"):
        VectorSource.of(write(tmp_path / "none.npy", ROWS[:0]))
    (tmp_path / "empty").mkdir()
    with pytest.raises(LandmarkError, match="no vectors"):
        VectorSource.of(tmp_path / "empty")
