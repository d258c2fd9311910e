from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from landmark.errors import LandmarkError
from landmark.photos.corrections import Corrections
from landmark.tagging import drift
from landmark.tagging.comparison import advised, compare
from landmark.tagging.context_config import ContextConfig
from landmark.tagging.drift import DriftReport, check
from landmark.tagging.drift_config import DriftConfig
from landmark.tagging.drift_page import render_page
from landmark.tagging.output_config import OutputConfig
from landmark.tagging.profile import Profile, read_profile
from landmark.tagging.schema import TAGS
from tests.tagging.conftest import Tag, write_photos

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = [f"l{n:02}" for n in range(20)]
DEFAULT = DriftConfig()


class Photos:
    """Photos of a collection: 5 % show a landmark, the rest lie around a similarity of 0.35."""

    def __init__(
        self, random: np.random.Generator, count: int, tagged: float = 0.05, shift: float = 0.0, less: float = 0.0
    ) -> None:
        given = random.random(count) < tagged
        self.landmark = np.where(given, random.choice(NAMES, count, p=np.arange(20, 0, -1) / 210), "").astype(object)
        self.similarity = np.where(given, random.normal(0.75 - less, 0.08, count), random.normal(0.35 - shift, 0.1, count))
        self.score = self.similarity - 0.5 * random.normal(0.4, 0.05, count)

    def only(self, chosen: np.ndarray) -> Profile:
        profile = Profile()
        profile.add(self.landmark[chosen].tolist(), self.similarity[chosen], self.score[chosen])
        return profile

    def profile(self) -> Profile:
        return self.only(np.ones(len(self.score), bool))

    def table(self, added: datetime) -> pa.Table:
        count = len(self.score)
        texts = {name: [""] * count for name in ("sha256", "name", "city", "country", "reason")}
        values = {
            **texts, "photo": [f"/p/{n}.jpg" for n in range(count)], "landmark": self.landmark.tolist(),
            "similarity": self.similarity, "score": self.score, "confidence": [0.5] * count, "runners_up": [[]] * count,
            "taken_at": [None] * count, "lat": [None] * count, "lon": [None] * count, "added": [added] * count,
            "time": [added] * count, "model": ["landmark/1"] * count,
            "width": [4] * count, "height": [3] * count, "decided_by": ["model"] * count,
        }  # fmt: skip
        return pa.table([pa.array(values[field.name], field.type) for field in TAGS], schema=TAGS)


def write(folder: Path, parts: list[pa.Table], digest: str = "d1") -> None:
    folder.mkdir(exist_ok=True)
    pq.write_table(pa.concat_tables(parts), folder / "tags.parquet")
    (folder / "tagging.json").write_text(json.dumps({"model": "landmark/1", "digest": digest}))


def test_no_false_alarm_on_halves_of_one_collection() -> None:
    """Stated: at most one in a thousand a finding and window, six findings. Of 1,500 draws not more than nine, then."""
    random = np.random.default_rng(0)
    alarms = 0
    for _ in range(1500):
        photos = Photos(random, random.choice([1000, 4000]), tagged=random.choice([0.02, 0.1]))
        half = random.permutation(len(photos.score)) % 2 == 0
        alarms += bool(compare(photos.only(half), photos.only(~half), DEFAULT).exceeded)
    assert alarms <= 9


@pytest.mark.parametrize(
    ("planted", "found", "draws"),
    [
        ({"tagged": 0.11}, {"tagged"}, 40),
        ({"shift": 0.1}, {"far", "scores (PSI)", "scores (KS)"}, 40),
        ({"less": 0.06}, {"similarity"}, 40),
    ],
)
def test_planted_drift_is_found(planted: dict[str, float], found: set[str], draws: int) -> None:
    """Of 40 draws of 4,000 new photos against 10,000 at least 38 tell what was planted, and nothing that was not."""
    random = np.random.default_rng(1)
    reports = [
        compare(Photos(random, 10_000).profile(), Photos(random, 4000, **planted).profile(), DEFAULT) for _ in range(draws)
    ]
    assert sum(found <= set(report.exceeded) for report in reports) >= 38
    assert sum(bool(set(report.exceeded) - found) for report in reports) <= 2


