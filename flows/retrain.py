"""The retrain flow: every step of the plan is a Prefect task, cached by what it is made from.

Import `flows.environment` and call `prepare` first; importing this module imports Prefect.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import Any

import httpx
import requests
from prefect import flow, get_client, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import CacheKeyFnPolicy
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import StateType
from prefect.states import Crashed
from prefect.tasks import exponential_backoff

from flows.plan import plan
from flows.summary import markdown, summary
from landmark.config import RunConfig
from landmark.run import Log, Run, Step
from landmark.steps.photos import CATALOG
from landmark.steps.plan import artefacts
from landmark.steps.preflight import check_catalog
from landmark.storage import StorageUnavailable

log = logging.getLogger("landmark.flow")

TRANSIENT = (
    ConnectionError,
    TimeoutError,
    InterruptedError,
    BlockingIOError,
    StorageUnavailable,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    httpx.TransportError,
)
"""What may go better a few seconds later, itself or as the cause of another error; anything else fails the same way again."""


@flow(name="retrain", flow_run_name="{config.name}", persist_result=False, validate_parameters=False)
def retrain(config: RunConfig) -> dict[str, Any]:
    """Do what is left to do of a run, and put its artefacts into its folder.

    Args:
        config: the run's settings, paths resolved.

    Returns:
        `summary` of the run.

    Raises:
        LandmarkError: another process makes the same run, or a step failed.
    """
    run = Run(config, plan(config))
    with run.lock():
        return perform(run)


def perform(run: Run) -> dict[str, Any]:
    """The flow's work, for a run whose lock is held."""
    end_broken_runs(run)
    tracker = None
    if run.config.registry.enabled:
        from landmark.registry.tracking import Tracker

        tracker = Tracker(run.config)
    try:
        for step in run.steps:
            figures = _figures(tracker, step)
            # Prefect's own record of a result does not notice that the files are gone or damaged.
            stale = not run.is_done(step)
            prepared = _task.with_options(name=step.name, task_run_name=step.name, refresh_cache=stale)
            prepared(run, step, run.key(step), figures)
            output = run.take(step)
            if step.name == "catalog":
                check_catalog(run.config, output.folder / CATALOG)
        run.publish(artefacts(run.config))
    except Exception:
        if tracker is not None:
            tracker.end("FAILED")
        raise
    if tracker is not None and "register" not in run.ran:
        tracker.end("FINISHED")
    result = summary(run)
    _show(run, result)
    return result


def step_key(context: Any, arguments: dict[str, Any]) -> str:
    """The step's own key; Prefect's keys for inputs alone collide between tasks."""
    return f"{arguments['step'].name}-{arguments['key']}"


def may_go_better(task: Any, task_run: Any, state: Any) -> bool:
    """Whether a failed step is tried again."""
    error = state.result(raise_on_failure=False)
    seen = 0
    while isinstance(error, BaseException) and seen < 10:
        if isinstance(error, TRANSIENT):
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


@task(
    cache_policy=CacheKeyFnPolicy(cache_key_fn=step_key),
    persist_result=True,
    result_serializer="json",
    retries=3,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=may_go_better,
    log_prints=False,
)
def _task(run: Run, step: Step, key: str, figures: Log | None) -> dict[str, Any]:
    output = run.perform(step, figures)
    return {"folder": str(output.folder), "key": key, "digest": output.digest, "facts": output.facts}


def _figures(tracker: Any, step: Step) -> Log | None:
    prefix = {"train": "train", "train_left_out": "left_out"}.get(step.name)
    if tracker is None or prefix is None:
        return None
    return lambda row, number: tracker.curves([{**row, "step": number}], prefix)


def end_broken_runs(run: Run) -> None:
    """Mark flow runs of this run as crashed that say they are running: its lock is held here, so they were killed."""
    from prefect.context import FlowRunContext

    context = FlowRunContext.get()
    own = context.flow_run.id if context is not None and context.flow_run is not None else None
    with get_client(sync_client=True) as client:
        running = client.read_flow_runs(
            flow_run_filter=FlowRunFilter.model_validate(
                {"name": {"any_": [run.config.name]}, "state": {"type": {"any_": [StateType.RUNNING, StateType.PENDING]}}}
            )
        )
        for flow_run in running:
            if flow_run.id != own and flow_run.parameters.get("config", {}).get("home") == run.config.home:
                with suppress(Exception):
                    client.set_flow_run_state(flow_run.id, Crashed(message="the process was killed"), force=True)


def _show(run: Run, result: dict[str, Any]) -> None:
    name = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in run.config.name.lower())
    create_markdown_artifact(markdown(result), key=f"retrain-{name.strip('-')}", description=f"retrain {run.config.name}")
