"""Pictures inside a page: small JPEGs as data URIs, within a budget."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from landmark.photos.decode import UnreadablePhoto, decode


class Thumbnails:
    """Makes data URIs of photos until a budget is spent; after that, and for unreadable photos, there is no picture.

    Args:
        budget: bytes that all data URIs may take together.
        quality: of the JPEGs [1 to 95].
    """

    def __init__(self, budget: int = 4_000_000, quality: int = 72) -> None:
        self.left = budget
        self.quality = quality
        self.left_out = 0
        self._made: dict[tuple[str, int], str] = {}

    def photo(self, uri: str, side: int = 200) -> str | None:
        """Data URI of a photo whose longer side has at most `side` pixels; None where there is no picture."""
        key = (uri, side)
        if key not in self._made:
            try:
                image = decode(uri, min_side=side).image
            except UnreadablePhoto:
                return None
            self._made[key] = self._encode(image, side)
        return self._spend(self._made[key])

    def pixels(self, image: NDArray[np.uint8], side: int = 200) -> str | None:
        """The same of an array [h, w, 3]."""
        return self._spend(self._encode(Image.fromarray(image), side))

    def _encode(self, image: Image.Image, side: int) -> str:
        small = image.copy()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=self.quality, optimize=True)
        return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")

    def _spend(self, uri: str) -> str | None:
        if len(uri) > self.left:
            self.left_out += 1
            return None
        self.left -= len(uri)
        return uri
