"""A run's steps as Prefect tasks: cached by content, tried again where that may help, ended where it takes too long.

Import `flows.environment` and call `prepare` first; importing this module imports Prefect.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from prefect import task
from prefect.cache_policies import CacheKeyFnPolicy

from flows.again import AGAIN, TOO_LONG, said_plainly
from flows.again import may_go_better as may_go_better
from flows.forks import mend
from landmark.errors import LandmarkError
from landmark.run import Log, Run, Step

mend()


def step_key(context: Any, arguments: dict[str, Any]) -> str:
    """The step's own key; Prefect's keys for inputs alone collide between tasks."""
    return f"{arguments['step'].name}-{arguments['key']}"


def perform(run: Run, figures: Callable[[Step], Log | None], hours: float, after: Callable[[Step], None]) -> None:
    """Do what is left to do of a run, a task a step.

    Args:
        run: its lock is held.
        figures: what takes a step's training figures.
        hours: longest time for one step [hours].
        after: called when a step is done, with its output taken.

    Raises:
        LandmarkError: a step failed, or took too long.
    """
    for step in run.steps:
        # Prefect's own record of a result does not notice that the files are gone or damaged.
        stale = not run.is_done(step)
        named = step_task.with_options(
            name=step.name, task_run_name=step.name, refresh_cache=stale, timeout_seconds=hours * 3600, tags=["landmark"]
        )
        begin = time.monotonic()
        try:
            named(run, step, run.key(step), figures(step))
        except TOO_LONG as error:
            raise LandmarkError(
                f"{step.name}: ended after {(time.monotonic() - begin) / 3600:.2f} hours; allow more by step_hours "
                f"(now {hours:g}), or look in the log for what it waited for"
            ) from error
        run.take(step)
        after(step)


@task(
    cache_policy=CacheKeyFnPolicy(cache_key_fn=step_key),
    persist_result=True,
    result_serializer="json",
    **AGAIN,
)
def step_task(run: Run, step: Step, key: str, figures: Log | None) -> dict[str, Any]:
    """Do one step of a run; what it returns is a manifest, not the output."""
    with said_plainly():
        output = run.perform(step, figures)
    return {"folder": str(output.folder), "key": key, "digest": output.digest, "facts": output.facts}
