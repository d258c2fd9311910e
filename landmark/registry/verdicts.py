"""Verdicts of the gate as tags of a version: one for each champion, rule and catalog it was held against."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from mlflow import MlflowClient

from landmark.registry.verdict import Verdict

GATE = "landmark.gate"
"""Of the last verdict: `passed` or `refused`; with `.against`, `.when`, `.rule` and `.reasons` beside it."""
ONE = "landmark.gate.verdict."
"""Prefix of the tags that hold each verdict: JSON with passed, against, when, rule, catalog, reasons, run, artefact."""
LONGEST = 4000


def name_of(against: str, rule: str, catalog: str) -> str:
    """What tells one verdict on a version from another: champion, digest of the rule, digest of the catalog.

    >>> name_of("2", "abcdef0123456789ffff", "0123456789abcdef0000")
    '2-abcdef012345-0123456789ab'
    """
    return f"{against}-{rule[:12]}-{catalog[:12]}"


def write(client: MlflowClient, model: str, version: str, verdict: Verdict, run: str | None, artefact: str) -> None:
    """Keep a verdict with its version."""
    about = verdict.about
    row = {
        "passed": verdict.passed,
        **{key: about[key] for key in ("against", "when", "rule", "catalog")},
        "reasons": verdict.reasons,
        "run": run,
        "artefact": artefact,
    }
    name = ONE + name_of(about["against"], about["rule"], about["catalog"])
    client.set_model_version_tag(model, version, name, json.dumps(row)[:LONGEST])
    for key in ("against", "when", "rule"):
        client.set_model_version_tag(model, version, f"{GATE}.{key}", str(about[key]))
    client.set_model_version_tag(model, version, f"{GATE}.reasons", ", ".join(verdict.reasons)[:LONGEST])
    # Last: with it the others are there.
    client.set_model_version_tag(model, version, GATE, "passed" if verdict.passed else "refused")


def all_of(version: Any) -> list[dict[str, Any]]:
    """Every verdict on a version, the latest last."""
    found = []
    for key, value in version.tags.items():
        if key.startswith(ONE):
            try:
                row = json.loads(value)
                found.append({**row, "passed": row["passed"] is True, "when": str(row["when"]), "against": str(row["against"])})
            except (ValueError, KeyError, TypeError):
                continue
    return sorted(found, key=lambda row: str(row["when"]))


def latest_against(version: Any, against: str, rule: str | None = None) -> dict[str, Any] | None:
    """The latest verdict on a version that was held against a champion, by a rule (its digest; None: by any)."""
    found = [row for row in all_of(version) if row["against"] == against and rule in (None, row.get("rule"))]
    return found[-1] if found else None


def latest(version: Any) -> dict[str, Any] | None:
    """The latest verdict on a version."""
    return next(iter(all_of(version)[-1:]), None)


def basis(row: Mapping[str, Any]) -> str:
    """By which rule, on which catalog and when a verdict was found.

    >>> basis({"rule": "ab" * 32, "catalog": "cd" * 32, "when": "2026-01-01T00:00:00+00:00"})
    'rule abababababab, catalog cdcdcdcdcdcd, 2026-01-01T00:00:00+00:00'
    """
    return f"rule {str(row.get('rule'))[:12]}, catalog {str(row.get('catalog'))[:12]}, {row['when']}"
