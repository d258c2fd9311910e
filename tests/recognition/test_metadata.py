from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landmark.recognition.metadata import distance_km, gps_veto

LANDMARKS = pd.DataFrame(
    {
        "landmark": ["colosseum", "eiffel_tower", "somewhere"],
        "lat": [41.8902, 48.8584, np.nan],
        "lon": [12.4922, 2.2945, np.nan],
    }
)
LATITUDES, LONGITUDES = st.floats(-90, 90), st.floats(-180, 180)


@pytest.mark.parametrize(
    ("places", "km"),
    [
        ((0, 0, 0, 1), 111.195),  # a degree of the equator: 2 pi 6371.0088 / 360
        ((0, 0, 90, 0), 10_007.557),  # pole to equator: a quarter of the circumference
        ((0, 179.5, 0, -179.5), 111.195),  # across the date line
        ((36.12, -86.67, 33.94, -118.40), 2886.448),  # Nashville to Los Angeles: 2887.2599 at R = 6372.8 (Rosetta Code)
        ((50, 10, 50, 10), 0.0),
    ],
)
def test_distances_by_hand(places: tuple[float, float, float, float], km: float) -> None:
    assert distance_km(*places) == pytest.approx(km, abs=0.001)


@given(LATITUDES, LONGITUDES, LATITUDES, LONGITUDES)
def test_distance_is_symmetric_and_at_most_half_way_round(a: float, b: float, c: float, d: float) -> None:
    there = float(distance_km(a, b, c, d))
    assert there == pytest.approx(float(distance_km(c, d, a, b)), abs=1e-6)
    assert 0 <= there <= 20_015.2


def test_veto_of_far_landmarks() -> None:
    # A photo taken in Rome rules out Paris, and nothing of unknown position.
    assert gps_veto(41.9, 12.5, LANDMARKS, 50.0).tolist() == [False, True, False]
    assert gps_veto(41.9, 12.5, LANDMARKS, None).tolist() == [False] * 3
    assert gps_veto(41.9, 12.5, LANDMARKS, 5000.0).tolist() == [False] * 3
    many = gps_veto([41.9, np.nan], [12.5, 3.0], LANDMARKS, 50.0)
    assert many.tolist() == [[False, True, False], [False] * 3]
