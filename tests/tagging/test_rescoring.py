"""Kept embeddings scored anew: the same tables as from scratch, whatever happens on the way."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from benchmarks.by_row import tags_of
from landmark.errors import LandmarkError
from landmark.recognition.recognizer import Recognizer
from landmark.tagging import job, reading, rescoring, work
from landmark.tagging.scoring import Scorer
from landmark.tagging.shard import PhotoRow, ShardFolder, photo_table
from landmark.tagging.state import State
from landmark.tagging.tables import shards
from tests.tagging.conftest import Tag, write_photo, write_photos

Real = tuple[Recognizer, Path]
TIME = datetime(2026, 1, 2, 3, 4, 5, 6000, tzinfo=UTC)


def other(real: Real, folder: Path, **calibration: object) -> Path:
    """The same network, other centroids, another threshold."""
    made = real[0]
    vectors = made.centroids.vectors + 0.05 * np.random.default_rng(0).normal(size=made.centroids.vectors.shape)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    settings = {"threshold": made.calibration.threshold - 0.02, **calibration}
    Recognizer(
        made.network, replace(made.centroids, vectors=vectors), replace(made.calibration, **settings), made.bank, None,
        made.landmarks, made.metadata,
    ).save(folder)  # fmt: skip
    return folder


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time stands still, so that tables can be the same to the byte."""
    for module in (rescoring, work, reading):
        monkeypatch.setattr(module, "now", lambda: TIME)


