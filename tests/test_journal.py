"""The journal: what was tried, and what came of it, whatever happened to the process and the disk."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from landmark import journal as module
from landmark.errors import GateRefused, LandmarkError
from landmark.journal import FILE, Journal
from tests.test_cli import ROOT


def test_an_attempt_is_on_record_from_its_beginning(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with journal.attempt("retrain", "photos", prefect="f00") as note:
        (now,) = journal.attempts()
        assert (now.flow, now.run, now.outcome, now.facts["prefect"]) == ("retrain", "photos", "running", "f00")
        note.facts["ran"] = ["train"]
    (after,) = journal.attempts()
    assert (after.outcome, after.facts["ran"], after.why) == ("done", ["train"], "")
    assert after.seconds is not None
    assert after.seconds >= 0
    assert list((tmp_path / "locks").iterdir()) == []


@pytest.mark.parametrize(
    ("error", "outcome", "why"),
    [
        (LandmarkError("s3://b/k: no such object"), "failed", "s3://b/k: no such object"),
        (RuntimeError("odd"), "failed", "RuntimeError: odd"),
        (GateRefused("gate: specificity"), "refused", "gate: specificity"),
        (KeyboardInterrupt(), "interrupted", ""),
    ],
)
def test_an_error_is_on_record_and_passes_through(tmp_path: Path, error: BaseException, outcome: str, why: str) -> None:
    with pytest.raises(type(error)), Journal(tmp_path).attempt("retrain", "photos"):
        raise error
    (attempt,) = Journal(tmp_path).attempts()
    assert (attempt.outcome, attempt.why) == (outcome, why)


KILLED = """
import sys, time
from pathlib import Path
from landmark.journal import Journal
with Journal(Path(sys.argv[1])).attempt("retrain", "photos"):
    print("in", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_is_told_from_one_that_runs(tmp_path: Path) -> None:
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"in\n"
    assert [attempt.outcome for attempt in Journal(tmp_path).attempts()] == ["running"]
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    (attempt,) = Journal(tmp_path).attempts()
    assert attempt.outcome == "killed"
    assert "killed" in attempt.why
    assert list((tmp_path / "locks").iterdir()) == []


def test_one_that_ends_while_it_is_looked_at_is_not_called_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, attempt = Journal(tmp_path), Journal(tmp_path).attempt("retrain", "photos")
    attempt.__enter__()
    real = Journal._runs

    def late(self: Journal, key: str) -> bool:
        attempt.__exit__(None, None, None)  # after the file was read, before its lock is looked at
        return real(self, key)

    monkeypatch.setattr(Journal, "_runs", late)
    assert [one.outcome for one in journal.attempts()] == ["done"]


def test_many_writers_lose_no_line(tmp_path: Path) -> None:
    def write(number: int) -> None:
        for _ in range(20):
            with Journal(tmp_path).attempt("tag", f"run{number}"):
                pass

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    attempts = Journal(tmp_path).attempts()
    assert len(attempts) == 160
    assert {attempt.outcome for attempt in attempts} == {"done"}


def test_a_line_cut_off_by_a_full_disk_takes_no_other_with_it(tmp_path: Path) -> None:
    with Journal(tmp_path).attempt("retrain", "one"):
        pass
    with (tmp_path / FILE).open("a") as stream:
        stream.write('{"id": "half", "event": "beg')
    with Journal(tmp_path).attempt("retrain", "two"):
        pass
    assert [(attempt.run, attempt.outcome) for attempt in Journal(tmp_path).attempts()] == [("one", "done"), ("two", "done")]


def test_a_journal_that_cannot_be_written_stops_no_work(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / FILE).mkdir()
    with Journal(tmp_path).attempt("retrain", "photos"):
        done = True
    assert done
    assert "cannot be written" in caplog.text


def test_it_stays_small_and_keeps_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST", 2000)
    journal = Journal(tmp_path)
    for number in range(40):
        with journal.attempt("retrain", f"run{number}"):
            pass
    assert sum(file.stat().st_size for file in tmp_path.glob("journal*")) < 5000
    names = [attempt.run for attempt in journal.attempts()]
    assert names[-1] == "run39"
    assert names == sorted(names, key=lambda name: int(name.removeprefix("run")))


def test_order_and_duration_do_not_follow_a_clock_that_jumps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Earlier(module.datetime):  # type: ignore[misc, name-defined]
        @classmethod
        def now(cls, tz: object = None) -> "module.datetime":  # type: ignore[name-defined]
            return cls(1999, 1, 1, tzinfo=module.UTC)  # type: ignore[attr-defined]

    with Journal(tmp_path).attempt("retrain", "first"):
        pass
    monkeypatch.setattr(module, "datetime", Earlier)
    with Journal(tmp_path).attempt("retrain", "second"):
        time.sleep(0.02)
    first, second = Journal(tmp_path).attempts()
    assert (first.run, second.run) == ("first", "second")
    assert second.begun.startswith("1999")
    assert second.seconds is not None
    assert 0.02 <= second.seconds < 60


def test_no_secret_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", 'abc"def/123456')
    with pytest.raises(LandmarkError), Journal(tmp_path).attempt("tag", "out", model="http://me:hunter2@host/x"):
        raise LandmarkError('refused abc"def/123456 for postgresql://u:pw123456@db/x')
    text = (tmp_path / FILE).read_text()
    assert "abc" not in text
    assert "hunter2" not in text
    assert "pw123456" not in text
    assert [json.loads(line)["event"] for line in text.splitlines()] == ["begun", "failed"]
    assert os.environ["AWS_SECRET_ACCESS_KEY"]
