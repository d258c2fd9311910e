"""Submissions to the tasks of Google Landmarks v2, out of a recognizer and folders of photos named by id."""

from __future__ import annotations

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from landmark.errors import UsageError
from landmark.evaluation.gldv2.rows import read_rows
from landmark.evaluation.gldv2.submission import DEPTH, write_recognition, write_retrieval
from landmark.network.embeddings import EmbeddingStore
from landmark.photos.decode import photo_digest
from landmark.photos.listing import SUFFIXES
from landmark.recognition.index.engine import nearest
from landmark.recognition.recognizer import Recognizer
from landmark.steps.embedding import Vectors
from landmark.storage import is_s3, list_files, shown

log = logging.getLogger(__name__)

ID = re.compile(r"[0-9A-Za-z_-]{1,128}")
_CHUNK = 4096


def submit_recognition(recognizer: Recognizer, images: str, out: str, home: Path, ids: str | None = None) -> dict[str, Any]:
    """Write the best landmark of each photo with its score, whatever the threshold: GAP ranks all photos by score.

    Args:
        recognizer: its landmark ids must be those of the task.
        images: folder with a/b/c/ID.jpg or ID.jpg; s3:// allowed.
        out: CSV to write.
        home: where embeddings are kept.
        ids: CSV whose first column `id` names the photos (sample_submission.csv, say); None: all photos of the folder.

    Returns:
        submission (path), photos and predicted (counts).
    """
    photos = photos_by_id(images, ids)
    kept, vectors = _embed(recognizer, photos, home)
    predictions: dict[str, tuple[str, float] | None] = dict.fromkeys(photos)
    for start in range(0, len(kept), _CHUNK):
        scored = recognizer.score(vectors[start : start + _CHUNK])
        for photo, landmark, score in zip(kept[start : start + _CHUNK], scored["landmark"], scored["score"], strict=True):
            predictions[photo] = (str(landmark), float(score))
    write_recognition(out, predictions)
    return {"submission": out, "photos": len(photos), "predicted": len(kept)}


def submit_retrieval(
    recognizer: Recognizer, images: str, index: str, out: str, home: Path, ids: str | None = None
) -> dict[str, Any]:
    """Write the 100 index photos that are most similar to each query, by exact search over the embeddings.

    Args:
        recognizer: whose network embeds the photos.
        images: folder of the queries.
        index: folder of the index photos.
        out: CSV to write.
        home: where embeddings are kept.
        ids: CSV of the queries, as in `submit_recognition`.

    Returns:
        submission (path), photos, predicted and index (counts).
    """
    photos, stored = photos_by_id(images, ids), photos_by_id(index)
    kept, queries = _embed(recognizer, photos, home)
    names, vectors = _embed(recognizer, stored, home)
    if not names:
        raise UsageError(f"{shown(index)}: no photo in it can be read; give the folder of the index photos")
    rows = nearest(queries, vectors, 0, DEPTH)[1] if kept else np.zeros((0, 0), np.int64)
    found = {photo: [names[row] for row in near] for photo, near in zip(kept, rows, strict=True)}
    write_retrieval(out, {photo: found.get(photo, []) for photo in photos})
    return {"submission": out, "photos": len(photos), "predicted": len(kept), "index": len(names)}


def photos_by_id(folder: str, ids: str | None = None) -> dict[str, str]:
    """Id -> path or URI of the photos below a folder, by their file names.

    No path is ever made from an id, so that none can leave the folder.

    Args:
        folder: with ID.jpg at any depth.
        ids: CSV with a first column `id`: which photos, in this order; None: all, by id.

    Raises:
        UsageError: no photos, an id that is no plain word, without a photo, or with two.
    """
    if not is_s3(folder) and not Path(folder).is_dir():
        raise UsageError(f"{shown(folder)}: no such folder; give the one with the photos a/b/c/ID.jpg")
    found: dict[str, list[str]] = {}
    for path in list_files(folder, SUFFIXES):
        found.setdefault(Path(path).stem, []).append(path)
    wanted = {name: shown(folder) for name in sorted(found)}
    if ids is not None:
        wanted = {cells[0]: where for where, cells in read_rows(ids, ("id",))}
    if not wanted:
        raise UsageError(f"{shown(folder if ids is None else ids)}: no photos; expected a/b/c/ID.jpg, or a CSV with ids")
    for name, where in wanted.items():
        if not ID.fullmatch(name):
            raise UsageError(f"{where}: '{shown(name)}' isn't a photo id (letters, digits, - and _); rename it")
        places = found.get(name, [])
        if len(places) != 1:
            problem = f"two photos, {shown(places[0])} and {shown(places[1])}" if places else "no photo"
            raise UsageError(f"{where}: '{name}' has {problem} in {shown(folder)}; there must be one")
    return {name: found[name][0] for name in wanted}


def _embed(recognizer: Recognizer, photos: dict[str, str], home: Path) -> tuple[list[str], Vectors]:
    """Ids of the photos that can be read, and their unit vectors [n, d]."""
    paths = list(photos.values())
    with ThreadPoolExecutor() as pool:
        digests = list(pool.map(photo_digest, paths))
    embedded = EmbeddingStore(home / "embeddings", recognizer.network).embed_photos(paths, digests)
    for path, reason in embedded.failed.items():
        log.warning("%s: %s; it gets no prediction", shown(path), reason)
    ok = embedded.ok
    return [name for name, good in zip(photos, ok, strict=True) if good], (
        embedded.vectors if ok.all() else embedded.vectors[ok]
    )
