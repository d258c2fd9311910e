"""What a recognizer says of photos, as arrays: a table for people is made of it, or columns for a million photos."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.network.aspects import Array, Labels
from landmark.recognition.calibration import Calibration


@dataclass(frozen=True, eq=False)
class Scores:
    """n photos and l landmarks.

    Attributes:
        ids: of the landmarks [l].
        names: of the landmarks [l].
        which: best candidate that the photo's position allows, a position in `ids` [n]; -1: none is allowed.
        similarity: to it [n]; -1 where none is allowed.
        score: what is compared with the threshold [n].
        accepted: whether the photo shows it [n].
        found: the most similar landmarks, whatever the position, falling, positions in `ids` [n, c]; -1 where there are fewer.
        near: similarity to these [n, c].
        notes: what is to be said of photos beside their score, by row.
        calibration: what decided.
    """

    ids: NDArray[np.str_]
    names: list[str]
    which: Labels
    similarity: NDArray[np.float64]
    score: NDArray[np.float64]
    accepted: NDArray[np.bool_]
    found: Labels
    near: Array
    notes: dict[int, str]
    calibration: Calibration

    def confidence(self) -> NDArray[np.float64]:
        """Probability [n] that a photo shows its best candidate; 0 where it has none."""
        return np.where(self.which < 0, 0.0, self.calibration.confidence(self.score))

    def reasons(self) -> list[str]:
        """Why each photo has a landmark or none [n]."""
        made = self.calibration
        end = f" the threshold {made.threshold:.3f}"
        texts = [
            f"score {score:.3f} is above{end}" if accepted else f"score {score:.3f} is not above{end}"
            for score, accepted in zip(self.score.tolist(), self.accepted.tolist(), strict=True)
        ]
        if made.own_thresholds:
            own = {row: made.own_thresholds.get(str(name)) for row, name in enumerate(self.ids)}
            for photo, which in enumerate(self.which.tolist()):
                if (threshold := own.get(which)) is not None:
                    texts[photo] += f", moved by what {self.names[which]}'s own lies above it ({threshold:.3f})"
        for photo in np.flatnonzero(self.which < 0).tolist():
            texts[photo] = "no landmark near the photo's GPS position"
        for photo, note in self.notes.items():
            texts[photo] += note
        return texts

    def table(self) -> pd.DataFrame:
        """As `Recognizer.score` gives it."""
        ids = [str(name) for name in self.ids]
        return pd.DataFrame(
            {
                "landmark": pd.Series([ids[row] if row >= 0 else "" for row in self.which.tolist()], dtype=object),
                "similarity": self.similarity,
                "score": self.score,
                "accepted": self.accepted,
                "candidates": pd.Series([self._listed(ids, row) for row in range(len(self.which))], dtype=object),
                "reason": pd.Series(self.reasons(), dtype=object),
            }
        )

    def _listed(self, ids: list[str], photo: int) -> list[dict[str, Any]]:
        pairs = zip(self.found[photo].tolist(), self.near[photo].tolist(), strict=True)
        return [{"landmark": ids[row], "similarity": value} for row, value in pairs if row >= 0]
