"""The flow of an index that is built in shards: train, a task a shard, merge.

Import `flows.environment` and call `prepare` first; importing this module imports Prefect.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from prefect import flow, task, unmapped
from prefect.task_runners import ThreadPoolTaskRunner
from prefect.tasks import exponential_backoff

from landmark.recognition.index import folder as index_folder
from landmark.steps import index_shards
from landmark.steps.index import check_place
from landmark.steps.index_shards import TRIES, Job, check_all, may_pass


def build(job: Job, workers: int | None = None) -> dict[str, Any]:
    """Run the flow in this process.

    Args:
        job: what to build.
        workers: shards at once (None: one, on all threads; they share this process).
    """
    runner: Any = ThreadPoolTaskRunner(max_workers=workers or 1)
    return index.with_options(task_runner=runner)(job)


@flow(name="index", flow_run_name="{job.out}", persist_result=False)
def index(job: Job) -> dict[str, Any]:
    """Build an index in shards and put it in its place as a whole; a run after a kill goes on where that ended.

    Args:
        job: what to build. With a task runner of several machines, all of them must see its paths.

    Returns:
        what `SearchIndex.info` says.

    Raises:
        LandmarkError: shards that failed for good, named; see `landmark.steps.index_shards`.
    """
    check_place(job.place, Path(job.vectors))
    with index_folder.writer(job.place):
        numbers = train(job)
        futures = add_shard.map(unmapped(job), numbers)
        futures.wait()
        states = {number: future.state for number, future in zip(numbers, futures, strict=True)}
        check_all(
            job,
            {number: state.result(raise_on_failure=False) for number, state in states.items() if not state.is_completed()},
        )
        return merge(job)


def retriable(task: Any, task_run: Any, state: Any) -> bool:
    """Whether a failed shard is tried again."""
    return may_pass(state.result(raise_on_failure=False))


@task(name="train", persist_result=False, log_prints=False)
def train(job: Job) -> list[int]:
    """Train; the shards that are still to be added."""
    return index_shards.train(job)


@task(
    name="add_shard",
    task_run_name="shard-{number}",
    persist_result=False,
    retries=TRIES - 1,
    retry_delay_seconds=exponential_backoff(backoff_factor=2),
    retry_jitter_factor=0.5,
    retry_condition_fn=retriable,
    log_prints=False,
)
def add_shard(job: Job, number: int) -> bool:
    """Add one shard."""
    return index_shards.add(job, number)


@task(name="merge", persist_result=False, log_prints=False)
def merge(job: Job) -> dict[str, Any]:
    """Put the shards together and tune."""
    return index_shards.merge(job)
