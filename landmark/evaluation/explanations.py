"""Why a recognizer says what it says about a photo: where it looked, and what it compared the photo with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from landmark.evaluation.explain import SHOWN_SIDE, Explained, embed_picture, explain_picture, map_size, overlay
from landmark.evaluation.nearest import Neighbour, PhotoGallery, draw_neighbours
from landmark.evaluation.pictures import FALSE, GREY, INK, TRUE, load_pixels, new_figure, short, show_picture
from landmark.evaluation.plots import embedding_figure
from landmark.photos.decode import decode
from landmark.recognition.recognizer import PhotoSource, Recognizer

NEIGHBOURS = 6


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a recognizer says about a photo, and what speaks for it.

    Attributes:
        explained: the photo, with its activation map for the nearest centroid of its best candidate.
        vector: its embedding, unit vector [d].
        accepted: whether the photo is said to show the best candidate.
        confidence: that it does, 0 to 1.
        reason: the decision in words.
        candidates: (landmark id, similarity to its nearest centroid), falling.
        medoid: URI of the photo in the middle of the nearest centroid.
        support: photos behind that centroid.
        neighbours: most similar gallery photos, most similar first.
    """

    explained: Explained
    vector: NDArray[np.float32]
    accepted: bool
    confidence: float
    reason: str
    candidates: list[tuple[str, float]]
    medoid: str
    support: int
    neighbours: list[Neighbour]


class Explainer:
    """Explains what one recognizer says about photos, one by one.

    Args:
        recognizer: of any backbone.
        gallery: photos that neighbours are looked for in; None: those that the recognizer keeps, if any.
        neighbours: nearest photos of each [count].

    Example:
        ```python
        recognizer = Recognizer.load(".landmark/runs/demo/recognizer")
        explanation = Explainer(recognizer).explain("photo.jpg")
        write_figure(explanation_figure(explanation, landmark_names(recognizer)), "explained.png")
        ```
    """

    def __init__(self, recognizer: Recognizer, gallery: PhotoGallery | None = None, neighbours: int = NEIGHBOURS) -> None:
        self.recognizer = recognizer
        self.gallery = PhotoGallery.of_recognizer(recognizer) if gallery is None else gallery
        self.neighbours = neighbours
        self._size = map_size(recognizer.network)

    def explain(self, source: PhotoSource, name: str | None = None) -> Explanation:
        """Explain one photo.

        The landmark explained is the best candidate; where the photo's position rules all candidates out, the most similar.

        Args:
            source: path, `s3://` URI, bytes of an image file, image or array.
            name: of the photo; None: its path or URI.

        Raises:
            UnreadablePhoto: not a photo, damaged, cut off, or too large.
        """
        recognizer = self.recognizer
        network = recognizer.network
        photo = decode(source, min_side=max(SHOWN_SIDE, self._size))
        uri = str(source) if isinstance(source, str) or hasattr(source, "__fspath__") else ""
        vector = embed_picture(network, photo.image)
        lat, lon = ([np.nan if value is None else value] for value in (photo.lat, photo.lon))
        row = recognizer.score(vector[None], lat, lon).iloc[0]
        candidates = [(str(item["landmark"]), float(item["similarity"])) for item in row["candidates"]]
        landmark = str(row["landmark"]) or candidates[0][0]
        centroids = recognizer.centroids
        own = np.flatnonzero(centroids.landmark == landmark)
        nearest = int(own[np.argmax(centroids.vectors[own] @ vector)])
        target = centroids.vectors[nearest]
        image, heat = explain_picture(network, photo.image, target, self._size)
        neighbours: list[Neighbour] = []
        if self.gallery is not None and self.neighbours:
            neighbours = self.gallery.nearest(vector[None], self.neighbours, [uri] if uri else ())[0]
        confidence = recognizer.calibration.confidence([row["score"]])[0] if row["landmark"] else 0.0
        return Explanation(
            explained=Explained(name or uri, landmark, float(target @ vector), image, heat, self._size),
            vector=vector,
            accepted=bool(row["accepted"]),
            confidence=float(confidence),
            reason=str(row["reason"]),
            candidates=candidates,
            medoid=str(centroids.medoid[nearest]),
            support=int(centroids.support[nearest]),
            neighbours=neighbours,
        )


