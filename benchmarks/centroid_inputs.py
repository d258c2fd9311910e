"""Many landmarks of many photos, made around real embeddings, so that sides, nights and insides are as in life.

Made landmark i stands on real landmark i mod R: a photo of it is a random photo of that real landmark, moved by a direction
of landmark i's own (normal, expected length `SHIFT`) and by noise of its own (normal, expected length `NOISE`), brought to unit
length. Gallery and query photos come from different real photos; non-landmark photos from real landmarks that no made one
stands on. `real_inputs` has the real embeddings themselves, divided in the same way.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError

SHIFT = 0.5
NOISE = 0.3
HELD_LANDMARKS = 0.1
"""Share of the real landmarks that non-landmark photos are made from."""
HELD_PHOTOS = 0.25
"""Share of a real landmark's photos that queries are made from."""
REST = ("landmark", "queries", "truth", "strangers", "others")
Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Inputs:
    """What is measured on.

    Attributes:
        file: the gallery's embeddings [landmarks * photos, d], float32, landmark by landmark.
        landmark: id of each [n].
        queries: embeddings [q, d] of landmark photos.
        truth: id of each query's landmark [q].
        strangers: embeddings of non-landmark photos that set the threshold [m, d].
        others: embeddings of non-landmark photos for the making of centroids [m, d].
    """

    file: Path
    landmark: NDArray[np.str_]
    queries: Array
    truth: NDArray[np.str_]
    strangers: Array
    others: Array

    def save(self) -> None:
        """Write all but the gallery to a file beside it, for another process."""
        np.savez(self._rest(self.file), allow_pickle=False, **{name: getattr(self, name) for name in REST})

    @classmethod
    def load(cls, file: Path) -> Inputs:
        """Read what `save` wrote, by the gallery's file."""
        with np.load(cls._rest(file), allow_pickle=False) as content:
            return cls(file, **{name: content[name] for name in REST})

    @staticmethod
    def _rest(file: Path) -> Path:
        return file.with_suffix(".npz")


def real_vectors(file: Path) -> tuple[Array, NDArray[np.int64]]:
    """Real embeddings: float32 unit vectors [n, d] and the landmark of each [n].

    Raises:
        LandmarkError: there is no such file.
    """
    if not file.is_file():
        raise LandmarkError(f"{file}: no such file; give --vectors an .npz with 'vectors' [n, d] and 'landmark' [n]")
    with np.load(file, allow_pickle=False) as content:
        return unit(content["vectors"].astype(np.float32)), content["landmark"].astype(np.int64)


def make_inputs(vectors: Path, file: Path, landmarks: int, photos: int, queries: int, seed: int = 0) -> Inputs:
    """Write the gallery to a file, a landmark at a time, and make the rest.

    Args:
        vectors: file with the real embeddings.
        file: to write.
        landmarks: to make.
        photos: a landmark.
        queries: landmark photos to recognise, as many non-landmark photos to set the threshold, and as many to make centroids.
        seed: of all that is drawn.
    """
    real, of = real_vectors(vectors)
    ids = np.unique(of)
    held = max(1, int(HELD_LANDMARKS * len(ids)))
    known = [np.flatnonzero(of == name) for name in ids[:-held]]
    unknown = np.flatnonzero(np.isin(of, ids[-held:]))
    dim = real.shape[1]
    names = np.array([f"landmark {number:06d}" for number in range(landmarks)])
    wanted = np.bincount(np.random.default_rng([seed, 1]).integers(0, landmarks, queries), minlength=landmarks)
    asked: list[Array] = []
    gallery = np.lib.format.open_memmap(file, mode="w+", dtype=np.float32, shape=(landmarks * photos, dim))
    for number in range(landmarks):
        random = np.random.default_rng([seed, 2, number])
        rows = random.permutation(known[number % len(known)])
        cut = max(1, int(HELD_PHOTOS * len(rows)))
        shift = random.normal(0, SHIFT / dim**0.5, dim)
        gallery[number * photos : (number + 1) * photos] = _around(real, rows[cut:], photos, shift, random)
        asked.append(_around(real, rows[:cut], int(wanted[number]), shift, random))
    gallery.flush()
    random = np.random.default_rng([seed, 3])
    foreign = _around(real, unknown, 2 * queries, random.normal(0, SHIFT / dim**0.5, (2 * queries, dim)), random)
    return Inputs(
        file,
        np.repeat(names, photos),
        np.concatenate(asked),
        np.repeat(names, wanted),
        foreign[::2],
        foreign[1::2],
    )


def real_inputs(vectors: Path, file: Path, seed: int = 0) -> Inputs:
    """Write a gallery of real embeddings to a file, and take the rest from the same source.

    Args:
        vectors: file with the real embeddings.
        file: to write.
        seed: of the division into gallery and queries, and of non-landmark photos.
    """
    real, of = real_vectors(vectors)
    ids = np.unique(of)
    held = max(1, int(HELD_LANDMARKS * len(ids)))
    random = np.random.default_rng([seed, 5])
    asked = np.zeros(len(of), bool)
    for name in ids[:-held]:
        rows = random.permutation(np.flatnonzero(of == name))
        asked[rows[: max(1, int(HELD_PHOTOS * len(rows)))]] = True
    foreign = np.isin(of, ids[-held:])
    gallery = ~asked & ~foreign
    np.save(file, real[gallery])
    unknown = real[random.permutation(np.flatnonzero(foreign))]
    return Inputs(file, of[gallery].astype(str), real[asked], of[asked].astype(str), unknown[::2], unknown[1::2])


def change(inputs: Inputs, landmarks: int, seed: int = 0) -> int:
    """Give some landmarks, evenly spaced, other embeddings in the file; returns how many."""
    gallery = np.load(inputs.file, mmap_mode="r+", allow_pickle=False)
    names, first, photos = np.unique(inputs.landmark, return_index=True, return_counts=True)
    chosen = np.unique(np.linspace(0, len(names) - 1, landmarks).astype(int))
    random = np.random.default_rng([seed, 4])
    for number in chosen:
        rows = slice(first[number], first[number] + photos[number])
        gallery[rows] = unit(gallery[rows] + random.normal(0, NOISE / gallery.shape[1] ** 0.5, gallery[rows].shape))
    gallery.flush()
    return len(chosen)


def unit(rows: NDArray[np.floating]) -> Array:
    """Rows brought to unit length."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


def _around(real: Array, rows: NDArray[np.int64], count: int, shift: NDArray[np.float64], random: np.random.Generator) -> Array:
    noise = random.normal(0, NOISE / real.shape[1] ** 0.5, (count, real.shape[1]))
    return unit(real[random.choice(rows, count)] + shift + noise)
