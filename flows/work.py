"""What the flows `retrain` and `refresh` share: a run's steps, its MLflow run, its journal, and the page in Prefect."""

from __future__ import annotations

import logging
from contextlib import suppress
from pathlib import Path
from typing import Any

from prefect import get_client
from prefect.client.schemas.filters import FlowRunFilter
from prefect.client.schemas.objects import StateType
from prefect.context import FlowRunContext
from prefect.states import Completed, Crashed

from flows import artifacts
from flows.again import brake
from flows.begin import begin
from flows.plan import plan
from flows.summary import checks, figures, markdown, steps, summary
from flows.tasks import perform
from landmark.config import RunConfig
from landmark.errors import LandmarkError
from landmark.journal import Journal, Note
from landmark.prune import prune
from landmark.run import Log, Run, Step
from landmark.steps.photos import CATALOG
from landmark.steps.plan import artefacts
from landmark.steps.preflight import check_catalog

log = logging.getLogger("landmark.flow")

MOST_BROKEN = 50
"""Attempts that have ended, the latest, whose flow runs are looked after."""


def work(flow: str, config: RunConfig, hours: float) -> Any:
    """Do what is left to do of a run.

    Args:
        flow: retrain or refresh.
        config: the run's settings, paths resolved.
        hours: longest time for one step [hours].

    Returns:
        The flow's final state, whose data is `flows.summary.summary`.

    Raises:
        LandmarkError: another process makes the same run, or a step failed.
    """
    begin(config.home)
    run = Run(config, plan(config))
    journal = Journal(run.home)
    brake(journal, flow, config.name)
    with run.lock(), journal.attempt(flow, config.name, prefect=str(_own_id() or "")) as note:
        end_broken_runs(journal, config.name)
        if run.look() is None:
            run.publish(artefacts(config))
            note.outcome = "unchanged"
            return Completed(name="Unchanged", message="all steps were done before", data=summary(run))
        _perform(run, hours)
        result = summary(run)
        _note(note, result)
        _prune(run, note)
        _show(flow, run, result)
    gate = result.get("gate")
    if gate is not None and not gate["passed"]:
        return Completed(name="Refused", message="the gate: " + "; ".join(gate["reasons"]), data=result)
    return Completed(data=result)


def _perform(run: Run, hours: float) -> None:
    tracker = None
    if run.config.registry.enabled:
        from landmark.registry.tracking import Tracker

        tracker = Tracker(run.config)

    def take(step: Step) -> Log | None:
        prefix = {"train": "train", "train_left_out": "left_out"}.get(step.name)
        if tracker is None or prefix is None:
            return None
        return lambda row, number: tracker.curves([{**row, "step": number}], prefix)

    def after(step: Step) -> None:
        if step.name == "catalog":
            check_catalog(run.config, run.outputs["catalog"].folder / CATALOG)

    try:
        perform(run, take, hours, after)
        run.publish(artefacts(run.config))
    except Exception:
        if tracker is not None:
            with suppress(Exception):  # what went wrong first is what counts
                tracker.end("FAILED")
        raise
    if tracker is not None and "register" not in run.ran:
        tracker.end("FINISHED")


def _note(note: Note, result: dict[str, Any]) -> None:
    note.facts = {"ran": result["ran"], "registered": result.get("registered"), "report": result["report"]}
    gate = result.get("gate")
    if gate is not None and "gate" in result["ran"]:
        note.facts["gate"] = gate
        note.outcome = "done" if gate["passed"] else "refused"


def _prune(run: Run, note: Note) -> None:
    """Delete what is not needed; a disk that cannot be tidied fails no run."""
    if run.config.retention_days is None:
        return
    try:
        gone = prune(run.home, run.config.retention_days, own=run.config.name)
    except (LandmarkError, OSError) as error:
        log.warning("prune: %s", error)
        return
    if gone:
        note.facts["pruned_bytes"] = sum(one.bytes for one in gone)
        log.info("prune: %d unused folders deleted, %.1f MB", len(gone), note.facts["pruned_bytes"] / 1e6)


def end_broken_runs(journal: Journal, name: str) -> None:
    """Mark flow runs of a run as crashed that say they are running, and whose processes the journal knows to be gone."""
    # Also of those that had written down their end, and were killed before Prefect knew of it.
    ended = [attempt for attempt in journal.attempts() if attempt.run == name and attempt.outcome != "running"]
    ids = [attempt.facts["prefect"] for attempt in ended[-MOST_BROKEN:] if attempt.facts.get("prefect")]
    if not ids:
        return
    unfinished = {"id": {"any_": ids}, "state": {"type": {"any_": [StateType.RUNNING, StateType.PENDING]}}}
    with get_client(sync_client=True) as client, suppress(Exception):
        for flow_run in client.read_flow_runs(flow_run_filter=FlowRunFilter.model_validate(unfinished)):
            client.set_flow_run_state(flow_run.id, Crashed(message="the process was killed"), force=True)


def _own_id() -> Any:
    context = FlowRunContext.get()
    return context.flow_run.id if context is not None and context.flow_run is not None else None


def _show(flow: str, run: Run, result: dict[str, Any]) -> None:
    """Make the flow run readable on its page; a page that cannot be written fails no run."""
    try:
        _write_page(flow, run, result)
    except Exception as error:
        log.warning("Prefect's page of this run is incomplete: %s", " ".join(str(error).split())[:200])


def _write_page(flow: str, run: Run, result: dict[str, Any]) -> None:
    name = run.config.name
    artifacts.page(artifacts.key(flow, name), markdown(result), f"{flow} {name}")
    artifacts.table(artifacts.key(flow, name, "figures"), figures(result), "figures on the test photos")
    artifacts.table(artifacts.key(flow, name, "steps"), steps(result), "steps")
    artifacts.link(artifacts.key(flow, name, "report"), result["report"], "report")
    if "gate" not in run.outputs:
        return
    folder = run.outputs["gate"].folder
    artifacts.table(artifacts.key(flow, name, "gate"), checks(folder), "the gate's verdict, check by check")
    artifacts.link(artifacts.key(flow, name, "verdict"), folder / "gate.html", "the gate's verdict with pictures")
    for file in sorted(Path(folder).glob("*.png")):
        artifacts.picture(artifacts.key(flow, name, "gate", file.stem), file, f"gate: {file.stem}")
