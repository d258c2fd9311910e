"""Tables as a page shows them: every cell a text, a value to sort by, and perhaps a bar."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from landmark.recognition.centroids import Centroids

SHARES = {
    "sensitivity",
    "specificity",
    "top1",
    "sensitivity_at_99",
    "sensitivity_at_99_9",
    "gap",
    "macro_sensitivity",
    "recall",
    "prevalence",
    "unknown",
    "tags_right",
}

SCORES = {"score", "threshold", "similarity", "highest score"}
HEADINGS = {
    "top1": "top-1",
    "sensitivity_at_99": "sensitivity at 99 %",
    "sensitivity_at_99_9": "sensitivity at 99.9 %",
    "gap": "GAP",
    "macro_sensitivity": "mean over landmarks",
    "prevalence": "photos of known landmarks",
    "unknown": "of unknown landmarks",
    "tags_right": "right tags",
}


@dataclass(frozen=True)
class Cell:
    """One cell: `bar` is (from, value, to), shares from 0 to 1, for an interval drawn behind a share."""

    text: str
    sort: str
    numeric: bool = False
    bar: tuple[float, float, float] | None = None


@dataclass(frozen=True)
class Table:
    """Headings and rows; `left_out` rows are not shown."""

    columns: list[str]
    rows: list[list[Cell]]
    left_out: int = 0


def percent(share: float) -> str:
    """A share in percent, one decimal; an en dash for NaN.

    Never rounded up to a 100 % (or down to a 0 %) that it is not.

    >>> percent(0.5), percent(0.9998), percent(1.0)
    ('50.0 %', '99.98 %', '100.0 %')
    """
    if math.isnan(share):
        return "–"
    value = 100 * share
    if value != round(value) and round(value, 1) in (0.0, 100.0):
        return f"{value:.2f} %"
    return f"{value:.1f} %"


def shown_number(value: float) -> str:
    """A number as a reader wants it: whole ones with thousands marked, others with three or four digits.

    >>> shown_number(1234567), shown_number(61.239), shown_number(0.01234)
    ('1,234,567', '61.24', '0.01234')
    """
    if isinstance(value, float) and not math.isfinite(value):
        return "–" if math.isnan(value) else ("∞" if value > 0 else "-∞")
    return f"{int(value):,}" if float(value).is_integer() else f"{value:,.4g}"


def data_table(frame: pd.DataFrame | None) -> Table:
    """Any data frame; shares are shown in percent, a pair of columns `x_low`, `x_high` as the interval bar of `x`."""
    if frame is None or frame.empty:
        return Table([], [])
    names = [str(name) for name in frame.columns]
    hidden = {
        f"{name}_{end}" for name in names for end in ("low", "high") if f"{name}_low" in names and f"{name}_high" in names
    }
    shown = [name for name in names if name not in hidden]
    rows = [[_cell(name, row) for name in shown] for row in frame.to_dict("records")]
    return Table([HEADINGS.get(name, name.replace("_", " ")) for name in shown], rows)


def _cell(name: str, row: Mapping[Any, Any]) -> Cell:
    value = row[name]
    if isinstance(value, bool | np.bool_):
        return Cell("yes" if value else "no", str(int(value)))
    if isinstance(value, int | float | np.number):
        number = float(value)
        text = percent(number) if name in SHARES else f"{number:.3f}" if name in SCORES else shown_number(number)
        bar = None
        if f"{name}_low" in row and f"{name}_high" in row and not math.isnan(number):
            bar = (float(row[f"{name}_low"]), number, float(row[f"{name}_high"]))
        return Cell(text, repr(number) if not math.isnan(number) else "-1", numeric=True, bar=bar)
    return Cell(str(value), str(value).casefold())


def landmark_table(table: pd.DataFrame, name: Callable[[str], str], centroids: Centroids | None, limit: int) -> Table:
    """Landmarks by sensitivity, least first.

    Args:
        table: as `OpenSet.per_landmark` gives it.
        name: landmark id -> name.
        centroids: for the number of each landmark's centroids.
        limit: rows shown; of more, those with the lowest sensitivity.
    """
    ordered = table.sort_values(["sensitivity", "photos"], ascending=[True, False], kind="stable", na_position="last")
    counts: dict[str, int] = {}
    if centroids is not None:
        ids, numbers = np.unique(centroids.landmark, return_counts=True)
        counts = dict(zip(ids.tolist(), numbers.tolist(), strict=True))
    rows = []
    for row in ordered.head(limit).to_dict("records"):
        share = float(row["sensitivity"])
        known = not math.isnan(share)
        cells = [
            Cell(name(row["landmark"]), name(row["landmark"]).casefold()),
            Cell(f"{row['photos']:,}", str(row["photos"]), numeric=True),
            Cell(percent(share), repr(share) if known else "-1", True, (row["low"], share, row["high"]) if known else None),
            *(Cell(f"{row[key]:,}", str(row[key]), numeric=True) for key in ("wrong", "missed", "false_tags")),
        ]
        if centroids is not None:
            cells.append(Cell(str(counts.get(row["landmark"], 0)), str(counts.get(row["landmark"], 0)), numeric=True))
        rows.append(cells)
    columns = ["landmark", "photos", "sensitivity", "wrong", "missed", "false tags"]
    return Table(columns + (["centroids"] if centroids is not None else []), rows, max(len(table) - limit, 0))


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested mapping as (dotted key, text) rows.

    >>> flat({"network": {"dim": 256}, "stages": [{"name": "all"}], "seed": 0})
    [('network.dim', '256'), ('stages.0.name', 'all'), ('seed', '0')]
    """
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            rows += flat(value, f"{path}.")
        elif isinstance(value, list | tuple) and any(isinstance(item, Mapping) for item in value):
            rows += flat({str(number): item for number, item in enumerate(value)}, f"{path}.")
        else:
            rows.append((path, "–" if value is None else str(value)))
    return rows
