"""What two recognizers are compared on: the test photos, and what a recognizer decided on them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.registry.paired import Bools


@dataclass(frozen=True, eq=False)
class Seen:
    """What a recognizer decided, in service, on the test photos.

    Attributes:
        landmark: best candidate [n]; "" where there is none.
        accepted: whether the photo gets it [n].
        knows: ids of all landmarks that it can give.
        bytes: size of the recognizer [bytes].
        seconds: time a photo, from file to answer, of each round [rounds]; empty: not timed.
    """

    landmark: NDArray[np.object_]
    accepted: Bools
    knows: frozenset[str]
    bytes: int
    seconds: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))


@dataclass(frozen=True, eq=False)
class Photos:
    """The test photos: id of the landmark shown [n] ("": none), whether it is one to be known [n], near-duplicate group [n]."""

    landmark: NDArray[np.object_]
    known: Bools
    group: NDArray[np.int64]

    @classmethod
    def of(cls, table: pd.DataFrame) -> Photos:
        """Those of a catalog's table."""
        return cls(table["landmark"].to_numpy(object), table["known"].to_numpy(bool), table["group"].to_numpy(np.int64))

    @property
    def shown(self) -> Bools:
        """Photos [n] of landmarks."""
        return np.asarray(self.landmark != "", bool)

    @property
    def other(self) -> Bools:
        """Photos [n] that show no landmark."""
        return ~self.shown & self.known

    def right(self, seen: Seen) -> Bools:
        """Which photos [n] a recognizer has right: the right landmark given, or none where there is none to give."""
        return np.where(self.shown, seen.accepted & (seen.landmark == self.landmark), ~seen.accepted)

    def of_landmarks(self, ids: frozenset[str]) -> Bools:
        """Photos [n] of some landmarks."""
        return self.shown & np.isin(self.landmark.astype(str), sorted(ids))
