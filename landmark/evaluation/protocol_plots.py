"""The figures of verification, identification and confidence, as SVG (see `drawing`)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from landmark.evaluation.drawing import GREY, INK, PALETTE, PERCENT, curve_style, new_figure, to_svg
from landmark.evaluation.reliability import Confidences
from landmark.evaluation.tables import percent
from landmark.evaluation.verification import Pairs

POINTS = 400
"""Of a curve, at most: a test has millions of pairs."""


def roc_figure(curves: Mapping[str, Pairs], width: float = 5.6) -> str:
    """ROC curves, the false positive rate logarithmic; equal error rates and FPR at 95 % TPR are marked.

    Args:
        curves: pairs by name; the first is drawn strongest.
        width: of the figure [inches].
    """
    with new_figure(width, 4.0) as (figure, axes):
        # Half a pair stands for a rate of exactly 0, which a logarithmic axis cannot show.
        smallest = min(max(0.5 / max(int((~pairs.same).sum()), 1), 1e-6) for pairs in curves.values())
        for number, (name, pairs) in enumerate(curves.items()):
            false, true = _thinned(pairs, smallest)
            axes.plot(
                false,
                true,
                label=f"{name}: EER {percent(pairs.eer)}, FPR at 95 % TPR {percent(pairs.fpr_at(0.95))}",
                **curve_style(number),
            )
            axes.plot([max(pairs.eer, smallest)], [1 - pairs.eer], "o", color=INK, markersize=5, zorder=4)
        rates = np.geomspace(smallest, 1, 200)
        axes.plot(rates, 1 - rates, color=GREY, linewidth=1, linestyle=(0, (1, 2)), label="both errors equal")
        axes.axhline(0.95, color=GREY, linewidth=0.8)
        axes.set_xscale("log")
        axes.set_xlim(smallest, 1)
        axes.set_ylim(0, 1.02)
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(PERCENT)
        axes.yaxis.set_major_formatter(PERCENT)
        axes.set_xlabel("false positive rate (pairs of different landmarks accepted)")
        axes.set_ylabel("true positive rate (pairs of one landmark accepted)")
        axes.legend(loc="lower right", fontsize=8.5)
        return to_svg(figure, "Verification")


def identification_figure(curve: pd.DataFrame, width: float = 5.6) -> str:
    """Identification by the number of distractors, with 95 % bands.

    Args:
        curve: as `Identification.curve` gives it.
        width: of the figure [inches].
    """
    ranks = [name for name in curve.columns if name.startswith("rank_") and not name.endswith(("_low", "_high"))]
    with new_figure(width, 4.0) as (figure, axes):
        # A logarithmic axis has no 0: one distractor stands for none.
        numbers = np.maximum(curve["distractors"].to_numpy(float), 1.0)
        for number, name in enumerate(ranks):
            colour = PALETTE[number % len(PALETTE)]
            share = curve[name].to_numpy(float)
            label = f"{name.replace('_', ' ')}: {percent(float(share[-1]))} among all"
            axes.plot(numbers, share, "o-", color=colour, linewidth=2, markersize=4, label=label)
            axes.fill_between(numbers, curve[f"{name}_low"], curve[f"{name}_high"], color=colour, alpha=0.15, linewidth=0)
        axes.set_xscale("log")
        axes.set_ylim(0, 1.02)
        axes.xaxis.set_major_locator(LogLocator(numticks=12))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: "none" if value == 1 else f"{value:,.0f}"))
        axes.yaxis.set_major_formatter(PERCENT)
        axes.set_xlabel("distractors")
        axes.set_ylabel("identification rate")
        axes.legend(loc="lower left")
        return to_svg(figure, "Identification among distractors")


def _thinned(pairs: Pairs, smallest: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The ROC curve at so many rates that the eye sees no difference: as a step, the best true positive rate at each."""
    false, true, _ = pairs.roc
    rates = np.geomspace(smallest, 1, POINTS)
    return rates, true[np.searchsorted(false, rates, side="right") - 1]


def reliability_figure(measured: Mapping[str, Confidences], width: float = 5.6) -> str:
    """The reliability diagram: share right against confidence in bins of equal width, and below how many photos they hold.

    Args:
        measured: confidences by name; the first are drawn strongest. Bars are 95 % intervals.
        width: of the figure [inches].
    """
    with new_figure(width, 5.4, rows=2, sharex=True, heights=(3, 1)) as (figure, (axes, counts)):
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=1, linestyle=(0, (1, 2)), label="as sure as right")
        for number, (name, confidences) in enumerate(measured.items()):
            table, style = confidences.bins(), curve_style(number)
            share = table["right"]
            bars = np.maximum([share - table["right_low"], table["right_high"] - share], 0)
            label = f"{name}: ECE {confidences.ece():.3f}"
            axes.errorbar(
                table["confidence"], share, yerr=bars, marker="o", markersize=4, elinewidth=1, capsize=2, label=label, **style
            )
            aside = 0.012 * (number - (len(measured) - 1) / 2)
            counts.vlines(
                (table["start"] + table["end"]) / 2 + aside, 0.5, table["photos"], color=style["color"], linewidth=3.5
            )
        axes.set_ylim(-0.02, 1.02)
        counts.set_yscale("log")
        counts.set_ylim(bottom=0.5)
        counts.set_xlim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(PERCENT)
        counts.xaxis.set_major_formatter(PERCENT)
        counts.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        axes.set_ylabel("share right")
        counts.set_ylabel("photos")
        counts.set_xlabel("confidence")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), fontsize=8.5)
        return to_svg(figure, "Reliability")
