"""The versions of a registered model as MLflow keeps them: finding them, and the names of their tags and aliases."""

from __future__ import annotations

import re
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from landmark.cache import content_key
from landmark.errors import UsageError
from landmark.names import shown

CHAMPION, CHALLENGER = "champion", "challenger"
ANCHOR = "anchor"
"""Alias of the version that a person made champion last, or of the first champion; see `promotion`."""

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
SPLITS_TAG = "landmark.splits"
"""Sha256 of the file that says which photos it was made and measured with; see `splits`."""
DAMAGED_TAG = "landmark.damaged"
"""Since when, and why: the store does not hold what was registered."""

_NAME = re.compile(r"[^/:\x00-\x1f\x7f]{1,255}")
SHA256 = re.compile(r"[0-9a-f]{64}")
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


def model_tags(client: MlflowClient, model: str) -> dict[str, str]:
    """The tags of the model itself; empty where there is no such model."""
    try:
        return dict(client.get_registered_model(check_model(model)).tags)
    except MlflowException as error:
        if error.error_code == ABSENT:
            return {}
        raise


def content_of(version: Any) -> str:
    """The sha256 that stands for a version's content.

    Who may write to the registry writes its tags: what is no digest gets into no path and no tag's name.
    """
    digest = str(version.tags.get(DIGEST_TAG) or "")
    return digest if SHA256.fullmatch(digest) else content_key({"source": version.source})


def file_name(model: str) -> str:
    """A model's name, fit for a file's."""
    return model if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", model) else content_key({"model": model})[:16]