def test_landmarks_that_rise_and_fall_are_named() -> None:
    random = np.random.default_rng(2)
    before, after = Photos(random, 20_000), Photos(random, 20_000)
    tags = np.flatnonzero(after.landmark != "")
    after.landmark[tags[:150]] = "l19"
    after.landmark[after.landmark == "l03"] = "new"
    found = compare(before.profile(), after.profile(), DEFAULT)
    assert {change.landmark for change in found.landmarks} == {"l19", "l03", "new"}
    assert [(change.reference == 0, change.now == 0) for change in found.landmarks if change.landmark == "new"] == [
        (True, False)
    ]
    assert "landmarks" in found.exceeded


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 300), st.floats(0, 1))
def test_nothing_differs_from_itself(seed: int, count: int, tagged: float) -> None:
    profile = Photos(np.random.default_rng(seed), count, tagged).profile()
    found = compare(profile, profile, DEFAULT)
    assert found.exceeded == []
    assert all(row.difference in (0, None) for row in found.rows)
    assert Profile.from_json(json.loads(json.dumps(profile.to_json()))).to_json() == profile.to_json()


def test_moments_are_those_of_the_values() -> None:
    photos = Photos(np.random.default_rng(3), 4000)
    own = photos.similarity[photos.landmark != ""]
    assert photos.profile().moments() == (pytest.approx(own.mean()), pytest.approx(own.std(ddof=1)))


def test_what_triggers_what() -> None:
    assert advised([["far"]], DEFAULT) == ("refresh", ["far"])
    assert advised([["tagged", "landmarks"]], DEFAULT) == ("none", [])
    assert advised([["similarity"], [], ["similarity"]], DEFAULT) == ("none", [])
    assert advised([["similarity"], ["similarity", "far"]], DEFAULT) == ("retrain", ["similarity", "far"])
    assert advised([["similarity", "far"]] * 2, DriftConfig(action="refresh"))[0] == "refresh"
    assert advised([["far"]], DriftConfig(action="none")) == ("none", [])
    assert advised([["tagged"]], DriftConfig(on_tagged="retrain"))[0] == "retrain"
    with pytest.raises(ValidationError, match="on_far"):
        DriftConfig.model_validate({"on_far": "panic"})


