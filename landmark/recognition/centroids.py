"""The centroids of all landmarks: what a photo is compared with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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
from landmark.network.aspects import Array, Labels, find_aspects, means_of
from landmark.recognition.granularity import BLOCK, CUTS, Division, choose, divide
from landmark.recognition.vectors import check_vectors
from landmark.storage import atomic_file

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
            raise LandmarkError("centroids: none; the catalog needs training photos of at least one landmark")
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
        others = others if len(others) else None
    uris = np.asarray(photos, object)
    built: list[tuple[str, Labels, Division]] = []
    for block in _blocks(embeddings, landmark, uris, groups):
        names, rows, parts = zip(*block, strict=True)
        vectors = [embeddings[of] for of in rows]
        if not settings.earned:
            cuts: Sequence[float] = [settings.cut]
        else:
            cuts = [multiple * settings.cut for multiple in CUTS]
        divisions = [
            divide(x, part, cuts, settings, name, seed) if settings.earned else _plain(x, settings)
            for name, x, part in zip(names, vectors, parts, strict=True)
        ]
        chosen = choose(divisions, vectors, parts, others, seed) if settings.earned else [0] * len(names)
        built += [(name, of, row[best]) for name, of, row, best in zip(names, rows, divisions, chosen, strict=True)]
    return _assemble(built, embeddings, uris)


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
    for block in _blocks(embeddings, landmark, None, groups):
        for name, rows, part in block:
            rest = centroids.vectors[centroids.landmark != name]
            own = divide(embeddings[rows], part, [cut_of.get(name, math.inf)], settings, name, seed)[0].held_out
            rival = (embeddings[rows] @ rest.T).max(1) if len(rest) else np.full(len(rows), -1, np.float32)
            similarity[rows], right[rows] = np.maximum(own, rival), own > rival
    return similarity, right


def _plain(embeddings: Array, settings: CentroidsConfig) -> list[Division]:
    labels = find_aspects(embeddings, settings)
    vectors = means_of(embeddings, labels)
    return [Division(settings.cut, labels, vectors, (embeddings @ vectors.T).max(1))]


def _blocks(
    embeddings: Array, landmark: Any, photos: NDArray[Any] | None, groups: Any
) -> Iterator[list[tuple[str, Labels, Labels]]]:
    """Blocks of (landmark, its rows, their groups), sorted by landmark, about equally many landmarks in each."""
    ids = np.asarray(landmark, object)
    for what, values in (("landmark ids", ids), ("photos", photos), ("groups", groups)):
        if values is not None and len(values) != len(embeddings):
            raise LandmarkError(f"centroids: {len(embeddings)} embeddings but {len(values)} {what}; give one a photo")
    if any(name == "" for name in ids):
        raise LandmarkError("centroids: a photo without a landmark; give non-landmark photos as 'others'")
    part = np.arange(len(ids)) if groups is None else np.unique(np.asarray(groups).astype(str), return_inverse=True)[1]
    order = np.argsort(ids.astype(str), kind="stable")
    names, first = np.unique(ids[order].astype(str), return_index=True)
    rows = np.split(order, first[1:])
    count = math.ceil(len(names) / BLOCK)
    for numbers in np.array_split(np.arange(len(names)), max(count, 1)):
        if len(numbers):
            yield [(str(names[number]), rows[number], part[rows[number]]) for number in numbers]


def _assemble(built: list[tuple[str, Labels, Division]], embeddings: Array, photos: NDArray[Any]) -> Centroids:
    vectors, landmark, support, medoid, cut = [], [], [], [], []
    for name, rows, division in built:
        for aspect, vector in enumerate(division.vectors):
            members = rows[division.labels == aspect]
            similarity = np.round(embeddings[members] @ vector, 6)
            nearest = members[similarity == similarity.max()]
            vectors.append(vector)
            landmark.append(name)
            support.append(len(members))
            medoid.append(min(str(photos[row]) for row in nearest))
            cut.append(division.cut)
    return Centroids(
        vectors=np.array(vectors, np.float32),
        landmark=np.array(landmark, object),
        support=np.array(support, np.int64),
        medoid=np.array(medoid, object),
        cut=np.array(cut, np.float64),
    )
