from __future__ import annotations

import hashlib
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from landmark.errors import LandmarkError
from landmark.recognition.calibration import Calibration
from landmark.tagging.context import COLUMNS, Context, shard_tables
from landmark.tagging.context_config import ContextConfig
from landmark.tagging.job import STATE, TagResult
from landmark.tagging.schema import SHARD_TAGS
from landmark.tagging.state import State
from tests.tagging.conftest import write_photos

# Log-odds are 10 s - 5: -1 at the threshold, 0 (a confidence of one half, sure) at 0.5.
CALIBRATION = Calibration(threshold=0.4, specificity=0.99, slope=10.0, intercept=-5.0)
LANDMARKS = pd.DataFrame(
    {
        "landmark": ["colosseum", "eiffel", "invalides", "nowhere"],
        "lat": [41.8902, 48.8584, 48.8550, np.nan],
        "lon": [12.4922, 2.2945, 2.3125, np.nan],
    }
)
NOON = datetime(2025, 7, 1, 12)
EIFFEL, ROME, KM = (48.8584, 2.2945), (41.9, 12.5), 1 / 111.195
SCHEMA = pa.schema([*(SHARD_TAGS.field(name) for name in COLUMNS), SHARD_TAGS.field("reason")])
Row = dict[str, Any]
Run = Callable[..., dict[str, tuple[str, float]]]


def row(name: str, after: float | None, at: tuple[float, float] | None = None, sha: str = "", **similar: float) -> Row:
    """A photo taken some seconds after noon, with its candidates; given the best where that is above the threshold."""
    ranked = sorted(similar.items(), key=lambda item: -item[1])
    best, score = ranked[0]
    landmark = best if score > CALIBRATION.threshold else ""
    return {
        "photo": name if name.startswith("/") else f"/c/trip/{name}.jpg",
        "sha256": sha or hashlib.sha256(name.encode()).hexdigest(),
        "landmark": landmark,
        "confidence": float(CALIBRATION.confidence([score])[0]),
        "similarity": score,
        "score": score,
        "runners_up": [{"landmark": key, "name": key, "similarity": value} for key, value in ranked if key != landmark],
        "taken_at": None if after is None else NOON + timedelta(seconds=after),
        "lat": at and at[0],
        "lon": at and at[1],
        "reason": "alone",
    }


