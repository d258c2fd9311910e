"""The commands `landmark tag` and `landmark drift`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from landmark import tag_command
from landmark.console import guard
from landmark.errors import UsageError
from landmark.recognition.recognizer import Recognizer
from landmark.tagging import job
from tests.tagging.conftest import home, real, write_photos

__all__ = ["home", "real"]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs a command in this process; gives exit status, stdout, stderr."""
    monkeypatch.setenv("LANDMARK_HOME", "unset")  # put back at the end, as is what the command sets
    monkeypatch.setenv("LANDMARK_CACHE", os.environ["LANDMARK_CACHE"])
    app = typer.Typer()
    app.command()(tag_command.tag)
    app.command()(tag_command.drift)

    def command(*arguments: object) -> tuple[int, str, str]:
        capfd.readouterr()
        status = guard(lambda: app(list(map(str, arguments)), standalone_mode=False), debug=False)
        return (status, *capfd.readouterr())

    return command


def test_tag_and_drift(tmp_path: Path, real: tuple[Recognizer, Path], home: Path, run: Any) -> None:
    write_photos(tmp_path / "photos", 12)
    options = ("tag", tmp_path / "photos", "--model", real[1], "--out", tmp_path / "out", "--home", home)
    status, stdout, stderr = run(*options, "--json")
    assert status == 0, stderr
    told = json.loads(stdout)
    assert (told["photos"], told["embedded"], told["unreadable"], told["changed"]) == (12, 12, 0, True)
    assert told["tagged"] == json.loads((tmp_path / "out" / "tagging.json").read_text())["tagged"] > 0
    assert "nothing to do" in run(*options)[1]
    status, stdout, stderr = run("drift", tmp_path / "out", "minimum=10", "--json")
    assert status == 0, stderr
    assert json.loads(stdout)["action"] == "none"
    assert "made from the 12 photos" in json.loads(stdout)["note"]
    assert "action  none" in run("drift", tmp_path / "out", "minimum=10", "--reference", tmp_path / "out")[1]


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("tag", "absent", "--out", "out"), 2, "not there; give a folder of photos"),
        (("drift", "."), 1, "no tagging.json"),
        (("drift", ".", "minimum=many"), 2, "minimum: Input should be a valid integer"),
    ],
)
def test_errors_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run: Any, arguments: tuple[str, ...], status: int, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ended, stdout, stderr = run(*arguments)
    assert (ended, stdout) == (status, "")
    assert said in stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_nothing_heavy_is_imported_for_nothing(tmp_path: Path, real: tuple[Recognizer, Path], home: Path) -> None:
    """The help needs no arrays, and a job that has nothing to do no torch."""
    write_photos(tmp_path / "photos", 2)
    arguments = [str(path) for path in (tmp_path / "photos", real[1], tmp_path / "out", home)]
    job.tag(*arguments, progress=False)
    script = "import sys, landmark.tag_command as c; a = {'numpy', 'pandas', 'pyarrow', 'torch'} & set(sys.modules); "
    script += (
        "from landmark.tagging.job import tag; r = tag(*sys.argv[1:]); print(sorted(a), r.changed, 'torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(job.__file__).parents[2])}
    command = [sys.executable, "-c", script, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert done.stdout == "[] False False\n"


def test_settings_from_the_command_line() -> None:
    assert tag_command.drift_settings(["minimum=50", "on_tagged=refresh", "psi=0.3"]).model_dump() == {
        **tag_command.drift_settings([]).model_dump(), "minimum": 50, "on_tagged": "refresh", "psi": 0.3,
    }  # fmt: skip
    with pytest.raises(UsageError, match="is not KEY=VALUE"):
        tag_command.drift_settings(["minimum"])
    with pytest.raises(UsageError, match="limit: Extra inputs"):
        tag_command.drift_settings(["limit=3"])


def test_a_folder_is_not_looked_up_in_the_registry(tmp_path: Path) -> None:
    assert tag_command.pinned("some/folder", tmp_path) == ("some/folder", None)
    assert tag_command.pinned("s3://bucket/model", tmp_path) == ("s3://bucket/model", None)
