"""The folder of an index: `index.faiss`, `index.json`, `operating_points.json`, checked before anything is parsed."""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.storage import atomic_folder, read_json, write_json

FORMAT = "landmark-index"
VERSION = 1
DATA, SETTINGS, POINTS = "index.faiss", "index.json", "operating_points.json"
MAX_DIM = 65_536
_HEADERS = {b"IxFI": "flat", b"IwPQ": "ivf", b"IwSq": "ivf", b"IxRF": "refine"}


def save(folder: Path, data: NDArray[np.uint8], values: dict[str, Any], points: list[dict[str, Any]]) -> None:
    """Write a serialised index [bytes] with its settings and operating points; the folder is replaced as a whole.

    Raises:
        LandmarkError: it can't be written.
    """
    with atomic_folder(folder) as temporary:
        (temporary / DATA).write_bytes(data.tobytes())
        write_json(temporary / POINTS, points)
        digest = hashlib.sha256(data.tobytes()).hexdigest()
        checked = {"format": FORMAT, "version": VERSION, "sha256": digest, "bytes": len(data)}
        write_json(temporary / SETTINGS, {**values, **checked})


def load(folder: Path) -> tuple[NDArray[np.uint8], dict[str, Any], list[dict[str, Any]]]:
    """Read an index's bytes, settings and operating points, checked against one another.

    Raises:
        LandmarkError: missing, damaged, foreign, or of a newer version.
    """
    if not (folder / SETTINGS).is_file():
        raise LandmarkError(f"index {folder}: no {SETTINGS}; is this the folder of an index?")
    values = read_json(folder / SETTINGS)
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise LandmarkError(f"index {folder}: {SETTINGS} is not of the format '{FORMAT}'; is this the folder of an index?")
    if not isinstance(values.get("version"), int) or values["version"] > VERSION:
        raise LandmarkError(
            f"index {folder}: version {values.get('version')}, this package reads up to {VERSION}; update the package"
        )
    _check_values(folder, values)
    try:
        size = (folder / DATA).stat().st_size
        if size != values["bytes"]:
            raise LandmarkError(f"index {folder}: {DATA} has {size} bytes, not {values['bytes']}: build it again")
        data = np.fromfile(folder / DATA, np.uint8)
    except OSError as error:
        raise LandmarkError(f"index {folder}: {DATA} cannot be read ({error.strerror}); build it again") from error
    if hashlib.sha256(data.tobytes()).hexdigest() != values["sha256"]:
        raise LandmarkError(f"index {folder}: {DATA} is damaged (sha256 differs); build it again")
    _check_header(folder, data, values)
    points = read_json(folder / POINTS)
    if not isinstance(points, list) or not all(isinstance(point, dict) for point in points):
        raise LandmarkError(f"index {folder}: {POINTS} must be a list of objects; build the index again")
    return data, values, points


def _check_values(folder: Path, values: dict[str, Any]) -> None:
    for key, kind in (("kind", str), ("sha256", str), ("bytes", int), ("count", int), ("dim", int), ("nprobe", int)):
        if not isinstance(values.get(key), kind) or isinstance(values.get(key), bool):
            raise LandmarkError(f"index {folder}: {SETTINGS}: '{key}' must be {kind.__name__}; build the index again")
    if not (values["count"] >= 0 and 1 <= values["dim"] <= MAX_DIM and values["nprobe"] >= 0):
        raise LandmarkError(f"index {folder}: {SETTINGS}: impossible count, dim or nprobe; build the index again")


def _check_header(folder: Path, data: NDArray[np.uint8], values: dict[str, Any]) -> None:
    """What FAISS's own header says (kind, d, ntotal) must fit the settings and the number of bytes."""
    head = data[:16].tobytes()
    kind = _HEADERS.get(head[:4])
    if kind is None or len(head) < 16:
        raise LandmarkError(f"index {folder}: {DATA} is no index that is used here; build it again")
    dim, count = struct.unpack("<iq", head[4:16])
    # An inverted list stores at least a byte of code and 8 of id for each vector.
    least = count * {"flat": 4 * dim, "ivf": 9, "refine": dim + 9}[kind]
    if (dim, count) != (values["dim"], values["count"]) or len(data) < least:
        raise LandmarkError(
            f"index {folder}: {DATA} claims {count} vectors of {dim} numbers in {len(data)} bytes, {SETTINGS} says "
            f"{values['count']} of {values['dim']}; build it again"
        )
