"""Who adds the shards of an index: this process, several processes, or Ray's workers on any number of machines."""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_limits

from landmark.child import follow_parent
from landmark.errors import LandmarkError, UsageError
from landmark.recognition.index.goal import Goal
from landmark.steps.index_shards import TRIES, Job, add, build_in_shards, may_pass
from landmark.storage import StorageUnavailable

log = logging.getLogger(__name__)

ENGINES = ("local", "processes", "prefect", "ray")
BACK_OFF = 2.0
"""Seconds before a shard is tried again; twice as long before each try after that."""

Failures = dict[int, BaseException]


def build_index(
    vectors: str | Path,
    out: str | Path,
    goal: Goal,
    ids: str | Path | None = None,
    queries: str | Path | None = None,
    seed: int = 0,
    shards: int = 1,
) -> dict[str, Any]:
    """Build an index over vectors on disk in this process and put it in its place as a whole; arguments as of `Job`.

    Returns:
        what `SearchIndex.info` says.

    Raises:
        LandmarkError, UsageError: see `landmark.steps.index_shards.build_in_shards`.
    """
    names = [None if path is None else str(path) for path in (ids, queries)]
    return build_in_shards(Job(str(vectors), str(out), shards, goal, names[0], names[1], seed), local)


def local(job: Job, numbers: Sequence[int]) -> Failures:
    """One shard after the other, on all threads of this process."""
    return _in_rounds(numbers, partial(_here, job))


def processes(job: Job, numbers: Sequence[int], workers: int | None = None) -> Failures:
    """Several shards at once, each in a process; the threads are divided among them. One that dies is replaced."""
    return _in_rounds(numbers, partial(_in_processes, job, min(workers or _cores(), len(numbers))))


def import_ray() -> Any:
    """Ray, told to send no statistics.

    Raises:
        UsageError: it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not os.environ.get("RAY_ADDRESS"):
        # Read when it is imported; a cluster of this machine alone is then on loopback.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise UsageError("engine 'ray': Ray is not installed; pip install 'landmark[ray]', or use 'processes'") from error


def ray(job: Job, numbers: Sequence[int], workers: int | None = None) -> Failures:
    """Each shard a task of Ray; all machines must see the same paths.

    Args:
        job: what is built.
        numbers: of the shards.
        workers: tasks at once (None: as many as the cluster, or this machine, has cores). RAY_ADDRESS names a cluster.

    Raises:
        UsageError: Ray is not installed.
    """
    library = import_ray()
    mine = not library.is_initialized()
    if mine:
        cores = None if os.environ.get("RAY_ADDRESS") else workers or _cores()
        library.init(num_cpus=cores, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        # A worker that dies is replaced by Ray; errors that may pass are tried again, others are not.
        task = library.remote(max_retries=TRIES - 1, retry_exceptions=[OSError, MemoryError, StorageUnavailable])(add)
        waiting = list(numbers)
        running: dict[Any, int] = {}
        failed: Failures = {}
        while waiting or running:
            while waiting and len(running) < (workers or len(numbers)):
                number = waiting.pop(0)
                running[task.remote(job, number)] = number
            done, _ = library.wait(list(running))
            for reference in done:
                number = running.pop(reference)
                try:
                    library.get(reference)
                except library.exceptions.RayError as error:
                    failed[number] = getattr(error, "cause", None) or error
        return failed
    finally:
        if mine:
            library.shutdown()


def _in_rounds(numbers: Sequence[int], attempt: Callable[[Sequence[int]], Mapping[int, BaseException]]) -> Failures:
    """All shards, then those again that failed by what may pass, and so on, with longer and longer waits."""
    failed: Failures = {}
    left: Sequence[int] = numbers
    for tries in range(1, TRIES + 1):
        found = attempt(left)
        failed |= {number: error for number, error in found.items() if tries == TRIES or not _again(error)}
        left = [number for number in found if number not in failed]
        if not left:
            break
        seconds = BACK_OFF * 2 ** (tries - 1)
        log.warning("index: shard %s failed (%s), again in %.0f s", left[0], found[left[0]], seconds)
        time.sleep(seconds)
    return failed


def _again(error: BaseException) -> bool:
    return isinstance(error, BrokenExecutor) or may_pass(error)


def _here(job: Job, numbers: Sequence[int]) -> Failures:
    return dict(_results((number, partial(add, job, number)) for number in numbers))


def _in_processes(job: Job, workers: int, numbers: Sequence[int]) -> Failures:
    # Started afresh: a fork of a process whose libraries have threads may hang.
    context = multiprocessing.get_context("spawn")
    threads = max(1, _cores() // workers)
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_start, initargs=(threads,)) as pool:
        waiting = [(number, pool.submit(add, job, number).result) for number in numbers]
        return dict(_results(_told(waiting)))


def _told(waiting: Sequence[tuple[int, Callable[[], object]]]) -> Iterator[tuple[int, Callable[[], object]]]:
    """The same, with a line in the log for each that other processes have done."""
    for done, (number, result) in enumerate(waiting):
        yield number, result
        log.info("index: %d of %d shards done", done + 1, len(waiting))


def _results(tasks: Iterator[tuple[int, Callable[[], object]]]) -> Iterator[tuple[int, BaseException]]:
    """The errors of those that fail; one does not keep the others from being done."""
    for number, result in tasks:
        try:
            result()
        except (LandmarkError, OSError, MemoryError, BrokenExecutor, RuntimeError) as error:  # FAISS raises RuntimeErrors
            yield number, error


def _start(threads: int) -> None:
    """In a new process."""
    follow_parent()
    threadpool_limits(threads)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
