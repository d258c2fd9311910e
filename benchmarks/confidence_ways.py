"""Ways to make a confidence of a score, beside ours."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from landmark.recognition.confidence import PRIOR, fit_confidence, logistic

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Photos:
    """Scored photos [n] whose answer is known.

    Attributes:
        score, similarity: of the best candidate.
        shows: whether a known landmark is shown.
        right: whether it is the best candidate.
        group: near-duplicates share one.
    """

    score: Floats
    similarity: Floats
    shows: NDArray[np.bool_]
    right: NDArray[np.bool_]
    group: NDArray[np.int64]

    def take(self, rows: NDArray[Any]) -> Photos:
        """Some rows, perhaps repeated."""
        return Photos(*(getattr(self, name)[rows] for name in ("score", "similarity", "shows", "right", "group")))

    def weight(self) -> Floats:
        """Of each photo, so that `PRIOR` of all show a landmark; 1 in all."""
        return np.asarray(np.where(self.shows, PRIOR / self.shows.sum(), (1 - PRIOR) / (~self.shows).sum()), np.float64)


Confidence = Callable[[Photos], Floats]
Way = Callable[[Photos], Confidence]


def ours(photos: Photos) -> Confidence:
    """`fit_confidence`."""
    shows = photos.shows
    slope, intercept = fit_confidence(photos.score[~shows], photos.score[shows], photos.right[shows])
    return lambda asked: logistic(slope * asked.score + intercept)


def raw(photos: Photos) -> Confidence:
    """The cosine similarity itself."""
    return lambda asked: np.clip(asked.similarity, 0, 1)


def platt(photos: Photos) -> Confidence:
    """Platt (1999): logistic regression with smoothed targets, every photo alike."""
    return _platt(photos, np.ones(len(photos.score)))


def platt_weighted(photos: Photos) -> Confidence:
    """The same, weighted to 2 % landmark photos."""
    return _platt(photos, photos.weight() * len(photos.score))


def isotonic(photos: Photos) -> Confidence:
    """Isotonic regression (Zadrozny and Elkan, KDD 2002), weighted to 2 % landmark photos."""
    fitted = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip").fit(photos.score, photos.right, photos.weight())
    return lambda asked: np.asarray(fitted.predict(asked.score), np.float64)


WAYS: dict[str, tuple[Way, bool]] = {
    "raw similarity": (raw, False),
    "Platt, without a prior": (platt, False),
    "Platt, weighted to 2 %": (platt_weighted, True),
    "isotonic, weighted to 2 %": (isotonic, True),
    "ours": (ours, True),
}
"""How to make a confidence, and whether it is one for a prior."""


def _platt(photos: Photos, weight: Floats) -> Confidence:
    yes, right = int(photos.right.sum()), photos.right
    target = np.where(right, (yes + 1) / (yes + 2), 1 / (len(right) - yes + 2))
    spread = float(photos.score.std()) or 1.0
    score = np.tile(photos.score[:, None] / spread, (2, 1))
    # A target between 0 and 1 is a photo of both kinds, each weighing its share.
    answers = np.repeat([1, 0], len(right))
    both = np.concatenate([weight * target, weight * (1 - target)])
    model = LogisticRegression(C=np.inf, tol=1e-8, max_iter=10_000).fit(score, answers, both)
    return lambda asked: np.asarray(model.predict_proba(asked.score[:, None] / spread)[:, 1], np.float64)
