"""The retrain flow: from photos to a measured, registered and judged recognizer; does only what is not done yet.

Import `flows.environment` and call `prepare` first; importing this module imports Prefect.
"""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.again import persist
from flows.names import by_config
from flows.notice import tell
from flows.parameters import RetrainParameters
from flows.work import work
from landmark.config_file import load_config


@flow(
    name="retrain",
    description="From photos to a measured, registered recognizer that the gate lets become champion, or not.",
    flow_run_name=by_config,
    on_failure=[tell],
    on_crashed=[tell],
    persist_result=False,
)
def retrain(parameters: RetrainParameters) -> Any:
    """Do what is left to do of a run, and put its artefacts into its folder.

    Args:
        parameters: see `RetrainParameters`.

    Returns:
        `flows.summary.summary` of the run; the flow run's state is named Unchanged where nothing was left to do, and Refused
        where the gate kept the new version from becoming champion.

    Raises:
        LandmarkError: another process makes the same run, or a step failed.
    """

    def body() -> Any:
        return work("retrain", load_config(parameters.config, list(parameters.overrides)), parameters.step_hours)

    return persist(body)
