"""The page to check a cleaning by."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from landmark.evaluation import cleaning_page
from landmark.evaluation.cleaning_page import render_cleaning_page, write_cleaning_page
from landmark.recognition.cleaning_table import NO_LANDMARK, NOT_JUDGED, OTHER_LANDMARK, REFERENCE, TIED

HOSTILE = "<script>alert(1)</script>"


def table(folder: Path, dropped: int = 3) -> pd.DataFrame:
    """A landmark with references, kept and dropped photos, one with nothing dropped, and a photo without a landmark."""
    reasons = [REFERENCE, TIED, *[OTHER_LANDMARK, NO_LANDMARK, OTHER_LANDMARK][:dropped], REFERENCE, NOT_JUDGED]
    count = len(reasons)
    photos = []
    for number in range(count):
        file = folder / f"{number}&.png"
        Image.fromarray(np.full((20, 30, 3), 10 * number, np.uint8)).save(file)
        photos.append(str(file))
    return pd.DataFrame(
        {
            "photo": photos,
            "landmark": ["arch"] * (2 + dropped) + ["bell", ""],
            "kept": [reason in (REFERENCE, TIED, NOT_JUDGED) for reason in reasons],
            "reason": reasons,
            "similarity": np.linspace(0.5, 0.1, count),
            "rival": [*["", "", "bell", "", "bell"][: 2 + dropped], "", ""],
            "rival_similarity": 0.4,
            "cluster": [*[0, 0, 1, 2, 2][: 2 + dropped], 0, -1],
        }
    )


def test_dropped_photos_stand_beside_the_references_with_the_reason(tmp_path: Path) -> None:
    write_cleaning_page(tmp_path / "page.html", table(tmp_path), {"arch": "The Arch", "bell": "Bell"}, "run, round 1")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "3 of 6 training photos labelled with a landmark were dropped (50.0 %)" in page
    assert "2 are nearer to another landmark" in page
    assert page.count("<img") == 4
    assert page.count('loading="lazy"') == 4
    assert re.search(r"nearer to <b class=\"said\">Bell</b> \(0\.40\) than to its own \(0\.37\)<", page)
    assert "photos without a landmark</b>" in page
    assert "in a cluster of 2" in page
    # The surest first: the lowest margin.
    assert page.index("4&amp;.png") < page.index("2&amp;.png")


def test_nothing_is_fetched_and_names_are_escaped(tmp_path: Path) -> None:
    page = render_cleaning_page(table(tmp_path), {"arch": HOSTILE, "bell": '"><img src=x>'}, HOSTILE)
    assert HOSTILE not in page
    assert '"><img src=x>' not in page
    assert not re.findall(r"(?:src|href)=\"(?!data:|#)[^\"]*\"", page)


def test_unreadable_photos_and_a_spent_budget_leave_a_blank(tmp_path: Path) -> None:
    rows = table(tmp_path)
    Path(rows["photo"][2]).write_bytes(b"no picture")
    assert render_cleaning_page(rows, {}, "x").count('class="blank"') == 1
    page = render_cleaning_page(rows, {}, "x", budget=0)
    assert "<img" not in page
    assert "3 pictures were left out" in page


def test_long_lists_are_cut_and_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"MAX_DROPPED": 1, "MAX_LANDMARKS": 1}
    for name, value in limits.items():
        monkeypatch.setattr(cleaning_page, name, value)
    rows = table(tmp_path)
    rows.loc[5, ["kept", "reason"]] = [False, NO_LANDMARK]
    page = render_cleaning_page(rows, {}, "x")
    assert "1 landmarks with fewer photos dropped are in the table alone" in page
    rows.loc[5, ["kept", "reason"]] = [True, REFERENCE]
    assert "2 more not shown" in render_cleaning_page(rows, {}, "x")


def test_a_cleaning_that_dropped_nothing(tmp_path: Path) -> None:
    page = render_cleaning_page(table(tmp_path, dropped=0), {}, "x")
    assert "0 of 3 training photos" in page
    assert "<img" not in page
