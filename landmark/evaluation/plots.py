"""The figures of a report, as SVG (see `drawing`): the curve, scores, training, embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from landmark.evaluation.drawing import GREY, INK, PALETTE, curve_style, new_figure, to_svg
from landmark.evaluation.embedding_map import CENTROID, PHOTO, QUERY
from landmark.evaluation.intervals import wilson
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.tables import percent

MAX_NAMED = 30
RASTERIZED_FROM = 400
HIDDEN_KEYS = {"step", "epoch", "stage", "time", "seconds"}


def sensitivity_curve(curves: Mapping[str, OpenSet], threshold: float, width: float = 5.6) -> str:
    """Sensitivity against specificity, the axis logarithmic towards 100 %.

    Args:
        curves: test results by name; the first is the model itself, drawn strongest, with its operating point.
        threshold: of the operating point, on the first one's scores.
        width: of the figure [inches].
    """
    with new_figure(width, 4.0) as (figure, axes):
        others = max(int(open_set.other_photo.sum()) for open_set in curves.values())
        # Half a photo stands for a specificity of exactly 100 %, which a logarithmic axis cannot show.
        best = 0.5 / others
        for number, (name, open_set) in enumerate(curves.items()):
            error, sensitivity = operating_steps(open_set, best)
            axes.plot(
                error,
                sensitivity,
                label=name,
                **curve_style(number),
            )
            if number == 0:
                photos = int(open_set.landmark_photo.sum())
                low, high = wilson(np.rint(sensitivity * photos), photos)
                axes.fill_between(error, low, high, color=PALETTE[0], alpha=0.15, linewidth=0)
        model = next(iter(curves.values()))
        point = model.figures(threshold)
        x = max(1 - point["specificity"], best)
        below, above = point["sensitivity"] - point["sensitivity_low"], point["sensitivity_high"] - point["sensitivity"]
        left = x - max(1 - point["specificity_high"], best)
        right = 1 - point["specificity_low"] - x
        # Rounding can leave a bound 1e-17 on the wrong side of its estimate.
        bars = np.maximum([[left], [right], [below], [above]], 0)
        axes.errorbar(
            [x], [point["sensitivity"]], xerr=bars[:2], yerr=bars[2:], fmt="o", color=INK, markersize=7, capsize=3, zorder=5,
            label=f"operating point: {percent(point['sensitivity'])} at {percent(point['specificity'])}",
        )  # fmt: skip
        axes.set_xscale("log")
        axes.set_xlim(1.0, best)
        axes.set_ylim(0, 1.02)
        ticks = [tick for tick in (0.5, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6) if tick >= best]
        axes.xaxis.set_major_locator(FixedLocator(ticks))
        axes.xaxis.set_minor_locator(LogLocator(subs=range(2, 10)))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * (1 - value):.6g} %"))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
        axes.set_xlabel("specificity (share of non-landmark photos that get no landmark)")
        axes.set_ylabel("sensitivity")
        axes.legend(loc="lower left")
        return to_svg(figure, "Sensitivity against specificity")


def operating_steps(open_set: OpenSet, smallest: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Corners of the curve that says which sensitivity a specificity costs, from specificity 0 to 1.

    Args:
        open_set: test photos.
        smallest: what stands for an error of 0.

    Returns:
        1 - specificity (falling) and sensitivity (falling) [k]. Between two specificities that can be had, the
        sensitivity is that of the higher one: of the threshold that keeps at least what was asked for.
    """
    # Of all thresholds with the same specificity, the one with the best sensitivity.
    curve = open_set.curve().groupby("specificity", as_index=False)["sensitivity"].max()
    error = np.maximum(1 - curve["specificity"].to_numpy(float), smallest)
    return np.repeat(error, 2)[:-1], np.repeat(curve["sensitivity"].to_numpy(float), 2)[1:]


def score_histograms(open_set: OpenSet, threshold: float, width: float = 5.6) -> str:
    """How the scores of each kind of photo are spread, and where the threshold cuts them."""
    finite = np.isfinite(open_set.confidence)
    kinds = {
        "landmark, right candidate": open_set.correct & finite,
        "landmark, wrong candidate": open_set.landmark_photo & ~open_set.correct & finite,
        "no landmark": open_set.other_photo & finite,
        "unknown landmark": open_set.unknown_photo & finite,
    }
    kinds = {name: chosen for name, chosen in kinds.items() if chosen.any()}
    scores = open_set.confidence[finite]
    with new_figure(width, 0.6 + 1.05 * max(len(kinds), 1), rows=max(len(kinds), 1), sharex=True) as (figure, panels):
        low, high = (min(scores.min(), threshold), max(scores.max(), threshold)) if len(scores) else (0.0, 1.0)
        edges = np.linspace(low, high if high > low else low + 1e-3, 60)
        colours = (PALETTE[0], PALETTE[3], GREY, PALETTE[1])
        for number, (panel, (name, chosen)) in enumerate(zip(np.atleast_1d(panels), kinds.items(), strict=False)):
            panel.hist(open_set.confidence[chosen], edges, color=colours[number], alpha=0.85)
            panel.axvline(threshold, color=INK, linewidth=1.2, linestyle=(0, (3, 2)))
            above = float((open_set.confidence[chosen] > threshold).mean())
            panel.set_title(f"{name}: {int(chosen.sum()):,} photos, {percent(above)} above")
            panel.yaxis.set_major_locator(matplotlib.ticker.MaxNLocator(3, integer=True))
        np.atleast_1d(panels)[-1].set_xlabel(f"score (threshold {threshold:.3f})")
        return to_svg(figure, "Score histograms")


