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
from landmark.tagging.gallery import GALLERY, LANDMARKS_FILE, SHOWN_FILE, STATE
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
        """All landmarks, what holds of corrections by sha256, and how many can be taken back."""
        with self._lock:
            self._refresh()
            landmarks = self._landmarks
        current = self.corrections.current
        return {
            "landmarks": landmarks,
            "corrections": {sha256: _plain(correction) for sha256, correction in current.items()},
            "undo": self.corrections.undoable,
        }

    def correct(self, sha256: str, verdict: str, landmark: str) -> dict[str, Any]:
        """Keep what a person says of a photo. What is said already isn't added again.

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
            if held is None or (held.verdict, held.landmark) != (verdict, landmark):
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
            NoSuchPhoto: none of this content is shown, or none can be read any more.
            StorageUnavailable: S3 can't be reached.
        """
        shown_photo = self._photo(sha256)
        reasons = []
        for photo in shown_photo.photos:
            try:
                return photo_webp(photo, PREVIEW, shown_photo.size)
            except UnreadablePhoto as error:
                reasons.append(f"{shown(photo)}: {error}")
        raise NoSuchPhoto(reasons[0])

    def why(self, sha256: str, landmark: str = "") -> tuple[bytes, int]:
        """The activation map of a photo for a landmark ("": the one it is compared with), as WebP, and the nearest centroid.

        Raises:
            NoSuchPhoto: none of this content is shown, none can be read, or nothing can be drawn.
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
                image, nearest = self._why.draw(photo, landmark)
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


def tagged_by(out: Path) -> tuple[str, str]:
    """The recognizer's URI and the collection that a folder's tags are of; "" where the folder doesn't say."""
    try:
        summary = json.loads((Path(out) / "tagging.json").read_bytes())
        return str(summary.get("recognizer", "")), str(summary.get("source", ""))
    except (OSError, ValueError, AttributeError):
        return "", ""


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
    rows = sorted(_table(file, columns).to_pylist(), key=lambda row: (row["name"].casefold(), row["landmark"]))
    return [
        {
            "id": row["landmark"],
            "name": label(row["name"] or row["landmark"]),
            "city": label(row["city"]),
            "country": label(row["country"]),
        }
        for row in rows
    ]


def _table(file: Path, columns: list[str] | None = None) -> pa.Table:
    try:
        return pq.read_table(file, columns=columns)
    except (OSError, pa.ArrowException) as error:
        why = shown(" ".join(str(error).split()))[:200]
        raise LandmarkError(f"{shown(file)}: not readable ({why}); remove it and run `landmark tag` again") from error