def table(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Landmark and confidence of the photos that context changes, by name."""

    def changes(
        rows: Sequence[Row], veto: float | None = 50.0, shard: int = 3, calibration: Calibration = CALIBRATION, **config: Any
    ) -> dict[str, tuple[str, float]]:
        shards = [table(rows[start : start + shard]) for start in range(0, len(rows), shard)]
        file = tmp_path / "context.sqlite"
        found = {}
        with Context(lambda: iter(shards), calibration, LANDMARKS, veto, ContextConfig(**config), file) as context:
            for part in shards:
                for change in context.changes(part):
                    assert change.reason.endswith("alone: alone")
                    name = part["photo"][change.row].as_py()
                    found[Path(name).stem] = (change.landmark, change.confidence)
        assert not list(tmp_path.glob("context*"))
        return found

    return changes


SURE = row("sure", 0, eiffel=0.6)


def test_a_sure_photo_of_the_burst_lifts_a_near_miss(run: Run) -> None:
    # 3.5 - 5 + 1.5 = 0 in log-odds: one half, above the threshold's -1.
    assert run([SURE, row("miss", 10, eiffel=0.35)]) == {"miss": ("eiffel", pytest.approx(0.5))}
    assert run([SURE, row("miss", -10, eiffel=0.35)]) == {"miss": ("eiffel", pytest.approx(0.5))}
    assert run([SURE, row("miss", 10, eiffel=0.24)]) == {}, "-2.6 + 1.5 is -1.1"
    assert run([SURE, row("miss", 10, eiffel=0.35)], neighbours=False) == {}


def test_a_sure_photo_of_the_visit_counts_less(run: Run) -> None:
    # 3.6 - 5 + 0.5 = -0.9: 1 / (1 + e^0.9)
    assert run([SURE, row("miss", 600, eiffel=0.36)]) == {"miss": ("eiffel", pytest.approx(0.28905, abs=1e-4))}
    assert run([SURE, row("miss", 600, eiffel=0.34)]) == {}
    assert run([SURE, row("miss", 3700, eiffel=0.36)]) == {}


def test_the_second_candidate_may_overtake(run: Run) -> None:
    assert run([SURE, row("miss", 5, invalides=0.38, eiffel=0.34)]) == {"miss": ("eiffel", pytest.approx(0.475, abs=1e-3))}
    assert run([SURE, row("tagged", 5, invalides=0.42, eiffel=0.38)])["tagged"][0] == "eiffel"
    assert run([SURE, row("also sure", 5, invalides=0.55, eiffel=0.54)]) == {}, "what is sure is not changed"


@pytest.mark.parametrize(
    "photos",
    [
        [SURE, row("miss", 0, eiffel=0.35)],  # the same second: a clock that stands still
        [SURE, row("/c/other/miss.jpg", 10, eiffel=0.35)],
        [SURE, row("miss", None, eiffel=0.35)],
        [SURE, row("copy", 10, sha=SURE["sha256"], eiffel=0.35)],
        [row("half sure", 0, eiffel=0.45), row("miss", 10, eiffel=0.35)],
        [row("sure", -20_000 * 86400, eiffel=0.6), row("miss", 10 - 20_000 * 86400, eiffel=0.35)],  # 1970
        [row("sure", 0, at=ROME, colosseum=0.6), row("miss", 10, at=EIFFEL, colosseum=0.39)],  # vetoed
        [row("sure", 0, at=EIFFEL, nowhere=0.6), row("miss", 10, at=(48.88, 2.2945), nowhere=0.39)],  # 2.4 km apart
    ],
)
def test_no_neighbours(run: Run, photos: list[Row]) -> None:
    assert run(photos) == {}


def test_a_burst_goes_on_in_the_camera_s_next_folder(run: Run) -> None:
    photos = [row("/DCIM/100APPLE/a.jpg", 0, eiffel=0.6), row("/DCIM/101APPLE/b.jpg", 2, eiffel=0.35)]
    assert list(run(photos)) == ["b"]


def test_copies_share_what_supports_one_of_them(run: Run) -> None:
    sha = hashlib.sha256(b"copy").hexdigest()
    copies = [row(f"/{folder}/copy{folder}.jpg", 10, sha=sha, eiffel=0.35) for folder in "abc"]
    assert run([*copies, row("/b/sure.jpg", 0, eiffel=0.6)]) == {f"copy{n}": ("eiffel", pytest.approx(0.5)) for n in "abc"}


def test_a_sure_photo_lifts_the_best_few(run: Run) -> None:
    lapse = [row(f"frame{n}", n + 1, eiffel=0.30 + 0.005 * n) for n in range(12)]
    assert sorted(run([SURE, *lapse])) == ["frame10", "frame11"]
    assert len(run([SURE, *lapse], lifts=5)) == 5


@pytest.mark.parametrize(
    ("km", "similarity", "confidence"),
    [(0.5, 0.35, 0.3775), (1.5, 0.36, 0.2891), (1.5, 0.34, None), (3.0, 0.39, None)],  # +1, +0.5, +0.5, nothing
)
def test_a_position_near_a_landmark(run: Run, km: float, similarity: float, confidence: float | None) -> None:
    at = (EIFFEL[0] + km * KM, EIFFEL[1])
    found = run([row("miss", None, at=at, eiffel=similarity)])
    assert found == ({} if confidence is None else {"miss": ("eiffel", pytest.approx(confidence, abs=1e-3))})
    assert run([row("miss", None, at=at, eiffel=similarity)], gps=False) == {}


def test_a_near_landmark_overtakes_a_more_similar_one_farther_away(run: Run) -> None:
    # Les Invalides are 1.37 km from the Eiffel Tower: +0.63 there, +1 here.
    assert run([row("miss", None, at=EIFFEL, invalides=0.34, eiffel=0.335)])["miss"][0] == "eiffel"
    # What supports one landmark is the largest, not the sum: -2.6 + 1.5.
    assert run([SURE | {"lat": EIFFEL[0], "lon": EIFFEL[1]}, row("miss", 5, at=EIFFEL, eiffel=0.24)]) == {}


ABROAD = [row("sure1", -60, eiffel=0.6), row("sure2", 60, invalides=0.6)]


def test_a_lone_tag_amid_photos_of_another_country(run: Run) -> None:
    # -0.8 - 1 = -1.8: below the threshold's -1; 1 / (1 + e^1.8)
    alone = row("alone", 0, colosseum=0.42)
    assert run([*ABROAD, alone]) == {"alone": ("", pytest.approx(0.14185, abs=1e-4))}
    assert run([*ABROAD, alone], against=0) == {}
    assert run([ABROAD[0], alone]) == {}, "one may be wrong itself"
    assert run([*ABROAD, row("alone", 0, at=ROME, colosseum=0.42)]) == {}, "its position says otherwise"
    assert run([*ABROAD, row("alone", 0, colosseum=0.6)]) == {}, "it is sure"
    assert run([*ABROAD, row("near", 0, invalides=0.42)]) == {}
    # Though another candidate, which nothing speaks against, comes first now.
    assert run([*ABROAD, row("alone", 0, colosseum=0.42, nowhere=0.39)])["alone"][0] == ""


def test_near_misses_support_each_other_only_if_asked_and_not_within_a_burst(run: Run) -> None:
    assert run([row("one", 0, eiffel=0.38), row("two", 600, eiffel=0.38)]) == {}
    assert set(run([row("one", 0, eiffel=0.38), row("two", 600, eiffel=0.38)], mutual=1.0)) == {"one", "two"}
    assert run([row("one", 0, eiffel=0.38), row("two", 5, eiffel=0.38)], mutual=1.0) == {}


def test_a_recognizer_that_knows_no_confidence_is_left_alone(run: Run) -> None:
    flat = Calibration(threshold=0.4, specificity=0.99, slope=0.0, intercept=-3.9)
    assert run([SURE, row("miss", 10, at=EIFFEL, eiffel=0.39)], calibration=flat) == {}


def test_thresholds_of_single_landmarks(run: Run) -> None:
    own = Calibration(threshold=0.4, specificity=0.99, slope=10.0, intercept=-5.0, own_thresholds={"invalides": 0.45})
    # Of invalides the row's score is 0.05 less than its similarity, of eiffel it isn't: 3.4 - 5 + 1.5 = -0.1.
    miss = row("miss", 10, invalides=0.38, eiffel=0.34) | {"score": 0.33}
    assert run([SURE, miss], calibration=own) == {"miss": ("eiffel", pytest.approx(0.475, abs=1e-3))}


def test_what_makes_no_sense_supports_nothing(run: Run) -> None:
    strange = [
        row(f"s{n}", 10, at=at, eiffel=0.39) for n, at in enumerate([(np.nan, 2.0), (np.inf, 2.0), (91.0, 2.0), (48.8, 999.0)])
    ]
    for photo in strange:
        photo["taken_at"] = None
    early = row("early", None, eiffel=0.39) | {"taken_at": datetime.min}
    late = row("late", None, eiffel=0.39) | {"taken_at": datetime(9999, 12, 31)}
    names = [row(f"/c/trip/{name}", None, eiffel=0.39) for name in ("\n", "'; drop table photo; --", "\U0001f5fc", "x" * 255)]
    assert run([SURE, *strange, early, late, *names, row("/x", 1, eiffel=0.39), row("unknown", 1, gone=0.39)]) == {}
    assert run([]) == {}


PHOTOS = st.lists(
    st.builds(
        lambda roll, after, at, similar, sha: (roll, after, at, similar, sha),
        st.sampled_from("ab"),
        st.none() | st.integers(0, 90) | st.integers(0, 4000),
        st.none() | st.sampled_from([EIFFEL, ROME]),
        st.dictionaries(
            st.sampled_from(["eiffel", "invalides", "colosseum"]), st.integers(200, 700).map(lambda n: n / 1000), min_size=1
        ),
        st.integers(0, 10**6),
    ),
    max_size=14,
    unique_by=lambda drawn: drawn[4],
)


@given(PHOTOS, st.randoms(use_true_random=False), st.integers(1, 9))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_shards_and_order_play_no_part(run: Run, drawn: list[Any], random: Any, shard: int) -> None:
    rows = [row(f"/{roll}/{sha}.jpg", after, at=at, **similar) for roll, after, at, similar, sha in drawn]
    found = run(rows, shard=100, mutual=0.5)
    mixed = random.sample(rows, len(rows))
    assert run(mixed, shard=shard, mutual=0.5) == found
    by_name = {Path(photo["photo"]).stem: photo for photo in rows}
    for name, (landmark, _) in found.items():
        photo = by_name[name]
        assert photo["confidence"] < 0.5 or not photo["landmark"]
        assert landmark != photo["landmark"]
        similar = {other["landmark"]: other["similarity"] for other in photo["runners_up"]}
        # By design nothing farther below the threshold than the largest support is given: 0.4 - 1.5 / 10.
        assert not landmark or similar[landmark] > 0.4 - 0.15 - 1e-6


def test_memory_does_not_grow(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        def shards() -> Iterator[pa.Table]:
            for start in range(0, count, 500):
                yield table([row(f"{n}", n, eiffel=0.30 + 0.3 * (n % 40 == 0)) for n in range(start, start + 500)])

        tracemalloc.start()
        with Context(shards, CALIBRATION, LANDMARKS, 50.0, ContextConfig(), tmp_path / "c.sqlite") as context:
            changed = sum(len(context.changes(part)) for part in shards())
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert changed == 2 * count // 40
        return most

    peak(1000)
    assert peak(6000) < peak(3000) + 400_000


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(LandmarkError, match=r"gone/c\.sqlite: cannot be written"):
        Context(lambda: iter([]), CALIBRATION, LANDMARKS, 50.0, ContextConfig(), tmp_path / "gone" / "c.sqlite")


def test_what_a_killed_job_left_is_replaced_and_errors_leave_nothing(tmp_path: Path) -> None:
    file = tmp_path / "c.sqlite"
    file.write_bytes(b"not a database" * 1000)
    with Context(lambda: iter([]), CALIBRATION, LANDMARKS, 50.0, ContextConfig(), file):
        assert file.exists()

    def broken() -> Iterator[pa.Table]:
        yield table([SURE])
        raise LandmarkError("gone")

    with pytest.raises(LandmarkError, match="gone"):
        Context(broken, CALIBRATION, LANDMARKS, 50.0, ContextConfig(), file)
    assert not list(tmp_path.iterdir())


def test_shards_of_a_job(tagged: Callable[..., TagResult], tmp_path: Path) -> None:
    write_photos(tmp_path / "photos", 10)
    tagged()
    with State(tmp_path / "out" / STATE) as state:
        parts = list(shard_tables(state)())
        assert len(parts) > 1
        names = [name for part in parts for name in part["photo"].to_pylist()]
        assert names == sorted(map(str, (tmp_path / "photos").rglob("*.png")))
        assert parts[0].column_names == COLUMNS
        first = state.after(None)
        assert first is not None
        next((state.shards_folder / first.id).glob("tags-*.parquet")).write_bytes(b"PAR1 no more")
        with pytest.raises(LandmarkError, match="damaged"):
            list(shard_tables(state)())
