"""The tag flow: a collection's new and changed photos tagged, the collection checked for drift, and drift acted on.

Import `flows.environment` and call `prepare` first; importing this module imports Prefect.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from prefect import flow, task
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound
from prefect.tasks import exponential_backoff

from flows import artifacts
from flows.names import by_out
from flows.notice import tell
from flows.parameters import TagParameters
from flows.tasks import TOO_LONG, TRIES, may_go_better
from landmark.cache import content_key
from landmark.errors import LandmarkError
from landmark.home import default_home
from landmark.journal import Journal
from landmark.options import use_home
from landmark.secrets import guard_handlers

log = logging.getLogger("landmark.flow")

DEPLOYMENT = "landmark"
"""Name of the deployments of `refresh` and `retrain` that drift may start."""


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
        tags (see `TagResult`), drift (see `DriftReport`), started (the flow that was started; None).

    Raises:
        LandmarkError: no such collection or recognizer, another process tags into the same folder, or it took too long.
    """
    home = Path(parameters.home).resolve() if parameters.home else default_home()
    use_home(str(home))
    logging.getLogger("landmark").setLevel(logging.INFO)
    guard_handlers("landmark", "prefect", "prefect.flow_runs", "prefect.task_runs")
    out = Path(parameters.out).absolute()
    with Journal(home).attempt("tag", out.name, model=parameters.model) as note:
        try:
            tagged = tag_photos.with_options(timeout_seconds=parameters.hours * 3600)(parameters, home)
        except TOO_LONG as error:
            raise LandmarkError(f"tag: ended after {parameters.hours:g} hours; allow more by `hours`") from error
        found = check_drift(parameters)
        started = start(found["action"], parameters.config, found)
        note.facts = {name: tagged[name] for name in ("photos", "tagged", "unreadable", "read", "model")}
        note.facts |= {"drift": found["action"], "started": started}
        note.outcome = "done" if tagged["changed"] else "unchanged"
    show(out, tagged, found)
    return {"tags": tagged, "drift": found, "started": started}


@task(
    name="tag_photos",
    tags=["landmark"],
    retries=TRIES - 1,
    retry_delay_seconds=exponential_backoff(backoff_factor=4),
    retry_jitter_factor=0.5,
    retry_condition_fn=may_go_better,
    persist_result=False,
    log_prints=False,
)
def tag_photos(parameters: TagParameters, home: Path) -> dict[str, Any]:
    """Tag; a try after a failed one goes on where that was."""
    from landmark.tag_command import pinned
    from landmark.tagging.job import tag as run

    uri, label = pinned(parameters.model, home)
    return run(parameters.photos, uri, parameters.out, home, label=label, progress=False).to_json()


@task(name="check_drift", tags=["landmark"], persist_result=False, log_prints=False)
def check_drift(parameters: TagParameters) -> dict[str, Any]:
    """Compare what was tagged with what was tagged when all was well."""
    from landmark.tagging.drift import check

    return check(parameters.out, None, parameters.drift).to_json()


def start(action: str, config: str | None, report: dict[str, Any]) -> str | None:
    """Start the deployment that drift asks for; once for one report, however often this is asked.

    Args:
        action: none, refresh or retrain.
        config: YAML file of the run; None: nothing is started.
        report: the drift report.

    Returns:
        The flow that was started, or None.
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
    log.info("drift: %s was started because of %s", action, ", ".join(report["because"]))
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
