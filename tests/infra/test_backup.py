"""The back-up's script, with a docker that only says what it was asked."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.test_cli import ROOT

SCRIPT = ROOT / "infra" / "backup.sh"


@pytest.fixture
def path(tmp_path: Path) -> str:
    """A PATH on which docker is a fake."""
    docker = tmp_path / "bin" / "docker"
    docker.parent.mkdir()
    docker.write_text('#!/bin/sh\n[ -e "$FAKE_FAILS" ] && exit 1\necho "$@"\n')
    docker.chmod(0o755)
    return f"{docker.parent}:{os.environ['PATH']}"


def backup(path: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": path, "FAKE_FAILS": str(Path(path.partition(":")[0]) / "fails")}
    command = [str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_last_ones_are_kept_by_name_and_nothing_of_others_goes(path: str, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    old = [f"202001{day:02d}T000000Z" for day in range(1, 21)]
    for name in [*old, "20191231T000000Z.part", "mine", "20200101T000000Z-keep"]:
        (folder / name).mkdir(parents=True)
        os.utime(folder / name)  # as new as can be: a clock decides nothing
    done = backup(path, folder)
    assert done.returncode == 0, done.stderr
    new = Path(done.stdout.strip())
    assert {file.name for file in new.iterdir()} == {
        *(f"{name}.dump" for name in ("prefect", "mlflow", "mlflow_auth")),
        *(f"{name}.tar" for name in ("landmark-mlflow", "landmark")),
        "SHA256SUMS",
    }
    assert sorted(one.name for one in folder.iterdir() if one.is_dir()) == sorted(
        [*old[-13:], new.name, "mine", "20200101T000000Z-keep"]
    )
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=new, check=True)


def test_so_many_as_asked_for(path: str, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    for day in range(1, 5):
        (folder / f"2020010{day}T000000Z").mkdir(parents=True)
    done = backup(path, folder, "1")
    assert done.returncode == 0, done.stderr
    assert [one for one in folder.iterdir() if one.is_dir()] == [Path(done.stdout.strip())]
    for wrong in ("0", "-1", "many", ""):
        assert backup(path, folder, wrong).returncode == (2 if wrong else 0)


def test_one_that_fails_takes_nothing_away(path: str, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    (folder / "20200101T000000Z").mkdir(parents=True)
    (tmp_path / "bin" / "fails").touch()
    assert backup(path, folder, "1").returncode != 0
    assert (folder / "20200101T000000Z").exists()
    assert [one.suffix for one in folder.iterdir() if one.name > "2021"] == [".part"]
    (tmp_path / "bin" / "fails").unlink()
    assert backup(path, folder).returncode == 0
    assert not list(folder.glob("*.part"))


def test_two_at_once_are_one_too_many(path: str, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    with subprocess.Popen(["flock", str(folder / ".lock"), "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        holder.stdin.write(b"x")
        holder.stdin.flush()
        assert holder.stdout.read(1) == b"x"  # it holds the lock now
        done = backup(path, folder)
        holder.stdin.close()
    assert done.returncode == 1
    assert "another back-up" in done.stderr
