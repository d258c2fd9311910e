"""The whole way on real servers: schedule, worker, photos and artefacts in S3, metadata in Postgres, a champion for others."""

from __future__ import annotations

import base64
import json
import stat
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from landmark.config import WorldConfig
from landmark.photos.world import write_world
from landmark.stack import found, object_store
from tests.stack.stack import Stack, environment, wait_for
from tests.test_cli import ROOT

pytestmark = pytest.mark.usefixtures("alone")

BUCKET = "landmark-photos"
CONFIG = """
name: scheduled
home: {home}
threads: 1
data: {{source: s3://{bucket}/landmarks, others: s3://{bucket}/others, landmarks: s3://{bucket}/landmarks.csv, calibrate: 0.2}}
network: {{backbone: test_efficientnet.r160_in1k, pretrained: none, dim: 16, image_size: 48}}
training:
  batch_size: 16
  stages: [{{name: all, epochs: 1}}]
calibration: {{specificity: 0.8}}
evaluation: {{pictures: 2, baselines: false}}
publish: s3://landmark-artifacts/published
"""


@dataclass(frozen=True)
class Retrained:
    """A run that a schedule asked for and a worker made."""

    config: Path
    run: dict[str, Any]


@pytest.fixture(scope="module")
def retrained(stack: Stack, alone: None) -> Retrained:
    photos = stack.home / "photos"
    write_world(photos, WorldConfig(landmarks=3, photos=10, others=60, size=48))
    s3 = stack.s3()
    for file in sorted(path for path in photos.rglob("*") if path.is_file()):
        s3.upload_file(str(file), BUCKET, file.relative_to(photos).as_posix())
    config = stack.home / "scheduled.yaml"
    config.write_text(CONFIG.format(home=stack.home / "run", bucket=BUCKET))
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", "infra/prefect.yaml"]
    setting = {**environment(stack), "LANDMARK_CONFIG": str(config)}
    done = subprocess.run(command, cwd=ROOT, env=setting, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    with stack.prefect() as api:
        deployment = api.get("/deployments/name/retrain/landmark").json()
        place = f"/deployments/{deployment['id']}"
        wrong = api.post(f"{place}/create_flow_run", json={"parameters": {"parameters": {"config": 3}}})
        assert wrong.status_code in (409, 422), wrong.text
        soon = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
        rule = {"active": True, "schedule": {"interval": 86400, "anchor_date": soon}}
        api.post(f"{place}/schedules", json=[rule]).raise_for_status()
        api.post(f"{place}/schedule", json={"start_time": datetime.now(UTC).isoformat(), "min_runs": 1}).raise_for_status()
    return Retrained(config, finished(stack, "retrain", 0))


def finished(stack: Stack, flow: str, before: int, seconds: float = 400) -> dict[str, Any]:
    """The run of a flow that ended after so many others had."""
    wanted = {
        "flows": {"name": {"any_": [flow]}},
        "flow_runs": {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}}},
        "sort": "END_TIME_DESC",
    }

    def look() -> dict[str, Any] | None:
        with stack.prefect() as api:
            runs: list[dict[str, Any]] = api.post("/flow_runs/filter", json=wanted).json()
        return runs[0] if len(runs) > before else None

    return wait_for(look, seconds)


def test_a_worker_made_what_the_schedule_asked_for(stack: Stack, retrained: Retrained) -> None:
    assert retrained.run["state_type"] == "COMPLETED", retrained.run["state"]["message"]
    assert retrained.run["auto_scheduled"]
    with stack.prefect() as api:
        found_ones = api.post("/artifacts/filter", json={"artifacts": {"flow_run_id": {"any_": [retrained.run["id"]]}}}).json()
        tasks = api.post("/task_runs/filter", json={"flow_runs": {"id": {"any_": [retrained.run["id"]]}}}).json()
    keys = {row["key"]: row["type"] for row in found_ones}
    assert keys["retrain-scheduled"] == keys["retrain-scheduled-report"] == "markdown"
    assert keys["retrain-scheduled-gate"] == keys["retrain-scheduled-figures"] == "table"
    assert {row["name"] for row in tasks} >= {"catalog", "train", "register", "gate"}


