from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import boto3
import numpy as np
import pandas as pd
import pytest
from moto import mock_aws
from PIL import Image

from landmark.config import MetadataConfig
from landmark.errors import LandmarkError
from landmark.recognition.calibration import Calibration
from landmark.recognition.candidates import CandidateSearch
from landmark.recognition.centroids import Centroids
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.recognizer import COLUMNS, Recognizer, register_resolver
from tests.recognition.samples import unit
from tests.recognition.striped import IDS, LANDMARKS, paint


class FakeNetwork:
    """Stands for the network where embeddings are given."""

    embedding_dim = 4


def plain(**changes: Any) -> Recognizer:
    parts: dict[str, Any] = {
        "network": FakeNetwork(),
        "centroids": Centroids(np.eye(4, dtype=np.float32)[:3], np.array(IDS, object), np.ones(3, int), np.array(IDS, object)),
        "calibration": Calibration(threshold=0.6, specificity=0.99, slope=10.0, intercept=-6.0),
        "bank": None,
        "gallery": None,
        "landmarks": LANDMARKS,
        "metadata": MetadataConfig(),
    }
    return Recognizer(**{**parts, **changes})


def test_above_the_threshold_and_not() -> None:
    rows = unit(np.array([[0.8, 0.6, 0, 0], [0.0, 0.59, 0.0, 0.81], [0.06, 0, 0, 0.9982]]))
    table = plain().score(rows)
    assert table["landmark"].tolist() == ["arch", "bell", "arch"]
    assert np.allclose(table["similarity"], [0.8, 0.5888, 0.06], atol=1e-4)
    assert table["accepted"].tolist() == [True, False, False]
    at_threshold = plain(calibration=Calibration(threshold=1.0, specificity=0.99)).score(np.eye(4)[:1])
    assert (at_threshold["score"][0], at_threshold["accepted"][0]) == (1.0, False)  # it must be above
    assert table["candidates"][0][:2] == [
        {"landmark": "arch", "similarity": pytest.approx(0.8)},
        {"landmark": "bell", "similarity": pytest.approx(0.6)},
    ]
    assert table["reason"].tolist()[0] == "score 0.800 is above the threshold 0.600"
    assert table["reason"].tolist()[2] == "score 0.060 is not above the threshold 0.600"


def test_a_landmark_with_a_threshold_of_its_own() -> None:
    rows = unit(np.array([[0.8, 0.6, 0, 0], [0.6, 0.8, 0.0, 0.0]]))
    calibration = Calibration(threshold=0.6, specificity=0.99, slope=10.0, intercept=-6.0, own_thresholds={"arch": 0.9})
    made = plain(calibration=calibration)
    table = made.score(rows)
    assert table["accepted"].tolist() == [False, True]
    np.testing.assert_allclose(table["score"], [0.5, 0.8], atol=1e-6)  # 0.8 - (0.9 - 0.6), so that 0.6 decides for all
    assert table["reason"][0] == (
        "score 0.500 is not above the threshold 0.600, moved by what The Arch's own lies above it (0.900)"
    )
    assert table["reason"][1] == "score 0.800 is above the threshold 0.600"
    np.testing.assert_allclose(made.score_arrays(rows).confidence(), calibration.confidence([0.5, 0.8]), atol=1e-6)


def test_rescoring_subtracts_the_nearest_of_the_bank() -> None:
    bank = unit(np.array([[0, 0, 0, 1.0], [0.6, 0, 0, 0.8], [0, 0, 1.0, 0]]))
    calibration = Calibration(threshold=0.3, specificity=0.99, rescore_weight=0.5, neighbours=2)
    table = plain(bank=bank, calibration=calibration).score(np.array([[1.0, 0, 0, 0]]))
    assert table["score"][0] == pytest.approx(1.0 - 0.5 * (0.6 + 0.0) / 2)
    with pytest.raises(LandmarkError, match="bank is empty"):
        plain(calibration=calibration)


