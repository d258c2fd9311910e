"""Runs: which steps are done, what is published, who may run."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from filelock import FileLock
from moto import mock_aws

from flows.plan import plan
from landmark.config import RunConfig
from landmark.errors import LandmarkError, UsageError
from landmark.prune import prune
from landmark.run import Run, Step, fingerprint
from landmark.steps.plan import ARTEFACTS
from landmark.storage import StorageUnavailable
from tests.fake_steps import fake


def config(tmp_path: Path, **changes: Any) -> RunConfig:
    values: dict[str, Any] = {
        "name": "fake",
        "home": str(tmp_path / "home"),
        "data": {"format": "world"},
        "training": {"stages": [{"name": "all"}]},
        "evaluation": {"leave_out": 3},
    }
    for key, value in changes.items():
        node = values
        *parents, last = key.split("__")
        for part in parents:
            node = node.setdefault(part, {})
        node[last] = value
    return RunConfig.model_validate(values)


def perform(settings: RunConfig) -> list[str]:
    """Do a run with fake steps; the names of those that were done now."""
    run = Run(settings, fake(plan(settings)))
    for step in run.steps:
        run.perform(step)
    run.publish(ARTEFACTS)
    return run.ran


AFTER_TRAIN = ["embed", "centroids", "index", "calibrate", "recognizer", "baselines"]


def test_a_second_run_does_nothing(tmp_path: Path) -> None:
    settings = config(tmp_path)
    every = ["world", "catalog", "train", *AFTER_TRAIN, "train_left_out", "left_out", "evaluate", "register", "gate"]
    assert perform(settings) == every
    assert Run(settings, fake(plan(settings))).look() is None
    assert perform(settings) == []


@pytest.mark.parametrize(
    ("changes", "ran"),
    [
        (
            {"calibration__specificity": 0.995},
            ["calibrate", "recognizer", "baselines", "left_out", "evaluate", "register", "gate"],
        ),
        ({"evaluation__pictures": 3}, ["evaluate", "register"]),
        ({"index__recall": 0.9}, ["index", "recognizer", "evaluate", "register", "gate"]),
        ({"metadata__gps_veto_km": 10.0}, ["recognizer", "evaluate", "register", "gate"]),
        ({"evaluation__baselines": False}, ["evaluate", "register"]),
        ({"registry__model": "other"}, ["register", "gate"]),
        ({"registry__enabled": False}, []),
        # The report prints every setting, whatever else depends on it.
        ({"training__workers": 2}, ["evaluate", "register"]),
        ({"threads": 1}, []),
        ({"evaluation__leave_out": 2}, ["train_left_out", "left_out", "evaluate", "register"]),
        (
            {"training__scale": 30.0},
            ["train", *AFTER_TRAIN, "train_left_out", "left_out", "evaluate", "register", "gate"],
        ),
        ({"data__world": {"photos": 5}}, ["world", "catalog", *AFTER_TRAIN, "left_out", "evaluate", "register", "gate"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, dict) else "",
)
def test_a_change_redoes_what_depends_on_it(tmp_path: Path, changes: dict[str, Any], ran: list[str]) -> None:
    perform(config(tmp_path))
    # The fake catalog says that its content is the same whatever the photos, so that training need not be done again.
    assert perform(config(tmp_path, **changes)) == ran


def test_a_change_back_finds_the_old_outputs(tmp_path: Path) -> None:
    perform(config(tmp_path))
    perform(config(tmp_path, calibration__specificity=0.995))
    assert perform(config(tmp_path)) == []


def test_a_touched_photo_is_read_again_and_changes_nothing_else(tmp_path: Path) -> None:
    photo = tmp_path / "photos" / "a" / "1.jpg"
    photo.parent.mkdir(parents=True)
    photo.write_bytes(b"x")
    (tmp_path / "content").write_text("as it is")
    settings = config(tmp_path, data__format="folder", data__source=str(tmp_path / "photos"))
    perform(settings)
    os.utime(photo, (1, 1))
    assert perform(settings) == ["catalog"]
    photo.write_bytes(b"xy")
    (tmp_path / "content").write_text("another")
    ran = perform(settings)
    assert ran[:2] == ["catalog", "train"]


def test_a_damaged_output_is_done_again_and_what_follows_is_not(tmp_path: Path) -> None:
    settings = config(tmp_path)
    perform(settings)
    run = Run(settings, fake(plan(settings)))
    assert run.look() is None
    (run.outputs["index"].folder / "made_from.json").write_text("x")
    assert run.look() == run.steps[5]
    # The output comes out as it was before, so what depends on it still fits.
    assert perform(settings) == ["index"]


def test_weights_in_a_file_count_by_content(tmp_path: Path) -> None:
    weights = tmp_path / "weights.safetensors"
    weights.write_bytes(b"1")
    settings = config(tmp_path, network__pretrained=str(weights))
    perform(settings)
    os.utime(weights, (1, 1))
    assert perform(settings) == []
    weights.write_bytes(b"2")
    assert "train" in perform(settings)


def test_missing_photos_are_named_by_their_key(tmp_path: Path) -> None:
    settings = config(tmp_path, data__format="folder", data__source=str(tmp_path / "none"))
    with pytest.raises(UsageError, match=r"data\.source: .*none does not exist"):
        Run(settings, plan(settings)).look()


def test_fingerprint_sees_names_sizes_and_times(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a").write_text("1")
    os.utime(folder / "a", (1, 1))
    before = fingerprint({"data.source": str(folder)})
    assert fingerprint({"data.source": str(folder)}) == before
    (folder / "broken").symlink_to(tmp_path / "nowhere")
    with_link = fingerprint({"data.source": str(folder)})
    (folder / "broken").unlink()
    os.utime(folder / "a", (2, 2))
    touched = fingerprint({"data.source": str(folder)})
    (folder / "a").rename(folder / "b")
    renamed = fingerprint({"data.source": str(folder)})
    assert len({before, with_link, touched, renamed}) == 4


def test_the_run_folder_holds_the_artefacts(tmp_path: Path) -> None:
    settings = config(tmp_path)
    perform(settings)
    folder = tmp_path / "home" / "runs" / "fake"
    assert sorted(path.name for path in folder.iterdir()) == sorted([*ARTEFACTS, "config.yaml", "run.json"])
    assert (folder / "recognizer" / "network.json").exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_failed_publication_leaves_the_artefacts_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    perform(config(tmp_path))
    report = tmp_path / "home" / "runs" / "fake" / "report.html"
    before = report.read_text()
    changed = config(tmp_path, evaluation__pictures=3)

    def full(source: Path, target: Path) -> None:
        Path(target).write_text("half")
        raise OSError(number, os.strerror(number), str(target))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", full)
        with pytest.raises(LandmarkError, match=r"runs/fake/\S+: cannot be written"):
            perform(changed)
    assert report.read_text() == before
    assert not Run(changed, fake(plan(changed))).is_published(ARTEFACTS)
    assert perform(changed) == []
    assert report.read_text() != before


def test_a_publication_that_is_broken_off_lets_nothing_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither what the run stood on nor what it was about to stand on, however it ended."""
    perform(config(tmp_path))
    changed = config(tmp_path, training__scale=30.0)

    def killed(source: Path, target: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfile", killed)
        with pytest.raises(KeyboardInterrupt):
            perform(changed)
    home = tmp_path / "home"
    assert len(list((home / "steps").glob("train-*"))) == 2
    assert prune(home, 0) == []
    assert perform(config(tmp_path)) == []
    assert perform(changed) == []
    assert prune(home, 0) == []  # the one before it stays as well
    perform(config(tmp_path, training__scale=20.0))
    assert {one.path.partition("-")[0] for one in prune(home, 0)} >= {"steps/train"}
    assert perform(changed) == []


def test_a_glance_at_its_lock_does_not_turn_a_run_away(tmp_path: Path) -> None:
    settings = config(tmp_path)
    file = tmp_path / "home" / "locks" / "run-fake.lock"
    file.parent.mkdir(parents=True)
    lock = FileLock(file, thread_local=False)
    lock.acquire()
    timer = threading.Timer(0.1, lock.release, kwargs={"force": True})
    timer.start()
    with Run(settings, []).lock():
        timer.join()


def test_photos_that_may_be_gone_change_no_key(tmp_path: Path) -> None:
    perform(config(tmp_path))
    assert perform(config(tmp_path, data__max_shrink=1.0)) == []


def test_a_folder_whose_disk_fails_is_not_taken_for_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "photos" / "a").mkdir(parents=True)

    def fails(place: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), str(place))

    monkeypatch.setattr(os, "scandir", fails)
    with pytest.raises(StorageUnavailable, match=r"photos: the disk or mount of .* does not answer"):
        fingerprint({"data.source": str(tmp_path / "photos")})


