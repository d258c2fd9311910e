"""MAP@5 with a class "new": five labels a photo, "new" among them where the score falls to a threshold.

The form of the Kaggle competitions Humpback Whale Identification (2018) and Happywhale (2022): a photo of a known individual
must be given its id, any other photo the label "new"; what counts is how early the right label comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError

LABELS = 5
NEW = "new"


@dataclass(frozen=True, eq=False)
class Ranked:
    """The most similar landmarks of each photo beside the truth.

    Attributes:
        score: of each candidate, falling [n, c], c of at least 5 unless there are fewer landmarks; -inf: no candidate.
        landmark: id of each [n, c]; "" where there is none.
        truth: id of the landmark shown [n]; "" for a photo that shows none that the model knows: the right label is "new".
    """

    score: NDArray[np.float64]
    landmark: NDArray[np.str_]
    truth: NDArray[np.str_]

    def __post_init__(self) -> None:
        object.__setattr__(self, "score", np.asarray(self.score, np.float64)[:, :LABELS])
        object.__setattr__(self, "landmark", np.asarray(self.landmark, dtype=str)[:, :LABELS])
        object.__setattr__(self, "truth", np.asarray(self.truth, dtype=str))
        if self.score.shape != self.landmark.shape or len(self.truth) != len(self.score):
            shapes = [np.shape(part) for part in (self.score, self.landmark, self.truth)]
            raise ValueError(f"Ranked: score and landmark must be [n, c], truth [n], got {shapes}")
        if np.isnan(self.score).any() or (self.score[:, 1:] > self.score[:, :-1]).any():
            raise ValueError("Ranked: scores must fall along each row and hold no NaN; use -inf for 'no candidate'")

    def labels(self, threshold: float) -> list[list[str]]:
        """What each photo is given: at most five labels, "new" before the first candidate whose score is not above."""
        before = (self.score > threshold).sum(1)
        return [
            [str(name) for name in (*row[:place], NEW, *row[place:]) if name][:LABELS]
            for row, place in zip(self.landmark, before, strict=True)
        ]

    def map_at_5(self, threshold: float) -> float:
        """Mean over photos of 1 / rank of the right label; 0 where it is not among the five.

        >>> ranked = Ranked([[0.9, 0.4], [0.8, 0.3]], [["a", "b"], ["a", "b"]], ["b", ""])
        >>> ranked.map_at_5(0.5)  # a, new, B and a, NEW, b: (1/3 + 1/2) / 2
        0.41666666666666663
        """
        self._check_measurable()
        before = (self.score > threshold).sum(1)
        place = np.where(self._shows_new, before, self._place + (self._place >= before))
        return float(np.where(place < LABELS, 1 / (1 + place), 0.0).mean())

    def best_threshold(self) -> float:
        """The threshold of the highest MAP@5 on these photos, in the middle of its range; found exactly.

        As the threshold rises, the figure changes only where it passes a score: at the right candidate's, which then comes
        after "new", and at any candidate's of a photo whose right label is "new", which then comes one place earlier.
        """
        self._check_measurable()
        new = self.score[self._shows_new]
        earlier = np.arange(new.shape[1])
        gain = 1 / (1.0 + earlier) - np.where(earlier + 1 < LABELS, 1 / (2.0 + earlier), 0.0)
        found = ~self._shows_new & (self._place < self.score.shape[1])
        place = self._place[found]
        loss = np.where(place + 1 < LABELS, 1 / (2.0 + place), 0.0) - 1 / (1.0 + place)
        at = np.concatenate([new.ravel(), self.score[found, place]])
        change = np.concatenate([np.broadcast_to(gain, new.shape).ravel(), loss])
        finite = np.isfinite(at)
        scores, group = np.unique(at[finite], return_inverse=True)
        if not len(scores):
            raise LandmarkError(
                "MAP@5: no photo's labels depend on the threshold; give photos with the right label among the candidates"
            )
        totals = np.concatenate([[0.0], np.cumsum(np.bincount(group, weights=change[finite]))])
        best = int(totals.argmax())
        # From the best score on, up to but not at the next one. Outside all scores there is no middle.
        if best == 0:
            return float(np.nextafter(scores[0], -np.inf))
        if best == len(scores):
            return float(scores[-1])
        low, high = scores[best - 1], scores[best]
        middle = low + (high - low) / 2
        return float(middle if middle < high else low)

    @property
    def _shows_new(self) -> NDArray[np.bool_]:
        return np.asarray(self.truth == "", bool)

    @property
    def _place(self) -> NDArray[Any]:
        """Position of the right landmark among the candidates [n], from 0; `LABELS` where it is not among them."""
        right = (self.landmark == self.truth[:, None]) & (self.landmark != "")
        return np.where(right.any(1), right.argmax(1), LABELS)

    def _check_measurable(self) -> None:
        if len(self.truth) == 0 or self.score.shape[1] == 0:
            raise LandmarkError("MAP@5: no photos or no candidates to measure on; give photos and a recognizer with landmarks")