def test_gps_rules_out_and_the_next_one_near_enough_wins() -> None:
    recognizer = plain(calibration=Calibration(threshold=0.5, specificity=0.99))
    row = unit(np.array([[0.8, 0.6, 0.0, 0.0]]))
    in_paris = recognizer.score(row, [48.85], [2.3])
    assert (in_paris["landmark"][0], in_paris["accepted"][0]) == ("bell", True)
    assert in_paris["similarity"][0] == pytest.approx(0.6)
    # Rome and Paris are 1,100 to 1,110 km apart, depending on where in them.
    assert re.search(r"; The Arch is 110\d km from the photo's GPS position$", in_paris["reason"][0])
    assert in_paris["candidates"][0][0]["landmark"] == "arch"
    in_rome = recognizer.score(row, [41.9], [12.5])
    assert in_rome["landmark"][0] == "arch"
    # Far from both; the third has no known position, so it is not ruled out, but nor is it similar.
    at_sea = recognizer.score(row, [0.0], [-30.0])
    assert (at_sea["landmark"][0], at_sea["accepted"][0]) == ("dome", False)
    for lat, lon in (([None], [None]), ([np.nan], [2.3])):
        assert recognizer.score(row, lat, lon)["landmark"][0] == "arch"
    off = plain(calibration=Calibration(threshold=0.5, specificity=0.99), metadata=MetadataConfig(gps_veto_km=None))
    assert off.score(row, [48.85], [2.3])["landmark"][0] == "arch"
    with pytest.raises(LandmarkError, match="1 embeddings but 2 positions"):
        recognizer.score(row, [1.0, 2.0], [1.0, 2.0])


def test_all_landmarks_ruled_out() -> None:
    known = LANDMARKS.assign(lat=[41.89, 48.86, 40.0, 0.0], lon=[12.49, 2.29, 3.0, 0.0])
    table = plain(landmarks=known).score(np.array([[1.0, 0, 0, 0]]), [-60.0], [0.0])
    assert (table["landmark"][0], table["accepted"][0]) == ("", False)
    assert table["score"][0] == -1.0
    assert table["reason"][0].startswith("no landmark near the photo's GPS position; The Arch is")


def test_candidates_are_distinct_landmarks_however_many_centroids_come_first() -> None:
    random = np.random.default_rng(0)
    ids = np.array([f"l{n}" for n in np.repeat(np.arange(8), random.integers(1, 12, 8))], object)
    vectors = unit(random.normal(size=(len(ids), 6)) + np.where(ids == "l3", 2, 0)[:, None])
    search = CandidateSearch(Centroids(vectors, ids, np.ones(len(ids), int), ids))
    queries = unit(random.normal(size=(50, 6)) + 1)
    similarity, found = search.best(queries, 5)
    expected = np.stack([(queries @ vectors[ids == name].T).max(1) for name in search.ids], axis=1)
    assert (found == np.argsort(-expected, axis=1)[:, :5]).all()
    assert np.allclose(similarity, -np.sort(-expected, axis=1)[:, :5], atol=1e-5)
    assert search.best(queries[:1], 20)[1][0, 8:].tolist() == [-1] * 12
    assert search.best(queries[:0], 5)[1].shape == (0, 5)
    with pytest.MonkeyPatch.context() as patch:  # as with many centroids
        patch.setattr("landmark.recognition.candidates._FEW", 0)
        others = search.best(queries, 5)
        assert (others[1] == found).all()
        np.testing.assert_allclose(others[0], similarity, atol=1e-6)
        assert search.best(queries[:1], 20)[1][0, 8:].tolist() == [-1] * 12


def test_wrong_parts_are_refused() -> None:
    with pytest.raises(LandmarkError, match="no landmark 'dome'"):
        plain(landmarks=LANDMARKS[:2])
    with pytest.raises(LandmarkError, match="a landmark twice"):
        plain(landmarks=pd.concat([LANDMARKS, LANDMARKS]))
    with pytest.raises(LandmarkError, match="no column 'lat'"):
        plain(landmarks=LANDMARKS.drop(columns="lat"))
    with pytest.raises(LandmarkError, match="holds vectors of 3 numbers, the network's have 4"):
        plain(gallery=SearchIndex.exact(np.eye(3, dtype=np.float32), ["a", "b", "c"]))
    with pytest.raises(LandmarkError, match="its ids are numbers, not photos"):
        plain(gallery=SearchIndex.exact(np.eye(4, dtype=np.float32)))
    with pytest.raises(LandmarkError, match="4 are needed"):
        plain().score(np.eye(5))
    with pytest.raises(LandmarkError, match="without a gallery"):
        plain().nearest_photos(np.eye(4), 1)


