"""What Prefect's server must know besides the deployments: the work pool, and what to do with runs that fell silent.

`python -m flows.automations` makes or updates them on the server that PREFECT_API_URL names; run again, it changes nothing.
Importing this module imports Prefect.
"""

from __future__ import annotations

import os
from datetime import timedelta

from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectAlreadyExists

POOL = "landmark"
SILENCE_SECONDS = 240
"""Eight heartbeats of 30 s."""

PENDING_SECONDS = 900
"""A run that a worker has taken and not begun for so long was lost with its worker."""

HEARTBEAT = "prefect.flow-run.heartbeat"
ANY = "prefect.flow-run.*"
"""Any sign of life. States are told by name in events, and a flow may give its last state a name of its own."""


def silent_runs(seconds: int = SILENCE_SECONDS) -> AutomationCore:
    """Marks a run Crashed whose heartbeats stop: its process and its worker were killed, or their machine was lost.

    That frees its deployment's concurrency slot as well.

    Args:
        seconds: how long it may be silent; longer than a server needs to come back, else runs that live are marked.
    """
    return _crash(
        "landmark: runs that fell silent",
        after={HEARTBEAT},
        seconds=seconds,
        message=f"no heartbeat for {seconds} s: its process was killed, or its machine was lost",
    )


def lost_runs(seconds: int = PENDING_SECONDS) -> AutomationCore:
    """Marks a run Crashed that a worker took and never began; it would hold its deployment's slot for ever."""
    return _crash(
        "landmark: runs that never began",
        after={"prefect.flow-run.Pending"},
        seconds=seconds,
        message=f"taken by a worker and not begun within {seconds} s: the worker was lost",
    )


def _crash(name: str, after: set[str], seconds: int, message: str) -> AutomationCore:
    return AutomationCore(
        name=name,
        description="Kept by the project: `python -m flows.automations` sets it right.",
        trigger=EventTrigger(
            after=after,
            expect={ANY},
            match=ResourceSpecification({"prefect.resource.id": ANY}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=seconds),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message=message, force=True)],
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
    """Set the server right; one line for each thing."""
    with get_client(sync_client=True) as client:
        ensure_pool(client)
    print(f"work pool {POOL}: there")
    seconds = int(os.environ.get("LANDMARK_SILENCE_SECONDS", SILENCE_SECONDS))
    for automation in (silent_runs(seconds), lost_runs()):
        print(f"{automation.name}: {ensure(automation)}")


if __name__ == "__main__":
    main()
