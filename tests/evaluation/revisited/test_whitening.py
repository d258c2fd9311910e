"""Whitening: as scikit-learn has it; arrays and files from outside."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from landmark.errors import LandmarkError
from landmark.evaluation.revisited import arrays, whitening
from landmark.evaluation.revisited.arrays import open_array, vector_blocks
from landmark.evaluation.revisited.whitening import Whitening
from tests.recognition.samples import unit


def vectors(count: int, dim: int = 6, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return unit(random.normal(size=(count, dim)) * np.arange(1, dim + 1) + 2)


def test_as_in_scikit_learn() -> None:
    rows, fresh = vectors(400), vectors(20, seed=1)
    made = Whitening.learn([rows[:150], rows[150:151], rows[151:]], "sample")
    expected = unit(PCA(whiten=True).fit(rows.astype(float)).transform(fresh.astype(float)))
    signs = np.sign((made(fresh) * expected).sum(axis=0))  # of an eigenvector either sign is right
    np.testing.assert_allclose(made(fresh) * signs, expected, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(made(fresh), axis=1), 1, atol=1e-6)
    assert made(fresh).dtype == np.float32


def test_directions_without_variance_are_dropped() -> None:
    flat = unit(np.concatenate([vectors(100, 3), np.zeros((100, 2))], axis=1))
    made = Whitening.learn([flat], "sample")
    assert made.projection.shape == (5, 3)


def test_too_little_to_learn_from() -> None:
    with pytest.raises(LandmarkError, match="6 vectors from here are too few for 6 dimensions"):
        Whitening.learn([vectors(6)], "here")
    with pytest.raises(LandmarkError, match="too few"):
        Whitening.learn([], "here")
    with pytest.raises(LandmarkError, match="all the same"):
        Whitening.learn([np.repeat(vectors(1), 20, axis=0)], "here")


def test_file(tmp_path: Path) -> None:
    made = Whitening.learn([vectors(100)], "photos of Oxford")
    made.save(tmp_path / "w.npz")
    again = Whitening.load(tmp_path / "w.npz")
    assert again.source == "photos of Oxford"
    np.testing.assert_array_equal(made(vectors(9)), again(vectors(9)))
    with pytest.raises(LandmarkError, match="made for 6 dimensions, the embeddings have 4"):
        again(vectors(2, 4))


def test_files_that_are_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mean, projection, source = np.zeros(3, np.float32), np.eye(3, dtype=np.float32), np.array("s")
    good = {"mean": mean, "projection": projection, "source": source}
    bad = [
        {"mean": mean},
        {**good, "mean": np.array([None, 1, 2], object)},
        {**good, "mean": mean[:2]},
        {**good, "projection": projection[0]},
        {**good, "projection": projection * np.nan},
        {**good, "mean": mean.astype(np.float64)},
    ]
    for content in bad:
        np.savez(tmp_path / "w.npz", **content)  # type: ignore[arg-type]
        with pytest.raises(LandmarkError, match="whitening"):
            Whitening.load(tmp_path / "w.npz")
    for data in (b"", b"PK\x03\x04", b"text"):
        (tmp_path / "w.npz").write_bytes(data)
        with pytest.raises(LandmarkError, match=r"w\.npz: not a whitening"):
            Whitening.load(tmp_path / "w.npz")
    with pytest.raises(LandmarkError, match=r"none\.npz"):
        Whitening.load(tmp_path / "none.npz")
    with zipfile.ZipFile(tmp_path / "w.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("mean.npy", bytes(5000))
    monkeypatch.setattr(whitening, "MAX_BYTES", 4000)
    with pytest.raises(LandmarkError, match="over the limit of 4000 bytes"):
        Whitening.load(tmp_path / "w.npz")


def test_blocks_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "BLOCK", 4)
    rows = vectors(10).astype(np.float16)
    np.save(tmp_path / "v.npy", rows)
    blocks = list(vector_blocks(str(tmp_path / "v.npy"), 6))
    assert [len(block) for block in blocks] == [4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(blocks), rows.astype(np.float32))
    rows[7] *= 2
    np.save(tmp_path / "v.npy", rows)
    with pytest.raises(LandmarkError, match=r"v\.npy, rows 4 to 7: row 3 has length"):
        list(vector_blocks(str(tmp_path / "v.npy")))
    with pytest.raises(LandmarkError, match="6 dimensions where 5 are needed"):
        list(vector_blocks(str(tmp_path / "v.npy"), 5))


def test_arrays_that_are_none(tmp_path: Path) -> None:
    file = tmp_path / "a.npy"
    np.save(file, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(LandmarkError, match=r"Python objects|array of objects") as caught:
        open_array(str(file))
    assert "pickle" not in str(caught.value)
    np.savez(tmp_path / "a.npz", np.zeros(3))
    with pytest.raises(LandmarkError, match="an archive of arrays"):
        open_array(str(tmp_path / "a.npz"))
    np.save(file, np.zeros((100, 3)))
    whole = file.read_bytes()
    for data in (b"", b"\x93NUMPY", whole[:200], b"query,photo\n"):
        file.write_bytes(data)
        with pytest.raises(LandmarkError, match=r"a\.npy: not a readable \.npy file"):
            open_array(str(file))
    for name in ("none.npy", "."):
        with pytest.raises(LandmarkError, match=r"not a readable \.npy file"):
            open_array(str(tmp_path / name))
    np.save(file, np.zeros((0, 3), np.float32))
    with pytest.raises(LandmarkError, match=r"shape \[0, 3\], expected embeddings"):
        list(vector_blocks(str(file)))
