"""What photos' positions and the photos around them change in a collection's tags; docs/context.md says how.

Evidence comes from what the model says of photos alone, never from what context made of others: nothing spreads, and the
result does not depend on the order or the shards in which photos come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.recognition.calibration import Calibration
from landmark.recognition.confidence import logistic
from landmark.recognition.context import decide, log_odds, near_support, neighbour_support
from landmark.recognition.metadata import distance_km
from landmark.tagging.context_config import ContextConfig
from landmark.tagging.context_store import Candidate, ContextStore, Lift, Near, roll
from landmark.tagging.decisions import Change
from landmark.tagging.shard import ShardFolder
from landmark.tagging.state import State

COLUMNS = ["photo", "sha256", "landmark", "confidence", "similarity", "score", "runners_up", "taken_at", "lat", "lon"]
FIRST, LAST = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1000) for year in (1990, 2100))
"""Camera clocks before and after are none: digital cameras are younger, and scans carry 1970 or the age of the print [ms]."""
AWAY_KM = 200.0
"""Farther than anyone who takes photos at both ends travels in an hour on the ground [km]."""
NEIGHBOUR, POSITION, ELSEWHERE = "neighbour", "position", "elsewhere"
ROUNDING = 1e-6
Floats = NDArray[np.float64]
Tables = Callable[[], Iterator[pa.Table]]


def shard_tables(state: State) -> Tables:
    """The tags of all shards as the model decides for each photo alone, a shard at a time."""

    def read() -> Iterator[pa.Table]:
        row = state.after(None)
        while row is not None:
            file = ShardFolder(state.shards_folder / row.id).tags_file(row.digest)
            try:
                yield pq.read_table(file, columns=COLUMNS)
            except (OSError, pa.ArrowException) as error:
                reason = " ".join(str(error).split())[:200]
                raise LandmarkError(f"{shown(str(file))}: damaged ({reason}); delete {shown(str(state.folder))}") from error
            row = state.after(row.first)

    return read


class Context:
    """What context makes of a collection. Close it at the end, or use it as a context manager.

    Args:
        tables: gives all tags (`SHARD_TAGS`, at least `COLUMNS`), in pieces of any size.
        calibration: of the recognizer that made them.
        landmarks: a row a landmark: landmark, lat, lon [degrees; NaN: unknown].
        veto_km: a landmark farther than this from a photo's position is ruled out [km]; None: none is.
        settings: how much context counts.
        file: temporary file, replaced and in the end removed.

    Raises:
        LandmarkError: no space, no permission, a damaged shard.
    """

    def __init__(
        self,
        tables: Tables,
        calibration: Calibration,
        landmarks: pd.DataFrame,
        veto_km: float | None,
        settings: ContextConfig,
        file: Path,
    ) -> None:
        self._calibration, self._veto, self._settings = calibration, veto_km, settings
        self._ids = landmarks["landmark"].astype(str).tolist()
        self._set = pa.array(self._ids, pa.string())
        self._lat, self._lon = (landmarks[name].to_numpy(np.float64, na_value=np.nan) for name in ("lat", "lon"))
        self._moves = calibration.moves(self._ids)
        self._bar = float(log_odds(calibration, calibration.threshold))
        self._idle = calibration.slope <= 0 or (settings.most <= 0 and settings.against <= 0)
        self._store = ContextStore(file)
        try:
            if not self._idle:
                self._fill(tables)
                for batch in self._store.unsure():
                    self._weigh(batch)
                self._store.bound(settings.lifts)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary file."""
        self._store.close()

    def changes(self, tags: pa.Table) -> list[Change]:
        """What changes in a shard's rows.

        Args:
            tags: some of the rows that `tables` gave [n].

        Returns:
            A change for each row that gets another landmark, or loses its own; rows rising.
        """
        if self._idle:
            return []
        shas = [_sha(text) for text in tags["sha256"].to_pylist()]
        lifts = self._store.among(shas)
        return [self._change(row, tags, lifts[sha]) for row, sha in enumerate(shas) if sha in lifts]

    def _change(self, row: int, tags: pa.Table, lift: Lift) -> Change:
        alone = tags["reason"][row].as_py() if "reason" in tags.column_names else ""
        confidence = float(logistic(np.array([lift.total]))[0])
        if lift.by == ELSEWHERE:
            return Change(row, "", confidence, f"photos of the same hour show landmarks far away; alone: {alone}")
        what = "a sure photo of the same visit" if lift.by == NEIGHBOUR else "the photo's GPS position"
        return Change(
            row, self._ids[lift.landmark], confidence, f"supported by {what} (+{lift.support:.1f} log-odds); alone: {alone}"
        )

    def _candidates(self, tags: pa.Table) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, NDArray[np.bool_]]:
        """Candidates [m] within reach of the threshold: row, landmark, log-odds, and whether the row was given it."""
        own = self._numbers(tags["landmark"])
        similarity, score = (np.asarray(tags[name].to_numpy(), np.float64) for name in ("similarity", "score"))
        runners = tags["runners_up"].combine_chunks() if len(tags) else pa.array([], tags["runners_up"].type)
        length = pc.list_value_length(runners).to_numpy(zero_copy_only=False).astype(np.int64)
        flat = runners.flatten()
        other_row = np.repeat(np.arange(len(tags)), length)
        other = self._numbers(flat.field("landmark"))
        alike = np.asarray(flat.field("similarity").to_numpy(zero_copy_only=False), np.float64)
        # The score is of the best candidate that the photo's position allows, which need not be the first of the list.
        best = own.copy()
        for place in np.flatnonzero((own[other_row] < 0) & (np.abs(alike - similarity[other_row]) < ROUNDING))[::-1]:
            best[other_row[place]] = other[place]
        base = score - similarity + np.where(best >= 0, self._moves[best], 0.0)
        row = np.concatenate([np.arange(len(tags)), other_row])
        landmark = np.concatenate([own, other])
        value = np.concatenate([score, base[other_row] + alike - self._moves[other]])
        odds = log_odds(self._calibration, value)
        is_given = np.arange(len(row)) < len(tags)
        known = (best[row] >= 0) | (not self._calibration.own_thresholds)
        km = self._distance(row, landmark, tags)
        far = km > self._veto if self._veto is not None else np.zeros(len(row), bool)
        reach = is_given | (odds > self._bar - self._settings.most)
        with np.errstate(invalid="ignore"):
            keep = (landmark >= 0) & known & reach & np.isfinite(odds) & (is_given | ~far)
        order = np.flatnonzero(keep)
        order = order[np.lexsort((order, row[order]))]
        return row[order], landmark[order], odds[order], is_given[order]

    def _numbers(self, landmarks: pa.Array | pa.ChunkedArray) -> NDArray[np.int64]:
        """Positions of landmarks [n] among ours; -1: none of them."""
        return np.asarray(pc.fill_null(pc.index_in(landmarks, self._set), -1).to_numpy(zero_copy_only=False), np.int64)

    def _distance(self, row: NDArray[np.int64], landmark: NDArray[np.int64], tags: pa.Table) -> Floats:
        """From photos to landmarks [km]; NaN where one of them is unknown."""
        lat, lon = _positions(tags)
        return distance_km(lat[row], lon[row], self._lat[landmark], self._lon[landmark])

    def _fill(self, tables: Tables) -> None:
        for tags in tables():
            self._store.add(self._rows(tags))
        if self._settings.neighbours:
            self._store.index()

    def _rows(self, tags: pa.Table) -> Iterator[Candidate]:
        rows, landmark, odds, given = self._candidates(tags)
        wanted = np.unique(rows)
        part = tags.take(pa.array(wanted, pa.int64()))
        lat, lon = _positions(part)
        photo, sha, time = part["photo"].to_pylist(), part["sha256"].to_pylist(), _clock(part)
        sure = part["confidence"].to_numpy() >= self._settings.sure
        for place, which, value, own in zip(np.searchsorted(wanted, rows), landmark, odds, given, strict=True):
            here = None if np.isnan(lat[place]) else float(lat[place])
            yield Candidate(
                _sha(sha[place]), roll(photo[place]), time[place], here, None if here is None else float(lon[place]),
                int(which), float(value), int(own), int(own and sure[place]),
            )  # fmt: skip

    def _weigh(self, batch: list[Candidate]) -> None:
        """Decide for photos that are not sure; of copies in several rolls, the best supported counts."""
        support, by, supporter = self._support(batch)
        best: dict[tuple[bytes, int], int] = {}
        for place, row in enumerate(batch):
            before = best.setdefault((row.sha, row.landmark), place)
            if support[place] > support[before]:
                best[row.sha, row.landmark] = place
        kept = np.array(list(best.values()), np.int64)
        photos = {sha: number for number, sha in enumerate(dict.fromkeys(row.sha for row in batch))}
        photo = np.array([photos[batch[place].sha] for place in kept], np.int64)
        odds = np.array([batch[place].odds for place in kept])
        given = np.array([bool(batch[place].given) for place in kept])
        first, accepted = decide(photo, odds, support[kept], given, self._bar)
        own = {batch[place].sha: int(place) for place, mine in zip(kept, given, strict=True) if mine}
        lifts = []
        for chosen, yes in zip(first, accepted, strict=True):
            place = int(kept[chosen])
            row, before = batch[place], own.get(batch[place].sha, -1)
            if yes and not row.given and support[place] > 0:
                worth = float(support[place])
                lifts.append(Lift(row.sha, row.landmark, row.odds + worth, worth, by[place], supporter[place]))
            elif before >= 0 and support[before] < 0 and not (yes and place == before):
                worth = float(support[before])
                lifts.append(Lift(row.sha, -1, batch[before].odds + worth, worth, ELSEWHERE, None))
        self._store.lift(lifts)

    def _support(self, batch: list[Candidate]) -> tuple[Floats, list[str], list[bytes | None]]:
        """Support of each candidate [m], what gives it, and which photo."""
        settings = self._settings
        by = [POSITION] * len(batch)
        supporter: list[bytes | None] = [None] * len(batch)
        support = np.zeros(len(batch))
        if settings.gps:
            lat, lon = (np.array([np.nan if v is None else v for v in values]) for values in (
                [row.lat for row in batch], [row.lon for row in batch]))  # fmt: skip
            landmark = np.array([row.landmark for row in batch], np.int64)
            km = distance_km(lat, lon, self._lat[landmark], self._lon[landmark])
            support = near_support(km, settings.near_km, settings.near)
        if not settings.neighbours:
            return support, by, supporter
        window = int(1000 * max(settings.burst_seconds, 60 * settings.visit_minutes))
        for place, row in enumerate(batch):
            near = self._store.near(row, window)
            worth = self._worth(row, near, settings.burst, settings.visit)
            if not len(near) and settings.mutual > 0:
                near = self._store.near(row, window, sure=False)
                worth = self._worth(row, near, 0.0, settings.mutual)
                # Frames of one burst are one photo seen twice: they prove nothing to each other.
                worth[[abs(other.time - (row.time or 0)) <= 1000 * settings.burst_seconds for other in near]] = 0.0
            if len(near) and worth.max() > support[place]:
                chosen = min(range(len(near)), key=lambda n: (-worth[n], abs(near[n].time - (row.time or 0)), near[n].sha))
                support[place], by[place], supporter[place] = worth[chosen], NEIGHBOUR, near[chosen].sha
            elif settings.against > 0 and row.given and row.lat is None and not len(near):
                support[place] -= settings.against * self._elsewhere(row, window)
        return support, by, supporter

    def _worth(self, row: Candidate, near: list[Near], burst: float, visit: float) -> Floats:
        lat, lon = (np.array([np.nan if v is None else v for v in values], np.float64) for values in (
            [other.lat for other in near], [other.lon for other in near]))  # fmt: skip
        here = (np.nan if row.lat is None else row.lat, np.nan if row.lon is None else row.lon)
        seconds = np.array([other.time - (row.time or 0) for other in near], np.float64) / 1000
        settings = self._settings
        limits = (settings.burst_seconds, burst, 60 * settings.visit_minutes, visit, settings.visit_km)
        return neighbour_support(seconds, distance_km(*here, lat, lon), *limits)

    def _elsewhere(self, row: Candidate, window: int) -> bool:
        """Whether two sure photos around show landmarks too far away, and none shows this one."""
        far = set()
        for other in self._store.near(row, window, any_landmark=True):
            places = (self._lat[row.landmark], self._lon[row.landmark], self._lat[other.landmark], self._lon[other.landmark])
            if float(distance_km(*places)) > AWAY_KM:
                far.add(other.sha)
        return len(far) >= 2


def _positions(tags: pa.Table) -> tuple[Floats, Floats]:
    """Positions [n] on Earth [degrees]; NaN where there is none."""
    lat, lon = (np.asarray(tags[name].to_numpy(), np.float64) for name in ("lat", "lon"))
    with np.errstate(invalid="ignore"):
        good = (np.abs(lat) <= 90) & (np.abs(lon) <= 180)
    return np.where(good, lat, np.nan), np.where(good, lon, np.nan)


def _clock(tags: pa.Table) -> list[int | None]:
    """Camera clocks [ms]; None where there is none that can be."""
    values = tags["taken_at"].cast(pa.int64()).to_pylist()
    return [value if value is not None and FIRST <= value < LAST else None for value in values]


def _sha(text: Any) -> bytes:
    return bytes.fromhex(text) if len(text) == 64 else str(text).encode()
