"""What Prefect is told before it is imported."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from flows.environment import OWNER, end_orphaned_servers, prepare
from landmark.errors import LandmarkError
from tests.test_cli import ROOT


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {"PATH": os.environ["PATH"]})


def test_prefect_is_pointed_at_the_home_and_kept_quiet(tmp_path: Path) -> None:
    prepare(tmp_path / "deep" / "home")
    assert os.environ["PREFECT_HOME"] == str(tmp_path / "deep" / "home" / "prefect")
    assert (tmp_path / "deep" / "home" / "prefect").is_dir()
    assert os.environ["DO_NOT_TRACK"] == "1"
    assert os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert os.environ["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"] == "180"
    assert "PREFECT_API_URL" not in os.environ


def test_what_is_set_already_stays(tmp_path: Path) -> None:
    os.environ["PREFECT_HOME"] = "/elsewhere"
    os.environ["PREFECT_API_URL"] = "http://server:4200/api"
    prepare(tmp_path)
    assert os.environ["PREFECT_HOME"] == "/elsewhere"
    assert os.environ["PREFECT_API_URL"] == "http://server:4200/api"


def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(LandmarkError, match=r"home/prefect: cannot be written"):
        prepare(tmp_path / "home")


SERVER = "import time; time.sleep(60)"


@pytest.mark.parametrize(
    ("owner", "home", "ended"),
    [("gone", "own", True), ("alive", "own", False), ("gone", "another", False)],
)
def test_servers_of_this_home_whose_owner_is_gone_are_ended(tmp_path: Path, owner: str, home: str, ended: bool) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    own = tmp_path / "home"
    environment = {
        **os.environ,
        OWNER: str(gone.pid if owner == "gone" else os.getpid()),
        "PREFECT_HOME": str(own / "prefect" if home == "own" else tmp_path / "x"),
    }
    server = subprocess.Popen([sys.executable, "-c", SERVER, "prefect.server.api.server:create_app"], env=environment)
    try:
        assert end_orphaned_servers(own) == int(ended)
        assert (server.wait(10) if ended else server.poll()) == (-15 if ended else None)
    finally:
        server.kill()
        server.wait()


RETRIES = """
from flows.retrain import may_go_better
from landmark.errors import LandmarkError
class State:
    def __init__(self, error): self.error = error
    def result(self, raise_on_failure): return self.error
errors = [ConnectionResetError(), TimeoutError(), LandmarkError("x"), ValueError(), FileNotFoundError(), MemoryError()]
print([may_go_better(None, None, State(error)) for error in errors])
"""


def test_only_what_may_pass_is_tried_again(tmp_path: Path) -> None:
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path), "DO_NOT_TRACK": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RETRIES], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == "[True, True, False, False, False, False]\n", done.stderr
