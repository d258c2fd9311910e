"""The operating points of a search index as a picture: recall against speed, and what was promised."""

from __future__ import annotations

from collections.abc import Sequence

from landmark.evaluation.drawing import GREY, PALETTE, new_figure, to_svg
from landmark.recognition.index.promise import SearchPoint, frontier


def operating_points(points: Sequence[SearchPoint], chosen: SearchPoint, recall: float, k: int, width: float = 6.0) -> str:
    """Draw what was measured while an index was tuned.

    Args:
        points: operating points.
        chosen: the one in use.
        recall: that was promised.
        k: depth of recall.
        width: of the figure [inches].

    Returns:
        SVG text.
    """
    with new_figure(width, 0.6 * width) as (figure, axes):
        axes.scatter([p.recall for p in points], [p.queries_per_second for p in points], s=14, color=GREY, label="measured")
        best = frontier(points)
        axes.plot([p.recall for p in best], [p.queries_per_second for p in best], color=PALETTE[0], label="best at its recall")
        axes.scatter([chosen.recall], [chosen.queries_per_second], s=60, color=PALETTE[3], zorder=3, label="in use")
        axes.axvline(recall, color=GREY, linestyle=":", label="promised")
        if all(point.queries_per_second > 0 for point in points):
            axes.set_yscale("log")
        axes.set_xlabel(f"recall@{k} on queries that are not stored")
        axes.set_ylabel("queries a second")
        axes.legend(loc="best")
        return to_svg(figure, "operating points")
