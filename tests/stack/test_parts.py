"""Ports, secrets, logs, and what the profiles make of the user's environment. No server is started."""

from __future__ import annotations

import json
import os
import shlex
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from landmark.errors import LandmarkError
from landmark.stack import found, keys, logs, ports, postgres, profiles
from tests.test_cli import ROOT


def servers(home: Path, variables: dict[str, str]) -> found.Servers:
    """Servers that this process seems to supervise."""
    folder = keys.private_folder(found.folder_of(home))
    env = keys.write_env(folder, variables)
    said = {"pid": os.getpid(), "born": found.birth(os.getpid()), "profile": "full", "state": "ready", "urls": {}}
    found.file_of(home).write_text(json.dumps({**said, "env": str(env), "services": {}}))
    running = found.running(home)
    assert running is not None
    return running


def test_ports_are_kept_and_given_up_when_somebody_took_them(tmp_path: Path) -> None:
    first = ports.choose(tmp_path, ("a", "b", "c"), twins=("b",))
    assert len(set(first.values())) == 3
    assert ports.choose(tmp_path, ("a", "b", "c"), twins=("b",)) == first
    with socket.socket() as thief, socket.socket() as twin_thief:
        thief.bind(("127.0.0.1", first["a"]))
        thief.listen()
        twin_thief.bind(("127.0.0.1", first["b"] + 10_000))
        twin_thief.listen()
        second = ports.choose(tmp_path, ("a", "b", "c"), twins=("b",))
    assert second["a"] != first["a"]
    assert second["b"] != first["b"]
    assert second["c"] == first["c"]
    assert ports.choose(tmp_path, ("a", "b", "c"), twins=("b",)) == second


@pytest.mark.parametrize("damaged", ["", "{", "[1]", '{"a": "x"}', '{"a": 80}', '{"a": 99999}'])
def test_a_damaged_list_of_ports_is_made_anew(tmp_path: Path, damaged: str) -> None:
    (tmp_path / "ports.json").write_text(damaged)
    assert 1024 <= ports.choose(tmp_path, ("a",))["a"] < 65536


def test_secrets_are_made_once_and_read_by_their_owner_alone(tmp_path: Path) -> None:
    first = keys.keep(tmp_path, ("a", "b"))
    assert keys.keep(tmp_path, ("b", "a", "c")).items() > first.items()
    assert len({*keys.keep(tmp_path, ("a", "b", "c")).values()}) == 3
    assert stat.S_IMODE((tmp_path / "secrets.json").stat().st_mode) == 0o600
    (tmp_path / "secrets.json").write_text("{")
    with pytest.raises(LandmarkError, match=r"secrets.json: damaged .* restore it from a backup"):
        keys.keep(tmp_path, ("a",))


def test_what_a_shell_reads_is_what_was_meant(tmp_path: Path) -> None:
    odd = {"A": 'it\'s $HOME `id` \\ "x"', "B": "plain"}
    env = servers(tmp_path, odd).env
    assert found.running(tmp_path).variables() == odd  # type: ignore[union-attr]
    shown = subprocess.run(
        ["sh", "-c", f'. {shlex.quote(str(env))}; printf %s "$A"'], capture_output=True, text=True, check=True
    )
    assert shown.stdout == odd["A"]
    assert stat.S_IMODE(env.stat().st_mode) == 0o600


FULL = {
    "PREFECT_API_URL": "http://127.0.0.1:1/api",
    "PREFECT_API_AUTH_STRING": "landmark:p",
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:2",
    "MLFLOW_TRACKING_USERNAME": "landmark",
    "MLFLOW_TRACKING_PASSWORD": "m",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:3",
    "AWS_ACCESS_KEY_ID": "k",
    "AWS_SECRET_ACCESS_KEY": "s",
}


@pytest.mark.parametrize(
    ("own", "missing"),
    [
        ({}, ()),
        ({"PREFECT_API_URL": "http://mine/api"}, ("PREFECT_API_AUTH_STRING",)),
        ({"MLFLOW_TRACKING_URI": "http://mine"}, ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD")),
        ({"AWS_PROFILE": "mine"}, ("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")),
        ({"AWS_ACCESS_KEY_ID": "mine"}, ("AWS_ENDPOINT_URL", "AWS_SECRET_ACCESS_KEY")),
    ],
)
def test_what_the_user_set_wins_and_gets_no_other_servers_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: dict[str, str], missing: tuple[str, ...]
) -> None:
    servers(tmp_path, FULL)
    monkeypatch.setattr(os, "environ", dict(own))
    assert found.use(tmp_path) is not None
    assert os.environ == {**{name: value for name, value in FULL.items() if name not in missing}, **own}


