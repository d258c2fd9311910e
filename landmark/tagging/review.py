"""What a review server knows: the photos that the gallery shows, the landmarks, and what people said of photos."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from landmark.errors import LandmarkError
from landmark.names import check_landmark_id, shown
from landmark.photos.corrections import FILE, Correction, Corrections
from landmark.photos.decode import UnreadablePhoto
from landmark.tagging.gallery import GALLERY, LANDMARKS_FILE, SHOWN_FILE, STATE, SUMMARY_FILE
from landmark.tagging.gallery_data import label
from landmark.tagging.thumbnails import photo_webp, webp
from landmark.tagging.why import Why

if TYPE_CHECKING:
    from landmark.recognition.recognizer import Recognizer

PREVIEW = 1600
"""Longest side of a preview [pixels]."""
KEPT = 200
"""Activation maps that are kept in memory [count]."""


class NoSuchPhoto(LandmarkError):
    """No photo of this content is shown, or it can't be read; the message says why."""


@dataclass(frozen=True, slots=True)
class ShownPhoto:
    """A content that the gallery shows: where it lies, what it was given, and what it is compared with."""

    photos: tuple[str, ...]
    landmark: str
    subject: str
    model: str
    size: tuple[int, int]


class Review:
    """The reviewed collection. Safe with several threads, and with other processes that review it too.

    Args:
        out: folder that `landmark tag` wrote, with a gallery.
        load: gives the recognizer, when the first activation map is asked for; None: it isn't known.

    Raises:
        LandmarkError: the gallery's index or the corrections can't be read.
    """

    def __init__(self, out: Path, load: Callable[[], Recognizer] | None = None) -> None:
        self.out = Path(out)
        self.gallery = self.out / GALLERY
        self.corrections = Corrections(self.out / FILE)
        self.said = 0
        """Corrections added or taken back through this server."""
        self._why = Why(load) if load is not None else None
        self._maps: OrderedDict[tuple[str, str], tuple[bytes, int]] = OrderedDict()
        self._lock = threading.RLock()
        self._stamps: dict[str, tuple[int, int] | None] = {}
        self._photos: dict[str, ShownPhoto] = {}
        self._landmarks: list[dict[str, str]] = []
        self._refresh()

    def state(self) -> dict[str, Any]:
        """All landmarks, those too that only a person named; what holds of corrections by sha256; how many can be undone."""
        with self._lock:
            self._refresh()
            landmarks = self._landmarks
        current = self.corrections.current
        named = {correction.landmark for correction in current.values()} - {"", *(each["id"] for each in landmarks)}
        return {
            "landmarks": sorted([*landmarks, *(_plain_landmark(landmark) for landmark in named)], key=_by_name),
            "corrections": {sha256: _plain(correction) for sha256, correction in current.items()},
            "undo": self.corrections.undoable,
        }

    def correct(self, sha256: str, verdict: str, landmark: str) -> dict[str, Any]:
        """Keep what a person says of a photo.

        A landmark said again is added again, with its time: it counts against a removal from the sidecar in between.

        Args:
            sha256: of the photo.
            verdict: "confirm", "correct" or "reject".
            landmark: id; "" for "reject", and for "confirm" of what the photo was given or compared with.

        Raises:
            NoSuchPhoto: no photo of this content is shown.
            UsageError: a verdict or landmark that can't be.
            LandmarkError: it can't be written.
        """
        shown_photo = self._photo(sha256)
        landmark = landmark or (shown_photo.subject if verdict == "confirm" else "")
        if verdict != "reject":
            check_landmark_id(landmark, verdict)
        with self._lock:
            held = self.corrections.current.get(sha256)
            if verdict != "reject" or held is None or held.verdict != verdict:
                # After a correction the table says what a person said; what the model had said is what was held then.
                said = held.said if held is not None else shown_photo.landmark
                held = self.corrections.add(sha256, shown_photo.photos[0], verdict, landmark, said, shown_photo.model)
                self.said += 1
        return {"correction": {"sha256": sha256, **_plain(held)}, "undo": self.corrections.undoable}

    def undo(self) -> dict[str, Any]:
        """Take back the last correction that holds.

        Returns:
            sha256 ("": there was none), now: what holds of that photo now, undo: how many can still be taken back.

        Raises:
            LandmarkError: it can't be written.
        """
        with self._lock:
            last = self.corrections.undo()
            self.said += last is not None
        now = self.corrections.current.get(last.sha256) if last is not None else None
        return {
            "sha256": last.sha256 if last is not None else "",
            "now": _plain(now) if now is not None else None,
            "undo": self.corrections.undoable,
        }

    def preview(self, sha256: str) -> bytes:
        """A photo as WebP, its longest side 1600 pixels, without metadata.

        Raises:
            NoSuchPhoto: none of this content is shown, none can be read any more, or all have changed since.
            StorageUnavailable: S3 can't be reached.
        """
        shown_photo = self._photo(sha256)
        reasons = []
        for photo in shown_photo.photos:
            try:
                return photo_webp(photo, PREVIEW, shown_photo.size, sha256)
            except UnreadablePhoto as error:
                reasons.append(f"{shown(photo)}: {error}")
        raise NoSuchPhoto(reasons[0])

    def why(self, sha256: str, landmark: str = "") -> tuple[bytes, int]:
        """The activation map of a photo for a landmark ("": the one it is compared with), as WebP, and the nearest centroid.

        Raises:
            NoSuchPhoto: none of this content is shown, can be read or is as it was tagged, or no recognizer is known.
            UnknownLandmark: the recognizer does not know the landmark.
            LandmarkError: the recognizer can't be loaded.
        """
        shown_photo = self._photo(sha256)
        landmark = landmark or shown_photo.subject
        if self._why is None:
            raise NoSuchPhoto("no recognizer is known that the tags are by; give one with --model")
        with self._lock:
            if (kept := self._maps.get((sha256, landmark))) is not None:
                self._maps.move_to_end((sha256, landmark))
                return kept
        reasons = []
        for photo in shown_photo.photos:
            try:
                image, nearest = self._why.draw(photo, sha256, landmark)
            except UnreadablePhoto as error:
                reasons.append(f"{shown(photo)}: {error}")
                continue
            with self._lock:
                self._maps[sha256, landmark] = made = (webp(image), nearest)
                while len(self._maps) > KEPT:
                    self._maps.popitem(last=False)
            return made
        raise NoSuchPhoto(reasons[0])

    def _photo(self, sha256: str) -> ShownPhoto:
        with self._lock:
            self._refresh()
            found = self._photos.get(sha256)
        if found is None:
            raise NoSuchPhoto(f"sha256 '{shown(sha256)[:64]}': no such photo in this gallery; reload the page")
        return found

    def _refresh(self) -> None:
        """Read what `landmark tag` may have written anew."""
        with self._lock:
            if self._is_new(file := self.out / STATE / SHOWN_FILE):
                self._photos = _shown_photos(file)
            if self._is_new(file := self.out / LANDMARKS_FILE):
                self._landmarks = _landmarks(file)

    def _is_new(self, file: Path) -> bool:
        try:
            status = file.stat()
            stamp = (status.st_mtime_ns, status.st_size)
        except OSError:
            stamp = None
        new = file.name not in self._stamps or self._stamps[file.name] != stamp
        self._stamps[file.name] = stamp
        return new and stamp is not None


