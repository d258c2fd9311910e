"""What counts as embeddings: finite unit vectors of one length. Anything else is refused where it comes in."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.names import shown

LENGTH_TOLERANCE = 0.01  # float16 storage moves the length of a unit vector by up to about 0.001
_CHUNK = 65_536


def check_vectors(
    vectors: NDArray[Any],
    what: str,
    dim: int | None = None,
    names: NDArray[np.object_] | None = None,
    numbers: NDArray[np.int64] | None = None,
) -> NDArray[np.float32]:
    """Check that an array holds unit vectors.

    Args:
        vectors: [n, d], of a floating-point type.
        what: named in errors.
        dim: the d that it must have.
        names: names [n] of the rows for errors; without, their numbers.
        numbers: of the rows [n] for errors, where they are a part of something larger.

    Returns:
        The same as contiguous float32 (not copied if it is that already).

    Raises:
        LandmarkError: wrong shape or type, NaN or infinite numbers, zero vectors, vectors that are not of unit length;
            names the first such row.
    """
    array = np.asarray(vectors)
    if array.ndim != 2 or array.shape[1] == 0:
        raise LandmarkError(f"{what}: expected an array [n, d], got shape {list(array.shape)}")
    if not np.issubdtype(array.dtype, np.floating):
        raise LandmarkError(f"{what}: expected floating-point numbers, got {array.dtype}")
    if dim is not None and array.shape[1] != dim:
        raise LandmarkError(f"{what}: {array.shape[1]} dimensions where {dim} are needed; embed them with the same network")
    for start in range(0, len(array), _CHUNK):
        part = array[start : start + _CHUNK]
        norms = np.sqrt(np.einsum("ij,ij->i", part, part, dtype=np.float64))  # no copy in float64, as `norm` would make
        off = ~(np.abs(norms - 1.0) <= LENGTH_TOLERANCE)
        if off.any():
            row = int(off.argmax())
            number = start + row if numbers is None else numbers[start + row]
            name = f"row {number}" if names is None else f"'{shown(str(names[start + row]))}'"
            raise LandmarkError(f"{what}: {name} {_problem(float(norms[row]))}")
    return np.ascontiguousarray(array, np.float32)


def _problem(norm: float) -> str:
    if not np.isfinite(norm):
        return "holds NaN or infinite numbers; leave it out or embed the photo again"
    if norm == 0.0:
        return "is all zeros; leave it out or embed the photo again"
    return f"has length {norm:.4g}, not 1; divide each vector by its length"
