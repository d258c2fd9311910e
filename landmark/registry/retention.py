"""How many versions a model keeps: each holds a whole network, an index and a copy of the code."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.registry import trace
from landmark.registry.connection import UPLOAD, one_line, patience
from landmark.registry.download import local_path
from landmark.registry.promotion import NONE, known_events, mended, model_lock
from landmark.registry.versions import ABSENT, BYTES_TAG, CHAMPION, DIGEST_TAG, LOGGED_TAG, aliases, model_tags, versions

log = logging.getLogger(__name__)

PRUNING = "landmark.pruning."
"""Tag of the model, by version: it is being deleted. Its value is MLflow's id of the logged model."""
_LOGGED = re.compile(r"m-[0-9a-f]{32}")


@dataclass(frozen=True)
class Removed:
    """A version that was, or would be, deleted.

    Attributes:
        version: its number.
        bytes: of its recognizer; None: unknown.
        run: MLflow's run that made it; it stays, with its figures and pages.
    """

    version: str
    bytes: int | None
    run: str | None

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def prune_versions(client: MlflowClient, model: str, home: Path, keep: int, dry_run: bool = False) -> list[Removed]:
    """Delete old versions with their artefacts; what is kept of them is the trace, and the run that made them.

    A version with an alias (champion, challenger, anchor or one of your own) is kept, as are the latest versions, the latest
    champions, and what a switch under way is about.

    Args:
        client: from `connect`.
        model: name of the registered model.
        home: whose lock is taken.
        keep: how many of the latest versions, and of the latest champions [count].
        dry_run: delete nothing.

    Returns:
        What was deleted, or would be.
    """
    with model_lock(home, model):
        if not dry_run:
            mended(client, model, home)
            _finish_broken_off(client, model)
        there = versions(client, model)
        known = known_events(client, model)
        kept = _kept(there, aliases(client, model), known, keep)
        found = []
        for version in there:
            number = str(version.version)
            if number in kept:
                continue
            size = version.tags.get(BYTES_TAG, "")
            found.append(Removed(number, int(size) if size.isdecimal() else None, version.run_id))
            if dry_run:
                continue
            if number in aliases(client, model).values():  # set meanwhile; it would be deleted with the version
                found.pop()
                continue
            for event in trace.events([version]):
                trace.keep(client, model, event)
            client.set_registered_model_tag(model, PRUNING + number, str(version.tags.get(LOGGED_TAG) or NONE))
            why = f"not among the {keep} latest versions or champions; content {version.tags.get(DIGEST_TAG)}"
            trace.note(client, model, known_events(client, model), trace.PRUNE, number, NONE, f"{why}, run {version.run_id}")
            _remove(client, model, number)
        return found


def prune_quietly(client: MlflowClient, model: str, home: Path, keep: int | None) -> None:
    """`prune_versions` after something that must not fail by it."""
    if keep is None:
        return
    try:
        for one in prune_versions(client, model, home, keep):
            log.info("model '%s': version %s was deleted (registry.keep_versions=%d)", shown(model), one.version, keep)
    except Exception as error:  # the stores' own kinds of error, too
        log.warning("model '%s': old versions could not be deleted (%s)", shown(model), one_line(error))


def _kept(there: Iterable[Any], by_alias: dict[str, str], known: list[trace.Event], keep: int) -> set[str]:
    numbers = [str(version.version) for version in there]
    champions = [number for number in trace.champions(known, by_alias.get(CHAMPION)) if number in numbers]
    latest_champions = list(dict.fromkeys(reversed(champions)))[:keep]
    under_way = {number for event in known if event.outcome is None for number in (event.before, event.to) if number}
    return {*by_alias.values(), *numbers[-keep:], *latest_champions, *under_way}


def _finish_broken_off(client: MlflowClient, model: str) -> None:
    """Delete the rest of what a kill has left."""
    taken = set(aliases(client, model).values())
    for key in model_tags(client, model):
        number = key.removeprefix(PRUNING)
        if key.startswith(PRUNING) and number.isdecimal() and number not in taken:
            _remove(client, model, number)


def _remove(client: MlflowClient, model: str, number: str) -> None:
    """The version, then its artefacts, then the note that it is to go."""
    logged = model_tags(client, model).get(PRUNING + number, NONE)
    if number in {str(version.version) for version in versions(client, model)}:
        client.delete_model_version(model, number)
    try:
        with patience(UPLOAD):
            remove_artefacts(client, logged)
    except LandmarkError as error:
        log.warning("model '%s': version %s is deleted, its artefacts are not (%s)", shown(model), number, error)
    client.delete_registered_model_tag(model, PRUNING + number)


def remove_artefacts(client: MlflowClient, logged: str) -> None:
    """Delete a logged model that was a version of a recognizer and is one no more, with its files.

    Raises:
        LandmarkError: it is none, is another version too, or its files cannot be deleted.
    """
    if not _LOGGED.fullmatch(logged):
        raise LandmarkError(f"'{shown(logged)[:80]}' is no logged model")
    try:
        found = client.get_logged_model(logged)
    except MlflowException as error:
        if error.error_code == ABSENT:
            return
        raise
    place = str(found.artifact_location).rstrip("/")
    # Who may write to the registry could name any place; these are made by MLflow for one logged model alone.
    if DIGEST_TAG not in found.tags or not found.source_run_id or not place.endswith(f"/models/{logged}/artifacts"):
        raise LandmarkError(f"{logged}: not a recognizer's, or not in a place of its own; delete it by `mlflow gc`")
    for version in client.search_model_versions(f"run_id = '{found.source_run_id}'", max_results=1000):
        if logged in (version.model_id, str(version.source).removeprefix("models:/"), version.tags.get(LOGGED_TAG)):
            raise LandmarkError(f"{logged}: it is version {version.version} of '{shown(version.name)}' too")
    try:
        get_artifact_repository(place).delete_artifacts()  # type: ignore[no-untyped-call]
    except Exception as error:  # by the kind of store
        raise LandmarkError(f"{logged}: {one_line(error)}; delete it by `mlflow gc`") from error
    finally:
        client.delete_logged_model(logged)
    local = local_path(place.removesuffix("/artifacts"))
    if local is not None:
        with contextlib.suppress(OSError):  # not empty
            local.rmdir()
