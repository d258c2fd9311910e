"""Photos in pages and figures: small JPEGs as data URIs within a budget; figures of photos as PNG or SVG files."""

from __future__ import annotations

import base64
import io
import warnings
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from numpy.typing import NDArray
from PIL import Image

from landmark.errors import UsageError
from landmark.names import shown
from landmark.photos.decode import UnreadablePhoto, decode
from landmark.storage import write_bytes

Pixels = NDArray[np.uint8]
SIDE = 320
DPI = 110
INK, GREY = "#1c1c1c", "#8c8c8c"
# Blue and orange of Okabe and Ito: told apart by colour-blind readers too.
TRUE, FALSE = "#1f82c4", "#d55e00"
# For names in scripts that matplotlib's own font lacks, where the machine has one of these.
FURTHER_FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans CJK JP",
    "Noto Sans Arabic",
    "Noto Sans Devanagari",
    "Noto Sans Thai",
    "FreeSans",
)
# In SVG, text stays text, which the reader's fonts show.
STYLE: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "landmark"}


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


def load_pixels(uri: str, side: int = SIDE) -> Pixels | None:
    """A photo as pixels [h, w, 3] whose longer side has at most `side`; None where it can't be read."""
    try:
        image = decode(uri, min_side=side).image
    except UnreadablePhoto:
        return None
    image.thumbnail((side, side), Image.Resampling.LANCZOS)
    return np.array(image, np.uint8)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure on white [inches], made without pyplot: it holds no global state and no window."""
    layout = ConstrainedLayoutEngine(w_pad=0.08, h_pad=0.06)
    return Figure(figsize=(width, height), layout=layout, facecolor="white", dpi=DPI)


def show_picture(axes: Axes, pixels: Pixels | None, title: str, frame: str = GREY) -> None:
    """Draw a photo [h, w, 3] with a title above it; without one, say that there is no picture.

    Args:
        axes: where.
        pixels: what; None: the photo could not be read.
        title: lines; control characters are escaped.
        frame: colour of the line around it.
    """
    if pixels is None:
        axes.text(0.5, 0.5, "no picture", ha="center", va="center", color=GREY, transform=axes.transAxes)
        axes.set_box_aspect(1)
    else:
        axes.imshow(pixels, interpolation="lanczos")
    axes.set_anchor("NW")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set(color=frame, linewidth=1.0 if frame in (GREY, INK) else 2.5)
    axes.set_title("\n".join(shown(line) for line in title.split("\n")), fontsize=8, color=INK, loc="left")


def short(text: str, length: int) -> str:
    """A text of one line, its middle left out where it is longer than `length`; control characters are escaped.

    >>> short("landmarks/0123456789abcdef.jpg", 20)
    'landmarks/…bcdef.jpg'
    """
    text = shown(text)
    if len(text) <= length:
        return text
    half = (length - 1) // 2
    return f"{text[: length - 1 - half]}…{text[-half:]}" if half else text[:length]


def write_figure(figure: Figure, uri: str) -> None:
    """Write a figure as a PNG or SVG file, by the end of its name; atomically, s3:// too.

    Raises:
        UsageError: another ending.
        LandmarkError: it can't be written.
    """
    kind = str(uri).rpartition(".")[2].lower()
    if kind not in ("png", "svg"):
        raise UsageError(f"{shown(str(uri))}: pictures are written as .png or .svg; rename it")
    buffer = io.BytesIO()
    fonts = ["DejaVu Sans", *(name for name in FURTHER_FONTS if name in fontManager.get_font_names())]
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # names come from anyone: they are never mathematics
        text.set_fontfamily(fonts)
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure.savefig(buffer, format=kind, metadata={"Date": None, "Creator": None} if kind == "svg" else None)
    write_bytes(uri, buffer.getvalue())
