"""What an embedding of all photos is worth: as the methods are published, and with our recognition on top."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.comparison.inputs import Array
from benchmarks.comparison.settings import LossesConfig
from landmark.evaluation.galleries import ALL_PHOTOS, ONE_MEAN, Split, make_gallery, truth_of
from landmark.evaluation.leave_out import evaluate_left_out
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.retrieval import map_at_r, recall_at_k

GALLERIES = {"one_mean": ONE_MEAN, "all_photos": ALL_PHOTOS}
SPECIFICITIES = {"at_99": 0.99, "at_99_9": 0.999}


def judge(
    tuned: Array | None,
    pretrained: Array,
    table: pd.DataFrame,
    ids: Sequence[str],
    config: LossesConfig,
    seed: int,
    one_centroid: bool = False,
) -> dict[str, float]:
    """All figures of an embedding, on the test split of a table.

    Sensitivities are at a specificity reached on the test photos themselves, so that no row gains or loses by its threshold;
    `released_...` are at the threshold that calibration set without them.

    Returns:
        `one_mean_...`, `all_photos_...`: the embedding alone, by that gallery; `ours@W_...`, `ours_one_centroid@W_...`: beside
        the pretrained one with weight W, by our recognition; `alone_...`, `both@W_...`: retrieval.

    Args:
        tuned: unit vectors [n, d] of what was trained; None: nothing was, the pretrained ones alone count.
        pretrained: unit vectors [n, c] of the frozen network.
        table: a catalog's table [n].
        ids: landmarks in the gallery and in the test.
        config: recognition settings.
        seed: of what decides which centroids are earned.
        one_centroid: measure our recognition with one mean a landmark too.
    """
    alone = pretrained if tuned is None else tuned
    figures: dict[str, float] = {}
    split = Split.of(table, ids)
    truth, known = truth_of(table, split.test)
    for name, method in GALLERIES.items():
        gallery = make_gallery(method, alone, table, split, config.centroids)
        similarity, rows = gallery.nearest(alone[split.test])
        figures |= _figures(name, OpenSet(similarity, gallery.landmark[rows], truth, known))
    figures |= {f"alone_{key}": value for key, value in retrieval(alone[split.test], truth).items()}
    # Unit vectors are never farther apart than 2: that cut leaves one mean.
    one = config.centroids.model_copy(update={"earned": False, "cut": 2.0})
    for weight in config.keep_weights:
        both = pretrained if tuned is None else beside(pretrained, tuned, weight)
        figures |= {f"both@{weight:g}_{key}": value for key, value in retrieval(both[split.test], truth).items()}
        for name, centroids in (("ours", config.centroids), *((("ours_one_centroid", one),) if one_centroid else ())):
            released = evaluate_left_out(both, table, ids, centroids, config.calibration, seed)
            figures |= _figures(f"{name}@{weight:g}", released.open_set)
            found = released.figures()
            figures[f"{name}@{weight:g}_released_sensitivity"] = found["sensitivity"]
            figures[f"{name}@{weight:g}_released_specificity"] = found["specificity"]
            figures[f"{name}@{weight:g}_vectors"] = float(len(released.centroids))
    return figures


def beside(pretrained: Array, tuned: Array, weight: float) -> Array:
    """The pretrained embedding kept beside the tuned one, as `Network` does it: unit(concat(weight * pretrained, tuned))."""
    joined = np.concatenate([weight * pretrained, tuned], axis=1)
    return np.asarray(joined / np.linalg.norm(joined, axis=1, keepdims=True), np.float32)


def retrieval(vectors: Array, truth: NDArray[np.str_]) -> dict[str, float]:
    """Recall@1 and MAP@R of the landmark photos among themselves; nothing where no landmark has two."""
    shown = truth != ""
    queries, labels = np.asarray(vectors[shown], np.float32), truth[shown]
    if len(np.unique(labels)) == len(labels):
        return {}
    return {
        "recall_at_1": recall_at_k(queries, labels, queries, labels, [1], itself=True)[1],
        "map_at_r": map_at_r(queries, labels, queries, labels, itself=True),
    }


def tuning_table(table: pd.DataFrame, share: float, seed: int = 0) -> pd.DataFrame:
    """The table that tuning sees: a share of the training landmarks' photos, by group, is its test; the real test is not there.

    Half of the calibrate photos without a landmark are its negatives.
    """
    random = np.random.default_rng(seed)
    split = np.asarray(table["split"], dtype=object).copy()
    landmark = np.asarray(table["landmark"], dtype=str)
    split[split == "test"] = "unused"
    groups = np.asarray(table["group"])
    for name in np.unique(landmark[landmark != ""]):
        own = np.flatnonzero((landmark == name) & (split == "train"))
        if len(own) == 0:
            continue
        order = random.permutation(np.unique(groups[own]))
        sizes = np.array([(groups[own] == group).sum() for group in order]).cumsum()
        chosen = order[: int(np.searchsorted(sizes, share * len(own), side="right"))]
        split[own[np.isin(groups[own], chosen)]] = "test"
    negatives = np.flatnonzero((split == "calibrate") & (landmark == "") & np.asarray(table["known"], bool))
    split[random.permutation(negatives)[: len(negatives) // 2]] = "test"
    return table.assign(split=split)


def _figures(name: str, open_set: OpenSet) -> dict[str, float]:
    figures = {f"{name}_{key}": open_set.sensitivity_at(value) for key, value in SPECIFICITIES.items()}
    return {**figures, f"{name}_top1": float(open_set.correct.sum() / open_set.landmark_photo.sum())}
