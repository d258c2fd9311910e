from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from landmark.errors import LandmarkError, UsageError
from landmark.evaluation.open_set import OpenSet
from landmark.photos.catalog import Catalog
from landmark.recognition.recognizer import Recognizer
from landmark.steps.identification import NEVER, distractors, identify, own_and_rivals
from tests.evaluation import painted as sample
from tests.evaluation.samples import DIM, around, two_sided_world
from tests.steps.test_protocols import recognizer_of


def world() -> tuple[Recognizer, np.ndarray, OpenSet]:
    vectors, table = two_sided_world(spread=2.0)
    recognizer = recognizer_of(vectors, table)
    test = np.asarray(table["split"] == "test")
    scored = recognizer.score(vectors[test])
    truth = np.asarray(table["landmark"], str)[test]
    return recognizer, vectors[test], OpenSet(scored["score"].to_numpy(), scored["landmark"].to_numpy().astype(str), truth)


def test_rivals_are_those_of_a_plain_loop() -> None:
    recognizer, vectors, open_set = world()
    truth = open_set.truth.copy()
    truth[0] = "never seen"
    shown = truth != ""
    similarity, rivals = own_and_rivals(recognizer, vectors[shown], truth[shown])
    names = np.asarray(recognizer.centroids.landmark, str)
    assert rivals[0] == NEVER
    for vector, landmark, near, ahead in list(zip(vectors[shown], truth[shown], similarity, rivals, strict=True))[1:]:
        best = {name: float((recognizer.centroids.vectors[names == name] @ vector).max()) for name in set(names)}
        assert near == pytest.approx(best[landmark], abs=1e-6)
        assert ahead == sum(value > best[landmark] for name, value in best.items() if name != landmark)
    assert rivals[1:].any()


def test_without_distractors_rank_1_is_top_1_and_all_of_them_are_a_plain_loop(tmp_path: Path) -> None:
    recognizer, vectors, open_set = world()
    strangers = around(np.zeros(DIM), 300, 1.0, np.random.default_rng(5))
    np.save(tmp_path / "d.npy", strangers)
    curve = identify(recognizer, vectors, open_set, str(tmp_path / "d.npy"), tmp_path)
    assert curve["distractors"].tolist() == [0, 10, 100, 300]
    assert curve["rank_1"].iloc[0] == pytest.approx(open_set.correct.sum() / open_set.landmark_photo.sum())
    names = np.asarray(recognizer.centroids.landmark, str)
    hits = 0
    for vector, landmark in zip(vectors[open_set.landmark_photo], open_set.truth[open_set.landmark_photo], strict=True):
        near = recognizer.centroids.vectors @ vector
        hits += near[names == landmark].max() > max(near[names != landmark].max(), (strangers @ vector).max())
    assert curve["rank_1"].iloc[-1] == pytest.approx(hits / open_set.landmark_photo.sum())
    assert curve["rank_1"].iloc[-1] < curve["rank_1"].iloc[0]


def test_a_folder_of_embeddings_is_read_one_file_after_the_other(tmp_path: Path) -> None:
    recognizer, vectors, open_set = world()
    strangers = around(np.zeros(DIM), 90, 1.0, np.random.default_rng(5))
    np.save(tmp_path / "all.npy", strangers)
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in range(3):
        np.save(folder / f"{number}.npy", strangers[30 * number : 30 * number + 30])
    one = identify(recognizer, vectors, open_set, str(tmp_path / "all.npy"), tmp_path)
    assert identify(recognizer, vectors, open_set, str(folder), tmp_path).equals(one)


def test_a_folder_of_photos_is_embedded(painted: Catalog, tmp_path: Path) -> None:
    recognizer = sample.recognizer_of(painted)
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in painted.table["photo"].head(7):
        (folder / Path(photo).name).write_bytes(Path(photo).read_bytes())
    (folder / "damaged.jpg").write_bytes(b"no photo")
    blocks = list(distractors(recognizer, str(folder), tmp_path / "home"))
    assert sum(len(block) for block in blocks) == 7
    np.testing.assert_allclose(np.linalg.norm(np.concatenate(blocks), axis=1), 1, atol=1e-5)


def test_what_are_no_distractors_is_refused(painted: Catalog, tmp_path: Path) -> None:
    recognizer = sample.recognizer_of(painted)
    np.save(tmp_path / "short.npy", np.eye(3, dtype=np.float32))
    np.save(tmp_path / "long.npy", 2 * np.eye(recognizer.network.embedding_dim, dtype=np.float32))
    (tmp_path / "damaged.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "empty").mkdir()
    for name, error, message in [
        ("short.npy", LandmarkError, "3 dimensions where"),
        ("long.npy", LandmarkError, "has length 2"),
        ("damaged.npy", LandmarkError, "not a readable .npy file"),
        ("none.npy", LandmarkError, "not a readable .npy file"),
        ("nowhere", UsageError, "neither a .npy file nor a folder"),
        ("empty", UsageError, "no readable photos"),
    ]:
        with pytest.raises(error, match=message):
            list(distractors(recognizer, str(tmp_path / name), tmp_path / "home"))
