"""Runs whose process or worker is gone: found, marked, begun again, told of."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.stack.stack import Stack, environment, wait_for
from tests.test_cli import ROOT

pytestmark = pytest.mark.usefixtures("alone")


def test_automations_are_made_once(stack: Stack, tmp_path: Path) -> None:
    environment = {**os.environ, **stack.variables, "PREFECT_HOME": str(tmp_path), "LANDMARK_SILENCE_SECONDS": "45"}
    done = subprocess.run(
        [sys.executable, "-m", "flows.automations"], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line.rpartition(": ")[2] for line in done.stdout.splitlines()] == ["there", "kept", "kept", "kept"]
    with stack.prefect() as prefect:
        assert len(prefect.post("/automations/filter", json={}).json()) == 3


class Probe:
    """The deployment of the tests."""

    def __init__(self, stack: Stack) -> None:
        self.api = stack.prefect()
        self.id = self.api.get("/deployments/name/probe/tests").json()["id"]

    def start(self, **parameters: Any) -> str:
        asked = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
        return str(self.api.post(f"/deployments/{self.id}/create_flow_run", json=asked).json()["id"])

    def state(self, run: str) -> str:
        return str(self.api.get(f"/flow_runs/{run}").json()["state"]["type"])

    def slots(self) -> int:
        return int(self.api.get(f"/deployments/{self.id}").json()["global_concurrency_limit"]["active_slots"])

    def runs(self) -> list[dict[str, Any]]:
        wanted = {"deployments": {"id": {"any_": [self.id]}}}
        return list(self.api.post("/flow_runs/filter", json=wanted).json())

    def ended(self, run: str) -> str | None:
        state = self.state(run)
        return state if state in ("COMPLETED", "CANCELLED", "CRASHED", "FAILED") else None


def test_a_lost_run_does_not_hold_its_deployment_for_ever(stack: Stack, tmp_path: Path) -> None:
    """Worker, flow and Prefect's server are killed at once: nobody is left who knows that the run is dead."""
    probe = Probe(stack)
    lost = probe.start(seconds=3600, file=str(tmp_path / "pid"))
    pid = int(wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text(), 90))
    wait_for(lambda: probe.state(lost) == "RUNNING")
    time.sleep(2)  # its first heartbeat is on its way
    second = probe.start()
    assert wait_for(lambda: probe.ended(second)) == "CANCELLED"
    assert probe.slots() == 1
    for one in (stack.pid("worker"), pid, stack.pid("prefect")):
        os.kill(one, signal.SIGKILL)
    assert wait_for(lambda: probe.ended(lost), 150) == "CRASHED"
    assert wait_for(lambda: probe.slots() == 0)
    third = probe.start()
    assert wait_for(lambda: probe.ended(third), 90) == "COMPLETED"


def test_a_run_goes_on_when_its_worker_is_killed(stack: Stack, tmp_path: Path) -> None:
    probe = Probe(stack)
    wait_for(lambda: stack.servers.state == "ready")
    run = probe.start(seconds=12, file=str(tmp_path / "pid"))
    wait_for(lambda: (tmp_path / "pid").exists() and probe.state(run) == "RUNNING", 90)
    os.kill(stack.pid("worker"), signal.SIGKILL)
    assert wait_for(lambda: probe.ended(run), 90) == "COMPLETED"


CRASHED = """
import sys
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from flows import automations

block = CustomWebhookNotificationBlock(name="ops", url=sys.argv[1], json_data={"text": "{{subject}}|{{body}}"})
block.save("ops", overwrite=True)
again = automations.crashed_runs(8, ("probe",)).model_copy(update={"name": "probes begin again"})
silent = automations.silent_runs(45, automations.telling("custom-webhook/ops"))
print(automations.ensure(again), automations.ensure(silent), automations.ensure(silent))
"""


@pytest.fixture
def posted() -> Iterator[tuple[str, list[Any]]]:
    """A web server of our own: its address, and what is posted to it."""
    bodies: list[Any] = []

    class Web(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Web)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", bodies
    server.shutdown()
    server.server_close()


def test_a_crashed_run_begins_again_with_its_parameters_and_people_are_told(
    stack: Stack, tmp_path: Path, posted: tuple[str, list[Any]]
) -> None:
    """Worker and flow are killed at once; the run that follows is asked for by the server alone."""
    url, bodies = posted
    environment = {**os.environ, **stack.variables, "PREFECT_HOME": str(tmp_path / "home")}
    command = [sys.executable, "-c", CRASHED, url]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["made", "changed", "kept"]
    probe = Probe(stack)
    file = tmp_path / "pid"
    lost = probe.start(seconds=20, file=str(file))
    try:
        pid = int(wait_for(lambda: file.exists() and file.read_text(), 90))
        wait_for(lambda: probe.state(lost) == "RUNNING")
        time.sleep(2)  # its first heartbeat is on its way
        for one in (stack.pid("worker"), pid):
            os.kill(one, signal.SIGKILL)
        assert wait_for(lambda: probe.ended(lost), 150) == "CRASHED"
        new = wait_for(lambda: [run for run in probe.runs() if run["created_by"] and run["created_by"]["type"] == "AUTOMATION"])
        assert len(new) == 1
        assert new[0]["parameters"] == {"seconds": 20, "file": str(file)}
        assert wait_for(lambda: probe.ended(new[0]["id"]), 120) == "COMPLETED"
        assert int(file.read_text()) != pid
        (text,) = wait_for(lambda: [body["text"] for body in bodies])
        assert text.startswith("landmark: probe '")
        assert lost in text
    finally:
        with stack.prefect() as prefect:
            for row in prefect.post("/automations/filter", json={}).json():
                if row["name"] == "probes begin again":
                    prefect.delete(f"/automations/{row['id']}")


SET = "from flows.automations import ensure, lost_runs; import sys; print(ensure(lost_runs(*map(int, sys.argv[1:]))))"


def lost_after(stack: Stack, *seconds: str) -> None:
    command = [sys.executable, "-c", SET, *seconds]
    subprocess.run(command, cwd=ROOT, env=environment(stack), capture_output=True, text=True, check=True)


@pytest.mark.parametrize("name", ["Pending", "Submitting"])
def test_a_run_that_never_began_is_marked_crashed(stack: Stack, name: str) -> None:
    lost_after(stack, "12")
    try:
        with stack.prefect() as api:
            deployment = api.get("/deployments/name/probe/tests").json()
            later = (datetime.now(UTC) + timedelta(days=1)).isoformat()
            wanted = {"state": {"type": "SCHEDULED", "state_details": {"scheduled_time": later}}}
            run = api.post(f"/deployments/{deployment['id']}/create_flow_run", json=wanted).json()
            state = {"state": {"type": "PENDING", "name": name}, "force": True}
            api.post(f"/flow_runs/{run['id']}/set_state", json=state).raise_for_status()

            def crashed() -> bool:
                return bool(api.get(f"/flow_runs/{run['id']}").json()["state_type"] == "CRASHED")

            assert not crashed()
            wait_for(crashed, 90)
    finally:
        lost_after(stack)
