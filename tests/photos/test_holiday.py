"""The generated collection: dated and placed, of the same landmarks as the world, and of no photo that is in it."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import pytest

from landmark.config import WorldConfig
from landmark.errors import UsageError
from landmark.photos.decode import decode
from landmark.photos.world import write_holiday, write_world
from landmark.photos.world.holiday import plan_shots

CONFIG = WorldConfig(landmarks=4, photos=5, others=5, size=48, seed=3)


def digests(folder: Path) -> list[str]:
    return [hashlib.sha256(decode(file).image.tobytes()).hexdigest() for file in sorted(folder.rglob("*.jpg"))]


def test_a_collection_of_the_same_world(tmp_path: Path) -> None:
    assert write_holiday(tmp_path / "holiday", CONFIG, 30, processes=1) > 3
    write_world(tmp_path / "world", CONFIG, processes=1)
    photos = digests(tmp_path / "holiday")
    assert len(set(photos)) == len(photos) == 30
    assert not set(photos) & set(digests(tmp_path / "world"))
    with (tmp_path / "holiday.csv").open(newline="") as lines:
        truth = list(csv.DictReader(lines))
    assert all((tmp_path / row["photo"]).is_file() for row in truth)
    places = {folder.name for folder in (tmp_path / "world/landmarks").iterdir()}
    assert {row["landmark"] for row in truth if row["landmark"]} & places
    read = [decode(tmp_path / row["photo"]) for row in truth]
    times = [photo.taken_at for photo in read]
    assert times == sorted(time for time in times if time is not None)  # files are numbered as they were taken
    assert 0 < sum(photo.lat is None for photo in read) < 30
    with pytest.raises(UsageError, match="is there already"):
        write_holiday(tmp_path / "holiday", CONFIG, 5)


def test_the_same_again_whoever_draws_it(tmp_path: Path) -> None:
    for name, processes in (("one", 1), ("two", 2)):
        write_holiday(tmp_path / name, CONFIG, 14, processes=processes)
    assert [(file.name, file.read_bytes()) for file in sorted((tmp_path / "one").rglob("*.jpg"))] == [
        (file.name, file.read_bytes()) for file in sorted((tmp_path / "two").rglob("*.jpg"))
    ]


def test_a_quarter_shows_a_landmark() -> None:
    shots = plan_shots(CONFIG, 2000)
    assert 0.2 < sum(shot.place is not None for shot in shots) / 2000 < 0.3
    assert [shot.time for shot in shots] == sorted(shot.time for shot in shots)
