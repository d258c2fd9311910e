"""Pictures that explain what a recognizer says about photos: a sheet a photo, and a map of a catalog's embeddings."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from landmark.errors import LandmarkError, UsageError
from landmark.evaluation.embedding_map import Method, check_method, embedding_map
from landmark.evaluation.explanations import Explainer, embedding_svg, explanation_figure, landmark_names
from landmark.evaluation.nearest import PhotoGallery
from landmark.evaluation.pictures import write_figure
from landmark.names import shown
from landmark.photos.catalog import Catalog
from landmark.photos.decode import UnreadablePhoto
from landmark.photos.listing import SUFFIXES
from landmark.recognition.recognizer import Recognizer
from landmark.steps.embedding import embed_catalog, usable
from landmark.storage import is_s3, join, list_files, write_bytes

log = logging.getLogger(__name__)

MAP = "map.svg"


class ExplainOptions(BaseModel):
    """How the pictures are made."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["png", "svg"] = Field("png", description="of the sheets")
    neighbours: int = Field(6, ge=0, le=12, description="nearest photos a sheet [count]")
    map: Method = Field("tsne", description="method of the map")


def explain_options(format: str, neighbours: int, map: str | None, catalog: str | None) -> ExplainOptions:
    """Options from the command line.

    Raises:
        UsageError: a value that is not allowed, or a map without the catalog that it is of.
    """
    if map is not None and catalog is None:
        raise UsageError("explain: --map: a map is of a catalog; give --catalog too")
    try:
        return ExplainOptions.model_validate({"format": format, "neighbours": neighbours, "map": map or "tsne"})
    except ValidationError as error:
        raise UsageError("explain: " + "; ".join(f"--{item['loc'][0]}: {item['msg']}" for item in error.errors())) from error


def explain_files(
    recognizer: Recognizer,
    photos: Sequence[str],
    out: str,
    home: Path,
    catalog: Catalog | None = None,
    options: ExplainOptions | None = None,
) -> dict[str, Any]:
    """Write a sheet for each photo into a folder; a photo that can't be read is listed, and the rest goes on.

    Args:
        recognizer: what is explained.
        photos: photos, or folders of photos; s3:// allowed.
        out: folder to write to; s3:// allowed.
        home: where embeddings of the catalog are kept.
        catalog: photos that the nearest ones are looked for in, with what they show; a map of them is written too. None:
            the photos that the recognizer keeps.
        options: of the pictures.

    Returns:
        explained (photo, picture, landmark and name ("": none), candidate, confidence, similarity, reason),
        unreadable (photo, reason), map (file, or None).

    Raises:
        UsageError: no photos, or a method of the map that isn't installed.
        LandmarkError: none of the photos can be read, or the folder can't be written.
    """
    options = options or ExplainOptions()
    check_method(options.map)
    files = list(photo_files(photos))
    if not files:
        raise UsageError(f"explain: no photos in {', '.join(map(shown, photos))}")
    names = landmark_names(recognizer)
    table, known = _known_photos(recognizer, catalog, home)
    gallery = None
    if catalog is not None:
        gallery = PhotoGallery.exact(known, table["photo"].tolist(), table["landmark"].tolist())
        places = zip(catalog.landmarks["landmark"], catalog.landmarks["name"], strict=True)
        names = {**{str(key): str(name or key) for key, name in places}, **names}
    explainer = Explainer(recognizer, gallery, options.neighbours)
    if explainer.gallery is None:
        log.warning("explain: the recognizer keeps no photos, so there are no nearest ones; name a --catalog to have them")
    explained, unreadable, vectors = [], [], []
    for number, photo in enumerate(files, start=1):
        try:
            found = explainer.explain(photo)
        except UnreadablePhoto as error:
            unreadable.append({"photo": photo, "reason": str(error)})
            log.warning("%s: %s; left out", shown(photo), error)
            continue
        picture = join(out, sheet_name(photo, number, len(files), options.format))
        write_figure(explanation_figure(found, names), picture)
        landmark = found.explained.landmark
        explained.append(
            {
                "photo": photo,
                "picture": picture,
                "landmark": landmark if found.accepted else "",
                "name": names.get(landmark, landmark) if found.accepted else "",
                "candidate": landmark,
                "confidence": found.confidence,
                "similarity": found.explained.similarity,
                "reason": found.reason,
            }
        )
        vectors.append(found.vector)
    if not explained:
        first = unreadable[0]
        raise LandmarkError(f"explain: none of {len(files)} photos can be read; {shown(first['photo'])}: {first['reason']}")
    result: dict[str, Any] = {"explained": explained, "unreadable": unreadable, "map": None}
    if catalog is not None:
        result["map"] = join(out, MAP)
        labels = np.asarray(table["landmark"], dtype=str)
        centroids = recognizer.centroids
        owners = np.asarray(centroids.landmark, dtype=str)
        points = embedding_map(known, labels, centroids.vectors, owners, options.map, queries=np.stack(vectors))
        write_bytes(result["map"], embedding_svg(points, names).encode())
    return result


def photo_files(photos: Sequence[str]) -> Iterator[str]:
    """Files among photos and folders of photos.

    Raises:
        LandmarkError: a folder can't be read.
    """
    for photo in photos:
        folder = not photo.lower().endswith(tuple(SUFFIXES)) if is_s3(photo) else Path(photo).is_dir()
        yield from list_files(photo, SUFFIXES) if folder else [photo]


def sheet_name(photo: str, number: int, count: int, kind: str) -> str:
    """Name of a photo's sheet: its place in the list, and of its own name what can stand in any folder.

    >>> sheet_name("/photos/../a b<script>.jpg", 7, 12, "png")
    '07-a-b-script.png'
    >>> sheet_name("s3://bucket/..", 1, 1, "svg")
    '1-photo.svg'
    """
    stem = photo.rstrip("/").rpartition("/")[2].rpartition(".")[0]
    plain = re.sub(r"[^A-Za-z0-9]+", "-", stem)[:40].strip("-") or "photo"
    return f"{number:0{len(str(count))}d}-{plain}.{kind}"


def _known_photos(recognizer: Recognizer, catalog: Catalog | None, home: Path) -> tuple[pd.DataFrame, NDArray[np.float32]]:
    """A catalog's photos that have an embedding, and their unit vectors [n, d]."""
    if catalog is None:
        return pd.DataFrame(), np.zeros((0, recognizer.network.embedding_dim), np.float32)
    table, vectors = usable(catalog.table, embed_catalog(recognizer.network, catalog, home).vectors)
    if len(table) == 0:
        raise LandmarkError("explain: none of the catalog's photos can be read; were they moved? build the catalog again")
    return table, vectors
