"""PCA whitening of embeddings, learned from photos that are not those of the test."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.storage import read_bytes, write_bytes

Vectors = NDArray[np.float32]
MAX_BYTES = 1 << 30
"""Largest whitening that is read, unpacked: one of 11,000 dimensions."""
_SMALLEST = 1e-9  # of the largest variance: below it is nothing but rounding, which whitening would blow up


@dataclass(frozen=True)
class Whitening:
    """PCA whitening (Jégou and Chum, ECCV 2012): `unit((x - mean) @ projection)`.

    The columns of `projection` are the directions of largest variance, each divided by the standard deviation along it.

    Attributes:
        mean: float32 `[d]`.
        projection: float32 `[d, k]`.
        source: what it was learned from, named with every score.
    """

    mean: Vectors
    projection: Vectors
    source: str

    def __post_init__(self) -> None:
        for name, array, axes in (("mean", self.mean, 1), ("projection", self.projection, 2)):
            if array.dtype != np.float32 or array.ndim != axes or not array.size or not np.isfinite(array).all():
                raise LandmarkError(
                    f"whitening: '{name}' must be finite float32 with {axes} axes, got {array.dtype} {list(array.shape)}"
                )
        if len(self.mean) != len(self.projection):
            raise LandmarkError(f"whitening: mean of {len(self.mean)} numbers, projection of {len(self.projection)} rows")

    @classmethod
    def learn(cls, blocks: Iterable[Vectors], source: str) -> Self:
        """Learn from unit vectors, read once, block by block.

        Args:
            blocks: unit vectors `[b, d]`.
            source: where they are from.

        Raises:
            LandmarkError: not more vectors than dimensions.
        """
        count, total, products = 0, np.zeros(0), np.zeros((0, 0))
        for block in blocks:
            rows = block.astype(np.float64)
            if not count:
                total, products = np.zeros(rows.shape[1]), np.zeros((rows.shape[1],) * 2)
            count += len(rows)
            total += rows.sum(axis=0)
            products += rows.T @ rows
        if count <= len(total):
            raise LandmarkError(
                f"whitening: {count} vectors from {shown(source)} are too few for {len(total)} dimensions; "
                f"learn it from {len(total) + 1} or more, better ten times as many"
            )
        mean = total / count
        variance, directions = np.linalg.eigh(products / count - np.outer(mean, mean))
        variance, directions = variance[::-1], directions[:, ::-1]
        kept = variance > _SMALLEST * max(variance[0], 1e-12)
        if not kept.any():
            raise LandmarkError(f"whitening: the vectors from {shown(source)} are all the same; learn it from different photos")
        projection = directions[:, kept] / np.sqrt(variance[kept])
        return cls(mean.astype(np.float32), projection.astype(np.float32), source)

    def __call__(self, vectors: Vectors) -> Vectors:
        """Whiten embeddings `[n, d]` to unit vectors `[n, k]`, float32.

        Raises:
            LandmarkError: another d.
        """
        if vectors.shape[1] != len(self.mean):
            raise LandmarkError(
                f"whitening from {shown(self.source)}: made for {len(self.mean)} dimensions, the embeddings have "
                f"{vectors.shape[1]}; learn it with this network"
            )
        rows = (vectors - self.mean) @ self.projection
        return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12), np.float32)

    def save(self, uri: str | Path) -> None:
        """Write `mean`, `projection` and `source` to a .npz file."""
        file = io.BytesIO()
        np.savez(file, mean=self.mean, projection=self.projection, source=np.array(self.source))
        write_bytes(str(uri), file.getvalue())

    @classmethod
    def load(cls, uri: str | Path) -> Self:
        """Read what `save` wrote; nothing is unpickled.

        Raises:
            LandmarkError: not there, damaged, or of another form.
        """
        data = read_bytes(str(uri))
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if sum(member.file_size for member in archive.infolist()) > MAX_BYTES:
                    raise ValueError(f"over the limit of {MAX_BYTES} bytes unpacked")
            with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
                return cls(arrays["mean"], arrays["projection"], str(arrays["source"]))
        except (OSError, ValueError, KeyError, EOFError, TypeError, zipfile.BadZipFile, NotImplementedError) as error:
            reason = shown(" ".join(str(error).split()))[:200]
            raise LandmarkError(f"{shown(uri)}: not a whitening ({reason}); learn it again") from error