def training_curves(rows: Sequence[Mapping[str, Any]], width: float = 7.5) -> str:
    """What was logged in training, against the step, stages shaded; one panel for losses, one for each other quantity.

    Args:
        rows: `{"step", "stage", "epoch", "loss", ...}`; further numbers are drawn too.
    """
    table = pd.DataFrame([dict(row) for row in rows]).sort_values("step", kind="stable")
    numeric = [
        str(name)
        for name in table.columns
        if name not in HIDDEN_KEYS and pd.api.types.is_numeric_dtype(table[name]) and np.isfinite(table[name]).any()
    ]
    losses = [name for name in numeric if "loss" in name]
    groups = [group for group in [losses, *([name] for name in numeric if name not in losses)] if group][:4]
    stages = table["stage"].astype(str) if "stage" in table else pd.Series("", index=table.index)
    with new_figure(width, 0.8 + 1.9 * max(len(groups), 1), rows=max(len(groups), 1), sharex=True) as (figure, panels):
        panels = np.atleast_1d(panels)
        runs = (stages != stages.shift()).cumsum()
        end = min(float(table["step"].min()), 0.0)
        for index, (_, part) in enumerate(table.groupby(runs.to_numpy(), sort=False)):
            # A row may stand for a whole epoch, at its last step: a stage begins where the one before ended.
            start, end = end, float(part["step"].max())
            for panel in panels:
                panel.axvspan(start, end, color=PALETTE[index % len(PALETTE)], alpha=0.10, linewidth=0)
            panels[0].annotate(
                str(stages[part.index[0]]), ((start + end) / 2, 1.0), xycoords=("data", "axes fraction"),
                ha="center", va="bottom", fontsize=9,
            )  # fmt: skip
        for panel, group in zip(panels, groups, strict=False):
            for number, name in enumerate(group):
                series = table[["step", name]].dropna()
                colour = PALETTE[number % len(PALETTE)]
                many = len(series) > 50
                panel.plot(series["step"], series[name], color=colour, linewidth=1.0 if many else 1.6,
                           alpha=0.35 if many else 1, marker="" if many else "o", markersize=3,
                           label=None if many else name.replace("_", " "))  # fmt: skip
                if many:
                    smooth = series[name].ewm(span=max(len(series) // 25, 5)).mean()
                    panel.plot(series["step"], smooth, color=colour, linewidth=1.8, label=name.replace("_", " "))
            panel.set_ylabel(group[0].replace("_", " ") if len(group) == 1 else "loss")
            if len(group) > 1:
                panel.legend(loc="upper right", ncols=3)
        panels[-1].set_xlabel("step")
        return to_svg(figure, "Training curves")


def embedding_figure(points: pd.DataFrame, names: Mapping[str, str], width: float = 7.5) -> str:
    """Photos as dots, centroids as diamonds, queries as stars in the plane, coloured by landmark; without one grey.

    Args:
        points: as `embedding_map` gives them.
        names: landmark id -> name. The most frequent `MAX_NAMED` landmarks are coloured and named.
        width: of the figure [inches].
    """
    with new_figure(width, width * 0.8) as (figure, axes):
        photos, centroids = points[points["kind"] == PHOTO], points[points["kind"] == CENTROID]
        counts = photos.loc[photos["landmark"] != "", "landmark"].value_counts()
        shown = counts.index.tolist()[:MAX_NAMED]
        colour = {landmark: PALETTE[number % len(PALETTE)] for number, landmark in enumerate(sorted(shown))}
        axes.scatter(photos["x"], photos["y"], c=[colour.get(landmark, GREY) for landmark in photos["landmark"]],
                     alpha=0.55, s=9, linewidths=0, rasterized=len(photos) > RASTERIZED_FROM)  # fmt: skip
        axes.scatter(centroids["x"], centroids["y"], c=[colour.get(landmark, GREY) for landmark in centroids["landmark"]],
                     marker="D", s=34, edgecolors=INK, linewidths=0.9, zorder=4)  # fmt: skip
        queries = points[points["kind"] == QUERY]
        axes.scatter(queries["x"], queries["y"], marker="*", s=130, c="#f0e442", edgecolors=INK, linewidths=0.9, zorder=6)
        anchors = {}
        for landmark in shown:
            # A centroid, or else a photo, in the thick of the landmark's points carries the name.
            own = centroids[centroids["landmark"] == landmark]
            own = own if len(own) else photos[photos["landmark"] == landmark]
            middle = own[["x", "y"]].median()
            nearest = own.loc[((own[["x", "y"]] - middle) ** 2).sum(axis=1).idxmin()]
            anchors[names.get(landmark, landmark)] = (float(nearest["x"]), float(nearest["y"]))
        axes.margins(0.06)
        # Places are final only once the figure is laid out.
        figure.draw_without_rendering()
        _name_places(axes, anchors)
        axes.set_xticks([])
        axes.set_yticks([])
        for spine in axes.spines.values():
            spine.set_visible(False)
        return to_svg(figure, "Embeddings in two dimensions")


def _name_places(axes: Axes, anchors: Mapping[str, tuple[float, float]], size: float = 8.0) -> None:
    """Write names above their places [data], or below or farther away where another name is."""
    taken: list[tuple[float, float, float, float]] = []
    per_point = axes.figure.dpi / 72
    for name, place in anchors.items():
        x, y = axes.transData.transform(place) / per_point
        half = 0.28 * size * len(name)
        boxes = [(x - half, y + up, x + half, y + up + size) for up in (6.0, -15.0, 16.0, -25.0)]
        free = [box for box in boxes if not any(_overlap(box, other) for other in taken)]
        box = (free or boxes)[0]
        taken.append(box)
        axes.annotate(name, place, xytext=(0, box[1] - y), textcoords="offset points", ha="center", fontsize=size, zorder=5)


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
