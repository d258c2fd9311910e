"""A migrated MLflow store, made once: the migrations take seconds."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from landmark.config import RunConfig

MAKE = "import sys; from pathlib import Path; from landmark.registry.tracking import connect; connect(Path(sys.argv[1]))"
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The SQLite file of a store that two processes made at the same time."""
    home = tmp_path_factory.mktemp("store")
    makers = [
        subprocess.Popen([sys.executable, "-c", MAKE, str(home)], cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    for maker in makers:
        _, errors = maker.communicate(timeout=120)
        assert maker.returncode == 0, errors
    return home / "mlflow" / "mlflow.db"


@pytest.fixture
def home(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder with a store of its own."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "home"
    (folder / "mlflow").mkdir(parents=True)
    shutil.copyfile(store, folder / "mlflow" / "mlflow.db")
    return folder


def run_config(home: Path, **changes: Any) -> RunConfig:
    """Settings of a run in a home folder."""
    values = {"name": "r", "home": str(home), "data": {"format": "world"}, "training": {"stages": [{"name": "all"}]}}
    return RunConfig.model_validate({**values, **changes})


@pytest.fixture(scope="session")
def shared_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog and recognizers of several thresholds, made once."""
    from tests.registry.samples import write_sample

    folder = tmp_path_factory.mktemp("sample") / "run"
    write_sample(folder)
    return folder


@pytest.fixture
def sample(shared_sample: Path, home: Path) -> Any:
    """Runs of a home of their own."""
    from tests.registry.samples import Sample

    return Sample(shared_sample, home)
