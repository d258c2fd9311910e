"""Bring MLflow's database up to date, one process at a time: two at once damage a fresh SQLite file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from filelock import FileLock


def main(lock: Path) -> int:
    """Run `mlflow db upgrade` on MLFLOW_BACKEND_STORE_URI; its exit status."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        command = [sys.executable, "-m", "mlflow", "db", "upgrade", os.environ["MLFLOW_BACKEND_STORE_URI"]]
        return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
