from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
INFRA = ROOT / "infra"
COMPOSE = INFRA / "compose.yaml"


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    document = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


@pytest.fixture(scope="session")
def services(compose: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found = compose["services"]
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="session")
def example() -> dict[str, str]:
    """Variables of env.example and the values that stand there."""
    lines = (INFRA / "env.example").read_text(encoding="utf-8").splitlines()
    return dict(re.fullmatch(r"([A-Z0-9_]+)=(.*)", line).groups() for line in lines if line and not line.startswith("#"))  # type: ignore[union-attr, misc]


def is_job(service: dict[str, Any]) -> bool:
    """Whether a service runs once and ends."""
    return service.get("restart") == "no"


def run(*command: str | Path, cwd: Path = ROOT, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """A tool, with what it says."""
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=300
    )
