"""How flow runs are called on Prefect's pages."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

from prefect.runtime import flow_run


def by_config() -> str:
    """The config's file name without its ending."""
    return PurePath(_parameter("config")).stem or "run"


def by_out() -> str:
    """The last part of the folder that is written."""
    return PurePath(_parameter("out")).name or "run"


def _parameter(name: str) -> str:
    parameters: Any = flow_run.parameters.get("parameters")
    value = parameters.get(name) if isinstance(parameters, dict) else getattr(parameters, name, "")
    return str(value or "")
