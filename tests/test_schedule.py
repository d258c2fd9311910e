"""What a Prefect server is asked, against a server of our own that answers as Prefect's API does."""

import base64
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, ClassVar

import pytest

from landmark import schedule
from landmark.errors import LandmarkError


class Api(BaseHTTPRequestHandler):
    """Two flows, and runs of them in each state."""

    asked: ClassVar[list[tuple[str, Any, str | None]]] = []
    status: ClassVar[int] = 200

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, body, self.headers.get("Authorization")))
        if self.path == "/api/flows/filter":
            answer: Any = [{"id": "1", "name": "retrain"}, {"id": "2", "name": "tag"}]
        else:
            (state, *_) = body["flow_runs"]["state"]["type"]["any_"]
            row = {"flow_id": "1", "name": "photos", "state_name": state.title(), "start_time": None}
            row |= {"expected_start_time": "2026-11-23T02:00:00Z", "state": {"message": "http://u:hunter2@h/ went away"}}
            answer = [row, {**row, "expected_start_time": "2026-11-30T02:00:00Z"}, {**row, "flow_id": "2", "name": "x"}]
        data = json.dumps(answer).encode()
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Api.asked.clear()
    Api.status = 200
    server = HTTPServer(("127.0.0.1", 0), Api)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api"
    server.shutdown()
    server.server_close()


def test_what_comes_is_one_run_a_flow_soonest_first(url: str) -> None:
    first, second = schedule.coming(url)
    assert (first.flow, first.name, first.time) == ("retrain", "photos", "2026-11-23T02:00:00Z")
    assert second.flow == "tag"
    path, body, login = Api.asked[-1]
    assert path == "/api/flow_runs/filter"
    assert body["flow_runs"]["state"]["type"]["any_"] == ["SCHEDULED"]
    assert login is None


def test_why_it_failed_is_told_without_passwords(url: str) -> None:
    runs = schedule.failed(url)
    assert runs[0].state == "Failed"
    assert runs[0].why == "http://***@h/ went away"


def test_the_log_in_is_sent(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "admin:pass")
    schedule.running(url)
    assert Api.asked[-1][2] == "Basic " + base64.b64encode(b"admin:pass").decode()


def test_a_refused_log_in_names_the_mend(url: str) -> None:
    Api.status = 401
    with pytest.raises(LandmarkError, match=r"answered 401; set PREFECT_API_AUTH_STRING"):
        schedule.running(url)


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/api", "file:///etc/passwd"])
def test_a_server_that_is_not_there_is_one_line(address: str) -> None:
    with pytest.raises(LandmarkError, match=r"PREFECT_API_URL"):
        schedule.running(address)
