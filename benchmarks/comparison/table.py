"""The comparison's table and its picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd

from benchmarks.comparison.judge import GALLERIES
from benchmarks.comparison.settings import LossesConfig
from benchmarks.comparison.task import ALL, LEFT_OUT

PREFIX = {"ours": "ours", "ours, one centroid": "ours_one_centroid"}
PREFIXES = {ALL: "", LEFT_OUT: "new_"}
"""Protocol -> what the names of its figures start with."""
FIGURES = ("at_99", "at_99_9")
EITHER = "either"
"""In place of a gallery: whichever is better on the test photos themselves, where validation did not choose."""


@dataclass(frozen=True)
class Choice:
    """What tuning found best for a row under one protocol, by the sensitivity at 99 % specificity on validation.

    Attributes:
        trial: values of learning rate and of the row's grid.
        gallery: of the embedding alone: one_mean, all_photos or EITHER.
        ours: prefix of our recognition's figures, with the weight of the pretrained embedding, for the same trial.
        same_trial: the trial that is best by our recognition.
        same: prefix of our recognition's figures, for that.
        score: what was found best, by the row's own recognition.
        trials: trainings that were tried [count].
    """

    trial: dict[str, Any]
    gallery: str
    ours: str
    same_trial: dict[str, Any]
    same: str
    score: float
    trials: int

    @property
    def weight(self) -> str:
        """The weight of the pretrained embedding, as it stands in figures' names."""
        return self.ours.partition("@")[2]

    def words(self, plain: bool) -> str:
        """The choice in a cell."""
        own = self.gallery.replace("_", " ").replace(EITHER, "the better gallery") if plain else f"pretrained {self.weight}"
        values = (f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}" for key, value in self.trial.items())
        return ", ".join([*values, own])


def choose(
    recognition: str, weights: Sequence[float], trials: Sequence[tuple[dict[str, Any], Mapping[str, float]]], protocol: str
) -> Choice:
    """Pick a trial, and with it the gallery and the weight, by validation alone.

    Args:
        recognition: the row's.
        weights: of the pretrained embedding.
        trials: (values, figures on validation) of each training.
        protocol: ALL is judged by photos of landmarks that were trained on, LEFT_OUT by photos of others.
    """
    prefix = PREFIXES[protocol]
    plain = list(GALLERIES)
    ours = [f"{PREFIX.get(recognition, 'ours')}@{weight:g}" for weight in weights]

    def best(figures: Mapping[str, float], names: Sequence[str]) -> tuple[float, str]:
        return max((figures[f"{prefix}{name}_at_99"], name) for name in names)

    own = plain if recognition == "plain" else ours
    values, figures = max(trials, key=lambda trial: best(trial[1], own)[0])
    several = [f"ours@{weight:g}" for weight in weights]
    same_values, same_figures = max(trials, key=lambda trial: best(trial[1], several)[0])
    return Choice(
        values, best(figures, plain)[1], best(figures, ours)[1], same_values, best(same_figures, several)[1],
        best(figures, own)[0], len(trials),
    )  # fmt: skip


def published(row: str, config: LossesConfig, figures: Mapping[str, float], choice: Choice) -> dict[str, float]:
    """A row's figures with its own recognition, without `new_`."""
    plain = config.rows[row].recognition == "plain"
    prefix = choice.gallery if plain else choice.ours
    if prefix == EITHER:
        prefix = max(GALLERIES, key=lambda name: figures[f"{name}_at_99"])
    side = "alone" if plain else f"both@{choice.weight}"
    retrieved = {key: figures[f"{side}_{key}"] for key in ("recall_at_1", "map_at_r") if f"{side}_{key}" in figures}
    return {**{key: figures[f"{prefix}_{key}"] for key in FIGURES}, **retrieved}