def test_artefacts_lie_in_s3_and_metadata_in_postgres(stack: Stack, retrained: Retrained) -> None:
    pages = stack.s3().get_paginator("list_objects_v2").paginate(Bucket="landmark-artifacts")
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    assert [key for key in keys if key.startswith("mlflow/") and key.endswith("artifacts/recognizer/recognizer.json")]
    assert [key for key in keys if key.startswith("published/")]
    assert not list((stack.home / "run").glob("mlflow/mlflow.db"))
    with stack.database("mlflow", "mlflow") as connection, connection.cursor() as cursor:
        cursor.execute("select name, version, status from model_versions")
        assert cursor.fetchall() == [("landmark", 1, "READY")]
        cursor.execute("select alias, version from registered_model_aliases order by alias")
        assert cursor.fetchall() == [("anchor", 1), ("challenger", 1), ("champion", 1)]
    with stack.database("prefect", "prefect") as connection, connection.cursor() as cursor:
        cursor.execute("select state_type::text from flow_run where id = %s", (retrained.run["id"],))
        assert cursor.fetchall() == [("COMPLETED",)]


ASK = """
import base64, json, sys
import mlflow, pandas as pd
model = mlflow.pyfunc.load_model(sys.argv[1])
path, uri = sys.argv[2:]
data = open(path, "rb").read()
table = model.predict(pd.DataFrame({"photo": [path, data, base64.b64encode(data).decode(), uri]}))
print(json.dumps(table.to_dict("records")))
"""


@pytest.mark.parametrize("straight_from_s3", [False, True])
def test_the_champion_answers_in_another_process(stack: Stack, retrained: Retrained, straight_from_s3: bool) -> None:
    photo = sorted((stack.home / "photos" / "landmarks").glob("*/*.jpg"))[0]
    uri = f"s3://{BUCKET}/{photo.relative_to(stack.home / 'photos').as_posix()}"
    model = "models:/landmark@champion"
    if straight_from_s3:
        pages = stack.s3().get_paginator("list_objects_v2").paginate(Bucket="landmark-artifacts", Prefix="mlflow/")
        (key,) = [item["Key"] for page in pages for item in page.get("Contents", []) if item["Key"].endswith("/MLmodel")]
        model = f"s3://landmark-artifacts/{key.removesuffix('/MLmodel')}"
    done = subprocess.run(
        [sys.executable, "-c", ASK, model, str(photo), uri],
        cwd=stack.home,
        env={**environment(stack), "PYTHONPATH": "", "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout.splitlines()[-1])
    assert [row["photo"] for row in rows] == [str(photo), "", "", uri]
    assert len({(row["landmark"], row["similarity"], row["reason"]) for row in rows}) == 1
    assert "unreadable" not in rows[0]["reason"]


def test_the_next_scheduled_run_finds_nothing_to_do(stack: Stack, retrained: Retrained) -> None:
    with stack.prefect() as api:
        deployment = api.get("/deployments/name/retrain/landmark").json()
        api.post(f"/deployments/{deployment['id']}/create_flow_run", json={}).raise_for_status()
    run = finished(stack, "retrain", 1)
    assert (run["state_type"], run["state_name"]) == ("COMPLETED", "Unchanged")


def test_status_asks_the_servers(stack: Stack, retrained: Retrained) -> None:
    command = [sys.executable, "-m", "landmark.cli", "status", "--home", str(stack.home / "run"), "--json"]
    done = subprocess.run(command, cwd=ROOT, env=environment(stack), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["champion"]["version"] == "1"
    assert told["unknown"] == []
    assert {row["flow"] for row in told["scheduled"]["coming"]} >= {"retrain", "refresh"}


def test_no_secret_lies_where_others_read(stack: Stack, retrained: Retrained) -> None:
    """Files, both databases as text, and what went to S3: a secret stands only in files of its owner's."""
    secrets = {name: value.encode() for name, value in stack.secrets.items() if len(value) >= 8}
    assert len(secrets) >= 6
    for file in stack.home.rglob("*"):
        if not file.is_file() or file.is_symlink() or file.is_relative_to(stack.folder / "postgres"):
            continue
        held = {name for name, value in secrets.items() if value in file.read_bytes()}
        if held:
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, (file, held)
            assert file.is_relative_to(found.folder_of(stack.home)), (file, held)
            assert "logs" not in file.parts, (file, held)
    for user in ("mlflow", "prefect"):
        with stack.database(user, user) as connection, connection.cursor() as cursor:
            cursor.execute("select quote_ident(tablename) from pg_tables where schemaname = 'public'")
            for (table,) in cursor.fetchall():
                text = BytesIO()
                cursor.copy_expert(f"copy {table} to stdout", text)
                held = {name for name, value in secrets.items() if value in text.getvalue()}
                encoded = {name for name, value in secrets.items() if base64.b64encode(value) in text.getvalue()}
                assert not held | encoded, (user, table, held | encoded)
    for bucket in (object_store.ARTEFACTS, BUCKET):
        for page in stack.s3().get_paginator("list_objects_v2").paginate(Bucket=bucket):
            for item in page.get("Contents", []):
                body = stack.s3().get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
                assert not {name for name, value in secrets.items() if value in body}, item["Key"]