@pytest.mark.usefixtures("still")
def test_tables_are_those_of_fresh_tagging_to_the_byte(tmp_path: Path, tagged: Tag, real: Real) -> None:
    write_photos(tmp_path / "photos", 30)
    for name in ("new\nline.png", "a,b\"c'.png", "\u2028.png", "🗼.png"):
        write_photo(tmp_path / "photos" / name, 0, 1)  # of one content
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"\xff\xd8 no photo")
    second = other(real, tmp_path / "second", rescore_weight=0.25, own_thresholds={"bell": 0.4})
    tagged(out=tmp_path / "fresh", model=second, label="landmark/2")
    first = tagged(label="landmark/1")
    result = tagged(model=second, label="landmark/2")
    assert (result.rescored, result.read, result.embedded) == (34, 0, 0)
    for name in ("tags.parquet", "tags.jsonl", "unreadable.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "fresh" / name).read_bytes()
    tagged(model=real[1], label="landmark/1")
    assert tagged(model=real[1], label="landmark/1").tagged == first.tagged


@pytest.mark.usefixtures("still")
def test_photos_before_the_first_shard_and_another_recognizer_at_once(tmp_path: Path, tagged: Tag, real: Real) -> None:
    write_photos(tmp_path / "photos", 12)
    tagged(model=real[1])
    for number in range(5):
        write_photo(tmp_path / "photos" / "0" / f"!{number}.png", number % 4, number)
    second = other(real, tmp_path / "second")
    result = tagged(model=second, label="landmark/2")
    assert (result.photos, result.embedded) == (17, 5)
    tagged(out=tmp_path / "fresh", model=second, label="landmark/2")
    # Of other shards: the last digits of a product depend on how many photos are in it.
    pd.testing.assert_frame_equal(*(pq.read_table(tmp_path / name / "tags.parquet").drop_columns(["reason", "runners_up"])
                                    .to_pandas() for name in ("out", "fresh")), rtol=1e-4)  # fmt: skip
    assert not tagged(model=second, label="landmark/2").changed


def test_what_is_damaged_is_read_again(tmp_path: Path, tagged: Tag, real: Real) -> None:
    write_photos(tmp_path / "photos", 16)
    tagged()
    with State(tmp_path / "out" / job.STATE) as state:
        folders = [state.shards_folder / shard.id for shard in shards(state)]
    next(folders[1].glob("*/shard-*.npy")).write_bytes(b"damaged")
    (folders[2] / "photos.parquet").write_bytes(b"damaged")
    next(folders[3].glob("*/shard-*.json")).write_text("{}")
    second = other(real, tmp_path / "second")
    result = tagged(model=second)
    assert (result.rescored, result.read, result.photos) == (4, 12, 16)
    tagged(out=tmp_path / "fresh", model=second)
    tables = [pq.read_table(tmp_path / name / "tags.parquet").drop(["time", "added"]) for name in ("out", "fresh")]
    assert (
        tables[0]
        .drop(["score", "similarity", "confidence", "runners_up"])
        .equals(tables[1].drop(["score", "similarity", "confidence", "runners_up"]))
    )


def test_a_job_that_fails_on_the_way_goes_on_from_there(
    tmp_path: Path, tagged: Tag, real: Real, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_photos(tmp_path / "photos", 40)
    tagged()
    before = (tmp_path / "out" / "tags.parquet").read_bytes()
    second, write = other(real, tmp_path / "second"), ShardFolder.write_tags
    monkeypatch.setattr(rescoring, "GROUP", 2)
    with State(tmp_path / "out" / job.STATE) as state:
        order = [shard.id for shard in shards(state)]

    def full(self: ShardFolder, *rest: object) -> None:
        if self.folder.name == order[6]:
            raise LandmarkError("No space left on device")
        write(self, *rest)

    monkeypatch.setattr(ShardFolder, "write_tags", full)
    with pytest.raises(LandmarkError, match="No space left"):
        tagged(model=second)
    assert (tmp_path / "out" / "tags.parquet").read_bytes() == before
    with State(tmp_path / "out" / job.STATE) as state:
        digests = [shard.digest for shard in shards(state)]
    assert len(set(digests[:6])) == 1, "what was done before stays done"
    assert digests[5] != digests[6]
    monkeypatch.setattr(ShardFolder, "write_tags", write)
    assert tagged(model=second).rescored == 16
    assert tagged(model=second).changed is False


def test_one_transaction_a_group(tmp_path: Path, tagged: Tag, real: Real, monkeypatch: pytest.MonkeyPatch) -> None:
    write_photos(tmp_path / "photos", 40)
    tagged()
    groups, put = [], State.rescored
    monkeypatch.setattr(rescoring, "GROUP", 4)
    monkeypatch.setattr(State, "rescored", lambda self, rows: groups.append(len(rows)) or put(self, rows))
    tagged(model=other(real, tmp_path / "second"))
    assert groups == [4, 4, 2]


def test_columns_say_what_rows_said(real: Real) -> None:
    recognizer = real[0]
    random = np.random.default_rng(3)
    centroids = recognizer.centroids.vectors
    noise = random.normal(size=(9, centroids.shape[1])) / np.sqrt(centroids.shape[1])
    vectors = np.concatenate([centroids + 0.01 * noise[:3], noise, -centroids[:1]])[:12]
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    rows = [PhotoRow(f"/p/{n}.jpg".encode(), "1-2", "", f"{n:064x}", 4, 3, None, None, None, TIME) for n in range(12)]
    made, expected = Scorer(recognizer).tags(photo_table(rows), vectors, TIME), tags_of(recognizer, rows, vectors)
    assert 0 < sum(bool(landmark) for landmark in made["landmark"].to_pylist()) < 12
    for name in ("photo", "sha256", "landmark", "city", "country", "reason", "width", "height", "taken_at", "added"):
        assert made[name].to_pylist() == expected[name].to_pylist()
    for name in ("confidence", "similarity", "score"):
        np.testing.assert_allclose(made[name].to_numpy(), expected[name].to_numpy(), atol=1e-5)
    for ours, theirs in zip(made["runners_up"].to_pylist(), expected["runners_up"].to_pylist(), strict=True):
        assert [other["landmark"] for other in ours] == [other["landmark"] for other in theirs]


def test_a_position_rules_out_in_columns_too(real: Real) -> None:
    recognizer = real[0]
    arch = list(recognizer.ids).index("arch")
    vectors = np.repeat(recognizer.centroids.vectors[recognizer.centroids.landmark == "arch"][:1], 2, axis=0)
    rows = [
        PhotoRow(b"/p/1.jpg", "1", "", "0" * 64, 4, 3, None, 41.89, 12.49, TIME),
        PhotoRow(b"/p/2.jpg", "1", "", "1" * 64, 4, 3, None, -33.0, 151.0, TIME),
    ]
    tags = Scorer(recognizer).tags(photo_table(rows), vectors, TIME)
    assert recognizer.ids[arch] == tags["landmark"][0].as_py()
    assert "The Arch is" in tags["reason"][1].as_py()
    assert tags["landmark"][1].as_py() != "arch"
    assert json.dumps(tags["runners_up"][1].as_py()).count("arch") == 1
