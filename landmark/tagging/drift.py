"""The drift check: is what is tagged now like what was tagged when all was well?

A check without another folder watches one collection grow. Its reference is made from all photos that were there at the first
check, scored by the model of the time. From then on photos are judged in windows: as soon as enough new ones have come
(`DriftConfig.minimum`) they are compared with the reference, once; so drift isn't diluted by old photos, and a finding can be
asked to last. With another model scores mean something else, so the reference is made anew from all photos there are.

The recognizer's own test scores are no reference for a collection: most test photos show a landmark, few of a collection do.
"""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from landmark.cache import locked
from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.storage import join, read_json, write_json
from landmark.tagging import tables
from landmark.tagging.comparison import Change, Comparison, Row, advised, compare
from landmark.tagging.drift_config import Action, DriftConfig
from landmark.tagging.job import LOCK, STATE
from landmark.tagging.profile import Profile, read_profile
from landmark.tagging.reading import now as time_now

log = logging.getLogger(__name__)

KEPT = "drift.json"
REPORT, PAGE = "drift.json", "drift.html"
FORMAT = 1
WINDOWS = 100
"""Windows that are remembered."""


@dataclass(frozen=True)
class DriftReport:
    """What a check found.

    Attributes:
        folder: of the tagged collection.
        model: as in the tables.
        digest: of the recognizer.
        against: what the reference is, in words.
        reference_photos: photos in the reference.
        photos: photos compared with it.
        pending: newer photos, too few yet to be judged.
        rows: findings; none where nothing was compared.
        landmarks: landmarks that rose or fell.
        action: what is advised.
        because: findings that say so.
        note: what a reader must know besides ("": nothing).
        time: of the check, ISO 8601, UTC.
    """

    folder: str
    model: str
    digest: str
    against: str
    reference_photos: int
    photos: int
    pending: int
    rows: list[Row]
    landmarks: list[Change]
    action: Action
    because: list[str]
    note: str
    time: str

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Any) -> Self:
        """From a JSON object.

        Raises:
            LandmarkError: it isn't one of a report.
        """
        try:
            rows = [Row(**row) for row in values["rows"]]
            landmarks = [Change(**change) for change in values["landmarks"]]
            return cls(**{**values, "rows": rows, "landmarks": landmarks})
        except (KeyError, TypeError) as error:
            raise LandmarkError(f"drift: not a report ({error}); check again") from error


@dataclass
class _Kept:
    """What is kept from one check to the next: the reference, the windows since, and the last report."""

    digest: str
    reference: Profile
    until: datetime
    windows: list[list[str]]
    report: DriftReport | None

    def save(self, file: Path) -> None:
        write_json(file, {
            "format": FORMAT,
            "digest": self.digest,
            "reference": self.reference.to_json(),
            "until": self.until.isoformat(),
            "windows": self.windows[-WINDOWS:],
            "report": None if self.report is None else self.report.to_json(),
        })  # fmt: skip

    @classmethod
    def load(cls, file: Path) -> _Kept | None:
        if not file.is_file():
            return None
        values = read_json(file)
        try:
            if int(values["format"]) > FORMAT:
                raise LandmarkError(
                    f"{shown(file)}: format {values['format']}, this package reads {FORMAT}; update the package"
                )
            report = None if values["report"] is None else DriftReport.from_json(values["report"])
            reference, until = Profile.from_json(values["reference"]), datetime.fromisoformat(values["until"])
            return cls(str(values["digest"]), reference, until, [list(window) for window in values["windows"]], report)
        except (KeyError, TypeError, ValueError) as error:
            raise LandmarkError(f"{shown(file)}: damaged ({error}); delete it, and the next check makes another") from error


def check(folder: str | Path, reference: str | Path | None = None, config: DriftConfig | None = None) -> DriftReport:
    """Compare a tagged collection with what it was, or with another one; write `drift.json` and `drift.html` into it.

    A check without new photos says what the last one said, until the model is another one: an advice that nobody followed
    (the process ended before it could) isn't lost.

    Args:
        folder: `--out` of a finished `landmark tag`.
        reference: another one, all of which is compared with all of this one; None: as this one was, see the module.
        config: bounds and actions.

    Raises:
        LandmarkError: nothing is tagged there, a table is damaged, another process is tagging into it.
    """
    config, place = config or DriftConfig(), Path(join(folder))
    summary = _summary(place)
    refuse = f"{shown(place)}: another process is tagging into this folder; check when it has ended"
    with locked(place / STATE / LOCK, refuse=refuse):
        blank = DriftReport(
            shown(place), summary["model"], summary["digest"], "", 0, 0, 0, [], [], "none", [], "",
            time_now().isoformat(timespec="seconds"),
        )  # fmt: skip
        if reference is None:
            return _against_itself(place, blank, config)
        return _against_other(place, Path(join(reference)), blank, config)


