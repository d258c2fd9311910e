"""The comparison as a picture: recall against speed, a panel a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.ticker import FuncFormatter

from benchmarks.searching.rows import OURS, ROWS
from landmark.evaluation.drawing import GREY, PALETTE, new_figure, to_svg
from landmark.storage import write_bytes

LOWEST = 0.8
"""Recall where the picture begins: less is of no use."""
MARKS = ("o", "s", "^", "D")


def draw(result: dict[str, Any], file: Path) -> None:
    """Write an SVG, and a PNG beside it."""
    panels = [(name, data) for name, data in result["data"].items() if any("points" in row for row in data["rows"])]
    if not panels:
        return
    with new_figure(8.6, 5.2 * len(panels), rows=len(panels)) as (figure, axes):
        for axis, (name, data) in zip([axes] if len(panels) == 1 else axes, panels, strict=True):
            _panel(axis, data)
            axis.set_title(f"{name}: {data['count']:,} vectors of {data['dim']} numbers")
        write_bytes(file, to_svg(figure, "recall against speed").encode())
        for axis in figure.axes:
            axis.grid(True, color="#dddddd")  # in the SVG the page says the grid's colour
        figure.savefig(file.with_suffix(".png"), dpi=110, facecolor="white", transparent=False)


def _panel(axis: Any, data: dict[str, Any]) -> None:
    families = list(dict.fromkeys(row.family for row in ROWS.values() if row.family not in (OURS, "exact")))
    seen: dict[str, int] = {}
    for row in data["rows"]:
        family = ROWS[row["name"]].family
        points = [point["reported"] for point in row.get("points", []) if point["reported"]["recall"] >= LOWEST]
        if not points:
            continue
        if family == "exact":
            axis.axhline(points[0]["queries_per_second"], color=GREY, linestyle=":", label=row["label"])
            continue
        number = seen[family] = seen.get(family, -1) + 1
        points.sort(key=lambda one: (-one["queries_per_second"], -one["recall"]))
        best = [one for place, one in enumerate(points) if all(one["recall"] > other["recall"] for other in points[:place])]
        colour = PALETTE[0] if row["ours"] else PALETTE[1 + families.index(family) % (len(PALETTE) - 1)]
        again = families.index(family) >= len(PALETTE) - 1 if not row["ours"] else False
        axis.plot(
            [one["recall"] for one in best],
            [one["queries_per_second"] for one in best],
            color=colour,
            marker=MARKS[number % len(MARKS)],
            markersize=5 if row["ours"] else 3,
            linewidth=2.4 if row["ours"] else 1.2,
            linestyle="-" if row["ours"] else ":" if again else (0, (4, 1.5)),
            zorder=3 if row["ours"] else 2,
            label=row["label"],
        )
    axis.set_yscale("log")
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.set_xlim(LOWEST, 1.002)
    axis.set_xlabel("recall@10 on queries that are not stored")
    axis.set_ylabel("queries a second")
    axis.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
