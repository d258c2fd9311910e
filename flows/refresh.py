"""The refresh flow: new photos and new landmarks without training: centroids, index and calibration by the network in use.

Import `flows.environment` and call `prepare` first; importing this module imports Prefect.
"""

from __future__ import annotations

from typing import Any

from prefect import flow

from flows.again import persist
from flows.names import by_config
from flows.notice import tell
from flows.parameters import RefreshParameters
from flows.work import work
from landmark.config_file import load_config


@flow(
    name="refresh",
    description="New photos and landmarks without training: centroids, index and calibration by the champion's network.",
    flow_run_name=by_config,
    on_failure=[tell],
    on_crashed=[tell],
    persist_result=False,
)
def refresh(parameters: RefreshParameters) -> Any:
    """Make a recognizer of a config's photos with the network of one that there is.

    Args:
        parameters: see `RefreshParameters`.

    Returns:
        As of `retrain`.

    Raises:
        LandmarkError: there is no such recognizer, another process makes the same run, or a step failed.
    """
    from landmark.registry.adopt import refreshed

    def body() -> Any:
        config = load_config(parameters.config, list(parameters.overrides))
        return work("refresh", refreshed(config, parameters.model), parameters.step_hours)

    return persist(body)