def test_photos_of_every_kind_are_recognised(real: tuple[Recognizer, Path], tmp_path: Path) -> None:
    recognizer, _ = real
    picture = Image.fromarray(paint(0, 0))
    data = io.BytesIO()
    picture.save(data, "PNG")
    picture.save(tmp_path / "ä 1.png")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff no photo")
    sources: list[Any] = [tmp_path / "ä 1.png", str(tmp_path / "broken.jpg"), data.getvalue(), picture, paint(0, 0), b""]
    table = recognizer.recognize(iter(sources))
    assert list(table.columns) == list(COLUMNS)
    assert table["photo"].tolist() == [str(tmp_path / "ä 1.png"), str(tmp_path / "broken.jpg"), "#2", "#3", "#4", "#5"]
    assert table["landmark"].tolist() == ["arch", "", "arch", "arch", "arch", ""]
    assert table["name"].tolist() == ["The Arch", "", "The Arch", "The Arch", "The Arch", ""]
    unreadable = table["reason"].str.startswith("unreadable: ")
    assert unreadable.tolist() == [False, True, False, False, False, True]
    assert table["candidates"][1] == []
    assert table["confidence"].between(0, 1).all()
    assert table["similarity"].isna().tolist() == unreadable.tolist()


def test_batches_do_not_change_the_answer(real: tuple[Recognizer, Path]) -> None:
    recognizer, _ = real
    photos = [paint(n % 4, 100 + n) for n in range(11)]
    whole = recognizer.recognize(photos)
    parts = list(recognizer.recognize_batches(photos, batch=3))
    assert [len(part) for part in parts] == [3, 3, 3, 2]
    joined = pd.concat(parts, ignore_index=True)
    assert joined["photo"].tolist() == [f"#{n}" for n in range(11)]
    assert joined["landmark"].tolist() == whole["landmark"].tolist()
    assert np.allclose(joined["similarity"], whole["similarity"], atol=1e-5)
    assert recognizer.recognize([]).empty


def test_saved_and_loaded_it_says_the_same(real: tuple[Recognizer, Path]) -> None:
    recognizer, folder = real
    read = Recognizer.load(folder)
    photos = [paint(n % 4, 50 + n) for n in range(8)]
    pd.testing.assert_frame_equal(recognizer.recognize(photos), read.recognize(photos), rtol=1e-5)
    assert read.calibration == recognizer.calibration
    assert read.metadata == recognizer.metadata
    assert read.nearest_photos(recognizer.centroids.vectors[:1], 3) == recognizer.nearest_photos(
        recognizer.centroids.vectors[:1], 3
    )
    suffixes = {file.suffix for file in folder.rglob("*") if file.is_file()}
    assert suffixes == {".json", ".parquet", ".safetensors", ".faiss", ".arrow", ".npy"}


def test_it_lives_in_s3(real: tuple[Recognizer, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    recognizer, _ = real
    photos = [paint(n % 4, 90 + n) for n in range(4)]
    with mock_aws():
        boto3.client("s3").create_bucket(Bucket="models")
        recognizer.save("s3://models/landmark/1")
        read = Recognizer.load("s3://models/landmark/1")
        read.save("s3://models/landmark/2")  # the local copy that it was read from is gone
        again = Recognizer.load("s3://models/landmark/2")
    pd.testing.assert_frame_equal(recognizer.recognize(photos), again.recognize(photos), rtol=1e-5)
    vectors = recognizer.centroids.vectors
    assert again.nearest_photos(vectors, 3) == read.nearest_photos(vectors, 3) == recognizer.nearest_photos(vectors, 3)


def test_a_resolver_opens_other_uris(real: tuple[Recognizer, Path]) -> None:
    asked = []
    register_resolver("testmodels", lambda uri: asked.append(uri) or real[1])
    assert Recognizer.load("testmodels:/landmark@champion").calibration == real[0].calibration
    assert asked == ["testmodels:/landmark@champion"]
    with pytest.raises(LandmarkError, match="nothing here opens 'unheard:/'"):
        Recognizer.load("unheard:/x")
