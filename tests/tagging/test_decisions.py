"""Context, corrections, smallest confidence and names, laid over what the model said of each photo alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from landmark.photos.correction import Correction
from landmark.tagging.decisions import Change, Decisions
from landmark.tagging.schema import SHARD_TAGS, TAGS

NOW = datetime(2026, 5, 1, tzinfo=UTC)
PLACES = pd.DataFrame(
    {
        "landmark": ["arch", "bell", "dom"],
        "name": ["Triumphbogen", "Glocke", "Dom"],
        "city": ["Paris", "Moskau", "Köln"],
        "country": ["Frankreich", "Russland", ""],
    }
)


def sha(name: str) -> str:
    return name.encode().hex().ljust(64, "0")


def tags(*rows: tuple[str, str, float, list[tuple[str, float]]]) -> pa.Table:
    """Of (photo, landmark, confidence, runners-up)."""
    made: list[dict[str, Any]] = [
        {
            "photo": photo,
            "sha256": sha(photo),
            "landmark": landmark,
            "name": landmark.upper(),
            "city": "old",
            "country": "old",
            "confidence": confidence,
            "similarity": 0.75,
            "score": 0.5,
            "runners_up": [{"landmark": other, "name": other.upper(), "similarity": value} for other, value in others],
            "reason": "score",
            "width": 4,
            "height": 3,
            "added": NOW,
            "time": NOW,
        }
        for photo, landmark, confidence, others in rows
    ]
    return pa.Table.from_pylist(made, schema=SHARD_TAGS)


def said(photo: str, verdict: str, landmark: str) -> dict[str, Correction]:
    return {sha(photo): Correction(sha(photo), photo, verdict, landmark, "arch", "m/1", NOW)}  # type: ignore[arg-type]


ROWS = tags(
    ("a", "arch", 0.97, [("bell", 0.5), ("dom", 0.25)]),
    ("b", "", 0.25, [("bell", 0.5), ("gone", 0.375)]),
    ("c", "bell", 0.75, []),
)


def test_names_are_the_users_and_the_rest_is_the_models() -> None:
    final = Decisions(PLACES, {}, "m/2").final(ROWS)
    assert final.schema.equals(TAGS)
    rows = final.to_pylist()
    assert [(row["name"], row["city"], row["country"]) for row in rows] == [
        ("Triumphbogen", "Paris", "Frankreich"), ("", "", ""), ("Glocke", "Moskau", "Russland")]  # fmt: skip
    assert [[other["name"] for other in row["runners_up"]] for row in rows] == [["Glocke", "Dom"], ["Glocke", "GONE"], []]
    assert {row["decided_by"] for row in rows} == {"model"}
    assert {row["model"] for row in rows} == {"m/2"}
    same = [name for name in SHARD_TAGS.names if name not in ("name", "city", "country", "runners_up")]
    assert final.select(same).equals(ROWS.select(same))


def test_a_persons_word_comes_last() -> None:
    context = [Change(0, "dom", 0.5, "context says"), Change(1, "bell", 0.875, "a sure photo beside it")]
    corrections = said("a", "reject", "") | said("c", "correct", "dom")
    rows = Decisions(PLACES, corrections, "m", 0.9, lambda _: context).final(ROWS).to_pylist()
    assert [(row["landmark"], row["decided_by"], row["name"]) for row in rows] == [
        ("", "person", ""), ("", "model", ""), ("dom", "person", "Dom")]  # fmt: skip
    assert rows[0]["reason"] == "rejected by a person"
    assert [other["landmark"] for other in rows[0]["runners_up"]] == ["arch", "bell", "dom"]  # what was taken away stays to see
    assert (rows[1]["reason"], rows[1]["confidence"]) == (
        "score",
        0.25,
    )  # too little: as if it said nothing
    assert [(other["landmark"], other["name"], other["similarity"]) for other in rows[2]["runners_up"]] == [
        ("bell", "Glocke", 0.75)]  # fmt: skip


def test_a_runner_up_that_context_prefers_comes_with_its_own_similarity() -> None:
    row = Decisions(PLACES, {}, "m", 0.0, lambda _: [Change(0, "dom", 0.5, "near")]).final(ROWS).to_pylist()[0]
    assert (row["landmark"], row["similarity"], row["score"]) == ("dom", 0.25, 0.0)  # 0.5 + (0.25 - 0.75)
    assert [(other["landmark"], other["similarity"]) for other in row["runners_up"]] == [("arch", 0.75), ("bell", 0.5)]


def test_a_confirmed_photo_keeps_its_tag_though_it_is_not_sure_enough() -> None:
    rows = Decisions(PLACES, said("c", "confirm", "bell"), "m", 0.9).final(ROWS).to_pylist()
    assert [(row["landmark"], row["decided_by"]) for row in rows] == [("arch", "model"), ("", "model"), ("bell", "person")]
    alone = Decisions(PLACES, {}, "m", 0.9).final(ROWS).to_pylist()[2]
    assert (alone["landmark"], alone["reason"]) == ("", "confidence 0.750 is below the smallest asked for, 0.9; score")


def test_runners_up_that_are_in_no_table_keep_the_models_names() -> None:
    rows = Decisions(PLACES.iloc[:0], {}, "m").final(ROWS).to_pylist()
    assert [row["name"] for row in rows] == ["", "", ""]
    assert [other["name"] for other in rows[0]["runners_up"]] == ["BELL", "DOM"]


def test_none() -> None:
    assert len(Decisions(PLACES, {}, "m", 0.5).final(SHARD_TAGS.empty_table())) == 0


@given(
    st.lists(st.tuples(st.sampled_from(["", "arch", "bell"]), st.floats(0, 1, width=32)), max_size=8),
    st.dictionaries(st.integers(0, 7), st.sampled_from(["", "dom"]), max_size=4),
    st.sampled_from([0.0, 0.5, 1.0]),
)
def test_every_row_is_decided_once(photos: list[tuple[str, float]], people: dict[int, str], least: float) -> None:
    """Against the rule said plainly: a person's word, else the model's where it is sure enough."""
    table = tags(*((str(n), landmark, confidence, []) for n, (landmark, confidence) in enumerate(photos)))
    corrections: dict[str, Correction] = {}
    for n, landmark in people.items():
        corrections |= said(str(n), "correct" if landmark else "reject", landmark)
    rows = Decisions(PLACES, corrections, "m", least).final(table).to_pylist()
    for n, ((landmark, confidence), row) in enumerate(zip(photos, rows, strict=True)):
        expected = people.get(n, landmark if confidence >= least else "")
        assert (row["landmark"], row["decided_by"]) == (expected, "person" if n in people else "model")
