"""The real servers: who is let in, where they listen, what they keep secret, and what happens when they are killed."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from landmark.errors import LandmarkError
from landmark.stack import found, supervisor
from tests.stack.stack import Stack, wait_for
from tests.test_cli import ROOT

SERVERS = {"postgres", "s3", "prefect", "mlflow", "worker"}


def below(stack: Stack) -> list[psutil.Process]:
    top = psutil.Process(stack.servers.pid)
    return [top, *top.children(recursive=True)]


def test_all_run_and_say_where(stack: Stack) -> None:
    servers = stack.servers
    assert servers.state == "ready"
    assert servers.profile == "full"
    assert {name for name, one in servers.services.items() if one["pid"]} == SERVERS
    assert set(servers.urls) == SERVERS - {"worker"}
    for file in (found.file_of(stack.home), servers.env, stack.folder / "secrets.json"):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_shell_reads_what_a_client_needs(stack: Stack) -> None:
    done = subprocess.run(["sh", "-c", f". {stack.servers.env}; env"], capture_output=True, text=True, check=True, env={})
    shell = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert stack.variables.items() <= shell.items()
    wanted = {f"AWS_{name}" for name in ("ENDPOINT_URL", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "DEFAULT_REGION")}
    wanted |= {f"MLFLOW_TRACKING_{name}" for name in ("URI", "USERNAME", "PASSWORD")}
    assert set(stack.variables) == wanted | {"PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "LANDMARK_HOME"}


def test_they_listen_on_loopback_alone(stack: Stack) -> None:
    sockets = [(one.name(), place) for one in below(stack) for place in one.net_connections("inet")]
    listening = [(name, place.laddr.ip) for name, place in sockets if place.status == psutil.CONN_LISTEN]
    assert len(listening) >= 4  # else nothing was looked at
    assert {ip for _, ip in listening} <= {"127.0.0.1", "::1"}, listening
    bound = {place.laddr.ip for _, place in sockets if place.status == psutil.CONN_NONE and place.laddr}
    assert bound <= {"127.0.0.1", "::1"}, bound


def test_no_secret_can_be_seen(stack: Stack) -> None:
    secrets = stack.secrets
    assert min(len(secret) for secret in secrets.values()) >= 32
    assert len(set(secrets.values())) == len(secrets)
    lines = [" ".join(one.cmdline()) for one in psutil.process_iter() if _readable(one)]
    assert any("weed" in line for line in lines)
    texts = {str(file): file.read_text(errors="replace") for file in (stack.folder / "logs").iterdir()}
    assert len(texts) >= len(SERVERS)
    texts |= {str(number): line for number, line in enumerate(lines)}
    texts["servers.json"] = found.file_of(stack.home).read_text()
    for name, secret in secrets.items():
        assert [where for where, text in texts.items() if secret in text] == [], name


def _readable(process: psutil.Process) -> bool:
    try:
        return bool(process.cmdline())
    except psutil.Error:
        return False


@pytest.mark.parametrize("login", [None, ("landmark", "wrong"), ("admin", "password1234")])
def test_prefect_and_mlflow_refuse_strangers(stack: Stack, login: tuple[str, str] | None) -> None:
    prefect, mlflow = stack.variables["PREFECT_API_URL"], stack.variables["MLFLOW_TRACKING_URI"]
    with httpx.Client(auth=login, trust_env=False) as client:
        assert client.post(f"{prefect}/flow_runs/filter", json={}).status_code == 401
        assert client.get(f"{mlflow}/api/2.0/mlflow/experiments/search?max_results=5").status_code == 401
        assert client.get(f"{mlflow}/api/2.0/mlflow-artifacts/artifacts").status_code == 401


def test_those_who_may_are_let_in(stack: Stack) -> None:
    with stack.prefect() as prefect, stack.mlflow() as mlflow:
        assert prefect.post("/flow_runs/filter", json={}).status_code == 200
        assert mlflow.get("/api/2.0/mlflow/experiments/search?max_results=5").status_code == 200


def test_mlflow_asks_for_its_own_name(stack: Stack) -> None:
    with stack.mlflow() as mlflow:
        url = "/api/2.0/mlflow/experiments/search?max_results=5"
        assert mlflow.get(url, headers={"Host": "evil.example"}).status_code == 403


def test_prefect_lets_no_web_page_call_it(stack: Stack) -> None:
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    with stack.prefect() as prefect:
        answer = prefect.options("/flow_runs/filter", headers=asked)
        assert "access-control-allow-origin" not in answer.headers
        own = {**asked, "Origin": stack.servers.urls["prefect"]}
        assert prefect.options("/flow_runs/filter", headers=own).headers["access-control-allow-origin"] == own["Origin"]


def test_s3_refuses_a_wrong_secret_and_other_buckets(stack: Stack) -> None:
    from botocore.exceptions import ClientError

    for call in ("list_buckets", "list_objects_v2"):
        arguments = {"Bucket": "landmark-photos"} if call == "list_objects_v2" else {}
        with pytest.raises(ClientError) as caught:
            getattr(stack.s3("wrong"), call)(**arguments)
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    with pytest.raises(ClientError) as caught:
        stack.s3().create_bucket(Bucket="another")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403
    stack.s3().put_object(Bucket="landmark-photos", Key="a/b.txt", Body=b"bytes")
    url = f"{stack.servers.urls['s3']}/landmark-photos/a/b.txt"
    assert httpx.get(url, trust_env=False).status_code == 403


def test_nothing_behind_s3_gives_its_bytes_away(stack: Stack) -> None:
    stack.s3().put_object(Bucket="landmark-photos", Key="secret.txt", Body=b"nobody's business")
    process = psutil.Process(stack.pid("s3"))
    ports = {place.laddr.port for place in process.net_connections("inet") if place.status == psutil.CONN_LISTEN}
    answered = 0
    for port in ports:
        for path in ("buckets/landmark-photos/secret.txt", "landmark-photos/secret.txt"):
            try:
                answer = httpx.get(f"http://127.0.0.1:{port}/{path}", trust_env=False, timeout=5)
            except httpx.HTTPError:
                continue  # it speaks another protocol
            answered += 1
            assert b"business" not in answer.content
    assert answered >= 2


def test_postgres_asks_for_passwords_and_keeps_accounts_apart(stack: Stack) -> None:
    import psycopg2

    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        stack.database("postgres", "postgres", "wrong")
    with pytest.raises(psycopg2.OperationalError, match="permission denied for database"):
        stack.database("mlflow", "prefect")
    connection = stack.database("prefect", "prefect")
    with connection.cursor() as cursor:
        cursor.execute("select count(*) from deployment where name = 'tests'")
        assert cursor.fetchone() == (1,)
    connection.close()


def test_mlflow_keeps_metadata_in_postgres_and_files_in_s3(stack: Stack, tmp_path: Path) -> None:
    code = """
