from __future__ import annotations

from collections import Counter, defaultdict
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from benchmarks.context import figures
from benchmarks.context_sessions import FRAMES, KINDS, Kind, Taken, sessions
from landmark.recognition.metadata import distance_km

PLACES = pd.DataFrame({"landmark": ["a", "b"], "lat": [48.8584, -33.8568], "lon": [2.2945, 151.2153]})
LANDMARK = np.array(["a"] * 40 + ["b"] * 30 + [""] * 50)
KNOWN = np.array([True] * 115 + [False] * 5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_photo_is_there(kind: Kind) -> None:
    taken = sessions(LANDMARK, KNOWN, PLACES, kind, 3)
    counts = Counter((photo.setting, photo.source) for photo in taken)
    frames = FRAMES if kind == "time-lapses" else 1
    assert counts == {
        **{("landmark", n): 1 for n in range(70)},
        **{(setting, n): frames for setting in ("visit", "away") for n in range(70, 120)},
    }
    assert len({photo.sha256(str(photo.source)) for photo in taken}) == len({photo.name for photo in taken}) == len(taken)
    assert taken == sessions(LANDMARK, KNOWN, PLACES, kind, 3)
    assert taken != sessions(LANDMARK, KNOWN, PLACES, kind, 4)


def test_visits_are_where_and_when_they_should_be() -> None:
    taken = sessions(LANDMARK, KNOWN, PLACES, "plain", 3)
    days = defaultdict(list)
    for photo in taken:
        if photo.setting != "away":
            assert photo.time is not None
            days[photo.folder, photo.time.date()].append(photo)
    for photos in days.values():
        shown = {str(LANDMARK[photo.source]) for photo in photos if photo.setting == "landmark"}
        assert len(shown) == 1
        place = PLACES[PLACES["landmark"].isin(shown)].iloc[0]
        times = [photo.time for photo in photos if photo.time is not None]
        assert max(times) - min(times) < timedelta(hours=2)
        for photo in photos:
            if photo.lat is not None:
                assert 0.029 < distance_km(photo.lat, photo.lon, place["lat"], place["lon"]) < 3.05
    located = [photo.lat is not None for photo in taken]
    assert 0.4 < np.mean(located) < 1.0


def test_figures_by_hand() -> None:
    settings = ["landmark"] * 4 + ["visit"] * 2 + ["away"] * 4
    taken = [Taken(n, setting, 0, "/c", None, None, None) for n, setting in enumerate(settings)]
    truth = np.array(["a", "a", "a", "b"] + [""] * 6)
    landmark = np.array(["a", "b", "", "b", "a", "", "", "", "", ""])
    found = figures(taken, truth, landmark, {0: 0.4, 4: 0.2, 2: 0.1})
    assert found["sensitivity"] == 0.5
    assert found["wrong landmark"] == 0.25
    assert (found["specificity on visits"], found["specificity elsewhere"]) == (0.5, 1.0)
    assert found["tags right"] == pytest.approx(0.02 * 0.5 / (0.02 * 0.75 + 0.02 * 0.5))
    assert (found["given by context"], found["of these right"], found["taken away"]) == (2, 0.5, 1)
    assert found["their confidence"] == pytest.approx(0.3)
