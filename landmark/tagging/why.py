"""Why a photo got its landmark: where in it the network found it, and which of the landmark's centroids it is nearest to.

PyTorch is imported when the first picture is made, not before.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image
from rich.console import Console
from rich.progress import track

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.photos.decode import UnreadablePhoto
from landmark.storage import StorageUnavailable, is_s3
from landmark.tagging.thumbnails import SIDE, decode_tagged, put, webp

if TYPE_CHECKING:
    from landmark.recognition.recognizer import Recognizer

log = logging.getLogger(__name__)

_DESCRIPTION = 0x010E
"""EXIF's ImageDescription: a picture tells by itself what it was made of, and so can't be taken for another's."""


class UnknownLandmark(LandmarkError):
    """The recognizer has no centroid of a landmark."""


@dataclass(frozen=True)
class Wanted:
    """A picture to be made: of a photo, for a landmark.

    Attributes:
        file: the picture.
        sha256: of the photo's file.
        photos: where the photo lies; the first that can be read is taken.
        landmark: id.
    """

    file: Path
    sha256: str
    photos: Sequence[str]
    landmark: str


class Why:
    """Draws activation maps, one at a time.

    Args:
        load: gives the recognizer; called once, when the first map is drawn.
    """

    def __init__(self, load: Callable[[], Recognizer]) -> None:
        self._load = load
        self._lock = threading.Lock()
        self._recognizer: Recognizer | None = None
        self._size = 0

    def draw(self, photo: str, sha256: str, landmark: str) -> tuple[Image.Image, int]:
        """Lay over a photo where its similarity to the landmark's nearest centroid comes from.

        Args:
            photo: path or URI.
            sha256: of the file when it was tagged.
            landmark: id.

        Returns:
            The picture, its longest side 320 pixels, and which centroid of the landmark is nearest, from 0.

        Raises:
            UnknownLandmark: the recognizer has no centroid of it.
            UnreadablePhoto: with the reason; also a file that has changed.
            LandmarkError: the recognizer can't be loaded.
        """
        with self._lock:
            import numpy as np

            from landmark.evaluation.explain import embed_picture, explain_picture, map_size, overlay

            if self._recognizer is None:
                self._recognizer = self._load()
                self._size = map_size(self._recognizer.network)
            network, centroids = self._recognizer.network, self._recognizer.centroids
            own = np.flatnonzero(centroids.landmark == landmark)
            if not len(own):
                raise UnknownLandmark(f"landmark '{shown(landmark)}': the recognizer does not know it; nothing to show")
            picture = decode_tagged(photo, sha256, max(SIDE, self._size)).image
            with _one_thread():
                nearest = int(np.argmax(centroids.vectors[own] @ embed_picture(network, picture)))
                image, heat = explain_picture(network, picture, centroids.vectors[own[nearest]], self._size)
            return Image.fromarray(overlay(image, heat)), nearest


def draw_missing(why: Why, wanted: Sequence[Wanted], digest: str, progress: bool = True) -> int:
    """Draw those of the pictures that aren't there, or were made for another landmark or by another recognizer.

    Args:
        why: draws them.
        wanted: the pictures.
        digest: of the recognizer.
        progress: say on stderr how far it is.

    Returns:
        How many were drawn. A photo that can't be read, or a landmark that the recognizer doesn't know, has none.

    Raises:
        LandmarkError: no space, no permission, or the recognizer can't be loaded.
    """
    missing = [each for each in wanted if nearest_of(each.file, each.landmark, digest) is None]
    drawn = 0
    hidden = not (progress and sys.stderr.isatty())
    gone = False
    for each in track(missing, "activation maps", console=Console(stderr=True), transient=True, disable=hidden):
        for photo in each.photos:
            if gone and is_s3(photo):
                continue
            try:
                image, nearest = why.draw(photo, each.sha256, each.landmark)
            except StorageUnavailable as error:
                gone = True
                log.warning("%s; activation maps of photos there are left out", error)
            except (UnreadablePhoto, UnknownLandmark) as error:
                log.debug("%s: no activation map (%s)", shown(photo), error)
            else:
                exif = Image.Exif()
                exif[_DESCRIPTION] = json.dumps({"key": _key(each.landmark, digest), "nearest": nearest})
                each.file.parent.mkdir(parents=True, exist_ok=True)
                put(each.file, webp(image, exif=exif))
                drawn += 1
                break
    return drawn


def nearest_of(file: Path, landmark: str, digest: str) -> int | None:
    """Which centroid a picture that is there was drawn for; None: there is none for this landmark by this recognizer."""
    try:
        with Image.open(file) as image:
            made = json.loads(str(image.getexif().get(_DESCRIPTION, "")))
        return int(made["nearest"]) if made["key"] == _key(landmark, digest) else None
    except (OSError, ValueError, KeyError, TypeError, SyntaxError):
        return None


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    """One photo at a time gives two threads little to do, and where other programs run they wait for one another."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _key(landmark: str, digest: str) -> str:
    return hashlib.sha256(json.dumps([landmark, digest]).encode()).hexdigest()
