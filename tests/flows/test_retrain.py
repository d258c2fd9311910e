"""The whole way through the real command: killed on the way, gone on with, done again, asked, broken."""

import base64
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from flows.plan import plan
from landmark.config_file import load_config
from landmark.home import SQLITE, store_uri
from landmark.run import Run
from tests.test_cli import ROOT, landmark, one_line

CONFIG = """
name: tiny
home: {home}
threads: 1
data:
  format: world
  calibrate: 0.2
  world: {{landmarks: 3, photos: 10, others: 60, size: 48}}
network: {{backbone: test_efficientnet.r160_in1k, pretrained: none, dim: 16, image_size: 48}}
training:
  batch_size: 16
  stages: [{{name: all, epochs: 2}}]
calibration: {{specificity: 0.8}}
evaluation: {{pictures: 2, leave_out: 2}}
"""
STEPS = ["world", "catalog", "train", "embed", "centroids", "index", "calibrate", "recognizer", "baselines"]
STEPS += ["train_left_out", "left_out", "evaluate", "register", "gate"]


@dataclass(frozen=True)
class Made:
    """A run that was killed while it trained, and the one that went on."""

    config: Path
    home: Path
    killed: int
    result: dict[str, Any]

    @property
    def folder(self) -> Path:
        return self.home / "runs" / "tiny"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("retrain")
    config = folder / "tiny.yaml"
    config.write_text(CONFIG.format(home=folder / "home"))
    killed = kill_in_training(config, folder)
    done = landmark("retrain", config, "--json")
    assert done.returncode == 0, done.stderr
    return Made(config, folder / "home", killed, json.loads(done.stdout))


def kill_in_training(config: Path, folder: Path) -> int:
    """Start a retrain, kill -9 it when training has begun; its process id."""
    log = folder / "killed.log"
    with log.open("w") as stream:
        command = [sys.executable, "-m", "landmark.cli", "retrain", str(config)]
        process = subprocess.Popen(command, cwd=ROOT, stdout=stream, stderr=stream)
    deadline = time.monotonic() + 300
    while "train ..." not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    return process.pid


def test_what_was_done_before_the_kill_is_not_done_again(made: Made) -> None:
    assert made.result["ran"] == STEPS[2:]


def test_the_run_folder_holds_everything(made: Made) -> None:
    names = {"metrics.json", "report.html", "recognizer", "config.yaml", "run.json", "curves.jsonl"}
    assert {path.name for path in made.folder.iterdir()} == names
    metrics = json.loads((made.folder / "metrics.json").read_text())
    assert metrics == made.result["metrics"]
    fixed = {"sensitivity", "specificity", "threshold", "gap", "sensitivity_at_99", "sensitivity_at_99_9"}
    fixed |= {f"{name}_{end}" for name in ("sensitivity", "specificity") for end in ("low", "high")}
    fixed |= {"centroids_per_landmark", "index_recall_at_1", "photos_per_second"}
    fixed |= {"left_out_sensitivity", "left_out_specificity", "left_out_frozen_sensitivity", "left_out_frozen_specificity"}
    assert fixed <= set(metrics)
    assert metrics["index_recall_at_1"] == 1.0  # so few photos are searched exactly
    assert "<html" in (made.folder / "report.html").read_text()[:500]


def test_no_server_is_left_behind(made: Made) -> None:
    home = str(made.home / "prefect")
    left = []
    for process in psutil.process_iter(["cmdline"]):
        try:
            if "flows.server" in (process.info["cmdline"] or []) and process.environ().get("PREFECT_HOME") == home:
                left.append(process.pid)
        except psutil.Error:
            continue
    assert left == []


def test_prefect_knows_what_became_of_both(made: Made) -> None:
    with sqlite3.connect(made.home / "prefect" / "prefect.db") as database:
        states = database.execute("select name, state_type from flow_run order by start_time").fetchall()
        tasks = database.execute("select name, state_type from task_run where state_type = 'COMPLETED'").fetchall()
    assert states[:2] == [("tiny", "CRASHED"), ("tiny", "COMPLETED")]
    assert {name for name, _ in tasks} >= set(STEPS)


