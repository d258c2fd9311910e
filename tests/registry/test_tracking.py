"""What MLflow keeps of a run."""

import subprocess
from pathlib import Path

import pytest

import landmark
from landmark.config import RegistryConfig
from landmark.errors import LandmarkError
from landmark.home import store_identity, store_uri
from landmark.registry.tracking import Tracker, connect, flat
from tests.registry.conftest import run_config

ROWS = [{"step": step, "loss": 1.0 / step, "epoch": 1, "stage": "all"} for step in (1, 2, 3)]


def test_a_run_holds_settings_versions_and_commit(home: Path) -> None:
    tracker = Tracker(run_config(home, seed=7))
    run = tracker.client.get_run(tracker.run_id)
    assert run.data.params["seed"] == "7"
    assert run.data.params["training.stages.0.epochs"] == "5"
    assert run.data.params["calibration.specificity"] == "0.99"
    assert run.data.tags["landmark.run"] == "r"
    assert run.data.tags["landmark.version"] == landmark.__version__
    assert run.data.tags["version.mlflow"]
    git = ["git", "-C", str(Path(landmark.__file__).parents[1]), "rev-parse", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False)
    assert run.data.tags.get("git.commit") == (commit.stdout.strip() if commit.returncode == 0 else None)


def test_curves_have_a_point_a_step(home: Path) -> None:
    tracker = Tracker(run_config(home))
    tracker.curves(ROWS[:2])
    tracker.curves(ROWS)
    tracker.curves(ROWS, prefix="left_out")
    for metric in ("train.loss", "left_out.loss"):
        history = tracker.client.get_metric_history(tracker.run_id, metric)
        assert [(point.step, point.value) for point in history] == [(1, 1.0), (2, 0.5), (3, 1 / 3)]
    assert "train.stage" not in tracker.client.get_run(tracker.run_id).data.metrics


def test_more_points_than_mlflow_takes_at_once(home: Path) -> None:
    tracker = Tracker(run_config(home))
    tracker.curves([{"step": step, "loss": 0.0} for step in range(1203)])
    assert len(tracker.client.get_metric_history(tracker.run_id, "train.loss")) == 1203


def test_an_interrupted_run_goes_on_in_the_same_mlflow_run(home: Path) -> None:
    first = Tracker(run_config(home))
    first.curves(ROWS[:2])
    second = Tracker(run_config(home))
    assert second.run_id == first.run_id
    # Training goes on from the last checkpoint: step 2 is done, and logged, a second time.
    second.curves(ROWS[1:])
    history = second.client.get_metric_history(second.run_id, "train.loss")
    assert [point.step for point in history] == [1, 2, 3]


def test_a_run_that_will_not_go_on_is_marked_killed(home: Path) -> None:
    first = Tracker(run_config(home))
    other = Tracker(run_config(home, name="other"))
    second = Tracker(run_config(home, seed=1))
    status = {run: second.client.get_run(run).info.status for run in (first.run_id, other.run_id, second.run_id)}
    assert status == {first.run_id: "KILLED", other.run_id: "RUNNING", second.run_id: "RUNNING"}


@pytest.mark.parametrize("end", ["FINISHED", "FAILED"])
def test_a_run_that_ended_is_not_gone_on_with(home: Path, end: str) -> None:
    first = Tracker(run_config(home))
    first.end(end)
    second = Tracker(run_config(home))
    assert second.run_id != first.run_id
    assert second.client.get_run(first.run_id).info.status == end


def test_data_figures_and_files(home: Path, tmp_path: Path) -> None:
    tracker = Tracker(run_config(home))
    digest = "0123456789abcdef" * 4
    tracker.data(digest, "/photos", {"train": 3, "test": 2})
    tracker.figures({"sensitivity": 0.5, "name": "no number"})  # type: ignore[dict-item]
    (tmp_path / "report.html").write_text("<p>")
    tracker.artefacts([tmp_path / "report.html", tmp_path / "missing.json"])
    run = tracker.client.get_run(tracker.run_id)
    assert run.data.metrics == {"sensitivity": 0.5}
    assert run.data.tags["landmark.catalog"] == digest
    (found,) = run.inputs.dataset_inputs
    assert found.dataset.digest == digest[:36]
    assert "train" in found.dataset.profile
    assert [file.path for file in tracker.client.list_artifacts(tracker.run_id)] == ["report.html"]
    assert run.info.artifact_uri.startswith((home / "mlflow" / "artifacts").as_uri())


def test_flat_keeps_every_setting() -> None:
    assert flat({"a": {"b": [1, 2]}, "c": [{"d": None}, {"d": "x"}]}) == [("a.b", "[1, 2]"), ("c.0.d", "None"), ("c.1.d", "x")]


def test_the_store_is_where_it_is_said_to_be(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = f"sqlite:///{home.resolve()}/mlflow/mlflow.db"
    assert store_uri(home) == own
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://server:5000")
    assert store_uri(home) == "http://server:5000"
    assert store_uri(home, RegistryConfig(tracking_uri="http://other")) == "http://other"


def test_one_store_does_not_become_the_next_ones(home: Path, tmp_path: Path) -> None:
    connect(home)
    assert store_uri(tmp_path / "next") == f"sqlite:///{tmp_path.resolve()}/next/mlflow/mlflow.db"


def test_a_store_that_took_the_place_of_another_is_another(home: Path) -> None:
    registry = RegistryConfig()
    before = store_identity(home, registry)
    file = home / "mlflow" / "mlflow.db"
    file.rename(file.with_suffix(".old"))
    file.write_bytes(file.with_suffix(".old").read_bytes())
    assert store_identity(home, registry) != before


def test_a_store_that_cannot_be_reached_is_one_line(home: Path) -> None:
    with pytest.raises(LandmarkError, match=r"MLflow at http://127.0.0.1:9: .*registry.enabled=false") as caught:
        connect(home, RegistryConfig(tracking_uri="http://127.0.0.1:9"))
    assert "\n" not in str(caught.value)
