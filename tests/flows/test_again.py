"""What a flow does again, what it does not begin again, and what it lets out."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from landmark.errors import LandmarkError, UsageError
from landmark.journal import FILE, Journal
from landmark.storage import StorageUnavailable
from tests.test_cli import ROOT
from tests.test_journal import KILLED


@pytest.fixture
def again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module, as in a flow run that a deployment made."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "prefect"))
    from flows import again

    monkeypatch.setattr(again, "deployed", lambda: True)
    monkeypatch.setattr(again.time, "sleep", lambda seconds: slept.append(seconds))
    slept.clear()
    return again


slept: list[float] = []


class Fails:
    """A flow's body that fails so many times."""

    def __init__(self, times: int, error: Exception) -> None:
        self.calls, self.times, self.error = 0, times, error

    def __call__(self) -> str:
        self.calls += 1
        if self.calls <= self.times:
            raise self.error
        return "done"


def test_a_deployed_flow_waits_for_what_comes_back(again: Any) -> None:
    body = Fails(4, StorageUnavailable("s3://b/k: S3 cannot be reached"))
    assert again.persist(body) == "done"
    assert slept == [30, 60, 120, 240]
    body = Fails(5, ConnectionResetError("gone"))
    with pytest.raises(LandmarkError, match="ConnectionResetError: gone"):
        again.persist(body)
    assert body.calls == 5


@pytest.mark.parametrize("error", [UsageError("data.source: none"), ValueError("odd"), FileNotFoundError(2, "x")])
def test_what_fails_the_same_way_again_is_not_done_again(again: Any, error: Exception) -> None:
    body = Fails(1, error)
    with pytest.raises(LandmarkError):
        again.persist(body)
    assert body.calls == 1


def test_on_the_command_line_it_fails_at_once(again: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(again, "deployed", lambda: False)
    body = Fails(1, StorageUnavailable("away"))
    with pytest.raises(StorageUnavailable):
        again.persist(body)
    assert (body.calls, slept) == (1, [])


def test_no_secret_leaves_a_flow(again: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("X_PASSWORD", "open-sesame")
    with pytest.raises(LandmarkError) as caught, again.said_plainly():
        raise RuntimeError("refused\nopen-sesame at http://me:hunter2@host")
    assert str(caught.value) == "RuntimeError: refused *** at http://***@host"
    with pytest.raises(UsageError, match="mine"), again.said_plainly():
        raise UsageError("mine")
    with pytest.raises(KeyboardInterrupt), again.said_plainly():
        raise KeyboardInterrupt


def kill(home: Path, times: int) -> None:
    """Kill -9 as many attempts."""
    for _ in range(times):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(home)], cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"in\n"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_a_run_that_is_killed_again_and_again_is_not_begun_again(
    again: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path)
    kill(tmp_path, 2)
    again.brake(journal, "retrain", "photos")
    kill(tmp_path, 1)
    again.brake(journal, "retrain", "others")
    with monkeypatch.context() as patch:
        patch.setattr(again, "deployed", lambda: False)
        again.brake(journal, "retrain", "photos")
    with pytest.raises(LandmarkError, match="retrain 'photos': its process was killed 3 times in a row within 24 hours"):
        again.brake(journal, "retrain", "photos")
    # It is on record as a failure, so the next schedule tries once more.
    assert journal.attempts()[-1].outcome == "failed"
    again.brake(journal, "retrain", "photos")


def test_kills_of_long_ago_do_not_count(again: Any, tmp_path: Path) -> None:
    kill(tmp_path, 3)
    file = tmp_path / FILE
    for days in (2, -2):  # a clock that was a day ahead when they were written, too
        then = (datetime.now(UTC) - timedelta(days=days)).isoformat()
        lines = file.read_text().splitlines()
        file.write_text("".join(f'{{"time": "{then}",{line.partition(",")[2]}\n' for line in lines))
        again.brake(Journal(tmp_path), "retrain", "photos")
    assert {attempt.outcome for attempt in Journal(tmp_path).attempts()} == {"killed"}


def test_drift_asks_for_a_flow_once_a_day(again: Any, tmp_path: Path) -> None:
    from flows.tag import cools_down

    journal, out = Journal(tmp_path), tmp_path / "tags"
    assert not cools_down(journal, "refresh", out)
    with journal.attempt("tag", "tags", out=str(out)) as note:
        note.facts = {"asked_for": "refresh"}
    assert cools_down(journal, "refresh", out)
    assert not cools_down(journal, "retrain", out)
    assert not cools_down(journal, "refresh", tmp_path / "other")
    file = tmp_path / FILE
    then = (datetime.now(UTC) - timedelta(hours=25)).isoformat()
    lines = file.read_text().splitlines()
    file.write_text("".join(f'{{"time": "{then}",{line.partition(",")[2]}\n' for line in lines))
    assert not cools_down(journal, "refresh", out)