def test_mlflow_holds_the_run(made: Made) -> None:
    from landmark.registry.tracking import connect

    client = connect(made.home)
    experiment = client.get_experiment_by_name("landmark")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    # The killed process began it.
    assert run.info.status == "FINISHED"
    assert run.data.params["network.backbone"] == "test_efficientnet.r160_in1k"
    assert run.data.metrics["sensitivity"] == made.result["metrics"]["sensitivity"]
    curves = [json.loads(line) for line in (made.folder / "curves.jsonl").read_text().splitlines()]
    history = client.get_metric_history(run.info.run_id, "train.loss")
    assert [(point.step, point.value) for point in history] == [(row["step"], row["loss"]) for row in curves]
    assert len(client.get_metric_history(run.info.run_id, "left_out.loss")) == 2
    assert {"metrics.json", "report.html"} <= {file.path for file in client.list_artifacts(run.info.run_id)}
    (data,) = run.inputs.dataset_inputs
    assert run.data.tags["landmark.catalog"].startswith(data.dataset.digest)
    model = client.get_registered_model("landmark")
    assert {alias: str(version) for alias, version in model.aliases.items()} == {
        "champion": "1",
        "challenger": "1",
        "anchor": "1",
    }
    version = client.get_model_version("landmark", "1")
    assert float(version.tags["sensitivity"]) == pytest.approx(made.result["metrics"]["sensitivity"], rel=1e-5)
    assert version.run_id == run.info.run_id


