"""The versions of a registered model as MLflow keeps them: finding them, and the names of their tags and aliases."""

from __future__ import annotations

import re
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from landmark.errors import UsageError
from landmark.names import shown

CHAMPION, CHALLENGER = "champion", "challenger"

DIGEST_TAG = "landmark.digest"
MANIFEST_TAG = "landmark.manifest"
CATALOG_TAG = "landmark.catalog"
CONFIG_TAG = "landmark.config"
NETWORK_TAG = "landmark.network"
BYTES_TAG = "landmark.bytes"
PACKAGE_TAG = "landmark.version"
COMMIT_TAG = "git.commit"
ATTEMPT_TAG = "landmark.attempt"
LOGGED_TAG = "landmark.logged_model"
"""Sha256 of content, manifest, catalog, settings; the network's fingerprint; size; code; MLflow's id of the logged model."""

_NAME = re.compile(r"[^/:\x00-\x1f\x7f]{1,255}")
_WANTED = re.compile(r"[A-Za-z0-9_-]{1,255}")
ABSENT = "RESOURCE_DOES_NOT_EXIST"


def check_model(model: str) -> str:
    """A model's name, fit for MLflow and for a filter.

    Raises:
        UsageError: it is not.
    """
    if not _NAME.fullmatch(model) or not model.isprintable() or model != model.strip() or "'" in model or '"' in model:
        raise UsageError(f"model '{shown(model)[:80]}': not a model's name; give 1 to 255 letters without / : or quotes")
    return model


def versions(client: MlflowClient, model: str) -> list[Any]:
    """All versions of a model, oldest first."""
    found, token = [], None
    while True:
        page = client.search_model_versions(f"name = '{check_model(model)}'", max_results=1000, page_token=token)
        found += list(page)
        token = page.token
        if not token:
            return sorted(found, key=lambda version: int(version.version))


def aliases(client: MlflowClient, model: str) -> dict[str, str]:
    """Alias -> version; empty where there is no such model."""
    try:
        return {alias: str(version) for alias, version in client.get_registered_model(check_model(model)).aliases.items()}
    except MlflowException as error:
        if error.error_code == ABSENT:
            return {}
        raise


def find(client: MlflowClient, model: str, wanted: str) -> Any:
    """A version by its number or alias.

    Raises:
        UsageError: there is none.
    """
    there = versions(client, model)
    number = aliases(client, model).get(wanted, wanted) if _WANTED.fullmatch(wanted) else None
    for version in there:
        if str(version.version) == number:
            return version
    known = ", ".join(str(version.version) for version in there[-20:]) or "none"
    raise UsageError(f"model '{shown(model)}': no version or alias '{shown(wanted)[:80]}'; there are {known}")


def by_number(client: MlflowClient, model: str, version: str) -> Any:
    """A version that is known to be there."""
    return client.get_model_version(model, version)
