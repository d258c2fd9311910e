from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.centroid_inputs import change, make_inputs
from benchmarks.centroids import PLAIN, delf, loop, recognition, refreshed
from landmark.errors import LandmarkError


@pytest.fixture
def vectors(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    centres = np.repeat(random.normal(size=(20, 16)), 12, axis=0)
    rows = centres + random.normal(0, 0.3, centres.shape)
    file = tmp_path / "vectors.npz"
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    np.savez(file, vectors=rows.astype(np.float16), landmark=np.repeat(np.arange(20), 12))
    return file


def test_a_small_refresh_beside_scikit_learn(vectors: Path, tmp_path: Path) -> None:
    inputs = make_inputs(vectors, tmp_path / "x.npy", landmarks=5, photos=8, queries=40)
    gallery = np.load(inputs.file)
    assert gallery.shape == (40, 16)
    assert np.allclose(np.linalg.norm(gallery, axis=1), 1, atol=1e-5)
    assert (inputs.queries.shape, inputs.strangers.shape, inputs.others.shape) == ((40, 16), (40, 16), (40, 16))
    assert set(inputs.truth) <= set(inputs.landmark)
    made = refreshed(inputs, PLAIN, tmp_path / "s", 1)
    found = loop(inputs, 5, "one height", made.centroids)
    assert found["same_means"] == 1.0  # scikit-learn finds the same clusters
    assert found["extrapolated_seconds"] == pytest.approx(found["sample_seconds"])
    rows = recognition(inputs, {"centroids": (made.centroids.vectors, made.centroids.landmark)})
    similarity = np.concatenate([inputs.queries, inputs.strangers]) @ made.centroids.vectors.T
    threshold = np.sort(similarity[40:].max(1))[39]  # 99 % of 40 are all of them
    right = made.centroids.landmark[similarity[:40].argmax(1)].astype(str) == inputs.truth
    assert rows[0]["sensitivity_at_99"] == pytest.approx((right & (similarity[:40].max(1) > threshold)).mean())
    assert rows[0]["bytes"] == made.centroids.vectors.nbytes
    assert change(inputs, 2) == 2
    assert refreshed(inputs, PLAIN, tmp_path / "s", 1).clustered == 2


def test_delf_is_arithmetic() -> None:
    # 1,000 features of 40 float32 are 160,000 bytes a photo.
    assert delf(200, 10, 16_000) == {
        "bytes_a_photo": 160_000,
        "bytes_all_photos": 32_000_000,
        "bytes_one_photo_a_landmark": 1_600_000,
        "times_centroids_all_photos": 2000.0,
        "times_centroids_one_photo_a_landmark": 100.0,
    }


def test_missing_vectors_are_named(tmp_path: Path) -> None:
    with pytest.raises(LandmarkError, match="--vectors"):
        make_inputs(tmp_path / "none.npz", tmp_path / "x.npy", 1, 1, 1)
