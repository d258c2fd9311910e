"""The page of a drift check: one HTML file that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from landmark.evaluation.drawing import GREY, INK, PALETTE, PERCENT, new_figure, to_svg
from landmark.evaluation.tables import Cell, Table, percent
from landmark.storage import write_bytes
from landmark.tagging.comparison import Row
from landmark.tagging.profile import LOW, STEP, Counts, Profile

if TYPE_CHECKING:
    from landmark.tagging.drift import DriftReport

BARS = 24
"""Landmarks that are drawn at most."""
LONGEST = 40
"""Letters of a name that are drawn."""
IN_PERCENT = ("tagged", "far")


def write_page(file: Path, report: DriftReport, reference: Profile, now: Profile) -> None:
    """Write the page, atomically.

    Raises:
        LandmarkError: it can't be written.
    """
    write_bytes(file, render_page(report, reference, now).encode())


def render_page(report: DriftReport, reference: Profile, now: Profile) -> str:
    """The page as HTML text; every name in it is escaped."""
    template = Environment(
        loader=ChoiceLoader([PackageLoader("landmark.tagging"), PackageLoader("landmark.evaluation")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template("drift.html")
    figures = []
    if report.rows:
        figures = [
            ("Scores of all photos", histograms("Scores of all photos", "score", reference.scores, now.scores)),
            (
                "Similarity of tagged photos to the nearest centroid",
                histograms("Similarity of tagged photos", "similarity", reference.tagged, now.tagged),
            ),
            ("Landmarks, of all tags", landmark_bars(report, reference, now)),
        ]
    return template.render(
        report=report,
        table=_table(report.rows),
        figures=[(title, Markup(svg)) for title, svg in figures if svg],
        percent=percent,
    )


def histograms(title: str, label: str, reference: Counts, now: Counts, width: float = 7.5) -> str:
    """Two histograms over one another, each as shares of its photos; "" where one is empty."""
    if not reference.sum() or not now.sum():
        return ""
    used = np.flatnonzero(reference + now)
    edges = np.unique(np.linspace(used[0], used[-1] + 1, 61).round().astype(int))
    with new_figure(width, 3.0) as (figure, axes):
        for name, counts, colour, filled in (("reference", reference, GREY, True), ("now", now, PALETTE[0], False)):
            # A bin reaches up to the next edge, and the last one to the end.
            shares = np.add.reduceat(counts, edges[:-1]) / counts.sum()
            axes.stairs(shares, LOW + STEP * edges, fill=filled, color=colour, alpha=0.5 if filled else 1, linewidth=1.8,
                        label=f"{name}: {int(counts.sum()):,} photos")  # fmt: skip
        axes.yaxis.set_major_formatter(PERCENT)
        axes.set_xlabel(label)
        axes.set_ylabel("share of photos")
        axes.legend(loc="upper right")
        return to_svg(figure, title)


def landmark_bars(report: DriftReport, reference: Profile, now: Profile, width: float = 7.5) -> str:
    """Share of each landmark in the tags, then and now; those whose share moved most. "" where nothing is tagged on a side."""
    n, m = reference.tags, now.tags
    if not n or not m:
        return ""
    moved = {
        name: (reference.landmarks.get(name, 0) / n, now.landmarks.get(name, 0) / m)
        for name in {*reference.landmarks, *now.landmarks}
    }
    names = sorted(moved, key=lambda name: (-abs(moved[name][1] - moved[name][0]), name))[:BARS]
    changed = {change.landmark for change in report.landmarks}
    with new_figure(width, 0.9 + 0.34 * len(names)) as (figure, axes):
        places = np.arange(len(names), dtype=float)
        axes.barh(places - 0.19, [moved[name][0] for name in names], 0.36, color=GREY, label="reference")
        axes.barh(places + 0.19, [moved[name][1] for name in names], 0.36, color=PALETTE[0], label="now")
        axes.set_yticks(places, [f"{_short(name)}{' *' if name in changed else ''}" for name in names], color=INK)
        axes.invert_yaxis()
        axes.xaxis.set_major_formatter(PERCENT)
        axes.set_xlabel("share of the tags (* changed beyond chance and bound)")
        axes.legend(loc="lower right")
        return to_svg(figure, "Landmarks, of all tags")


def _short(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"


def _table(rows: list[Row]) -> Table:
    columns = ["finding", "what it is", "reference", "now", "difference", "interval", "bound", "exceeded"]
    return Table(columns, [_cells(row) for row in rows])


def _cells(row: Row) -> list[Cell]:
    def number(value: float | None) -> str:
        if value is None:
            return "–"
        return f"{100 * value:.2f} %" if row.what in IN_PERCENT else f"{value:z.4g}"

    interval = "" if row.low is None else f"{number(row.low)} to {number(row.high)}"
    texts = [number(value) for value in (row.reference, row.now, row.difference)]
    return [
        Cell(row.what, row.what),
        Cell(row.meaning, row.meaning),
        *(Cell(text, text, numeric=True) for text in (*texts, interval, number(row.bound))),
        Cell("yes" if row.exceeded else "no", str(row.exceeded)),
    ]
