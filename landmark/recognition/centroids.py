"""The centroids of all landmarks: what a photo is compared with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from landmark.config import CentroidsConfig
from landmark.errors import LandmarkError
from landmark.network.aspects import Array, Labels
from landmark.recognition.blocks import make_blocks
from landmark.recognition.division import divide
from landmark.recognition.granularity import Strangers
from landmark.recognition.refresh_block import Part, Recipe, solve
from landmark.recognition.vectors import check_vectors
from landmark.storage import atomic_file

NONE = "centroids: none; the catalog needs training photos of at least one landmark"
COLUMNS = ("vector", "landmark", "support", "medoid", "cut")


@dataclass(frozen=True)
class Centroids:
    """The aspects of all landmarks, sorted by landmark, then by support.

    Attributes:
        vectors: unit vectors, float32 [c, d].
        landmark: id of each one's landmark, str [c].
        support: photos behind each, int64 [c].
        medoid: URI of the photo nearest to it among those, str [c].
        cut: height at which the landmark was divided, float64 [c] (Euclidean distance); infinite: one mean, the default.
    """

    vectors: Array
    landmark: NDArray[np.object_]
    support: Labels
    medoid: NDArray[np.object_]
    cut: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        count = len(self.vectors)
        if len(self.cut) == 0:
            object.__setattr__(self, "cut", np.full(count, math.inf))
        for name in ("landmark", "support", "medoid", "cut"):
            if len(getattr(self, name)) != count:
                raise LandmarkError(f"centroids: {count} vectors but {len(getattr(self, name))} in '{name}'; they must match")
        if count == 0:
            raise LandmarkError(NONE)
        check_vectors(self.vectors, "centroids")

    def __len__(self) -> int:
        return len(self.vectors)

    def save(self, file: str | Path) -> None:
        """Write one Parquet file, atomically."""
        table = pa.table(
            {
                "vector": pa.FixedSizeListArray.from_arrays(
                    pa.array(np.ascontiguousarray(self.vectors, np.float32).ravel()), self.vectors.shape[1]
                ),
                "landmark": pa.array([str(name) for name in self.landmark]),
                "support": pa.array(np.asarray(self.support, np.int64)),
                "medoid": pa.array([str(name) for name in self.medoid]),
                "cut": pa.array(np.asarray(self.cut, np.float64)),
            }
        )
        with atomic_file(Path(file)) as temporary:
            pq.write_table(table, temporary)

    @classmethod
    def load(cls, file: str | Path) -> Self:
        """Read what `save` wrote.

        Raises:
            LandmarkError: the file is missing, damaged, or no centroids.
        """
        try:
            table = pq.read_table(file)
        except (OSError, pa.ArrowException) as error:
            reason = " ".join(str(error).split())[:200]
            raise LandmarkError(f"centroids {file}: cannot be read ({reason}); build them again") from error
        missing = [name for name in COLUMNS if name not in table.column_names]
        if missing:
            raise LandmarkError(f"centroids {file}: no column '{missing[0]}'; is this a file of centroids?")
        column = table["vector"].combine_chunks()
        if not pa.types.is_fixed_size_list(column.type) or column.type.value_type != pa.float32():
            raise LandmarkError(f"centroids {file}: column 'vector' must hold float32 lists of one length")
        vectors = column.flatten().to_numpy(zero_copy_only=False).reshape(-1, column.type.list_size)
        return cls(
            vectors=np.ascontiguousarray(vectors, np.float32),
            landmark=np.array(table["landmark"].to_pylist(), object),
            support=table["support"].to_numpy().astype(np.int64),
            medoid=np.array(table["medoid"].to_pylist(), object),
            cut=table["cut"].to_numpy().astype(np.float64),
        )

    def summary(self) -> pd.DataFrame:
        """Centroids, photos behind them and cut of each landmark."""
        table = pd.DataFrame({"landmark": self.landmark, "support": self.support, "cut": self.cut})
        return table.groupby("landmark", sort=True).agg(
            centroids=("support", "size"), photos=("support", "sum"), cut=("cut", "first")
        )


def build_centroids(
    embeddings: Array,
    landmark: Sequence[str] | NDArray[Any],
    photos: Sequence[str] | NDArray[Any],
    settings: CentroidsConfig,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    others: Array | None = None,
    seed: int = 0,
) -> Centroids:
    """Turn the training photos of each landmark into its centroids.

    With `settings.earned`, each landmark is divided as finely as pays on photos that did not place the centroids (see
    `granularity`); without, all are cut at `settings.cut`.

    Args:
        embeddings: unit vectors [n, d] of landmark photos.
        landmark: id of each photo's landmark [n].
        photos: URI of each [n].
        settings: linkage, cut, validity, cap.
        groups: near-duplicate group of each photo [n] (None: each photo is its own).
        others: unit vectors [m, d] of non-landmark photos.
        seed: of the folds.

    Returns:
        Centroids; they do not depend on the order of the photos.

    Raises:
        LandmarkError: no photos, lengths that do not match, or vectors that are no unit vectors.
    """
    embeddings = check_vectors(embeddings, "embeddings of landmark photos")
    if others is not None:
        others = check_vectors(others, "embeddings of non-landmark photos", embeddings.shape[1])
    blocks = make_blocks(len(embeddings), landmark, photos, groups)
    recipe = Recipe(settings, seed, Strangers.of(others, seed))
    return assemble([part for block in blocks for part in solve(block, embeddings, recipe).parts])


def assemble(parts: Iterable[Part]) -> Centroids:
    """The centroids of all landmarks from those of each, sorted by landmark.

    Raises:
        LandmarkError: there are none.
    """
    ordered = sorted(parts, key=lambda part: part.name)
    if not ordered:
        raise LandmarkError(NONE)
    return Centroids(
        vectors=np.concatenate([part.vectors for part in ordered]),
        landmark=np.array([part.name for part in ordered for _ in part.vectors], object),
        support=np.array([support for part in ordered for support in part.support], np.int64),
        medoid=np.array([medoid for part in ordered for medoid in part.medoid], object),
        cut=np.array([part.cut for part in ordered for _ in part.vectors], np.float64),
    )


def held_out(
    embeddings: Array,
    landmark: Sequence[str] | NDArray[Any],
    centroids: Centroids,
    settings: CentroidsConfig,
    groups: Sequence[Any] | NDArray[Any] | None = None,
    seed: int = 0,
) -> tuple[Array, NDArray[np.bool_]]:
    """How photos that built the centroids would have been recognised had they not.

    Each landmark is divided again at its own cut without each fifth of its photos (folds as in `build_centroids`); the
    centroids of the other landmarks stay.

    Args:
        embeddings: unit vectors [n, d] of landmark photos.
        landmark: id of each photo's landmark [n].
        centroids: built from these photos.
        settings: as they were built with.
        groups: near-duplicate group of each photo [n].
        seed: of the folds.

    Returns:
        similarity [n] to the nearest centroid of any landmark; whether it is the right landmark [n].
    """
    embeddings = check_vectors(embeddings, "embeddings of landmark photos", centroids.vectors.shape[1])
    similarity = np.empty(len(embeddings), np.float32)
    right = np.zeros(len(embeddings), bool)
    cut_of = dict(zip(centroids.landmark, centroids.cut, strict=True))
    for block in make_blocks(len(embeddings), landmark, None, groups):
        for member in block:
            name, rows = member.name, member.rows
            part = np.arange(len(rows)) if member.groups is None else member.groups
            rest = centroids.vectors[centroids.landmark != name]
            own = divide(embeddings[rows], part, [cut_of.get(name, math.inf)], settings, name, seed)[0].held_out
            rival = (embeddings[rows] @ rest.T).max(1) if len(rest) else np.full(len(rows), -1, np.float32)
            similarity[rows], right[rows] = np.maximum(own, rival), own > rival
    return similarity, right