def test_without_servers_nothing_is_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", {})
    assert found.use(tmp_path) is None
    assert os.environ == {}


def test_finding_servers_loads_nothing_heavy(tmp_path: Path) -> None:
    code = "import sys; from pathlib import Path; from landmark.stack.found import use; use(Path(sys.argv[1]))\n"
    code += "import landmark.up_command\n"
    code += "print({'prefect', 'mlflow', 'torch', 'pandas', 'pydantic', 'psutil', 'psycopg2'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, tmp_path], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def test_a_log_does_not_grow_without_end(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    descriptor = logs.open_log(log)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600
    os.write(descriptor, b"x" * 60)
    logs.bound(log, limit=100)
    assert log.stat().st_size == 60
    os.write(descriptor, b"y" * 60)
    logs.bound(log, limit=100)
    os.write(descriptor, b"\nlast words\n---\n")
    os.close(descriptor)
    assert (tmp_path / "a.log.1").read_bytes() == b"x" * 60 + b"y" * 60
    assert stat.S_IMODE((tmp_path / "a.log.1").stat().st_mode) == 0o600
    assert log.read_bytes() == b"\nlast words\n---\n"
    assert logs.last_line(log) == "last words"
    assert logs.last_line(tmp_path / "none") == ""


@pytest.mark.parametrize("limit", ["file", "full"])
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, limit: str) -> None:
    home = tmp_path / "home"
    code = "import sys; from pathlib import Path; from landmark.stack.__main__ import main\n"
    if limit == "file":
        home.write_text("in the way")
    else:  # as on a full disk: nothing can be written any more
        code += "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        code += "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    code += "sys.exit(main('supervise', Path(sys.argv[1]), 'full'))"
    done = subprocess.run([sys.executable, "-c", code, home], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"landmark: {home}/servers: cannot be written (")
    assert not home.is_dir() or not found.file_of(home).exists()


@pytest.mark.parametrize("module", ["asyncpg", "flask_wtf", "psycopg2"])
def test_a_missing_package_is_named_with_its_mend(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.util import find_spec

    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == module else find_spec(name))
    profiles.check(profiles.LIGHT)
    with pytest.raises(LandmarkError, match=r"up --full: .* missing: pip install 'landmark\[stack\]'"):
        profiles.check(profiles.FULL)


def test_no_postgresql_is_named_with_its_mend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    monkeypatch.setattr(Path, "glob", lambda self, pattern: iter(()))
    with pytest.raises(LandmarkError, match=r"PostgreSQL is missing: pip install 'landmark\[stack\]'"):
        postgres.find(tmp_path)


def test_data_of_another_postgresql_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "PG_VERSION").write_text("9\n")
    with pytest.raises(LandmarkError, match=r"made by PostgreSQL 9, but .* is installed"):
        postgres.find(tmp_path)


def test_programs_get_only_what_they_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    foreign = {"AWS_SECRET_ACCESS_KEY": "users-own", "PREFECT_API_KEY": "users-own", "SMTP_PASSWORD": "users-own"}
    for name, value in foreign.items():
        monkeypatch.setenv(name, value)
    services = {one.name: one for one in profiles.services(tmp_path, profiles.LIGHT)}
    assert set(services) >= {"prefect", "prefect-settings", "worker", "mlflow", "mlflow-upgrade"}
    for name, one in services.items():
        own = {key for key, value in one.environment.items() if value == "users-own"}
        # Flows read the user's photos with the user's account; servers have no business with it.
        assert own == ({"AWS_SECRET_ACCESS_KEY", "SMTP_PASSWORD"} if name == "worker" else set())
        assert one.environment.get("DO_NOT_TRACK") == "1"
        assert Path(one.environment.get("PREFECT_HOME", "/")).is_absolute()
    password = services["worker"].environment["PREFECT_API_AUTH_STRING"].partition(":")[2]
    assert len(password) == 40
    assert not any(password in word for one in services.values() for word in one.command)