def test_a_collection_against_itself(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    folder = tmp_path / "out"
    parts = [Photos(random, 3000).table(START)]
    write(folder, parts)
    first = check(folder)
    assert (first.action, first.rows, first.reference_photos) == ("none", [], 3000)
    assert "the reference is made from the 3000 photos" in first.note
    parts.append(Photos(random, 200, shift=0.2).table(START + timedelta(days=1)))
    write(folder, parts)
    few = check(folder)
    assert (few.action, few.rows, few.pending) == ("none", [], 200)
    assert "200 new photos since the reference, 500 are needed" in few.note
    parts.append(Photos(random, 600, shift=0.2).table(START + timedelta(days=2)))
    write(folder, parts)
    found = check(folder)
    assert (found.action, found.photos) == ("refresh", 800)
    assert set(found.because) == {"far", "scores (PSI)", "scores (KS)"}
    assert DriftReport.from_json(json.loads((folder / "drift.json").read_text())) == found
    assert check(folder) == found, "without new photos the advice stands"
    parts.append(Photos(random, 700).table(START + timedelta(days=3)))
    write(folder, parts)
    well = check(folder)
    assert (well.action, well.photos, well.reference_photos) == ("none", 700, 3000)
    write(folder, parts, digest="d2")
    again = check(folder)
    assert (again.action, again.rows, again.reference_photos) == ("none", [], 4500)
    assert "the model is another one" in again.note
    assert "made anew" in again.note


def test_similarity_must_be_lost_for_two_windows(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    parts, actions = [Photos(random, 6000).table(START)], []
    for day, less in enumerate((0.0, 0.08, 0.0, 0.08, 0.08)):
        if day:
            parts.append(Photos(random, 3000, less=less).table(START + timedelta(days=day)))
        write(tmp_path / "out", parts)
        report = check(tmp_path / "out")
        actions.append(report.action)
        assert ("counts once it lasts" in report.note) == (day in (1, 3))
    assert actions == ["none", "none", "none", "none", "retrain"]


def test_one_collection_against_another(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    write(tmp_path / "a", [Photos(random, 2000).table(START)])
    write(tmp_path / "b", [Photos(random, 2000, shift=0.2).table(START)])
    assert check(tmp_path / "b", tmp_path / "a").action == "refresh"
    assert check(tmp_path / "a", tmp_path / "a").action == "none"
    write(tmp_path / "b", [Photos(random, 2000, shift=0.2).table(START)], digest="d2")
    other = check(tmp_path / "b", tmp_path / "a")
    assert (other.action, other.rows) == ("none", [])
    assert "different models" in other.note


def test_the_page_is_whole_and_escapes_names(tmp_path: Path) -> None:
    random = np.random.default_rng(7)
    before, after = Photos(random, 8000), Photos(random, 8000, shift=0.2)
    after.landmark[after.landmark == "l00"] = "<script>alert(1)</script>"
    write(tmp_path / "out", [before.table(START)])
    check(tmp_path / "out")
    write(tmp_path / "out", [before.table(START), after.table(START + timedelta(days=1))])
    report = check(tmp_path / "out")
    text = (tmp_path / "out" / "drift.html").read_text()
    parser = Tags()
    parser.feed(text)
    assert "script" not in parser.seen
    assert parser.seen.count("svg") == 3
    assert not parser.links
    assert "refresh is advised" in text
    assert "&lt;script&gt;" in text
    kept = read_profile(tmp_path / "out" / "tags.parquet")[0]
    assert render_page(replace(report, rows=[], landmarks=[]), kept, kept).count("<svg") == 0


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.links += [str(value) for name, value in attributes if name in ("src", "href") and not str(value).startswith("#")]


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(LandmarkError, match=r"no tagging\.json; give the --out folder"):
        check(tmp_path)
    write(tmp_path / "out", [Photos(np.random.default_rng(0), 600).table(START)])
    check(tmp_path / "out")
    kept = tmp_path / "out" / ".state" / drift.KEPT
    kept.write_text('{"format": 1}')
    with pytest.raises(LandmarkError, match=r"damaged .*delete it"):
        check(tmp_path / "out")
    kept.unlink()
    (tmp_path / "out" / "tags.parquet").write_bytes(b"PAR1")
    with pytest.raises(LandmarkError, match="not a table of tags"):
        check(tmp_path / "out")


def test_what_people_context_and_a_smallest_confidence_change_is_no_drift(tmp_path: Path, tagged: Tag) -> None:
    """The profile is that of the model alone, whatever the settings of the job."""
    photos = write_photos(tmp_path / "photos", 24)
    tagged(out=tmp_path / "alone", outputs=OutputConfig(context=ContextConfig(gps=False, neighbours=False, against=0)))
    table = pq.read_table(tmp_path / "alone" / "tags.parquet").to_pylist()
    (tmp_path / "out").mkdir()
    corrections = Corrections(tmp_path / "out" / "corrections.jsonl")
    given = [row for row in table if row["landmark"]]
    none = [row for row in table if not row["landmark"]]
    for row, verdict, landmark in (
        (given[0], "reject", ""), (given[1], "correct", "elsewhere"), (given[2], "confirm", given[2]["landmark"]),
        (none[0], "correct", "bell"),
    ):  # fmt: skip
        corrections.add(row["sha256"], row["photo"], verdict, landmark, row["landmark"], "m")
    least = sorted(row["confidence"] for row in given)[len(given) // 2]
    tagged(outputs=OutputConfig(min_confidence=least))
    changed = pq.read_table(tmp_path / "out" / "tags.parquet").to_pylist()
    assert sum(bool(row["landmark"]) for row in changed) < len(given)
    threshold = json.loads((tmp_path / "out" / "tagging.json").read_text())["threshold"]
    alone, now = (read_profile(tmp_path / name / "tags.parquet", None, threshold)[0].to_json() for name in ("alone", "out"))
    assert alone == now
    assert len(photos) == 24
