"""What is deleted of a home folder, and what never is."""

import json
import os
import time
from pathlib import Path

import pytest

from landmark.cache import StepCache, locked
from landmark.errors import LandmarkError
from landmark.prune import DAY, prune

OLD = 100 * DAY


def age(path: Path, seconds: float = OLD) -> None:
    """Let a folder look unused for long."""
    then = time.time() - seconds
    for one in (*path.rglob("*"), path):
        os.utime(one, (then, then))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A run that stands on one of two outputs of `embed`, embeddings of two networks, a download, work that was left."""
    cache = StepCache(tmp_path)
    for key, digest in (("a" * 64, "1" * 64), ("b" * 64, "2" * 64)):
        cache.make("train", key, lambda out, digest=digest: {"digest": digest, "n": (out / "f").write_text("x" * 100)})
        folder = tmp_path / "embeddings" / digest
        folder.mkdir(parents=True)
        (folder / "shard-0.npy").write_bytes(b"y" * 50)
    (tmp_path / "embeddings" / "onnx").mkdir()
    (tmp_path / "work" / f"train-{'c' * 16}").mkdir(parents=True)
    (tmp_path / "models" / "landmark-1-abc").mkdir(parents=True)
    run = tmp_path / "runs" / "photos"
    run.mkdir(parents=True)
    (run / "run.json").write_text(json.dumps({"name": "photos", "steps": {"train": {"key": "a" * 64}}}))
    for kind in ("steps", "work", "embeddings", "models"):
        age(tmp_path / kind)
    return tmp_path


GONE = [f"steps/train-{'b' * 16}", f"work/train-{'c' * 16}", "embeddings/" + "2" * 64, "models/landmark-1-abc"]


def test_what_a_run_stands_on_stays_however_old(home: Path) -> None:
    assert [one.path for one in prune(home, 60)] == GONE
    assert StepCache(home).get("train", "a" * 64, deep=True) is not None
    assert (home / "embeddings" / ("1" * 64)).exists()
    assert (home / "embeddings" / "onnx").exists()
    assert not any((home / path).exists() for path in GONE)
    assert prune(home, 60) == []


def test_a_dry_run_tells_the_same_and_deletes_nothing(home: Path) -> None:
    told = prune(home, 60, dry_run=True)
    assert [one.path for one in told] == GONE
    assert told[2].bytes == 50
    assert told[0].days == pytest.approx(100, abs=0.1)
    assert all((home / path).exists() for path in GONE)


def test_what_was_used_lately_stays(home: Path) -> None:
    os.utime(home / GONE[0])
    (home / GONE[2] / "shard-1.npy").write_bytes(b"")
    assert [one.path for one in prune(home, 60)] == [GONE[1], GONE[3]]


def test_what_another_process_works_on_stays(home: Path) -> None:
    with locked(home / "locks" / f"train-{'b' * 16}.lock"):
        assert GONE[0] not in [one.path for one in prune(home, 60)]
    assert [one.path for one in prune(home, 60)] == [GONE[0]]


def test_a_clock_that_jumps_ahead_takes_nothing_that_a_run_stands_on(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time
    monkeypatch.setattr(time, "time", lambda: real() + 400 * DAY)
    prune(home, 60)
    assert StepCache(home).get("train", "a" * 64, deep=True) is not None
    assert (home / "runs" / "photos" / "run.json").exists()


def test_a_damaged_record_keeps_everything(home: Path) -> None:
    (home / "runs" / "photos" / "run.json").write_text('{"steps": ')
    with pytest.raises(LandmarkError, match=r"run\.json: cannot be read .* nothing is deleted"):
        prune(home, 60)
    assert all((home / path).exists() for path in GONE)


def test_what_killed_writes_left_in_a_run_goes_after_a_day(home: Path) -> None:
    left = home / "runs" / "photos" / ".recognizer.0123456789abcdef.tmp"
    left.mkdir()
    age(left, 2 * DAY)
    fresh = home / "runs" / "photos" / ".recognizer.fedcba9876543210.tmp"
    fresh.mkdir()
    assert f"runs/photos/{left.name}" in [one.path for one in prune(home, 60)]
    assert not left.exists()
    assert fresh.exists()


def test_a_link_is_not_followed(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "precious").write_text("x")
    (home / "steps" / "linked").symlink_to(outside)
    prune(home, 1)
    assert (outside / "precious").exists()


def test_while_a_run_is_made_nothing_of_any_goes_but_by_the_run_itself(home: Path) -> None:
    left = home / "runs" / "photos" / ".recognizer.0123456789abcdef.tmp"
    left.mkdir()
    age(left, 2 * DAY)
    with locked(home / "locks" / "run-other.lock"):
        assert [one.path for one in prune(home, 0)] == [f"runs/photos/{left.name}"]
        assert all((home / path).exists() for path in GONE)
    with locked(home / "locks" / "run-photos.lock"):
        assert [one.path for one in prune(home, 0, own="photos")] == GONE
