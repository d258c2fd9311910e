"""What a retrain came to, on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from landmark.console import print_table

FIGURES = (
    ("sensitivity", "sensitivity"),
    ("specificity", "specificity"),
    ("sensitivity_at_99", "sensitivity at specificity 0.99"),
    ("sensitivity_at_99_9", "sensitivity at specificity 0.999"),
    ("unknown_specificity", "specificity on unknown landmarks"),
    ("top1", "right best candidate, no threshold"),
    ("gap", "GAP"),
    ("threshold", "threshold"),
    ("centroids_per_landmark", "centroids a landmark"),
    ("index_recall_at_1", "index recall@1"),
    ("photos_per_second", "photos a second, from file to answer"),
)
COMPARED = (
    ("", "this recognizer"),
    ("frozen_", "frozen network, as this recognizer"),
    ("frozen_one_mean_", "frozen, one mean a landmark"),
    ("frozen_fixed_cut_", "frozen, several centroids"),
    ("frozen_earned_", "frozen, earned centroids"),
    ("frozen_all_photos_", "frozen, all training photos"),
    ("trained_one_mean_", "trained, one mean a landmark"),
    ("trained_fixed_cut_", "trained, several centroids"),
    ("trained_earned_", "trained, earned centroids"),
    ("trained_all_photos_", "trained, all training photos"),
)
LEFT_OUT = (
    ("left_out_", "network trained without them"),
    ("left_out_frozen_", "frozen network"),
)
"""Title of what `retrain` prints, by name or prefix in metrics.json."""


def print_summary(result: Mapping[str, Any]) -> None:
    """Print the result of a retrain: figures, what they compare with, steps, where things lie."""
    metrics = result["metrics"]
    rows = [[title, f"{metrics[name]:.4g}", interval(metrics, name)] for name, title in FIGURES if name in metrics]
    print_table(f"run '{result['run']}': test photos", ["figure", "value", "95 % interval"], rows)
    for title, prefixes in (("the same photos by other means", COMPARED), ("landmarks kept from training", LEFT_OUT)):
        cells = [
            [name, *(f"{metrics[prefix + figure]:.3f}" for figure in ("sensitivity", "specificity"))]
            for prefix, name in prefixes
            if f"{prefix}sensitivity" in metrics
        ]
        if len(cells) > 1:
            print_table(title, ["", "sensitivity", "specificity"], cells)
    if result["ran"]:
        steps = result["seconds"].items()
        cells = [[name, f"{seconds:.1f}", "now" if name in result["ran"] else "before"] for name, seconds in steps]
        print_table("steps", ["step", "seconds", "done"], cells)
    else:
        print("nothing to do: all steps were done before with these settings and photos")
    if "registered" in result:
        print(f"model   models:/{result['registered']['model']}/{result['registered']['version']}")
    if "gate" in result:
        print(f"gate    {verdict(result['gate'])}: {result['gate']['page']}")
    if "cleaning" in result:
        found = result["cleaning"]
        print(f"cleaned {found['dropped']} of {found['labelled']} training photos of landmarks dropped: {found['page']}")
    print(f"report  {result['report']}")


def verdict(gate: Mapping[str, Any]) -> str:
    """The gate's verdict in a line.

    >>> verdict({"passed": True, "promoted": True, "challenger": "2", "champion": "1", "reasons": []})
    'version 2 passed and is champion now'
    >>> verdict({"passed": False, "promoted": False, "challenger": "2", "champion": "1", "reasons": ["specificity"]})
    'version 2 refused, version 1 stays champion (specificity)'
    """
    version = f"version {gate['challenger']}"
    if not gate["passed"]:
        stays = f"version {gate['champion']} stays champion" if gate.get("champion") else "there is no champion"
        return f"{version} refused, {stays} ({'; '.join(gate['reasons'])})"
    if gate["promoted"]:
        return f"{version} passed and is champion now"
    return f"{version} passed and was not promoted: {gate.get('note') or 'see the verdict'}"


def interval(metrics: Mapping[str, float], name: str) -> str:
    """The 95 % interval of a figure that has one.

    >>> interval({"x_low": 0.25, "x_high": 0.5}, "x"), interval({}, "x")
    ('0.250 to 0.500', '')
    """
    low, high = metrics.get(f"{name}_low"), metrics.get(f"{name}_high")
    return f"{low:.3f} to {high:.3f}" if low is not None and high is not None else ""
