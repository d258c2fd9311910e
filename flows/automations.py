"""What Prefect's server must know besides the deployments: the work pool, and what to do with runs that fell silent or crashed.

`python -m flows.automations` makes or updates them on the server that PREFECT_API_URL names; run again, it changes nothing.
Importing this module imports Prefect.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from datetime import timedelta

from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ActionTypes, CallWebhook, ChangeFlowRunState, RunDeployment, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound

from landmark.errors import LandmarkError

POOL = "landmark"
SILENCE_SECONDS = 240
"""Eight heartbeats of 30 s."""

PENDING_SECONDS = 300
"""A run that a worker has taken and not begun for so long was lost with its worker."""

NOT_BEGUN = ("Pending", "Submitting", "InfrastructurePending")
"""Names of the state of a run that a worker has taken and not begun."""

HEARTBEAT = "prefect.flow-run.heartbeat"
KEPT = "Kept by the project: `python -m flows.automations` sets it right."
RESTARTED = ("retrain", "refresh", "tag")
"""Flows whose crashed runs begin again; each goes on from where it was."""

SUBJECT = "landmark: {{ flow.name }} '{{ flow_run.name }}': crashed"
BODY = (
    "nothing is heard of it any more: its process or its worker was killed, or their machine was lost. Flow run "
    "{{ flow_run.id }}. `landmark status` says what is champion; the same command goes on from where this one ended"
)
ANY = "prefect.flow-run.*"
"""Any sign of life. States are told by name in events, and a flow may give its last state a name of its own."""


def silent_runs(seconds: int = SILENCE_SECONDS, tell: Sequence[ActionTypes] = ()) -> AutomationCore:
    """Marks a run Crashed whose heartbeats stop: its process and its worker were killed, or their machine was lost.

    That frees its deployment's concurrency slot as well.

    Args:
        seconds: how long it may be silent; longer than a server needs to come back, else runs that live are marked.
        tell: what tells people (`telling`): no process is left that could run the flow's own hook.
    """
    return _crash(
        "landmark: runs that fell silent",
        after={HEARTBEAT},
        seconds=seconds,
        message=f"no heartbeat for {seconds} s: its process was killed, or its machine was lost",
        tell=tell,
    )


def lost_runs(seconds: int = PENDING_SECONDS, tell: Sequence[ActionTypes] = ()) -> AutomationCore:
    """Marks a run Crashed that a worker took and never began; it would hold its deployment's slot for ever."""
    return _crash(
        "landmark: runs that never began",
        after={f"prefect.flow-run.{name}" for name in NOT_BEGUN},
        seconds=seconds,
        message=f"taken by a worker and not begun within {seconds} s: the worker was lost",
        tell=tell,
    )


def crashed_runs(seconds: int = SILENCE_SECONDS, flows: Sequence[str] = RESTARTED) -> AutomationCore:
    """Starts the deployment of a crashed run again, with the parameters of that run: a crash costs minutes, not a week.

    A run that failed is not begun again, for it would fail again; nor is one that no deployment made. `flows.again.brake`
    ends what is killed again and again.

    Args:
        seconds: as of `silent_runs`; a quarter of it is waited, so that the dead run's slot is free.
        flows: names of the flows.
    """
    return AutomationCore(
        name="landmark: crashed runs begin again",
        description=KEPT,
        trigger=EventTrigger(
            expect={"prefect.flow-run.Crashed"},
            match=ResourceSpecification({"prefect.resource.id": ANY}),
            match_related=[
                ResourceSpecification({"prefect.resource.role": "flow", "prefect.resource.name": list(flows)}),
                ResourceSpecification({"prefect.resource.id": "prefect.deployment.*"}),
            ],
            for_each={"prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=timedelta(0),
        ),
        actions=[
            RunDeployment(
                source="inferred",
                parameters={
                    "__prefect_kind": "json",
                    "value": {"__prefect_kind": "jinja", "template": "{{ flow_run.parameters | tojson }}"},
                },
                schedule_after=timedelta(seconds=seconds // 4),
            )
        ],
    )


def telling(block: str | None) -> list[ActionTypes]:
    """What an automation does to tell people by a block `TYPE/NAME` on the server, as `flows.notice` does.

    Raises:
        LandmarkError: there is no such block.
    """
    if not block:
        return []
    kind, _, name = block.partition("/")
    try:
        with get_client(sync_client=True) as client:
            found = client.read_block_document_by_name(name=name, block_type_slug=kind, include_secrets=False)
    except ObjectNotFound as error:
        raise LandmarkError(f"LANDMARK_NOTIFY {block}: the server has no such block; make it, then give this again") from error
    if kind == "webhook":
        row = {"subject": SUBJECT, "body": BODY}
        return [CallWebhook(block_document_id=found.id, payload=json.dumps(row))]
    return [SendNotification(block_document_id=found.id, subject=SUBJECT, body=BODY)]


def _crash(name: str, after: set[str], seconds: int, message: str, tell: Sequence[ActionTypes]) -> AutomationCore:
    return AutomationCore(
        name=name,
        description=KEPT,
        trigger=EventTrigger(
            after=after,
            expect={ANY},
            match=ResourceSpecification({"prefect.resource.id": ANY}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=seconds),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=message, force=True), *tell],
    )


def ensure(wanted: AutomationCore) -> str:
    """Make an automation, or change the one of its name if it differs; what was done: made, changed or kept."""
    with get_client(sync_client=True) as client:
        there = client.read_automations_by_name(wanted.name)
        if not there:
            client.create_automation(wanted)
            return "made"
        for double in there[1:]:
            client.delete_automation(double.id)
        if _same(there[0], wanted):
            return "kept"
        client.update_automation(there[0].id, wanted)
        return "changed"


def _same(there: Automation | AutomationCore, wanted: AutomationCore) -> bool:
    fields = ("name", "description", "enabled", "trigger", "actions")
    return all(_plain(getattr(there, name)) == _plain(getattr(wanted, name)) for name in fields)


def _plain(value: object) -> object:
    """A setting without what the server adds to it (ids)."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    dump = getattr(value, "model_dump", None)
    return dump(mode="json", exclude={"id"}) if dump is not None else value


def ensure_pool(client: SyncPrefectClient, name: str = POOL) -> None:
    """Make the work pool of processes, if there is none of this name."""
    try:
        client.create_work_pool(WorkPoolCreate(name=name, type="process"))
    except ObjectAlreadyExists:
        return


def main() -> None:
    """Set the server right; one line for each thing. A block that is not there yet is said, and does not stop the rest."""
    tell: list[ActionTypes] = []
    try:
        tell = telling(os.environ.get("LANDMARK_NOTIFY"))
    except LandmarkError as error:
        print(f"nobody is told of runs that fell silent: {error}", file=sys.stderr)
    with get_client(sync_client=True) as client:
        ensure_pool(client)
    print(f"work pool {POOL}: there")
    seconds = int(os.environ.get("LANDMARK_SILENCE_SECONDS", SILENCE_SECONDS))
    for automation in (silent_runs(seconds, tell), lost_runs(tell=tell), crashed_runs(seconds)):
        print(f"{automation.name}: {ensure(automation)}")


if __name__ == "__main__":
    main()