def landmark_names(recognizer: Recognizer) -> dict[str, str]:
    """Landmark id -> name, of all that a recognizer knows."""
    return {str(key): str(name or key) for key, name in recognizer.landmarks[["landmark", "name"]].itertuples(index=False)}


def explanation_figure(explanation: Explanation, names: Mapping[str, str]) -> Figure:
    """An explanation on one sheet; write it with `pictures.write_figure`.

    Above: the photo, its activation map, the photo in the middle of the nearest centroid, and the candidates with their
    similarities. Below: the nearest photos, framed in blue where they show the landmark that is explained, in orange where
    they show anything else, in grey where nobody says what they show.

    Args:
        explanation: as `Explainer.explain` gives it.
        names: landmark id -> name.
    """
    explained = explanation.explained
    name = names.get(explained.landmark) or explained.landmark
    heights = [0.8, 2.9, 2.3] if explanation.neighbours else [0.8, 2.9]
    figure = new_figure(11.0, sum(heights))
    parts: Any = figure.subfigures(len(heights), 1, height_ratios=heights)
    verdict = short(name, 60) if explanation.accepted else "No landmark"
    best = f"confidence {explanation.confidence:.2f}"
    if not explanation.accepted:
        best = f"most like {short(name, 50)}, {best}"
    parts[0].text(0.012, 0.66, verdict, fontsize=15, fontweight="bold", color=INK, va="center")
    parts[0].text(0.012, 0.2, f"{best}; {short(explanation.reason, 110)}", fontsize=9, color=INK, va="center")
    parts[0].text(
        0.988, 0.66, short("/".join(explained.photo.split("/")[-2:]), 60), fontsize=9, color=GREY, va="center", ha="right"
    )
    photo, heat, medoid, bars = parts[1].subplots(1, 4, width_ratios=[1, 1, 1, 1.15])
    show_picture(photo, explained.image, "the photo\n ")
    show_picture(heat, overlay(explained.image, explained.heat), f"bright: what resembles\n{short(name, 32)}")
    count = f"{explanation.support:,} photo{'' if explanation.support == 1 else 's'}"
    about = f"nearest centroid, of {count}:\nsimilarity {explained.similarity:.3f}"
    show_picture(medoid, load_pixels(explanation.medoid), about)
    _candidates(bars, explanation, names)
    if explanation.neighbours:
        parts[2].suptitle("nearest photos, and their similarity", fontsize=9, x=0.012, ha="left", color=INK)
        cells = parts[2].subplots(1, max(len(explanation.neighbours), NEIGHBOURS), squeeze=False)[0]
        draw_neighbours(cells, explanation.neighbours, names, explained.landmark)
    return figure


def _candidates(axes: Axes, explanation: Explanation, names: Mapping[str, str]) -> None:
    """The most similar landmarks as bars, the most similar on top."""
    listed = explanation.candidates[::-1]
    chosen = TRUE if explanation.accepted else FALSE
    places = np.arange(len(listed))
    values = np.array([similarity for _, similarity in listed])
    colours = [chosen if landmark == explanation.explained.landmark else GREY for landmark, _ in listed]
    axes.barh(places - 0.2, np.clip(values, 0, 1), height=0.3, color=colours)
    for place, (landmark, similarity) in zip(places, listed, strict=True):
        axes.text(0, place + 0.08, short(names.get(landmark) or landmark, 30), fontsize=8, va="bottom", color=INK)
        axes.text(1, place + 0.08, f"{similarity:.3f}", fontsize=8, va="bottom", ha="right", color=INK)
    axes.set_xlim(0, 1)
    axes.set_ylim(len(listed) - 5.5, len(listed) - 0.45)
    axes.axis("off")
    axes.set_title("most similar landmarks\n ", fontsize=8, color=INK, loc="left")


def embedding_svg(points: pd.DataFrame, names: Mapping[str, str]) -> str:
    """A 2-D embedding map as an SVG file of its own, black on white.

    Args:
        points: as `embedding_map` gives them.
        names: landmark id -> name.
    """
    # Figures of pages take their colours from the page.
    return embedding_figure(points, names).replace("<svg ", '<svg style="color:#1c1c1c;background:white" ', 1)
