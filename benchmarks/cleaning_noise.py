"""Wrong labels planted in the train split of a catalog, so that it is known what cleaning should drop."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

KINDS = {"mix": (0.1, 0.2, 0.4), "others": (0.1,), "landmarks": (0.1, 0.2, 0.4), "series": (0.1, 0.2, 0.4)}
"""Kind of noise -> shares of wrong labels that are planted. There are not enough others for more of them alone."""
SERIES = 10
"""Photos of one wrong thing that get the same wrong label, in the kind "series" [count]."""
MOST_OTHERS = 2 / 3
"""Of the photos without a landmark, at most this share is relabelled: the rest must still stand for what shows none."""
Strings = NDArray[np.str_]


def plant(
    kind: str, level: float, landmark: Strings, embeddings: NDArray[np.float32], seed: int
) -> tuple[Strings, NDArray[np.bool_]]:
    """Give photos wrong labels.

    Args:
        kind: "others": photos without a landmark get one; "landmarks": photos of a landmark get another; "mix": half of each
            (fewer of the others if there are not enough); "series": as "mix", but `SERIES` photos that resemble each other most
            get the same label.
        level: share of the labelled photos that are wrong afterwards.
        landmark: true labels, "" for none [n].
        embeddings: unit vectors [n, d], by which a series is found.
        seed: of the draw.

    Returns:
        labels [n], whether each was planted [n]. A wrong label is drawn in proportion to the landmarks' photos.
    """
    random = np.random.default_rng([seed, list(KINDS).index(kind), round(1000 * level)])
    shows = np.flatnonzero(landmark != "")
    others = np.flatnonzero(landmark == "")
    most = int(MOST_OTHERS * len(others))
    from_others = {"others": round(len(shows) * level / (1 - level)), "landmarks": 0}
    a = min(from_others.get(kind, round(len(shows) * level / (2 - level))), most)
    b = 0 if kind == "others" else round(level * (len(shows) + a) - a)
    names, counts = np.unique(landmark[shows], return_counts=True)
    labels = landmark.astype(object)
    planted = np.zeros(len(labels), bool)

    def label(truth: str) -> str:
        share = counts * (names != truth)
        return str(random.choice(names, p=share / share.sum()))

    def single(pool: NDArray[np.int64], count: int) -> None:
        for row in random.choice(pool, count, replace=False):
            labels[row], planted[row] = label(landmark[row]), True

    def series(pool: NDArray[np.int64], count: int) -> None:
        while count > 0:
            left = pool[~planted[pool]]
            first = random.choice(left)
            alike = left[landmark[left] == landmark[first]]
            similarity = embeddings[alike] @ embeddings[first]
            chosen = alike[np.argsort(-similarity, kind="stable")[: min(SERIES, count)]]
            labels[chosen], planted[chosen] = label(landmark[first]), True
            count -= len(chosen)

    draw: Callable[[NDArray[np.int64], int], None] = series if kind == "series" else single
    draw(others, a)
    draw(shows, b)
    return labels.astype(str), planted
