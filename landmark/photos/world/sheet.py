"""A contact sheet of a world: what its photos look like, on one page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from landmark.errors import UsageError
from landmark.photos.world.others import PAINTERS
from landmark.photos.world.places import ASPECTS


def contact_sheet(folder: Path, landmarks: int = 6, width: int = 1200, gap: int = 4) -> Image.Image:
    """Two landmarks a row, each by one photo of every aspect; a last row of other things.

    Args:
        folder: what `write_world` wrote.
        landmarks: how many to show, spread over the table.
        width: of the sheet, pixels.
        gap: between photos, pixels.

    Returns:
        RGB, `width` pixels wide.

    Raises:
        UsageError: the folder holds no photos of landmarks.
    """
    folder = Path(folder)
    known = sorted(path for path in (folder / "landmarks").glob("*") if path.is_dir())
    whole = [path for path in known if all(any(path.glob(f"{aspect}_*.jpg")) for aspect in ASPECTS)]
    if not whole:
        raise UsageError(f"{folder}: no landmark with photos of every aspect; write a world there first")
    chosen = [whole[round(i)] for i in np.linspace(0, len(whole) - 1, min(landmarks, len(whole)))]
    cells: list[Path | None] = [_liveliest(sorted(path.glob(f"{aspect}_*.jpg"))) for path in chosen for aspect in ASPECTS]
    columns = 2 * len(ASPECTS)
    others = [_liveliest(sorted((folder / "others").glob(f"{kind}_*.jpg"))) for kind in PAINTERS]
    cells += [None] * (-len(cells) % columns)
    cells += [path for path in others if path is not None][:columns]
    side = (width - gap * (columns + 1)) // columns
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (width, rows * (side + gap) + gap), "white")
    for number, cell in enumerate(cells):
        if cell is not None:
            with Image.open(cell) as photo:
                small = photo.convert("RGB").resize((side, side), Image.Resampling.LANCZOS)
            sheet.paste(small, (gap + number % columns * (side + gap), gap + number // columns * (side + gap)))
    return sheet


def _liveliest(paths: Sequence[Path]) -> Path | None:
    """The photo with most contrast and colour: fog shows little of a place."""
    return max(paths, key=_contrast, default=None)


def _contrast(path: Path) -> float:
    with Image.open(path) as photo:
        pixels = np.asarray(photo.convert("RGB").resize((24, 24)), dtype=np.float64)
    colour = np.ptp(pixels, axis=2).mean()
    return float(pixels.std(axis=(0, 1)).mean() + 0.8 * colour)
