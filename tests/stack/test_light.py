"""`landmark up` as one uses it on a machine of one's own: a flow finds the servers, Ctrl-C ends them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil

from landmark.stack import found
from tests.stack.conftest import HERE
from tests.stack.stack import Stack, wait_for
from tests.test_cli import ROOT

COMMAND = """
import sys, typer
from landmark.console import guard
from landmark.up_command import down, up

app = typer.Typer()
app.command()(up)
app.command()(down)
sys.exit(guard(lambda: app(standalone_mode=False), False))
"""
FLOW = """
import sys
from pathlib import Path
from flows.environment import prepare
from flows.server import Server

prepare(Path(sys.argv[1]))
server = Server(Path(sys.argv[1])).start()
from prefect import flow
from prefect.settings import PREFECT_API_URL

@flow(name="visitor", persist_result=False)
def visitor():
    return PREFECT_API_URL.value()

server.wait()
print(visitor())
"""


def heed() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(code: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MLFLOW_", "AWS_"))}
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, env=clean, capture_output=True, text=True, timeout=300, check=False)


def test_a_flow_uses_the_servers_that_are_up(tmp_path: Path) -> None:
    home = tmp_path / "home"
    command = [sys.executable, "-c", COMMAND, "up", "--home", str(home), "--deployments", str(HERE / "deployments.yaml")]
    with (tmp_path / "log").open("w") as log:
        # Ctrl-C is ignored by what was started in the background, these tests for instance.
        up = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True, preexec_fn=heed)
    try:
        stack = Stack(home)
        wait_for(lambda: (found.running(home) or up.poll()) is not None)
        # While they start: the flow waits for Prefect's server rather than open its SQLite file beside it.
        done = run(FLOW, home)
        assert done.returncode == 0, done.stderr
        url = stack.servers.urls["prefect"]
        assert done.stdout.splitlines()[-1] == f"{url}/api"
        assert not (home / "prefect" / "server.log").exists()
        with stack.prefect() as prefect:
            (seen,) = prefect.post("/flow_runs/filter", json={"flows": {"name": {"any_": ["visitor"]}}}).json()
        assert seen["state"]["type"] == "COMPLETED"
        assert httpx.post(f"{url}/api/flow_runs/filter", json={}, trust_env=False).status_code == 401
        wait_for(lambda: stack.servers.state == "ready", 120)
        assert httpx.get(f"{stack.servers.urls['mlflow']}/health", trust_env=False).status_code == 200
        assert (home / "mlflow" / "mlflow.db").exists()
        wait_for(lambda: url in (tmp_path / "log").read_text())

        again = run(COMMAND, "up", "--home", home)
        assert again.returncode == 1
        assert f"run already (prefect {url}" in again.stderr
        family = psutil.Process(up.pid).children(recursive=True)
        assert len(family) >= 4
        up.send_signal(signal.SIGINT)
        assert up.wait(60) == 0, (tmp_path / "log").read_text()
        assert [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
        assert not found.file_of(home).exists()
        assert "none were running" in run(COMMAND, "down", "--home", home).stdout
    finally:
        if up.poll() is None:
            up.terminate()
            up.wait(100)
