"""The versions of a registered model and which of them is the champion: list, promote, roll back.

There is no gate: nothing here compares a version with the champion. A promotion is one switch of an alias; the order of
champions stands in a tag of the model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from landmark.errors import LandmarkError
from landmark.home import default_home
from landmark.registry.tracking import connect

CHAMPION, CHALLENGER = "champion", "challenger"
DIGEST_TAG = "landmark.digest"
HISTORY_TAG = "landmark.champions"


def versions(client: MlflowClient, model: str) -> list[Any]:
    """All versions of a model, oldest first."""
    return sorted(client.search_model_versions(f"name = '{model}'"), key=lambda version: int(version.version))


def aliases(client: MlflowClient, model: str) -> dict[str, str]:
    """Alias -> version."""
    try:
        return {alias: str(version) for alias, version in client.get_registered_model(model).aliases.items()}
    except MlflowException:
        return {}


def listing(client: MlflowClient, model: str) -> list[dict[str, Any]]:
    """A row a version, oldest first: version, aliases, created (ms since 1970), run, digest, sensitivity, specificity."""
    by_alias = aliases(client, model)
    return [
        {
            "version": str(version.version),
            "aliases": sorted(alias for alias, at in by_alias.items() if at == str(version.version)),
            "created": version.creation_timestamp,
            "run": version.run_id,
            "digest": version.tags.get(DIGEST_TAG),
            "sensitivity": _number(version.tags.get("sensitivity")),
            "specificity": _number(version.tags.get("specificity")),
        }
        for version in versions(client, model)
    ]


def promote(client: MlflowClient, model: str, wanted: str) -> str:
    """Make a version the champion.

    Args:
        client: from `tracking.connect`.
        model: name of the registered model.
        wanted: a version, or an alias such as `challenger`.

    Returns:
        The version that is the champion now.

    Raises:
        LandmarkError: no such version.
    """
    version = aliases(client, model).get(wanted, wanted)
    known = [str(found.version) for found in versions(client, model)]
    if version not in known:
        raise LandmarkError(f"model '{model}': no version or alias '{wanted}'; there are {', '.join(known) or 'none'}")
    history = _history(client, model)
    if history[-1:] != [version]:
        client.set_registered_model_tag(model, HISTORY_TAG, json.dumps([*history, version]))
        client.set_registered_model_alias(model, CHAMPION, version)
    return version


def rollback(client: MlflowClient, model: str) -> str:
    """Make the version before the champion the champion again.

    Returns:
        The version that is the champion now.

    Raises:
        LandmarkError: there was none before.
    """
    history = _history(client, model)
    if len(history) < 2:
        raise LandmarkError(f"model '{model}': no champion before this one; see `landmark models list`, then promote a version")
    client.set_registered_model_alias(model, CHAMPION, history[-2])
    client.set_registered_model_tag(model, HISTORY_TAG, json.dumps(history[:-1]))
    return history[-2]


def resolve(uri: str) -> Path:
    """The recognizer's folder of `models:/NAME@ALIAS` or `models:/NAME/VERSION`.

    Raises:
        LandmarkError: no such model, alias or version.
    """
    connect(default_home())
    try:
        return Path(mlflow.artifacts.download_artifacts(uri)) / "artifacts" / "recognizer"
    except MlflowException as error:
        raise LandmarkError(
            f"{uri}: not in the registry ({' '.join(str(error).split())}); see `landmark models list`"
        ) from error


def _history(client: MlflowClient, model: str) -> list[str]:
    """Champions in order. The alias is the truth: what stands after it was never finished."""
    champion = aliases(client, model).get(CHAMPION)
    if champion is None:
        return []
    history: list[str] = json.loads(client.get_registered_model(model).tags.get(HISTORY_TAG, "[]"))
    while history and history[-1] != champion:
        history.pop()
    return history or [champion]


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)
