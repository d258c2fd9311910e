"""What a photo's own metadata rules out: a landmark far from where the photo was taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

EARTH_RADIUS_KM = 6371.0088
"""Mean radius of the Earth (IUGG)."""


def distance_km(lat: ArrayLike, lon: ArrayLike, to_lat: ArrayLike, to_lon: ArrayLike) -> NDArray[np.float64]:
    """Great-circle distance on a sphere by the haversine formula (Sinnott, Sky & Telescope 1984).

    Args:
        lat, lon: positions [degrees, WGS 84].
        to_lat, to_lon: positions [degrees]; shapes broadcast.

    Returns:
        distance [km]; NaN where a position is unknown (NaN).

    >>> round(float(distance_km(0.0, 0.0, 0.0, 180.0)), 1)  # half of 2 pi R
    20015.1
    """
    phi, to_phi = np.radians(np.asarray(lat, np.float64)), np.radians(np.asarray(to_lat, np.float64))
    across = np.radians(np.asarray(to_lon, np.float64) - np.asarray(lon, np.float64))
    h = np.sin((to_phi - phi) / 2) ** 2 + np.cos(phi) * np.cos(to_phi) * np.sin(across / 2) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(h, 0.0, 1.0))))


def gps_veto(lat: ArrayLike, lon: ArrayLike, landmarks: pd.DataFrame, gps_veto_km: float | None) -> NDArray[np.bool_]:
    """Which landmarks the positions of photos rule out.

    Args:
        lat, lon: positions of photos, [n] or single [degrees]; NaN: unknown.
        landmarks: a row a landmark, with `lat` and `lon` [degrees]; NaN: unknown.
        gps_veto_km: farthest that a landmark can be photographed from [km]; None: nothing is ruled out.

    Returns:
        bool [n, landmarks] (or [landmarks] for a single photo); unknown positions rule nothing out.
    """
    photo_lat, photo_lon = np.asarray(lat, np.float64)[..., None], np.asarray(lon, np.float64)[..., None]
    if gps_veto_km is None:
        return np.zeros((*photo_lat.shape[:-1], len(landmarks)), bool)
    positions: NDArray[Any] = landmarks[["lat", "lon"]].to_numpy(np.float64, na_value=np.nan)
    return np.asarray(distance_km(photo_lat, photo_lon, positions[:, 0], positions[:, 1]) > gps_veto_km)