def _against_other(place: Path, other: Path, blank: DriftReport, config: DriftConfig) -> DriftReport:
    there = _summary(other)
    before, _ = _profile(other)
    now, _ = _profile(place)
    blank = replace(blank, against=shown(other), reference_photos=before.photos, photos=now.photos)
    few = min(before.photos, now.photos)
    if there["digest"] != blank.digest:
        note = "tagged by different models, whose scores can't be compared: tag one of them again, with the other's model"
        return _write(place, replace(blank, note=note), before, now)
    if few < config.minimum:
        return _write(
            place, replace(blank, note=f"{few} photos on one side, {config.minimum} are needed to judge"), before, now
        )
    found = compare(before, now, config)
    return _write(place, _judged(blank, found, [found.exceeded], config), before, now)


def _against_itself(place: Path, blank: DriftReport, config: DriftConfig) -> DriftReport:
    file = place / STATE / KEPT
    kept = _Kept.load(file)
    if kept is None or kept.digest != blank.digest:
        return _new_reference(place, file, blank, config, again=kept is not None)
    now, last = _profile(place, kept.until)
    blank = replace(blank, against="this collection at an earlier time", reference_photos=kept.reference.photos)
    if now.photos < config.minimum or last is None:
        if kept.report is not None:
            return replace(kept.report, pending=now.photos)
        note = f"{now.photos} new photos since the reference, {config.minimum} are needed to judge"
        return _write(place, replace(blank, pending=now.photos, note=note), kept.reference, now)
    found = compare(kept.reference, now, config)
    windows = [*kept.windows, found.exceeded]
    report = _judged(replace(blank, photos=now.photos), found, windows, config)
    # The files first: killed in between, the window is judged again, and alike.
    _write(place, report, kept.reference, now)
    _Kept(kept.digest, kept.reference, last, windows, report).save(file)
    return report


def _new_reference(place: Path, file: Path, blank: DriftReport, config: DriftConfig, again: bool) -> DriftReport:
    profile, last = _profile(place)
    why = "the model is another one, and its scores can't be compared with the old one's: " if again else ""
    if profile.photos < config.minimum or last is None:
        note = f"{why}{profile.photos} photos, {config.minimum} are needed for a reference"
        return _write(place, replace(blank, pending=profile.photos, note=note), profile, profile)
    made = f"made {'anew ' if again else ''}from the {profile.photos} photos there are"
    note = f"{why}the reference is {made}; photos that come will be compared with it"
    report = replace(blank, against="this collection as it is now", reference_photos=profile.photos, note=note)
    _write(place, report, profile, profile)
    _Kept(blank.digest, profile, last, [], None).save(file)
    return report


def _judged(blank: DriftReport, found: Comparison, windows: list[list[str]], config: DriftConfig) -> DriftReport:
    action, because = advised(windows, config)
    note = ""
    if "similarity" in found.exceeded and "similarity" not in because and config.on_similarity != "none":
        note = f"similarity of tagged photos was lost; it counts once it lasts for {config.lasting} windows"
    return replace(blank, rows=found.rows, landmarks=found.landmarks, action=action, because=because, note=note)


def _write(place: Path, report: DriftReport, reference: Profile, now: Profile) -> DriftReport:
    from landmark.tagging.drift_page import write_page

    write_json(place / REPORT, report.to_json())
    write_page(place / PAGE, report, reference, now)
    return report


def _profile(place: Path, after: datetime | None = None) -> tuple[Profile, datetime | None]:
    """What the model says of photos alone: what people, context or a smallest confidence change is no drift."""
    return read_profile(place / tables.PARQUET, after, _summary(place).get("threshold"))


def _summary(place: Path) -> dict[str, Any]:
    if not (place / tables.SUMMARY).is_file():
        raise LandmarkError(f"{shown(place)}: no {tables.SUMMARY}; give the --out folder of a finished `landmark tag`")
    values = read_json(place / tables.SUMMARY)
    if not isinstance(values, dict) or not {"model", "digest"} <= set(values):
        raise LandmarkError(f"{shown(place / tables.SUMMARY)}: not of a tag job; run `landmark tag` again")
    return values
