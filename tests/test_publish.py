"""Artefacts of a run, copied to where the config wants them."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from flows.plan import plan
from landmark.config import RunConfig
from landmark.run import COPIED, Run
from landmark.steps.plan import ARTEFACTS
from landmark.storage import StorageUnavailable, _s3_client, local_folder, read_bytes
from tests.fake_steps import fake
from tests.test_run import config


def perform(settings: RunConfig) -> list[str]:
    """Do a run with fake steps; the names of those that were done now."""
    run = Run(settings, fake(plan(settings)))
    for step in run.steps:
        run.perform(step)
    run.publish(ARTEFACTS)
    return run.ran


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("LANDMARK_CACHE", str(tmp_path / "cache"))
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        _s3_client.cache_clear()
        client = boto3.client("s3")
        client.create_bucket(Bucket="models")
        yield client
    _s3_client.cache_clear()


def test_artefacts_are_copied_to_s3_once(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config(tmp_path, publish="s3://models/live")
    assert perform(settings)
    run_folder = tmp_path / "home" / "runs" / "fake"
    for name in ARTEFACTS:
        local = run_folder / name
        if local.is_file():
            assert read_bytes(f"s3://models/live/{name}") == local.read_bytes()
        else:
            with local_folder(f"s3://models/live/{name}") as copy:
                names = sorted(file.relative_to(copy) for file in copy.rglob("*"))
                assert names == sorted(file.relative_to(local) for file in local.rglob("*"))
    # Nothing changed: S3 need not even be there.
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        assert perform(settings) == []
        run = Run(settings, fake(plan(settings)))
        assert run.look() is None
        assert run.is_published(ARTEFACTS)
    # The record is lost: what is there already is not uploaded again.
    before = {item["Key"]: item["LastModified"] for item in bucket.list_objects_v2(Bucket="models")["Contents"]}
    time.sleep(1.1)  # the times that S3 tells are whole seconds
    (run_folder / "run.json").unlink()
    assert perform(settings) == []
    assert {item["Key"]: item["LastModified"] for item in bucket.list_objects_v2(Bucket="models")["Contents"]} == before


def test_s3_that_is_away_leaves_the_run_whole_and_is_made_up_for(
    bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(tmp_path, publish="s3://models/live")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        with pytest.raises(StorageUnavailable, match="cannot be reached"):
            perform(settings)
        run = Run(settings, fake(plan(settings)))
        assert run.look() is None
        assert not run.is_published(ARTEFACTS)
        assert perform(config(tmp_path)) == []  # without S3, the run is complete
    assert perform(settings) == []
    assert read_bytes("s3://models/live/metrics.json") == (tmp_path / "home" / "runs" / "fake" / "metrics.json").read_bytes()


def test_artefacts_are_copied_to_a_folder(tmp_path: Path) -> None:
    settings = config(tmp_path, publish=str(tmp_path / "live"))
    perform(settings)
    folder = tmp_path / "live"
    assert sorted(path.name for path in folder.iterdir()) == sorted([*ARTEFACTS, COPIED])
    assert (folder / "recognizer" / "network.json").exists()
    changed = config(tmp_path, publish=str(tmp_path / "live"), evaluation__pictures=3)
    before = (folder / "report.html").read_text()
    perform(changed)
    assert (folder / "report.html").read_text() != before


def registry(tmp_path: Path, version: int, promoted: bool) -> None:
    """What the registry says of the version that the next run makes."""
    (tmp_path / "registry.json").write_text(json.dumps({"version": str(version), "promoted": promoted}))


def shared(tmp_path: Path, name: str, pictures: int) -> RunConfig:
    """Settings of a run that shares its place with others."""
    return config(tmp_path, name=name, publish=str(tmp_path / "live"), evaluation__pictures=pictures)


def test_what_the_gate_refuses_is_never_live(tmp_path: Path) -> None:
    registry(tmp_path, 1, promoted=True)
    good = shared(tmp_path, "photos", 3)
    perform(good)
    live = tmp_path / "live" / "report.html"
    before = live.read_text()
    registry(tmp_path, 2, promoted=False)
    refused = shared(tmp_path, "photos", 4)
    perform(refused)
    assert (tmp_path / "home" / "runs" / "photos" / "report.html").read_text() != before
    assert live.read_text() == before
    assert perform(refused) == []
    assert live.read_text() == before
    run = Run(refused, fake(plan(refused)))
    assert run.look() is None
    assert run.is_published(ARTEFACTS)  # its own folder holds all of it, and nothing else is due


def test_an_unchanged_run_does_not_put_its_older_version_back(tmp_path: Path) -> None:
    registry(tmp_path, 1, promoted=True)
    old = shared(tmp_path, "photos", 3)
    perform(old)
    (tmp_path / "registry.json").rename(tmp_path / "was.json")
    registry(tmp_path, 2, promoted=True)
    perform(shared(tmp_path, "photos2", 4))
    live = tmp_path / "live" / "report.html"
    newer = live.read_text()
    (tmp_path / "was.json").replace(tmp_path / "registry.json")
    (tmp_path / "home" / "runs" / "photos" / "run.json").unlink()  # it does not know any more that it was copied
    assert perform(old) == []
    assert live.read_text() == newer


def test_a_copy_that_a_kill_left_out_is_made_by_the_next_run(tmp_path: Path) -> None:
    registry(tmp_path, 1, promoted=True)
    perform(shared(tmp_path, "photos", 3))
    registry(tmp_path, 2, promoted=True)
    settings = shared(tmp_path, "photos", 4)
    run = Run(settings, fake(plan(settings)))
    for step in run.steps:
        run.perform(step)
    # Killed here: it is promoted, and lies nowhere yet.
    assert perform(settings) == []
    assert json.loads((tmp_path / "live" / COPIED).read_text())["version"] == "2"
    assert (tmp_path / "live" / "report.html").read_text() == (run.folder / "report.html").read_text()


def test_without_a_registry_nobody_judges(tmp_path: Path) -> None:
    settings = config(tmp_path, publish=str(tmp_path / "live"), registry__enabled=False)
    perform(settings)
    assert (tmp_path / "live" / "report.html").exists()
