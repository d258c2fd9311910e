"""Identification among distractors, as in MegaFace (Kemelmacher-Shlizerman et al., CVPR 2016): a curve by their number.

For each photo it is counted once how many of all M distractors are at least as similar to it as the right answer is. The
rank among N of them, drawn at random, then follows a hypergeometric distribution, so that each point of the curve is the exact
expectation over all draws: no draw is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import gammaln

from landmark.errors import LandmarkError
from landmark.evaluation.intervals import wilson
from landmark.recognition.vectors import check_vectors

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
RANKS = (1, 10)
_SIMILARITIES = 1 << 22  # at once: 16 MB, however many distractors there are


@dataclass(frozen=True, eq=False)
class Identification:
    """How photos fare against all distractors.

    Attributes:
        above: distractors at least as similar to each photo as the right answer is [q].
        distractors: how many there are in all, M.
        rivals: wrong answers that are always in the gallery and are more similar [q]; None: there are none.
    """

    above: Counts
    distractors: int
    rivals: Counts | None = None

    def __post_init__(self) -> None:
        rivals = np.zeros(np.shape(self.above), np.int64) if self.rivals is None else np.asarray(self.rivals, np.int64)
        object.__setattr__(self, "above", np.asarray(self.above, np.int64))
        object.__setattr__(self, "rivals", rivals)
        if self.above.ndim != 1 or self.above.shape != rivals.shape:
            raise ValueError(f"Identification: above and rivals must be [q], got {self.above.shape} and {rivals.shape}")
        if len(self.above) == 0:
            raise LandmarkError("identification: no photos to identify; give landmark photos in the test split")
        if (self.above < 0).any() or (self.above > self.distractors).any() or (rivals < 0).any():
            raise ValueError(f"Identification: counts must lie in 0..{self.distractors}, rivals be at least 0")

    def rank_k(self, k: int, distractors: int) -> float:
        """Expected share of photos whose right answer is among the first k, with this many of the distractors at random.

        P(X <= k - 1 - rivals), X hypergeometric: of M distractors, `above` are ahead, and N are drawn.

        >>> round(Identification([1, 0], 4).rank_k(1, 2), 4)  # one of 4 is ahead; 2 of 4 miss it in 3 of 6 draws
        0.75
        """
        if not 0 <= distractors <= self.distractors:
            raise ValueError(f"identification: {distractors} distractors of {self.distractors}")
        assert self.rivals is not None
        pairs, counts = np.unique(np.stack([self.above, self.rivals]), axis=1, return_counts=True)
        above, left = pairs[0], k - 1 - pairs[1]
        share = np.zeros(len(above))
        for ahead in range(k):
            share += np.where(ahead <= left, _hypergeometric(ahead, self.distractors, above, distractors), 0.0)
        # What is certain stays certain: sums of logarithms leave 1e-9.
        share[np.minimum(above, distractors) <= left] = 1.0
        return float(np.average(np.minimum(share, 1.0), weights=counts))

    def curve(self, ks: Sequence[int] = RANKS) -> pd.DataFrame:
        """The curve by the number of distractors: 0, 10, 100, ... and all of them.

        Returns:
            columns distractors, then rank_K, rank_K_low, rank_K_high for each K (95 % Wilson of the expected share: the
            photos tested are a sample; the distractors are taken as given).
        """
        numbers = [0, *(10**e for e in range(1, 19) if 10**e < self.distractors), self.distractors]
        rows = []
        for number in dict.fromkeys(numbers):
            row: dict[str, float] = {"distractors": number}
            for k in ks:
                share = self.rank_k(k, number)
                low, high = wilson(share * len(self.above), len(self.above))
                row |= {f"rank_{k}": share, f"rank_{k}_low": float(low), f"rank_{k}_high": float(high)}
            rows.append(row)
        return pd.DataFrame(rows)


def count_above(photos: NDArray[Any], similarity: NDArray[Any], distractors: Iterable[NDArray[Any]]) -> tuple[Counts, int]:
    """Count the distractors that are at least as similar to each photo as the right answer is.

    Args:
        photos: unit vectors [q, d].
        similarity: of each photo to the right answer [q].
        distractors: blocks of unit vectors [b, d], read one after the other; may be memory-mapped and of any size.

    Returns:
        counts [q], and how many distractors there are in all.

    Raises:
        LandmarkError: vectors that are no unit vectors or of another length, or no distractors.
    """
    asked = check_vectors(photos, "identification: photos")
    limit = np.asarray(similarity, np.float32)[:, None]
    above, total = np.zeros(len(asked), np.int64), 0
    rows = max(1, _SIMILARITIES // max(len(asked), 1))
    for block in distractors:
        for start in range(0, len(block), rows):
            part = check_vectors(block[start : start + rows], "distractors", asked.shape[1])
            above += np.count_nonzero(asked @ part.T >= limit, axis=1)
        total += len(block)
    if total == 0:
        raise LandmarkError("identification: no distractors; give unit vectors [n, d] or photos")
    return above, total


def _hypergeometric(ahead: int, population: int, marked: Counts, drawn: int) -> Floats:
    """P(exactly `ahead` marked ones among the drawn) for each number of marked ones [q]."""
    possible = (ahead <= marked) & (drawn - ahead <= population - marked) & (ahead <= drawn)
    m = np.where(possible, marked, ahead).astype(np.float64)
    n = np.where(possible, population - marked, max(drawn - ahead, 0)).astype(np.float64)
    log = _log_choose(m, ahead) + _log_choose(n, max(drawn - ahead, 0)) - _log_choose(np.float64(population), drawn)
    return np.where(possible, np.exp(log), 0.0)


def _log_choose(n: Any, k: int) -> Any:
    return gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
