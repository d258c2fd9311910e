"""How figures of a report are drawn: as SVG that follows the page's colours (light or dark).

Text and axes are drawn in `currentColor`, grids in the CSS variable `--grid`: outside a page they are black and grey.
Landmark names reach the SVG as escaped text; nothing in them is read as markup or mathematics.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

# Stand-ins that no palette uses; they become CSS after drawing.
INK, GRID = "#010203", "#040506"
# After Okabe and Ito, safe for colour-blind readers; readable on white and on near-black.
PALETTE = ("#1f82c4", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8a7f00", "#7a5fd0")
GREY = "#8c8c8c"
STYLE: dict[Any, Any] = {
    "font.size": 10,
    "font.family": ["sans-serif"],
    "svg.fonttype": "none",
    "svg.hashsalt": "landmark",
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
    "legend.frameon": False,
    "savefig.transparent": True,
}
PERCENT = FuncFormatter(lambda value, _: f"{100 * value:.6g} %")


def curve_style(number: int) -> dict[str, Any]:
    """How the number-th of several curves is drawn: the first strongest, the others dashed."""
    first = number == 0
    return {
        "color": PALETTE[number % len(PALETTE)],
        "linewidth": 2.4 if first else 1.4,
        "linestyle": "-" if first else (0, (4, 1.5)),
        "zorder": 3 if first else 2,
    }


@contextmanager
def new_figure(
    width: float, height: float, rows: int = 1, sharex: bool = False, heights: Sequence[float] | None = None
) -> Iterator[tuple[Figure, Any]]:
    """A figure in the shared style, made without pyplot: it holds no global state and no window."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes: Axes | Any = figure.subplots(rows, 1, sharex=sharex, height_ratios=heights)
        yield figure, axes


def to_svg(figure: Figure, title: str) -> str:
    """SVG text from `<svg` on, without date, scaled by its container."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # Text stays text: the reader's fonts have the letters that the drawing font lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format="svg", dpi=160, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = _own_ids(text, re.sub(r"\W+", "-", title.lower()))
    text = text.replace(INK, "currentColor").replace(GRID, "var(--grid, #dddddd)")
    return text.replace("<svg ", f'<svg role="img" aria-label="{title}" class="figure" ', 1)


def _own_ids(text: str, prefix: str) -> str:
    """Ids that nothing refers to are dropped, the others prefixed: several figures share one page."""
    used = set(re.findall(r'(?:href="|url\()#([^")]+)', text))
    text = re.sub(r' id="([^"]*)"', lambda found: f' id="{prefix}-{found[1]}"' if found[1] in used else "", text)
    return re.sub(r'(href="|url\()#', rf"\g<1>#{prefix}-", text)
