"""Which rows of an index a search is confined to: landmarks, regions, a circle on the Earth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from landmark.errors import UsageError
from landmark.recognition.index.rows import Rows
from landmark.recognition.metadata import distance_km


@dataclass(frozen=True)
class Filter:
    """What a result must be; conditions that are given hold together.

    Attributes:
        landmarks: its landmark is one of these (None: any).
        regions: its region is one of these (None: any).
        near: latitude, longitude [degrees] and radius [km] of a circle that it lies in (None: anywhere); rows without a
            position lie in no circle.

    Raises:
        UsageError: a position or radius that is none.
    """

    landmarks: frozenset[str] | None = None
    regions: frozenset[str] | None = None
    near: tuple[float, float, float] | None = None

    def __post_init__(self) -> None:
        if self.near is not None:
            lat, lon, radius = self.near
            if not (abs(lat) <= 90 and abs(lon) <= 180 and 0 < radius < float("inf")):
                raise UsageError(f"near {lat},{lon},{radius}: give a latitude, a longitude [degrees] and a radius above 0 [km]")

    @property
    def empty(self) -> bool:
        """Whether it confines nothing."""
        return self.landmarks is None and self.regions is None and self.near is None

    def mask(self, rows: Rows) -> NDArray[np.bool_]:
        """Which rows fit, bool [n].

        Raises:
            UsageError: the index does not know what is asked for.
        """
        fits = np.ones(len(rows), bool)
        for column, wanted in (("landmark", self.landmarks), ("region", self.regions)):
            if wanted is not None:
                self._needs(rows, column)
                values = pa.array(sorted(wanted), pa.large_string())
                fits &= pc.is_in(rows.table[column], value_set=values).to_numpy()
        if self.near is not None:
            self._needs(rows, "lat", "lon")
            lat, lon, radius = self.near
            places = (pc.fill_null(rows.table[key], float("nan")).to_numpy() for key in ("lat", "lon"))
            fits &= distance_km(lat, lon, *places) <= radius
        return fits

    def _needs(self, rows: Rows, *columns: str) -> None:
        for column in columns:
            if column not in rows.table.column_names:
                raise UsageError(f"filter: the index was built without '{column}'; give --ids a table with that column")
