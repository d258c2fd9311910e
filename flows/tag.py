"""The tag flow: a collection's new and changed photos tagged, the collection checked for drift, and drift acted on.

Import `flows.environment` and call `prepare` first; importing this module imports Prefect.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from flows import artifacts
from flows.again import AGAIN, TOO_LONG, brake, persist, said_plainly
from flows.begin import begin
from flows.names import by_out
from flows.notice import tell
from flows.parameters import TagParameters
from landmark.cache import content_key
from landmark.errors import LandmarkError
from landmark.home import default_home
from landmark.journal import Journal

log = logging.getLogger("landmark.flow")

DEPLOYMENT = "landmark"
"""Name of the deployments of `refresh` and `retrain` that drift may start."""

COOL_DOWN = timedelta(hours=24)
"""How long drift of one collection does not ask for the same flow again."""


@flow(
    name="tag",
    description="New and changed photos of a collection tagged; drift of what comes in told, and acted on.",
    flow_run_name=by_out,
    on_failure=[tell],
    on_crashed=[tell],
    persist_result=False,
)
def tag(parameters: TagParameters) -> dict[str, Any]:
    """Tag a collection, check it for drift, start what drift asks for.

    Args:
        parameters: see `TagParameters`.

    Returns:
        tags (see `TagResult`), drift (see `DriftReport`), asked_for (the flow whose deployment was asked for a run; None).
        Whether that runs is its deployment's business: one that goes on already makes it needless, and it is cancelled.

    Raises:
        LandmarkError: no such collection or recognizer, another process tags into the same folder, or it took too long.
    """
    return persist(partial(_tag, parameters))


def _tag(parameters: TagParameters) -> dict[str, Any]:
    home = Path(parameters.home).resolve() if parameters.home else default_home()
    begin(str(home))
    out = Path(parameters.out).absolute()
    journal = Journal(home)
    brake(journal, "tag", out.name)
    with journal.attempt("tag", out.name, model=parameters.model, out=str(out)) as note:
        try:
            tagged = tag_photos.with_options(timeout_seconds=parameters.hours * 3600)(parameters, home)
        except TOO_LONG as error:
            raise LandmarkError(f"tag: ended after {parameters.hours:g} hours; allow more by `hours`") from error
        found = check_drift(parameters)
        asked_for = None
        if found["action"] == "none" or not cools_down(journal, found["action"], out):
            asked_for = start(found["action"], parameters.config, found)
        note.facts = {name: tagged[name] for name in ("photos", "tagged", "unreadable", "read", "model")}
        note.facts |= {"drift": found["action"], "asked_for": asked_for}
        note.outcome = "done" if tagged["changed"] else "unchanged"
    show(out, tagged, found)
    return {"tags": tagged, "drift": found, "asked_for": asked_for}


@task(
    name="tag_photos",
    tags=["landmark"],
    persist_result=False,
    **AGAIN,
)
def tag_photos(parameters: TagParameters, home: Path) -> dict[str, Any]:
    """Tag; a try after a failed one goes on where that was."""
    from landmark.tag_command import pinned
    from landmark.tagging.job import tag as run

    with said_plainly():
        uri, label = pinned(parameters.model, home)
        return run(
            parameters.photos, uri, parameters.out, home, shard=parameters.shard, label=label, device=parameters.device,
            workers=parameters.workers, engine=parameters.engine, outputs=parameters.outputs, progress=False,
        ).to_json()  # fmt: skip


@task(name="check_drift", tags=["landmark"], persist_result=False, log_prints=False)
def check_drift(parameters: TagParameters) -> dict[str, Any]:
    """Compare what was tagged with what was tagged when all was well."""
    from landmark.tagging.drift import check

    with said_plainly():
        return check(parameters.out, None, parameters.drift).to_json()


def cools_down(journal: Journal, action: str, out: Path) -> bool:
    """Whether the same was asked for because of the same output folder within a day: what it changes is not tagged yet."""
    now = datetime.now(UTC)
    for attempt in journal.attempts():
        if (attempt.flow, attempt.facts.get("out"), attempt.facts.get("asked_for")) != ("tag", str(out), action):
            continue
        if abs(now - datetime.fromisoformat(attempt.begun)) < COOL_DOWN:
            log.info("drift: %s was asked for at %s; it is asked for once a day at most", action, attempt.begun)
            return True
    return False


def start(action: str, config: str | None, report: dict[str, Any]) -> str | None:
    """Ask for a run of the deployment that drift advises; once for one report, however often this is called.

    Args:
        action: none, refresh or retrain.
        config: YAML file of the run; None: nothing is started.
        report: the drift report.

    Returns:
        The flow that was asked for, or None.
    """
    if action == "none":
        return None
    if config is None:
        log.warning("drift: %s is advised (%s); `config` names no run, so nothing is started", action, report["because"])
        return None
    once = content_key({"action": action, "config": config, "folder": report["folder"], "time": report["time"]})
    try:
        run_deployment(
            name=f"{action}/{DEPLOYMENT}",
            parameters={"parameters": {"config": config}},
            timeout=0,
            as_subflow=False,
            idempotency_key=f"drift-{once[:32]}",
        )
    except ObjectNotFound:
        log.warning(
            "drift: %s is advised, but there is no deployment %s/%s; see infra/prefect.yaml", action, action, DEPLOYMENT
        )
        return None
    log.info("drift: %s was asked for because of %s", action, ", ".join(report["because"]))
    return action


def show(out: Path, tagged: dict[str, Any], found: dict[str, Any]) -> None:
    """Make the flow run readable on its page; a page that cannot be written fails no run."""
    try:
        rows = [{"what": name, "value": value} for name, value in tagged.items()]
        artifacts.table(artifacts.key("tag", out.name), rows, "what was tagged")
        artifacts.table(artifacts.key("tag", out.name, "drift"), found["rows"], f"drift: {found['action']}. {found['note']}")
        artifacts.link(artifacts.key("tag", out.name, "drift", "page"), out / "drift.html", "drift, with pictures")
    except Exception as error:
        log.warning("Prefect's page of this run is incomplete: %s", " ".join(str(error).split())[:200])
