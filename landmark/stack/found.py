"""Whether servers of a home folder are running, and where. Light: only files of /proc and of the home are read."""

from __future__ import annotations

import json
import os
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

READY = "ready"
KINDS = (
    ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_API_KEY"),
    ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"),
    (
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_S3",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_PROFILE",
        "AWS_DEFAULT_REGION",
    ),
)
"""Variables that belong together: where one is set, the user means another server."""


@dataclass(frozen=True)
class Servers:
    """Servers that run, as their supervisor wrote them down.

    Attributes:
        pid: the supervisor's process id.
        profile: `light` or `full`.
        state: `starting`, `ready`, `degraded: ...`, `failed` or `stopping`.
        urls: address by service, for people and clients; no secret is in it.
        services: state, pid, restarts and message by service.
        env: file of `export` lines that a client needs, readable by its owner only.
    """

    pid: int
    profile: str
    state: str
    urls: dict[str, str]
    env: Path
    services: dict[str, dict[str, Any]] = field(default_factory=dict)

    def variables(self) -> dict[str, str]:
        """What a client's environment needs: addresses and credentials. Empty if the file is gone."""
        try:
            lines = self.env.read_text(encoding="utf-8").splitlines()
        except OSError:
            return {}
        pairs = (shlex.split(line)[1].partition("=") for line in lines if line.startswith("export "))
        return {name: value for name, _, value in pairs}


def file_of(home: Path) -> Path:
    """Where the supervisor of a home says what runs."""
    return home.resolve() / "servers.json"


def folder_of(home: Path) -> Path:
    """The servers' own data: databases, objects, logs, secrets."""
    return home.resolve() / "servers"


def running(home: Path) -> Servers | None:
    """The servers of a home, if their supervisor is alive.

    A file that a killed supervisor left is not believed: the process must have begun when that one did.
    """
    try:
        said = json.loads(file_of(home).read_text(encoding="utf-8"))
        pid = int(said["pid"])
        if birth(pid) != said["born"]:
            return None
        return Servers(
            pid,
            str(said["profile"]),
            str(said["state"]),
            dict(said["urls"]),
            Path(said["env"]),
            dict(said["services"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def birth(pid: int) -> str | None:
    """When a process began, in a form that no clock change alters; None where there is none, or only its remains.

    Two processes with one id never have the same: the boot is part of it.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return None if Path("/proc/self/stat").exists() else _birth_elsewhere(pid)
    return None if fields[0] in ("Z", "X") else f"{boot}:{fields[19]}"


def _birth_elsewhere(pid: int) -> str | None:
    import psutil

    try:
        return f"{psutil.Process(pid).create_time():.2f}"
    except psutil.Error:
        return None


def use(home: Path) -> Servers | None:
    """`apply` the servers of a home, if they run; returns them."""
    servers = running(home)
    if servers is not None:
        apply(servers)
    return servers


def apply(servers: Servers) -> None:
    """Point this process at the servers, wherever the user has not named others of the same kind."""
    variables = servers.variables()
    for names in KINDS:
        # Credentials of one server are of no use to another, nor its business.
        if not any(os.environ.get(name) for name in names):
            os.environ.update({name: variables[name] for name in names if name in variables})