@dataclass(frozen=True, slots=True)
class LastRun:
    """What a folder says of the `landmark tag` that wrote it: the recognizer's URI, the collection, further options."""

    recognizer: str = ""
    source: str = ""
    options: tuple[str, ...] = ()


def last_run(out: Path) -> LastRun:
    """Read it from a folder; empty where the folder doesn't say."""
    try:
        summary = json.loads((Path(out) / SUMMARY_FILE).read_bytes())
        options = summary.get("options", [])
        good = isinstance(options, list) and all(isinstance(option, str) for option in options)
        return LastRun(str(summary.get("recognizer", "")), str(summary.get("source", "")), tuple(options) if good else ())
    except (OSError, ValueError, AttributeError):
        return LastRun()


def _plain(correction: Correction) -> dict[str, str]:
    return {"verdict": correction.verdict, "landmark": correction.landmark}


def _shown_photos(file: Path) -> dict[str, ShownPhoto]:
    photos: dict[str, list[str]] = {}
    facts: dict[str, dict[str, Any]] = {}
    for row in _table(file).to_pylist():
        photos.setdefault(row["sha256"], []).append(row["photo"])
        # One of several copies may have been given its landmark by the photos around it: that one is asked about.
        if row["sha256"] not in facts or (row["landmark"] and not facts[row["sha256"]]["landmark"]):
            facts[row["sha256"]] = row
    return {
        sha256: ShownPhoto(
            tuple(photos[sha256]),
            row["landmark"],
            row["subject"],
            row["model"],
            (row["width"], row["height"]),
        )
        for sha256, row in facts.items()
    }


def _landmarks(file: Path) -> list[dict[str, str]]:
    columns = ["landmark", "name", "city", "country"]
    rows = _table(file, columns).to_pylist()
    return sorted((_plain_landmark(row["landmark"], row["name"], row["city"], row["country"]) for row in rows), key=_by_name)


def _plain_landmark(landmark: str, name: str = "", city: str = "", country: str = "") -> dict[str, str]:
    return {"id": landmark, "name": label(name or landmark), "city": label(city), "country": label(country)}


def _by_name(landmark: dict[str, str]) -> tuple[str, str]:
    return landmark["name"].casefold(), landmark["id"]


def _table(file: Path, columns: list[str] | None = None) -> pa.Table:
    try:
        return pq.read_table(file, columns=columns)
    except (OSError, pa.ArrowException) as error:
        why = shown(" ".join(str(error).split()))[:200]
        raise LandmarkError(f"{shown(file)}: not readable ({why}); remove it and run `landmark tag` again") from error
