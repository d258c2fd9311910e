"""The versions of a registered model and which of them is the champion: list, show, open."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from landmark.config import RegistryConfig
from landmark.errors import LandmarkError, UsageError
from landmark.home import default_home
from landmark.names import shown
from landmark.registry import trace, verdicts
from landmark.registry.connection import connect, one_line
from landmark.registry.download import fetch_version
from landmark.registry.promotion import held, known_events
from landmark.registry.versions import (
    BYTES_TAG,
    CATALOG_TAG,
    CHAMPION,
    COMMIT_TAG,
    CONFIG_TAG,
    DAMAGED_TAG,
    DIGEST_TAG,
    NETWORK_TAG,
    PACKAGE_TAG,
    aliases,
    find,
    versions,
)

_URI = re.compile(r"models:/(?P<model>[^/@]+)(?:@(?P<alias>[^/@]+)|/(?P<version>[^/@]+))")


def listing(client: MlflowClient, model: str) -> list[dict[str, Any]]:
    """A row a version, oldest first: see `row_of`."""
    there = versions(client, model)
    by_alias, known = aliases(client, model), known_events(client, model)
    return [row_of(version, by_alias, known) for version in there]


def row_of(version: Any, by_alias: dict[str, str], known: list[trace.Event]) -> dict[str, Any]:
    """What a list shows of a version.

    Returns:
        version, aliases, created (ms since 1970), since (ISO 8601, UTC: champion since, None: no event tells;
        another version: registered since),
        run, digest, sensitivity, specificity, bytes, gate (`passed`, `refused` or None), against (version),
        damaged (since when the store is known not to hold it: JSON with when and why; None: it is not).
    """
    number, tags = str(version.version), version.tags
    switches = [event for event in known if event.action in trace.SWITCHES and event.outcome != trace.UNDONE]
    last = switches[-1] if switches else None
    is_champion = by_alias.get(CHAMPION) == number
    made = datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(timespec="seconds")
    switched = last.time if last is not None and last.to == number else None
    return {
        "version": number,
        "aliases": sorted(alias for alias, at in by_alias.items() if at == number),
        "created": version.creation_timestamp,
        "since": switched if is_champion else made,
        "run": version.run_id,
        "digest": tags.get(DIGEST_TAG),
        "sensitivity": _number(tags.get("sensitivity")),
        "specificity": _number(tags.get("specificity")),
        "bytes": None if (size := _number(tags.get(BYTES_TAG))) is None else int(size),
        "gate": tags.get(verdicts.GATE),
        "against": tags.get(f"{verdicts.GATE}.against"),
        "damaged": tags.get(DAMAGED_TAG),
    }


def details(client: MlflowClient, model: str, wanted: str) -> dict[str, Any]:
    """All that is known of a version: what it was made from, figures, verdicts, its trace, and whether the gate is on hold.

    Raises:
        UsageError: no such version or alias.
    """
    version = find(client, model, wanted)
    tags, known = version.tags, known_events(client, model)
    number = str(version.version)
    return {
        "model": model,
        **row_of(version, aliases(client, model), known),
        "registered": datetime.fromtimestamp(version.creation_timestamp / 1000, UTC).isoformat(timespec="seconds"),
        "from": {
            "catalog": tags.get(CATALOG_TAG),
            "config": tags.get(CONFIG_TAG),
            "network": tags.get(NETWORK_TAG),
            "commit": tags.get(COMMIT_TAG),
            "changed": {"true": True, "false": False}.get(tags.get("git.changed", "")),
            "package": tags.get(PACKAGE_TAG),
            "source": version.source,
        },
        "figures": figures_of(version),
        "verdicts": verdicts.all_of(version),
        "trace": [event.to_json() for event in known if number in (event.to, event.before)],
        "hold": held(client, model),
    }


def champion(client: MlflowClient, model: str, alias: str = CHAMPION) -> dict[str, Any] | None:
    """The champion, or the version of another alias, in short; None where there is none.

    Returns:
        as `row_of`, with figures (name -> value), catalog, config, network and commit.
    """
    there, by_alias = versions(client, model), aliases(client, model)
    for version in there:
        if str(version.version) == by_alias.get(alias):
            tags = version.tags
            parts = (("catalog", CATALOG_TAG), ("config", CONFIG_TAG), ("network", NETWORK_TAG), ("commit", COMMIT_TAG))
            made = {name: tags.get(tag) for name, tag in parts}
            return {**row_of(version, by_alias, known_events(client, model)), "figures": figures_of(version), **made}
    return None


def network_of(client: MlflowClient, model: str, wanted: str) -> tuple[str, str]:
    """The fingerprint of a version's network, and `models:/NAME/VERSION`, which `resolve` opens.

    Raises:
        UsageError: no such version or alias.
        LandmarkError: the version does not tell its network (it was registered by an earlier package).
    """
    version = find(client, model, wanted)
    fingerprint = version.tags.get(NETWORK_TAG)
    if fingerprint is None:
        raise LandmarkError(f"models:/{shown(model)}/{version.version}: does not tell its network; retrain, and it will")
    return str(fingerprint), f"models:/{model}/{version.version}"


def resolve(uri: str) -> Path:
    """`fetch` with the default home and the store that belongs to it."""
    return fetch(uri, default_home())


def fetch(uri: str, home: Path, registry: RegistryConfig | None = None) -> Path:
    """The recognizer's folder of `models:/NAME@ALIAS` or `models:/NAME/VERSION`; what is downloaded is kept and verified.

    Args:
        uri: of the version.
        home: home folder; downloads are kept below it.
        registry: where MLflow is; None: as the environment says, else under the home folder.

    Raises:
        UsageError: no such model, alias or version.
        LandmarkError: the store does not answer, or does not hold what was registered.
    """
    found = _URI.fullmatch(uri)
    if found is None:
        raise UsageError(f"{shown(uri)[:200]}: expected models:/NAME@ALIAS or models:/NAME/VERSION")
    client, model = connect(home, registry), found["model"]
    try:
        return fetch_version(client, model, find(client, model, found["alias"] or found["version"]), home)
    except UsageError as error:
        raise UsageError(f"{shown(uri)}: not in the registry ({error}); see `landmark models list`") from error
    except MlflowException as error:
        raise LandmarkError(f"{shown(uri)}: the registry does not answer ({one_line(error)}); is it there?") from error


def figures_of(version: Any) -> dict[str, float]:
    """Figures that a version was registered with: its tags that are plain names with numbers."""
    found = {}
    for name, value in version.tags.items():
        if "." not in name and (number := _number(value)) is not None:
            found[name] = number
    return dict(sorted(found.items()))


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
