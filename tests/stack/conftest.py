"""The full set of servers, once for all tests of this folder, in however many processes these run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from landmark.stack import keeper, keys, profiles
from tests.stack.stack import Stack

SILENCE = "45"
"""Seconds after which a silent flow run is taken to be dead; two heartbeats fit in once."""

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    shared = tmp_path_factory.getbasetemp().parent if worker else tmp_path_factory.mktemp("stack")
    place, lock = shared / "stack-place", FileLock(shared / "stack.lock")
    users = shared / "stack-users"
    users.mkdir(exist_ok=True)
    me = users / (worker or "only")
    with lock:
        me.touch()
        home = Path(place.read_text()) if place.exists() else start(place, os.getppid() if worker else os.getpid())
    try:
        yield Stack(home)
    finally:
        with lock:
            me.unlink()
            if not any(users.iterdir()):
                keeper.stop(home)
                place.unlink()
                shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No other file has the servers meanwhile: one kills what another waits for."""
    base = tmp_path_factory.getbasetemp()
    with FileLock((base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "stack-alone.lock"):
        yield


def start(place: Path, owner: int) -> Path:
    """Start the servers; they end with the tests, however these end."""
    # Not below pytest's own folder: that is closed to others, and PostgreSQL runs as another account than root.
    home = Path(tempfile.mkdtemp(prefix="landmark-stack-"))
    home.chmod(0o711)
    keys.private_folder(home / "servers", 0o711)
    keys.private_folder(home / "servers" / "logs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(profiles.SILENCE, SILENCE)
        patch.setenv(profiles.DEPLOYMENTS, str(HERE / "deployments.yaml"))
        keeper.start_in_background(home, profiles.FULL, 300, owner=owner)
    place.write_text(str(home))
    return home
