"""Servers that were never there, and servers that go away for a while."""

import http.server
import json
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from landmark.config import RegistryConfig
from landmark.errors import LandmarkError
from landmark.home import store_identity
from landmark.registry import connection
from landmark.registry.connection import PATIENT, QUICK, RETRIES, connect, patience

Answer = Callable[[int], int]


class Server:
    """Answers like MLflow's; what it says to the n-th request is up to the test."""

    def __init__(self, status: Answer) -> None:
        self.requests = 0
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                body = json.dumps({"experiment": {"experiment_id": "7", "name": "landmark"}}).encode()
                self.send_response(status(outer.requests))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *_: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.uri = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in PATIENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(connection, "_OWN", frozenset(PATIENT))
    monkeypatch.setattr(connection, "_REACHED", set())


def test_a_server_that_was_never_there_is_given_up_after_a_few_tries(tmp_path: Path) -> None:
    server = Server(lambda _: 503)
    try:
        with pytest.raises(LandmarkError, match=r"MLflow at http://127.0.0.1:\d+: .*registry.enabled=false"):
            connect(tmp_path, RegistryConfig(tracking_uri=server.uri))
    finally:
        server.close()
    assert server.requests == 1 + int(QUICK[RETRIES])


def test_one_that_has_answered_is_waited_for(tmp_path: Path) -> None:
    # Away for four tries, which are more than a first contact is given.
    server = Server(lambda number: 503 if 2 <= number <= 5 else 200)
    try:
        client = connect(tmp_path, RegistryConfig(tracking_uri=server.uri))
        assert client.get_experiment_by_name("landmark").experiment_id == "7"  # type: ignore[union-attr]
        assert server.requests == 6
        # Also where a step connects anew.
        assert os.environ[RETRIES] == PATIENT[RETRIES]
    finally:
        server.close()


def test_the_waits_outlast_a_minute() -> None:
    # urllib3: no wait before the first retry, then factor * 2 ** n, at most 120 seconds.
    factor, retries = int(PATIENT[connection.FACTOR]), int(PATIENT[RETRIES])
    waits = [0, *(min(factor * 2**number, 120) for number in range(1, retries))]
    assert sum(waits) > 2 * 60
    assert sum([0, *(2**number for number in range(1, int(QUICK[RETRIES])))]) < 5


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RETRIES, "3")
    monkeypatch.setattr(connection, "_OWN", frozenset(PATIENT) - {RETRIES})
    with patience(PATIENT):
        assert os.environ[RETRIES] == "3"
    assert os.environ[RETRIES] == "3"


def test_no_password_in_messages_and_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://ann:hunter2@127.0.0.1:{port}")
    with pytest.raises(LandmarkError) as caught:
        connect(tmp_path)
    assert "hunter2" not in str(caught.value)
    assert store_identity(tmp_path, RegistryConfig()) == f"http://ann@127.0.0.1:{port}"


@pytest.mark.parametrize(
    "uri",
    ["http://a:b@h/x", "postgresql+psycopg2://u:p@db/mlflow", "https://:p@h", "http://u:p@q@h", "postgresql:///m?password=x"],
)
def test_a_config_with_a_password_is_refused(uri: str) -> None:
    with pytest.raises(ValueError, match="MLFLOW_TRACKING_USERNAME"):
        RegistryConfig(tracking_uri=uri)


@pytest.mark.parametrize(
    "uri", ["http://h:5000/x@y:z", "https://ann@h", "sqlite:////tmp/a:b@c.db", "postgresql://u@/m?host=/tmp"]
)
def test_one_without_is_not(uri: str) -> None:
    assert RegistryConfig(tracking_uri=uri).tracking_uri == uri
