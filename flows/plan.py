"""The steps of the retrain flow: those of the package, then the registry's. Light to import: no Prefect, no MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from landmark.config import RunConfig
from landmark.home import store_identity
from landmark.run import Step
from landmark.steps.plan import plan as package_plan


def plan(config: RunConfig) -> list[Step]:
    """The steps that a config asks for, in order."""
    steps = package_plan(config)
    if config.registry.enabled:
        inputs = ["catalog", "train", "recognizer", "evaluate"]
        inputs += ["train_left_out"] if config.evaluation.leave_out else []
        steps.append(Step("register", "1", "landmark.registry.register:register", _registry, tuple(inputs)))
        # By the version, not by the champion: with nothing new to judge, what was rolled back stays so.
        judged = ("catalog", "recognizer", "register.version")
        steps.append(Step("gate", "1", "landmark.registry.judge:gate", _gate, judged))
    return steps


def _registry(config: RunConfig) -> Mapping[str, Any]:
    registry = config.registry
    return {"name": config.name, "model": registry.model, "store": store_identity(Path(config.home), registry)}


def _gate(config: RunConfig) -> Mapping[str, Any]:
    registry = config.registry
    return {
        "gate": registry.gate.model_dump(mode="json"),
        "model": registry.model,
        "store": store_identity(Path(config.home), registry),
    }