def summarise(
    config: LossesConfig,
    rows: Sequence[str],
    results: Mapping[str, Sequence[Mapping[str, Any]]],
    same: Mapping[str, Sequence[Mapping[str, Any]]],
    chosen: Mapping[str, Mapping[str, Choice]],
) -> pd.DataFrame:
    """A row a method, best first.

    Args:
        config: the comparison's.
        rows: names.
        results: row -> its finished trainings, as `task.perform` gives them.
        same: the same with the settings that are best by our recognition.
        chosen: row -> protocol -> what tuning found.

    Returns:
        columns method, then mean and standard deviation (`..._sd`) over seeds of the figures, on all landmarks and on `new_...`
        ones, `same_...` with our recognition for every row, minutes a training, and what tuning chose.
    """
    table = []
    for row in rows:
        values: dict[str, list[float]] = {}
        for result in results[row]:
            prefix = PREFIXES[result["task"]["protocol"]]
            choice = chosen[row][result["task"]["protocol"]]
            figures = {key.removeprefix(prefix): value for key, value in result["figures"].items()}
            for key, value in published(row, config, figures, choice).items():
                values.setdefault(f"{prefix}{key}", []).append(value)
            values.setdefault("minutes", []).append(result["seconds"] / 60)
        for result in same[row]:
            prefix, choice = PREFIXES[result["task"]["protocol"]], chosen[row][result["task"]["protocol"]]
            for key in FIGURES:
                values.setdefault(f"same_{prefix}{key}", []).append(result["figures"][f"{prefix}{choice.same}_{key}"])
        line: dict[str, Any] = {"method": row, "seeds": len(values.get("at_99", []))}
        for key, found in values.items():
            line[key] = float(np.mean(found))
            if key != "minutes":
                line[f"{key}_sd"] = float(np.std(found, ddof=1)) if len(found) > 1 else 0.0
        plain = config.rows[row].recognition == "plain"
        line["tuned"] = " / ".join(dict.fromkeys(choice.words(plain) for choice in chosen[row].values()))
        table.append(line)
    return pd.DataFrame(table).sort_values("at_99", ascending=False, ignore_index=True, kind="stable")


def markdown(table: pd.DataFrame) -> str:
    """The table as Markdown: mean ± standard deviation, in percent."""
    columns = {
        "at_99": "sensitivity at 99 %",
        "at_99_9": "at 99.9 %",
        "recall_at_1": "recall@1",
        "map_at_r": "MAP@R",
        "new_at_99": "new landmarks at 99 %",
        "new_at_99_9": "new at 99.9 %",
        "same_at_99": "our recognition, at 99 %",
        "same_new_at_99": "our recognition, new at 99 %",
    }
    shown = [column for column in columns if column in table]
    lines = [["method", *(columns[column] for column in shown), "minutes", "tuned"], ["---"] * (len(shown) + 3)]
    for line in table.to_dict("records"):
        spread = {column: f" ± {100 * line[f'{column}_sd']:.1f}" if line["seeds"] > 1 else "" for column in shown}
        cells = [f"{100 * line[column]:.1f}{spread[column]}" for column in shown]
        lines.append([line["method"], *cells, f"{line['minutes']:.2f}", line["tuned"]])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def draw(table: pd.DataFrame, title: str, ours: Sequence[str], file: Path) -> None:
    """A dot a method: sensitivity at 99 % specificity on trained and on new landmarks, with the spread over seeds."""
    matplotlib.use("agg")
    from matplotlib import pyplot as plt

    panels = [("at_99", "trained landmarks"), ("new_at_99", "landmarks never trained on")]
    panels = [panel for panel in panels if panel[0] in table]
    rows = table.iloc[::-1]
    figure, axes = plt.subplots(
        1, len(panels), figsize=(4.6 * len(panels) + 2, 0.27 * len(rows) + 1.4), sharey=True, squeeze=False
    )
    colours = ["#c2410c" if name in ours else "#334155" for name in rows["method"]]
    for axis, (column, label) in zip(axes[0], panels, strict=True):
        place = np.arange(len(rows))
        same = rows[f"same_{column}"] * 100
        axis.scatter(
            same, place, s=26, facecolors="none", edgecolors="#94a3b8", label="the same with our recognition", zorder=2
        )
        axis.errorbar(
            rows[column] * 100, place, xerr=rows[f"{column}_sd"] * 100, fmt="none", ecolor=colours, elinewidth=1.2, zorder=3
        )
        axis.scatter(rows[column] * 100, place, s=30, c=colours, label="as published (ours: as released)", zorder=4)
        axis.set_yticks(place, rows["method"], fontsize=8)
        axis.set_xlabel("sensitivity at 99 % specificity [%]", fontsize=8)
        axis.set_title(label, fontsize=9)
        axis.tick_params(axis="x", labelsize=8)
        axis.grid(axis="x", alpha=0.3)
    axes[0][0].legend(fontsize=7, loc="lower left")
    figure.suptitle(title, fontsize=9)
    figure.tight_layout()
    figure.savefig(file, metadata={"Date": None} if file.suffix == ".svg" else None, dpi=110)
    plt.close(figure)
