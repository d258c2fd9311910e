"""The figures of a verdict: shares with their intervals, and what each landmark lost and won."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from landmark import storage
from landmark.evaluation.drawing import GREY, INK, PALETTE, PERCENT, new_figure, to_svg
from landmark.registry.verdict import Verdict

MAX_LANDMARKS = 40
LOST, WON = PALETTE[3], PALETTE[0]
DPI = 130
WHITE, PALE = "#ffffff", "#dddddd"


def difference_figure(verdict: Verdict) -> Figure | None:
    """Differences of sensitivity and specificity with their intervals and bounds; None without a rival."""
    checks = [check for check in verdict.checks if check.low is not None and check.difference is not None]
    if not checks:
        return None
    with new_figure(7.0, 0.9 + 0.75 * len(checks)) as (figure, axes):
        for row, check in enumerate(checks):
            assert check.difference is not None
            assert check.low is not None
            assert check.high is not None
            ends = np.maximum([[check.difference - check.low], [check.high - check.difference]], 0)
            axes.errorbar(
                [check.difference], [row], xerr=ends, fmt="o", color=WON if check.passed else LOST, markersize=8, capsize=4
            )
            if check.bound is not None:
                axes.plot([check.bound] * 2, [row - 0.32, row + 0.32], color=INK, linewidth=2.2)
        axes.axvline(0, color=GREY, linewidth=1, linestyle=(0, (3, 2)))
        axes.set_yticks(range(len(checks)), [check.name for check in checks])
        axes.set_ylim(len(checks) - 0.5, -0.5)
        axes.xaxis.set_major_formatter(PERCENT)
        axes.set_xlabel("challenger - champion, with its interval; a bar: the bound")
        return figure


def landmark_figure(verdict: Verdict, names: Mapping[str, str]) -> Figure | None:
    """Change of each landmark's sensitivity, the greatest loss first; None without landmarks in common."""
    moved = [row for row in verdict.landmarks if row.lost or row.won] or list(verdict.landmarks)
    rows = moved[:MAX_LANDMARKS]
    if not rows:
        return None
    with new_figure(7.0, 0.9 + 0.28 * len(rows)) as (figure, axes):
        places = np.arange(len(rows))
        axes.barh(places, [-row.lost / row.photos for row in rows], color=LOST, alpha=0.8, label="photos lost")
        axes.barh(places, [row.won / row.photos for row in rows], color=WON, alpha=0.8, label="photos won")
        axes.plot([row.difference for row in rows], places, "d", color=INK, markersize=5, label="difference")
        bound = next((check.bound for check in verdict.checks if check.name == "worst landmark"), None)
        if bound is not None:
            axes.axvline(bound, color=INK, linewidth=1.2, linestyle=(0, (3, 2)))
        axes.axvline(0, color=GREY, linewidth=1)
        axes.set_yticks(places, [names.get(row.landmark) or row.landmark for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        axes.xaxis.set_major_formatter(PERCENT)
        axes.set_xlabel("share of the landmark's test photos; dashed: the largest drop allowed")
        axes.legend(loc="lower right")
        return figure


def figures(verdict: Verdict, names: Mapping[str, str]) -> dict[str, Callable[[], Figure | None]]:
    """File name without its ending -> what draws it."""
    return {"shares": lambda: difference_figure(verdict), "landmarks": lambda: landmark_figure(verdict, names)}


def svg(figure: Figure | None, title: str) -> str | None:
    """A figure as SVG text for a page."""
    return None if figure is None else to_svg(figure, title)


def write_png(figure: Figure, file: Path) -> None:
    """A figure as a picture on white."""
    import io

    for axes in figure.axes:
        for line in [*axes.get_xgridlines(), *axes.get_ygridlines()]:
            line.set_color(PALE)
    buffer = io.BytesIO()
    options: dict[str, Any] = {"facecolor": WHITE, "transparent": False, "dpi": DPI}
    figure.savefig(buffer, format="png", **options)
    storage.write_bytes(file, buffer.getvalue())