import sys, mlflow
mlflow.set_experiment("probe")
with mlflow.start_run() as run:
    mlflow.log_metric("sensitivity", 0.5)
    mlflow.log_text("the table", "verdict.txt")
print("run:", run.info.run_id)
"""
    # A client needs nothing of S3's.
    mlflow = {name: value for name, value in stack.variables.items() if name.startswith("MLFLOW_")}
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "MLFLOW_DISABLE_TELEMETRY": "true", **mlflow}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    run = done.stdout.rpartition("run:")[2].strip()
    connection = stack.database("mlflow", "mlflow")
    with connection.cursor() as cursor:
        cursor.execute("select value from metrics where run_uuid = %s", (run,))
        assert cursor.fetchone() == (0.5,)
    connection.close()
    (key,) = [one["Key"] for one in stack.s3().list_objects_v2(Bucket="landmark-artifacts")["Contents"] if run in one["Key"]]
    assert stack.s3().get_object(Bucket="landmark-artifacts", Key=key)["Body"].read() == b"the table"


def test_a_second_start_says_where_the_servers_are(stack: Stack) -> None:
    with pytest.raises(LandmarkError, match=rf"run already \(.*prefect {stack.servers.urls['prefect']}.*landmark down"):  # noqa: SIM117
        with supervisor.only_one(stack.home):
            pass
    assert stack.servers.state == "ready"


def test_automations_are_made_once(stack: Stack, tmp_path: Path) -> None:
    environment = {**os.environ, **stack.variables, "PREFECT_HOME": str(tmp_path), "LANDMARK_SILENCE_SECONDS": "45"}
    done = subprocess.run(
        [sys.executable, "-m", "flows.automations"], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line.rpartition(": ")[2] for line in done.stdout.splitlines()] == ["there", "kept", "kept", "kept"]
    with stack.prefect() as prefect:
        assert len(prefect.post("/automations/filter", json={}).json()) == 3


def test_a_killed_server_comes_back_with_what_it_had(stack: Stack) -> None:
    stack.s3().put_object(Bucket="landmark-photos", Key="kept.txt", Body=b"kept")
    before = {name: stack.pid(name) for name in ("s3", "postgres")}
    for pid in before.values():
        os.kill(pid, signal.SIGKILL)
    for name, pid in before.items():
        wait_for(lambda name=name, pid=pid: stack.servers.services[name]["pid"] not in (None, pid))
    wait_for(lambda: stack.servers.state == "ready")
    assert stack.servers.services["s3"]["restarts"] == 1
    assert stack.s3().get_object(Bucket="landmark-photos", Key="kept.txt")["Body"].read() == b"kept"
    with stack.prefect() as prefect, stack.mlflow() as mlflow:  # their connections to Postgres were cut
        wait_for(lambda: prefect.post("/flow_runs/filter", json={}).status_code == 200)
        wait_for(lambda: mlflow.get("/api/2.0/mlflow/experiments/search?max_results=5").status_code == 200)


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
