"""The step `gate`: the version that was registered is held against the champion, and takes its place if it passes.

Files, then tags, then the switch: whatever a kill leaves, a rerun finds what is done and ends in the same state. The step is
keyed by the version, not by the champion: a rerun that has nothing new to judge never brings back what was rolled back.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient

from landmark.cache import content_key
from landmark.errors import LandmarkError
from landmark.gate_config import GateConfig
from landmark.photos.catalog import Catalog
from landmark.registry import trace, verdicts
from landmark.registry.compare import Comparison, compare
from landmark.registry.connection import UPLOAD, connect, one_line, patience
from landmark.registry.download import fetch_version
from landmark.registry.gate import judge
from landmark.registry.gate_page import VERDICT, write_verdict
from landmark.registry.promotion import NONE, held, is_barred, model_lock, repair, switch
from landmark.registry.promotion import anchor as anchor_of
from landmark.registry.splits import used_for
from landmark.registry.verdict import Verdict
from landmark.registry.versions import CHAMPION, DAMAGED_TAG, DIGEST_TAG, aliases, by_number, content_of, versions
from landmark.run import Work
from landmark.steps.photos import CATALOG
from landmark.steps.training import use_threads
from landmark.storage import read_json

log = logging.getLogger(__name__)

ATTEMPTS = 5
"""Comparisons, where the champion changes meanwhile."""


def rule_digest(rule: GateConfig) -> str:
    """The sha256 of what decides; who promotes and how many pictures are shown does not."""
    return content_key(rule.model_dump(mode="json", exclude={"auto_promote", "pictures"}))


def gate(work: Work) -> Mapping[str, Any]:
    """Judge the registered version; write gate.html, verdict.json and figures; promote it if it passes.

    Returns:
        facts: passed, promoted, champion (the version it was held against, None: there was none), challenger, reasons
        (names of the checks that failed), note (why it was not promoted though it passed, or "").

    Raises:
        LandmarkError: a version cannot be loaded, or the champion changes all the time.
    """
    use_threads(work.config)
    registry = work.config.registry
    client = connect(work.home, registry)
    model, version = registry.model, str(work.inputs["register"].facts["version"])
    repair(client, model, work.home)
    for _ in range(ATTEMPTS):
        champion = aliases(client, model).get(CHAMPION)
        if champion == version and (before := _promoted_before(client, work, model, version)) is not None:
            verdict, against = before
            return _facts(verdict, True, against, version, "")
        rival = None if champion and _mends(client, model, champion, version) else champion
        verdict, compared = _compare(client, work, model, rival, version)
        _keep(client, work, model, version, verdict, compared)
        note = _why_not(client, registry.gate, model, version, champion, verdict)
        if not verdict.passed or note:
            return _facts(verdict, False, champion, version, note)
        why = "the gate passed it" + (f" against version {champion}" if champion else "; there was no champion")
        done = switch(client, model, work.home, expected=champion, to=version, action=trace.GATE, why=why)
        if done.switched:
            log.info("gate: version %s of '%s' is champion now", version, model)
            return _facts(verdict, True, champion, version, "")
        log.info("gate: version %s became champion meanwhile; comparing with it", done.champion)
    raise LandmarkError(f"gate: the champion of '{model}' changed {ATTEMPTS} times meanwhile; give the same command again")


def _mends(client: MlflowClient, model: str, champion: str, version: str) -> bool:
    """Whether a version is the champion's own content, registered anew as the champion's is damaged: no rival, no test."""
    broken, whole = by_number(client, model, champion), by_number(client, model, version)
    return DAMAGED_TAG in broken.tags and content_of(broken) == content_of(whole)


def _facts(verdict: Verdict, promoted: bool, champion: str | None, version: str, note: str) -> dict[str, Any]:
    return {
        "passed": verdict.passed,
        "promoted": promoted,
        "champion": champion,
        "challenger": version,
        "reasons": verdict.reasons,
        "note": note,
    }


def _why_not(client: MlflowClient, rule: GateConfig, model: str, version: str, champion: str | None, verdict: Verdict) -> str:
    """Why a version that passes is not promoted."""
    if not verdict.passed:
        return ""
    if champion == version:
        return "it is champion already"
    if (hold := held(client, model)) is not None:
        return f"{hold['who']} rolled back at {hold['when']}; `landmark models promote` or `landmark models resume` ends that"
    if is_barred(client, model, version):
        return "it was rolled back by hand; `landmark models promote` brings it back"
    return "" if rule.auto_promote else "registry.gate.auto_promote is off"


def _compare(client: MlflowClient, work: Work, model: str, champion: str | None, version: str) -> tuple[Verdict, Comparison]:
    """Both as they would be served: from the registry."""
    rule = work.config.registry.gate
    anchor = anchor_of(client, model) if champion else None
    there = {number: by_number(client, model, number) for number in (version, champion, anchor) if number is not None}
    folders = {number: fetch_version(client, model, found, work.home) for number, found in there.items()}
    catalog = Catalog.load(work.file("catalog", CATALOG))
    known = used_for(client, model, there[champion], work.home) if champion else {}
    compared = compare(
        folders[champion] if champion else None,
        folders[version],
        catalog,
        work.home,
        work.config,
        anchor=folders[anchor] if anchor not in (None, champion) else None,
        seen_before=[photo for photo, split in known.items() if split != "test"],
    )
    about = {
        "model": model,
        "version": version,
        "against": champion or NONE,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "rule": rule_digest(rule),
        "catalog": str(work.inputs["catalog"].facts["content"]),
        "photos": len(compared.catalog),
        "anchor": anchor,
        "used": compared.used,
        "unreadable": compared.unreadable,
        "challenger_digest": there[version].tags.get(DIGEST_TAG),
        "champion_digest": there[champion].tags.get(DIGEST_TAG) if champion else None,
    }
    target = work.config.calibration.specificity
    decided = (compared.photos, compared.champion, compared.challenger)
    return judge(*decided, rule, about, anchor=compared.anchor, target=target), compared


def _keep(client: MlflowClient, work: Work, model: str, version: str, verdict: Verdict, compared: Comparison) -> None:
    """The verdict in the step's folder, in the version's MLflow run, and as tags of the version."""
    for stale in work.out.iterdir():  # of a champion that is none any more
        stale.unlink()
    files = write_verdict(work.out, verdict, compared)
    about = verdict.about
    run = by_number(client, model, version).run_id
    name = verdicts.name_of(about["against"], about["rule"], about["catalog"])
    artefact = f"gate/{version}-against-{name}"
    if run:
        with patience(UPLOAD):
            for file in files:
                client.log_artifact(run, str(file), artefact)
    with model_lock(work.home, model):
        verdicts.write(client, model, version, verdict, run, artefact)


def _promoted_before(client: MlflowClient, work: Work, model: str, version: str) -> tuple[Verdict, str | None] | None:
    """The verdict by which the gate made this version champion, by this rule and catalog; its files go into the folder."""
    last = next((event for event in reversed(trace.events(versions(client, model))) if event.outcome == trace.DONE), None)
    if last is None or last.to != version or last.action != trace.GATE:
        return None
    wanted = (last.before or NONE, rule_digest(work.config.registry.gate), str(work.inputs["catalog"].facts["content"]))
    for row in reversed(verdicts.all_of(by_number(client, model, version))):
        if (row["against"], row.get("rule"), row.get("catalog")) == wanted and row.get("run"):
            try:
                with tempfile.TemporaryDirectory() as folder:
                    uri = f"runs:/{row['run']}/{row['artefact']}"
                    found = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=folder))
                    verdict = Verdict.from_json(read_json(found / VERDICT))
                    for file in found.iterdir():
                        shutil.copyfile(file, work.out / file.name)
                    return verdict, last.before
            except Exception as error:  # the store's own kinds of error; what is gone is made again
                log.warning("gate: the verdict of version %s cannot be had (%s); comparing again", version, one_line(error))
    return None
