"""What Prefect is told before it is imported."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from flows.environment import prepare
from flows.server import Server
from landmark.errors import LandmarkError
from landmark.stack import found, keys
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


def test_servers_that_are_up_are_used(tmp_path: Path) -> None:
    seem_up(tmp_path, {"PREFECT_API_URL": "http://127.0.0.1:5/api", "PREFECT_API_AUTH_STRING": "landmark:secret"})
    prepare(tmp_path)
    assert os.environ["PREFECT_API_URL"] == "http://127.0.0.1:5/api"
    assert os.environ["PREFECT_API_AUTH_STRING"] == "landmark:secret"


def test_servers_that_are_up_wait_for_their_turn(tmp_path: Path) -> None:
    os.environ["PREFECT_API_URL"] = "http://mine:4200/api"
    seem_up(tmp_path, {"PREFECT_API_URL": "http://127.0.0.1:5/api", "PREFECT_API_AUTH_STRING": "landmark:secret"})
    prepare(tmp_path)
    assert os.environ["PREFECT_API_URL"] == "http://mine:4200/api"
    assert "PREFECT_API_AUTH_STRING" not in os.environ


def test_a_server_that_does_not_come_up_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seem_up(tmp_path, {"PREFECT_API_URL": "http://127.0.0.1:5/api"})
    monkeypatch.setattr("flows.server.START_SECONDS", 0.0)
    server = Server(tmp_path).start()
    with pytest.raises(LandmarkError, match=r"the Prefect server of `landmark up` does not answer; .* in /logs/prefect.log"):
        server.wait()
    assert not (tmp_path / "prefect").exists()


def seem_up(home: Path, variables: dict[str, str]) -> None:
    """As if this process were a supervisor whose Prefect server does not answer (yet)."""
    env = keys.write_env(keys.private_folder(found.folder_of(home)), variables)
    said = {"pid": os.getpid(), "born": found.birth(os.getpid()), "profile": "light", "state": "starting", "env": str(env)}
    said |= {"urls": {"prefect": "http://127.0.0.1:5"}, "services": {"prefect": {"log": "/logs/prefect.log"}}}
    found.file_of(home).write_text(json.dumps(said))


def test_a_home_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    with pytest.raises(LandmarkError, match=r"home/prefect: cannot be written"):
        prepare(tmp_path / "home")


CHILD = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import os, sys, time; from flows.server import end_with; "
    "end_with(int(sys.argv[1])); print(os.getpid(), flush=True); time.sleep(60)", str(__import__("os").getpid())])
sys.stdin.read()
"""


def test_a_server_ends_with_a_process_that_is_killed() -> None:
    parent = subprocess.Popen([sys.executable, "-c", CHILD], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    assert child.is_running()
    parent.kill()
    parent.wait()
    child.wait(timeout=20)
    assert not child.is_running()


def test_a_server_that_is_named_is_used(tmp_path: Path) -> None:
    os.environ["PREFECT_API_URL"] = "http://server:4200/api"
    server = Server(tmp_path).start()
    server.wait()
    server.stop()
    assert list(tmp_path.iterdir()) == []
    assert os.environ["PREFECT_API_URL"] == "http://server:4200/api"


def test_a_server_that_cannot_start_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "prefect").mkdir()
    os.environ["PREFECT_HOME"] = str(tmp_path / "prefect")
    (tmp_path / "prefect" / "prefect.db").write_text("no database at all, but long enough to be taken for one" * 100)
    server = Server(tmp_path).start()
    with pytest.raises(LandmarkError, match=r"did not start; its messages are in .*server.log"):
        server.wait()
    server.stop()
    assert "PREFECT_API_URL" not in os.environ
    assert "not a database" in (tmp_path / "prefect" / "server.log").read_text()


RETRIES = """
import errno, sys
from flows.tasks import may_go_better
import requests
from landmark.errors import LandmarkError
from landmark.stack import found, keys
from landmark.storage import StorageUnavailable
class State:
    def __init__(self, error): self.error = error
    def result(self, raise_on_failure): return self.error
def wrapped(outer, inner):
    try:
        try:
            raise inner
        except Exception as error:
            raise outer from error
    except Exception as error:
        return error
errors = [ConnectionResetError(), TimeoutError(), LandmarkError("x"), ValueError(), FileNotFoundError(), MemoryError()]
errors += [StorageUnavailable("x"), wrapped(LandmarkError("hub"), requests.exceptions.ConnectionError())]
errors += [wrapped(LandmarkError("file"), PermissionError())]
errors += [wrapped(LandmarkError("file"), OSError(errno.EIO, "")), OSError(errno.ENOSPC, ""), requests.exceptions.RetryError()]
assert "mlflow" not in sys.modules
from mlflow.exceptions import MlflowException, RestException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, TEMPORARILY_UNAVAILABLE
errors += [MlflowException("x", TEMPORARILY_UNAVAILABLE), RestException({"error_code": "INTERNAL_ERROR", "message": "x"})]
errors += [wrapped(LandmarkError("x"), MlflowException("x", RESOURCE_DOES_NOT_EXIST))]
print([may_go_better(None, None, State(error)) for error in errors])
"""


def test_only_what_may_pass_is_tried_again(tmp_path: Path) -> None:
    environment = {**os.environ, "PREFECT_HOME": str(tmp_path), "DO_NOT_TRACK": "1"}
    done = subprocess.run(
        [sys.executable, "-c", RETRIES], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == (
        "[True, True, False, False, False, False, True, True, False, True, False, True, True, True, False]\n"
    ), done.stderr
