"""What a Prefect server says of the flows: asked over HTTP, so that Prefect need not be imported (it takes seconds)."""

from __future__ import annotations

import base64
import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from landmark.errors import LandmarkError
from landmark.secrets import scrub

FLOWS = ("retrain", "refresh", "evaluate", "tag", "index")
MOST = 20
SECONDS = 10.0


@dataclass(frozen=True)
class FlowRun:
    """A run of a flow as the server knows it.

    Attributes:
        flow: name of the flow.
        name: name of the run.
        state: Running, Scheduled, Failed, ...
        time: when it started, or is to start; ISO 8601.
        why: the state's message; "".
    """

    flow: str
    name: str
    state: str
    time: str
    why: str


def running(url: str) -> list[FlowRun]:
    """What runs now, or waits for a worker's process.

    Raises:
        LandmarkError: the server cannot be asked.
    """
    return _runs(url, ["RUNNING", "PENDING", "CANCELLING"], "START_TIME_ASC")


def coming(url: str) -> list[FlowRun]:
    """What is scheduled next, soonest first, one run a flow.

    Raises:
        LandmarkError: the server cannot be asked.
    """
    first: dict[str, FlowRun] = {}
    for run in _runs(url, ["SCHEDULED"], "EXPECTED_START_TIME_ASC", 200):
        first.setdefault(run.flow, run)
    return list(first.values())


def failed(url: str) -> list[FlowRun]:
    """What failed or crashed last, latest first.

    Raises:
        LandmarkError: the server cannot be asked.
    """
    return _runs(url, ["FAILED", "CRASHED"], "END_TIME_DESC")


def _runs(url: str, states: list[str], sort: str, most: int = MOST) -> list[FlowRun]:
    flows = {flow["id"]: flow["name"] for flow in _ask(url, "flows/filter", {"flows": {"name": {"any_": list(FLOWS)}}})}
    wanted = {"flow_runs": {"state": {"type": {"any_": states}}}, "flows": {"name": {"any_": list(FLOWS)}}, "sort": sort}
    return [
        FlowRun(
            flow=flows.get(run["flow_id"], "?"),
            name=str(run["name"]),
            state=str(run.get("state_name") or ""),
            time=str(run.get("start_time") or run.get("expected_start_time") or ""),
            why=scrub(str((run.get("state") or {}).get("message") or "")),
        )
        for run in _ask(url, "flow_runs/filter", {**wanted, "limit": most})
    ]


def _ask(url: str, path: str, question: Mapping[str, Any]) -> Any:
    request = urllib.request.Request(f"{url.rstrip('/')}/{path}", json.dumps(question).encode(), method="POST")
    request.add_header("Content-Type", "application/json")
    login = os.environ.get("PREFECT_API_AUTH_STRING")
    if login:
        request.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
    if not url.startswith(("http://", "https://")):
        raise LandmarkError(f"Prefect at {scrub(url)}: not an http(s) address; mend PREFECT_API_URL")
    try:
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        mend = "set PREFECT_API_AUTH_STRING" if error.code == 401 else "is it Prefect's API?"
        raise LandmarkError(f"Prefect at {scrub(url)}: answered {error.code}; {mend}") from error
    except (urllib.error.URLError, OSError, ValueError) as error:
        reason = scrub(str(getattr(error, "reason", error)))
        raise LandmarkError(f"Prefect at {scrub(url)}: cannot be reached ({reason}); check PREFECT_API_URL") from error
