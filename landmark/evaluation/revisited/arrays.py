"""Arrays from outside, in NumPy's own format: mapped rather than read, and never unpickled."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.recognition.vectors import check_vectors
from landmark.storage import is_s3, read_bytes

Vectors = NDArray[np.float32]
BLOCK = 16_384
"""Rows read at once."""


def open_array(uri: str) -> NDArray[Any]:
    """Open a .npy file: mapped where it is local.

    Raises:
        LandmarkError: not there, cut off, an archive of several arrays, or an array of objects.
    """
    try:
        source = io.BytesIO(read_bytes(uri)) if is_s3(uri) else uri
        array = np.load(source, mmap_mode=None if is_s3(uri) else "r", allow_pickle=False)
    except (OSError, ValueError, EOFError, OverflowError, SyntaxError, TypeError) as error:
        reason = shown(" ".join(str(error).split()))[:200]
        if "pickle" in reason:  # NumPy's own words recommend to unpickle it
            reason = "another format, or an array of objects"
        raise LandmarkError(f"{shown(uri)}: not a readable .npy file ({reason}); write it with numpy.save") from error
    if not isinstance(array, np.ndarray):
        array.close()
        raise LandmarkError(f"{shown(uri)}: an archive of arrays, expected one array; write it with numpy.save as .npy")
    return array


def vector_blocks(uri: str, dim: int | None = None) -> Iterator[Vectors]:
    """The embeddings in a .npy file, block by block, each checked.

    Args:
        uri: float16 or float32 unit vectors `[n, d]`.
        dim: the d that they must have (None: any).

    Yields:
        Unit vectors `[b, d]`, float32.

    Raises:
        LandmarkError: not readable, of another shape, or not unit vectors.
    """
    array = open_array(uri)
    if array.ndim != 2 or not len(array):
        raise LandmarkError(f"{shown(uri)}: shape {list(array.shape)}, expected embeddings [n, d]")
    for start in range(0, len(array), BLOCK):
        block = array[start : start + BLOCK]
        yield check_vectors(block, f"{shown(uri)}, rows {start} to {start + len(block) - 1}", dim)
