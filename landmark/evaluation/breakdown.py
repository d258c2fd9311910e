"""The sensitivity taken apart: by how many photos a landmark was learned from, and by aspect."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.evaluation.intervals import wilson
from landmark.evaluation.open_set import OpenSet
from landmark.recognition.centroids import Centroids

SIZES = (("rare", 0, 9), ("uncommon", 10, 49), ("common", 50, 199), ("frequent", 200, None))
"""Names of groups of landmarks, with the fewest and the most training photos [count]."""


def by_training_photos(open_set: OpenSet, threshold: float, photos: Mapping[str, int]) -> pd.DataFrame:
    """Sensitivity by the number of training photos a landmark.

    Args:
        open_set: test photos.
        threshold: of the score.
        photos: landmark -> training photos [count]; 0 for one that is not there.

    Returns:
        a row a group of `SIZES` that has test photos: group, training_photos (as text), landmarks, photos (tested),
        sensitivity, sensitivity_low, sensitivity_high (95 % Wilson), macro_sensitivity (mean over the group's landmarks).
    """
    table = open_set.per_landmark(threshold)
    table = table[table["photos"] > 0].reset_index(drop=True)
    trained = table["landmark"].map(photos).fillna(0).to_numpy()
    rows = []
    for name, fewest, most in SIZES:
        group = table[(trained >= fewest) & (trained <= (np.inf if most is None else most))]
        if group.empty:
            continue
        tested = int(group["photos"].sum())
        right = tested - int(group["wrong"].sum() + group["missed"].sum())
        low, high = wilson(right, tested)
        rows.append(
            {
                "group": name,
                "training_photos": f"{fewest} and more" if most is None else f"{fewest} to {most}",
                "landmarks": len(group),
                "photos": tested,
                "sensitivity": right / tested,
                "sensitivity_low": float(low),
                "sensitivity_high": float(high),
                "macro_sensitivity": float(group["sensitivity"].mean()),
            }
        )
    return pd.DataFrame(rows)


def by_aspect(open_set: OpenSet, threshold: float, aspect: NDArray[np.int64], centroids: Centroids) -> pd.DataFrame:
    """Sensitivity by aspect: the photos nearest to each of a landmark's own centroids.

    Which aspect a test photo shows is nobody's label: it is taken from the embedding that is being measured.

    Args:
        open_set: test photos.
        threshold: of the score.
        aspect: row in `centroids` of the nearest one of the photo's OWN landmark [n]; -1 where there is none.
        centroids: of all landmarks.

    Returns:
        a row an aspect that has test photos: landmark, aspect (1: the landmark's largest), aspects (of the landmark), support
        (training photos behind it), photos (tested), sensitivity, sensitivity_low, sensitivity_high (95 % Wilson).
    """
    chosen = np.asarray(aspect >= 0) & open_set.landmark_photo
    photos = np.bincount(aspect[chosen], minlength=len(centroids))
    right = np.bincount(aspect[chosen & open_set.correct & open_set.accepted(threshold)], minlength=len(centroids))
    table = pd.DataFrame({"landmark": np.asarray(centroids.landmark, dtype=str), "support": centroids.support})
    grouped = table.groupby("landmark")["support"]
    table["aspect"] = grouped.rank(method="first", ascending=False).astype(int)
    table["aspects"] = grouped.transform("size")
    low, high = wilson(right, photos)
    table = table.assign(photos=photos, sensitivity=right / np.maximum(photos, 1), sensitivity_low=low, sensitivity_high=high)
    columns = ["landmark", "aspect", "aspects", "support", "photos", "sensitivity", "sensitivity_low", "sensitivity_high"]
    return table.loc[photos > 0, columns].reset_index(drop=True)


def breakdown_figures(sizes: pd.DataFrame, aspects: pd.DataFrame) -> dict[str, float]:
    """As flat names.

    `sensitivity_rare` (`_uncommon`, `_common`, `_frequent`, where there are such landmarks); of landmarks with several
    aspects `sensitivity_main_aspect` (photos nearest to the landmark's largest) and `sensitivity_other_aspects`.
    """
    figures = {f"sensitivity_{row['group']}": float(row["sensitivity"]) for row in sizes.to_dict("records")}
    several = aspects[aspects["aspects"] > 1]
    for name, part in (
        ("sensitivity_main_aspect", several[several["aspect"] == 1]),
        ("sensitivity_other_aspects", several[several["aspect"] > 1]),
    ):
        if len(part):
            figures[name] = float(np.average(part["sensitivity"], weights=part["photos"]))
    return figures