def test_a_deleted_artefact_is_published_again(tmp_path: Path) -> None:
    settings = config(tmp_path)
    perform(settings)
    report = tmp_path / "home" / "runs" / "fake" / "report.html"
    report.unlink()
    assert perform(settings) == []
    assert report.exists()


def test_a_run_is_made_by_one_process_at_a_time(tmp_path: Path) -> None:
    settings = config(tmp_path)
    with Run(settings, []).lock():
        with pytest.raises(LandmarkError, match="run 'fake': another process"), Run(settings, []).lock():
            pass
        with Run(config(tmp_path, name="other"), []).lock():
            pass


CHILD = """
import sys
from pathlib import Path
from tests.test_run import config, perform
perform(config(Path(sys.argv[1])))
"""


def test_a_killed_run_goes_on_from_the_step_it_was_in(tmp_path: Path) -> None:
    started = tmp_path / "started"
    environment = {**os.environ, "FAKE_SLOW_STEP": "calibrate", "FAKE_STARTED": str(started)}
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], env=environment, cwd=Path(__file__).parents[1])
    deadline = time.monotonic() + 60
    while not started.exists():
        assert child.poll() is None, "the run ended early"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    child.send_signal(signal.SIGKILL)
    child.wait()
    settings = config(tmp_path)
    assert not Run(settings, fake(plan(settings))).is_published(ARTEFACTS)
    ran = perform(settings)
    assert ran == ["calibrate", "recognizer", "baselines", "train_left_out", "left_out", "evaluate", "register", "gate"]


