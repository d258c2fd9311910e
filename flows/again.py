"""What is tried again, by a step's task and by a whole flow; what may never be tried again for ever; what leaves a flow.

Importing this module imports Prefect.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import httpx
import requests
from prefect.context import FlowRunContext
from prefect.exceptions import PrefectException
from prefect.flow_engine import FlowRunTimeoutError
from prefect.task_engine import TaskRunTimeoutError
from prefect.tasks import exponential_backoff

from landmark.errors import LandmarkError
from landmark.journal import Journal
from landmark.secrets import scrub
from landmark.storage import StorageUnavailable
from landmark.storage.answers import NO_ANSWER

log = logging.getLogger("landmark.flow")
T = TypeVar("T")

TRANSIENT = (
    ConnectionError,
    TimeoutError,
    InterruptedError,
    BlockingIOError,
    StorageUnavailable,
    requests.exceptions.ConnectionError,
    requests.exceptions.Timeout,
    requests.exceptions.RetryError,
    httpx.TransportError,
    BrokenExecutor,
)
"""What may go better a few seconds later, itself or as the cause of another error; anything else fails the same way again."""
CHILD_GONE = "DataLoader worker"
"""How torch's error begins when a process that loads photos was killed, say by the machine for want of memory."""
TOO_LONG = (TaskRunTimeoutError, FlowRunTimeoutError)
TRIES = 5

PAUSE = 30.0
"""Before a flow's body is done again; it doubles each time [s]."""
CRASHES, CRASH_HOURS = 3, 24
"""After so many attempts in a row that were killed within so many hours, a run is not begun again."""


def transient(error: object) -> bool:
    """Whether what failed with an error may go better when it is done again."""
    seen = 0
    while isinstance(error, BaseException) and seen < 10:
        if isinstance(error, TOO_LONG):
            return False
        if isinstance(error, TRANSIENT) or _server_failed(error) or str(error).startswith(CHILD_GONE):
            return True
        if isinstance(error, OSError) and error.errno in NO_ANSWER:
            return True
        error, seen = error.__cause__ or error.__context__, seen + 1
    return False


def _server_failed(error: BaseException) -> bool:
    """Whether MLflow's server, or the store behind it, is to blame; MLflow need not be imported for it."""
    if not any(kind.__name__ == "MlflowException" and kind.__module__.startswith("mlflow.") for kind in type(error).__mro__):
        return False
    status: Any = getattr(error, "get_http_status_code", lambda: 0)()
    return status == 429 or int(status) >= 500


def may_go_better(task: Any, task_run: Any, state: Any) -> bool:
    """Whether a failed task is tried again."""
    return transient(state.result(raise_on_failure=False))


AGAIN: dict[str, Any] = {
    "retries": TRIES - 1,
    "retry_delay_seconds": exponential_backoff(backoff_factor=4),
    "retry_jitter_factor": 0.5,
    "retry_condition_fn": may_go_better,
    "log_prints": False,
}
"""How a task is tried again."""


def deployed() -> bool:
    """Whether this flow run was made by a deployment: a worker does it, and nobody watches."""
    context = FlowRunContext.get()
    return context is not None and context.flow_run is not None and context.flow_run.deployment_id is not None


def persist(body: Callable[[], T], pause: float = PAUSE) -> T:
    """Do a flow's body; from a deployment it is done again where that may help, about eight minutes long.

    On the command line it fails at once: the person who gave the command sees why.

    Args:
        body: does only what is left to do.
        pause: before the second try; it doubles each time [s].

    Raises:
        LandmarkError: it failed for good; what is not the project's own error became one line without secrets.
    """
    tries = TRIES if deployed() else 1
    with said_plainly():
        for number in range(1, tries + 1):
            try:
                return body()
            except Exception as error:
                if number == tries or not transient(error):
                    raise
                wait = pause * 2 ** (number - 1)
                log.warning("%s; tried again in %.0f s (%d of %d)", _line(error), wait, number, tries - 1)
            time.sleep(wait)
    raise AssertionError("a loop of at least one try")


@contextmanager
def said_plainly() -> Iterator[None]:
    """Make one line without secrets of an error that is not the project's own, before it reaches Prefect's server.

    Prefect writes an error's words into the state of a run, where everybody reads them.
    """
    try:
        yield
    except (LandmarkError, PrefectException, *TOO_LONG):
        raise
    except Exception as error:
        raise LandmarkError(_line(error)) from error


def _line(error: BaseException) -> str:
    text = scrub(" ".join(str(error).split()))[:500]
    return text if isinstance(error, LandmarkError) else f"{type(error).__name__}: {text}".removesuffix(": ")


def brake(journal: Journal, flow: str, run: str) -> None:
    """Refuse to begin a run whose process was killed again and again; asked before its own attempt is on record.

    The server begins a crashed run again by itself (`flows.automations`). A refusal is a failure, not a crash, so that
    ends there; the next schedule tries once more. On the command line nothing is refused.

    Raises:
        LandmarkError: the last attempts were killed, within a day.
    """
    if not deployed():
        return
    last = [one for one in journal.attempts() if (one.flow, one.run) == (flow, run) and one.outcome != "running"][-CRASHES:]
    if len(last) < CRASHES or any(one.outcome != "killed" for one in last):
        return
    # A clock that was set back must not hold the brake for ever, nor one that jumped ahead.
    ages = [abs(datetime.now(UTC) - datetime.fromisoformat(one.begun)) for one in last]
    if max(ages) < timedelta(hours=CRASH_HOURS):
        with journal.attempt(flow, run, brake=True):
            raise LandmarkError(
                f"{flow} '{run}': its process was killed {CRASHES} times in a row within {CRASH_HOURS} hours, so it is not "
                "begun again now; look for what kills it (memory: `dmesg`, the worker's log), then start it by hand"
            )
