"""What share of the tags in a real collection is right: a test set holds far more landmark photos than a collection does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import norm

from landmark.evaluation.intervals import wilson
from landmark.evaluation.open_set import RIGHT, WRONG, OpenSet

PREVALENCES = (0.01, 0.02, 0.03)
"""Share of photos that show a landmark: 1 to 3 % of what users upload (Boiarov and Tyantov, CIKM 2019)."""


def share_right(prevalence: float, unknown: float, right: float, wrong: float, false: float, fooled: float) -> float:
    """Share of tags that are right: p R / (p (R + W) + u U + (1 - p - u) F).

    The positive predictive value by Bayes' theorem (Altman and Bland, BMJ 1994), with a tag of another landmark counted as
    wrong, and unknown landmarks as a negative class of their own.

    Args:
        prevalence: p, share of the collection's photos that show a known landmark.
        unknown: u, share that show a landmark that the model does not know.
        right: R, share of photos of known landmarks that are given the right one (the sensitivity).
        wrong: W, share of them that are given another one.
        false: F, share of photos without a landmark that are given one (1 - specificity).
        fooled: U, share of photos of unknown landmarks that are given one.

    Returns:
        NaN where nothing is tagged at all.

    >>> round(share_right(0.02, 0.0, right=0.8, wrong=0.0, false=0.01, fooled=0.0), 4)  # 0.016 / (0.016 + 0.0098)
    0.6202
    """
    tags = prevalence * (right + wrong) + unknown * fooled + (1 - prevalence - unknown) * false
    return prevalence * right / tags if tags > 0 else float("nan")


def at_prevalence(open_set: OpenSet, threshold: float, prevalences: Sequence[float] = PREVALENCES) -> pd.DataFrame:
    """Share of tags that are right at a threshold, in collections with few landmark photos.

    Each prevalence twice, where photos of unknown landmarks are measured: without such photos, and with as many as there
    are of known ones. The limits hold with at least 95 %: each share is put at the end of its own Wilson interval that is worst
    (best) for the result, and the intervals hold together (Bonferroni).

    Returns:
        columns prevalence, unknown (share of photos of unknown landmarks), tags_right, tags_right_low, tags_right_high.

    Raises:
        LandmarkError: no landmark photos or no others.
    """
    open_set.check_measurable()
    for prevalence in prevalences:
        if not 0 < prevalence <= 0.5:
            raise ValueError(f"prevalence must lie in 0..0.5, got {prevalence}")
    outcome = open_set.outcome(threshold)
    accepted = open_set.accepted(threshold)
    landmarks = int(open_set.landmark_photo.sum())
    counts = [
        (int((outcome == RIGHT).sum()), landmarks),
        (int((outcome == WRONG).sum()), landmarks),
        (int((accepted & open_set.other_photo).sum()), int(open_set.other_photo.sum())),
        (int((accepted & open_set.unknown_photo).sum()), int(open_set.unknown_photo.sum())),
    ]
    rows = []
    for with_unknown in (False, True) if counts[3][1] else (False,):
        used = counts if with_unknown else [*counts[:3], (0, 1)]
        k, n = np.array(used).T
        low, high = wilson(k, n, z=float(norm.ppf(1 - 0.05 / (2 * (4 if with_unknown else 3)))))
        for p in prevalences:
            u = p if with_unknown else 0.0
            rows.append(
                {
                    "prevalence": p,
                    "unknown": u,
                    "tags_right": share_right(p, u, *(k / n)),
                    "tags_right_low": share_right(p, u, low[0], *high[1:]),
                    "tags_right_high": share_right(p, u, high[0], *low[1:]),
                }
            )
    return pd.DataFrame(rows)


def prevalence_figures(table: pd.DataFrame) -> dict[str, float]:
    """As flat names: `tags_right_at_1_percent`, and `..._with_unknown` for as many photos of unknown landmarks, with limits.

    Args:
        table: as `at_prevalence` gives it. Shares that nothing is known about are left out.
    """
    figures = {}
    for row in table.to_dict("records"):
        name = f"tags_right_at_{100 * row['prevalence']:g}_percent".replace(".", "_") + "_with_unknown" * (row["unknown"] > 0)
        for ending in ("", "_low", "_high"):
            if not np.isnan(row[f"tags_right{ending}"]):
                figures[name + ending] = float(row[f"tags_right{ending}"])
    return figures