def test_a_raised_version_redoes_a_step(tmp_path: Path) -> None:
    settings = config(tmp_path)
    steps = fake(plan(settings))[:2]
    first = Run(settings, steps)
    second = Run(settings, [replace(steps[0], version="2"), steps[1]])
    for run in (first, second):
        for step in run.steps:
            run.perform(step)
    assert first.ran == ["world", "catalog"]
    # The world came out the same, so the catalog of it stands.
    assert second.ran == ["world"]


def test_an_input_must_be_there(tmp_path: Path) -> None:
    step = Step("late", "1", "tests.fake_steps:work", lambda settings: {})
    with pytest.raises(LandmarkError, match="late: its output vanished"):
        Run(config(tmp_path), [step]).take(step)


def test_fingerprint_of_a_bucket_sees_new_content(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        client = boto3.client("s3")
        client.create_bucket(Bucket="photos")
        client.put_object(Bucket="photos", Key="a/1.jpg", Body=b"one")
        client.put_object(Bucket="photos", Key="a.csv", Body=b"table")
        places = {"data.source": "s3://photos/a", "data.landmarks": "s3://photos/a.csv"}
        before = fingerprint(places)
        assert fingerprint(places) == before
        client.put_object(Bucket="photos", Key="a/1.jpg", Body=b"two")
        second = fingerprint(places)
        client.put_object(Bucket="photos", Key="a.csv", Body=b"other")
        assert len({before, second, fingerprint(places)}) == 3
        with pytest.raises(UsageError, match="nothing there"):
            fingerprint({"data.source": "s3://photos/b"})


def test_what_a_run_stood_on_before_is_on_record_and_stays(tmp_path: Path) -> None:
    def steps(key: str) -> dict[str, str]:
        return {name: row["key"] for name, row in json.loads(record.read_text())[key].items()}

    record = tmp_path / "home" / "runs" / "fake" / "run.json"
    keys = []
    for specificity in (0.9, 0.95, 0.95):
        perform(config(tmp_path, calibration__specificity=specificity))
        keys.append(steps("steps"))
    assert keys[0] != keys[1]
    assert keys[1] == keys[2]
    assert steps("before") == keys[0]
    assert prune(tmp_path / "home", 0) == []
