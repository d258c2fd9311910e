"""The photos that a photo resembles most: what a decision rests on, in a form that people can check."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.evaluation.pictures import FALSE, GREY, INK, TRUE, load_pixels, new_figure, short, show_picture
from landmark.recognition.centroids import Centroids
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.recognizer import Recognizer
from landmark.storage import join

MAX_ROWS = 100
CELL = 1.5  # side of a picture [inches]


@dataclass(frozen=True)
class Neighbour:
    """A photo of a gallery, seen from a query.

    Attributes:
        photo: URI.
        similarity: cosine, -1 to 1.
        landmark: id of what it shows; "": no landmark; None: not known.
    """

    photo: str
    similarity: float
    landmark: str | None = None


class PhotoGallery:
    """Photos that queries are compared with.

    Args:
        index: over the photos' embeddings.
        photos: URI of each of its rows [n].
        landmarks: URI -> id of what the photo shows ("": no landmark); photos that are not in it: not known.

    Raises:
        LandmarkError: the index holds another number of vectors.

    >>> vectors = np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)
    >>> gallery = PhotoGallery.exact(vectors, ["/a.jpg", "/b.jpg", "/c.jpg"], ["tower", "tower", ""])
    >>> near, = gallery.nearest(vectors[:1], 2, queries=["/a.jpg"])
    >>> [(item.photo, item.landmark, round(item.similarity, 3)) for item in near]
    [('/b.jpg', 'tower', 0.6), ('/c.jpg', '', 0.0)]
    """

    def __init__(self, index: SearchIndex, photos: Sequence[str], landmarks: Mapping[str, str] | None = None) -> None:
        if len(index.rows) != len(photos):
            raise LandmarkError(f"gallery: {len(index.rows)} vectors but {len(photos)} photos; give one URI a vector")
        self.index = index
        self.photos = [str(photo) for photo in photos]
        self.landmarks = landmarks or {}

    def __len__(self) -> int:
        return len(self.photos)

    @classmethod
    def exact(cls, vectors: NDArray[np.float32], photos: Sequence[str], landmarks: Sequence[str]) -> Self:
        """Labelled photos, compared with one by one.

        Args:
            vectors: unit vectors [n, d].
            photos: URI of each [n].
            landmarks: id of what each shows [n]; "": no landmark.
        """
        return cls(SearchIndex.exact(vectors), photos, dict(zip(map(str, photos), map(str, landmarks), strict=True)))

    @classmethod
    def of_recognizer(cls, recognizer: Recognizer, landmarks: Mapping[str, str] | None = None) -> Self | None:
        """The photos behind a recognizer's centroids; None where it keeps none."""
        if recognizer.gallery is None:
            return None
        return cls(recognizer.gallery, recognizer.gallery.rows.table["id"].to_pylist(), landmarks)

    @classmethod
    def of_centroids(cls, centroids: Centroids) -> Self:
        """The centroids, each shown by its medoid photo; the similarity is to the centroid."""
        return cls.exact(centroids.vectors, centroids.medoid.tolist(), centroids.landmark.tolist())

    def nearest(self, vectors: NDArray[np.float32], k: int, queries: Sequence[str] = ()) -> list[list[Neighbour]]:
        """The k photos most similar to each query, most similar first.

        Args:
            vectors: unit vectors of the queries [q, d].
            k: photos wanted; fewer where the gallery has fewer.
            queries: URI of each query [q], if any: a photo is not its own neighbour.
        """
        own: list[str | None] = [join(query) for query in queries] or [None] * len(vectors)
        similarity, rows = self.index.search_rows(vectors, k + 1 if queries else k)
        return [
            [
                Neighbour(self.photos[row], float(value), self.landmarks.get(self.photos[row]))
                for value, row in zip(*found, strict=True)
                if row >= 0 and (query is None or join(self.photos[row]) != query)
            ][:k]
            for query, *found in zip(own, similarity, rows, strict=True)
        ]


def caption(neighbour: Neighbour, names: Mapping[str, str]) -> str:
    """What a neighbour shows: the landmark's name, "no landmark", or, where that is not known, its folder and file.

    >>> caption(Neighbour("/x/tower/a.jpg", 0.5, "tower"), {"tower": "Eiffel Tower"})
    'Eiffel Tower'
    >>> caption(Neighbour("/x/tower/a.jpg", 0.5), {})
    'tower/a.jpg'
    """
    if neighbour.landmark is None:
        return "/".join(neighbour.photo.split("/")[-2:])
    return (names.get(neighbour.landmark) or neighbour.landmark) if neighbour.landmark else "no landmark"


def nearest_figure(
    queries: Sequence[str],
    neighbours: Sequence[Sequence[Neighbour]],
    truth: Sequence[str] | None = None,
    names: Mapping[str, str] | None = None,
) -> Figure:
    """Queries on the left, to the right of each its neighbours with their similarities; write it with `write_figure`.

    Args:
        queries: URI of each query [q], `MAX_ROWS` at most.
        neighbours: of each [q], as `PhotoGallery.nearest` gives them.
        truth: id of what each query shows [q] ("": no landmark), if known: neighbours that show the same are framed in
            blue, others in orange.
        names: landmark id -> name.

    Raises:
        ValueError: no queries, too many, or lengths that do not match.

    >>> figure = nearest_figure(["/a.jpg"], [[Neighbour("/b.jpg", 0.93, "tower")]], ["tower"])
    >>> [axes.get_title(loc="left").splitlines()[0] for axes in figure.axes]  # no such files: the cells say so
    ['query', '0.930']
    """
    count = len(queries)
    if not 0 < count <= MAX_ROWS or len(neighbours) != count or (truth is not None and len(truth) != count):
        lengths = f"{count} queries, {len(neighbours)} rows of neighbours" + ("" if truth is None else f", {len(truth)} truths")
        raise ValueError(f"nearest_figure: expected the same number of each, 1 to {MAX_ROWS}, got {lengths}")
    columns = 1 + max(len(row) for row in neighbours)
    figure = new_figure(columns * CELL + 0.4, count * (CELL + 0.55))
    cells: NDArray[Any] = figure.subplots(count, columns, squeeze=False)
    for number, (query, row, line) in enumerate(zip(queries, neighbours, cells, strict=True)):
        own = None if truth is None else truth[number]
        label = "query" if own is None else f"query\n{short(caption(Neighbour(query, 1.0, own), names or {}), 22)}"
        show_picture(line[0], load_pixels(query), label, INK)
        draw_neighbours(line[1:], row, names or {}, own)
    return figure


def draw_neighbours(
    cells: Sequence[Any] | NDArray[Any], neighbours: Sequence[Neighbour], names: Mapping[str, str], own: str | None
) -> None:
    """Draw a neighbour in each cell (matplotlib axes), framed by whether it shows `own`; further cells stay empty."""
    for cell in cells[len(neighbours) :]:
        cell.axis("off")
    for cell, item in zip(cells, neighbours, strict=False):
        colour = GREY if own is None or item.landmark is None else TRUE if item.landmark == own else FALSE
        show_picture(cell, load_pixels(item.photo), f"{item.similarity:.3f}\n{short(caption(item, names), 22)}", colour)