def test_nothing_to_do_is_found_without_prefect_mlflow_or_torch(made: Made) -> None:
    code = (
        "import sys, landmark.cli\n"
        f"landmark.cli.app(['retrain', {str(made.config)!r}, '--json'], standalone_mode=False)\n"
        "assert not {'prefect', 'mlflow', 'torch', 'pandas'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["ran"] == []
    assert result["metrics"] == made.result["metrics"]


def test_a_run_in_progress_is_left_alone(made: Made) -> None:
    settings = load_config(made.config)
    with Run(settings, plan(settings)).lock():
        assert "run 'tiny': another process is making it" in one_line(landmark("retrain", made.config), 1)


def test_a_new_target_begins_at_the_calibration(made: Made) -> None:
    settings = load_config(made.config, ["calibration.specificity=0.7"])
    first = Run(settings, plan(settings)).look()
    assert first is not None
    assert first.name == "calibrate"


def test_an_error_in_the_flow_is_one_line_and_changes_nothing(made: Made) -> None:
    before = (made.folder / "metrics.json").read_bytes()
    # ceil((n + 1) * 0.9999) <= n from n = 9999 on
    done = landmark("retrain", made.config, "calibration.specificity=0.9999", "--json")
    assert "calibration.specificity 0.9999: " in one_line(done, 2)
    assert "9999 are needed" in done.stderr
    assert (made.folder / "metrics.json").read_bytes() == before


ASK = """
import sys, json, mlflow, pandas as pd
mlflow.set_tracking_uri(sys.argv[1])
assert "landmark" not in sys.modules
model = mlflow.pyfunc.load_model("models:/landmark@champion")
photos = json.loads(sys.stdin.read())
data = open(photos[0], "rb").read()
table = model.predict(pd.DataFrame({"photo": [photos[0], data, photos[1]]}))
import landmark
print(json.dumps([landmark.__file__, table.to_dict("records")]))
"""


def test_the_registered_model_answers_in_a_fresh_process(made: Made, tmp_path: Path) -> None:
    photo = next(iter(sorted(made.home.glob("steps/world-*/photos/landmarks/*/*.jpg"))))
    encoded = base64.b64encode(photo.read_bytes()).decode()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] = "false"
    done = subprocess.run(
        [sys.executable, "-c", ASK, store_uri(made.home)],
        input=json.dumps([str(photo), encoded]),
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    package, rows = json.loads(done.stdout.splitlines()[-1])
    # The package that the model was made with travels with it.
    assert Path(package).is_relative_to(made.home / "mlflow" / "artifacts")
    assert [row["photo"] for row in rows] == [str(photo), "", ""]
    assert len({(row["landmark"], row["similarity"], row["reason"]) for row in rows}) == 1
    assert json.loads(rows[0]["candidates"])[0]["landmark"]


def test_photos_are_recognised_by_the_champion(made: Made) -> None:
    photo = next(iter(sorted(made.home.glob("steps/world-*/photos/landmarks/*/*.jpg"))))
    done = landmark("recognize", "models:/landmark@champion", photo, photo.parent / "none.jpg", "--home", made.home, "--json")
    assert done.returncode == 0, done.stderr
    first, second = json.loads(done.stdout)["photos"]
    assert first["photo"] == str(photo)
    assert first["similarity"] == pytest.approx(first["candidates"][0]["similarity"])
    assert second["landmark"] == ""
    assert second["reason"].startswith("unreadable: ")
    assert second["similarity"] is None


def test_a_recognizer_is_measured_as_in_its_run(made: Made, tmp_path: Path) -> None:
    (catalog,) = made.home.glob("steps/catalog-*/catalog.parquet")
    done = landmark("evaluate", made.folder / "recognizer", catalog, "--out", tmp_path / "e", "--home", made.home, "--json")
    assert done.returncode == 0, done.stderr
    metrics = json.loads(done.stdout)
    for name in ("sensitivity", "specificity", "threshold", "gap", "top1"):
        assert metrics[name] == pytest.approx(made.result["metrics"][name])
    assert json.loads((tmp_path / "e" / "metrics.json").read_text()) == metrics
    assert (tmp_path / "e" / "report.html").stat().st_size > 1000


def test_the_store_is_the_projects_own(made: Made) -> None:
    assert store_uri(made.home) == f"{SQLITE}{made.home}/mlflow/mlflow.db"
    assert {path.name for path in made.home.iterdir()} >= {"runs", "steps", "embeddings", "mlflow", "prefect", "locks"}


def test_the_first_version_passed_the_gate_and_is_champion(made: Made) -> None:
    gate = made.result["gate"]
    assert (gate["passed"], gate["promoted"], gate["champion"], gate["challenger"]) == (True, True, None, "1")
    assert "<html" in Path(gate["page"]).read_text()[:500]


def test_status_tells_of_champion_and_kill(made: Made) -> None:
    done = landmark("status", "--home", made.home, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["champion"]["version"] == "1"
    assert found["champion"]["figures"]["sensitivity"] == pytest.approx(made.result["metrics"]["sensitivity"], rel=1e-5)
    assert datetime.fromisoformat(found["champion"]["since"]).tzinfo is not None
    assert "killed" in {row["outcome"] for row in found["failed"]}
    assert found["succeeded"]
    assert found["running"] == found["unknown"] == []
    assert "champion of 'landmark': version 1 since 2" in landmark("status", "--home", made.home).stdout


@pytest.fixture(scope="session")
def refreshed(made: Made) -> dict[str, Any]:
    """A fourth landmark arrives: nothing is trained."""
    done = landmark("refresh", made.config, "data.world.landmarks=4", "--json")
    assert done.returncode in (0, 3), done.stderr
    return {**json.loads(done.stdout), "status": done.returncode}


def test_a_refresh_knows_a_new_landmark_by_the_network_in_use(made: Made, refreshed: dict[str, Any]) -> None:
    assert refreshed["ran"][:3] == ["world", "catalog", "train"]
    assert refreshed["seconds"]["train"] < 10
    kept, new = made.folder / "recognizer", Path(refreshed["folder"]) / "recognizer"
    assert new.parent.name == "tiny-refresh"
    fingerprints = [json.loads((folder / "recognizer.json").read_text())["fingerprint"] for folder in (kept, new)]
    assert fingerprints[0] == fingerprints[1]
    known = [set(pd.read_parquet(folder / "landmarks.parquet")["landmark"]) for folder in (kept, new)]
    assert known[0] < known[1]
    assert len(known[1]) == 4


def test_the_gate_judged_the_refreshed_version(made: Made, refreshed: dict[str, Any]) -> None:
    gate = refreshed["gate"]
    assert (gate["champion"], gate["challenger"]) == ("1", "2")
    assert refreshed["status"] == (0 if gate["passed"] else 3)
    found = json.loads(landmark("models", "list", "--home", made.home, "--json").stdout)["versions"]
    (champion,) = [row["version"] for row in found if "champion" in row["aliases"]]
    assert champion == ("2" if gate["promoted"] else "1")


def test_a_refresh_with_nothing_new_is_over_without_prefect(made: Made, refreshed: dict[str, Any]) -> None:
    (kept,) = [path for path in (made.home / "runs").iterdir() if path.name == "tiny"]
    code = (
        "import sys, landmark.cli\n"
        f"arguments = ['refresh', {str(made.config)!r}, 'data.world.landmarks=4', '--model', {str(kept / 'recognizer')!r}]\n"
        "landmark.cli.app([*arguments, '--json'], standalone_mode=False)\n"
        "assert not {'prefect', 'torch'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ran"] == []


def test_a_refresh_without_a_champion_says_so(made: Made, tmp_path: Path) -> None:
    done = landmark("refresh", made.config, f"home={tmp_path}")
    assert "champion" in one_line(done, 2)
