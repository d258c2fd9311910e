"""The real servers: who is let in, where they listen, what they keep secret, and what happens when they are killed."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

from landmark.errors import LandmarkError
from landmark.stack import found, supervisor
from tests.stack.stack import Stack, wait_for

pytestmark = pytest.mark.usefixtures("alone")

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
