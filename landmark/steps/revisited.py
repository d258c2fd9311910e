"""Photos of Revisited Oxford and Paris, or of a set in the same form, to embeddings."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from landmark.errors import LandmarkError, UsageError
from landmark.evaluation.revisited.ground_truth import Box, GroundTruth
from landmark.network.embedder import Embedder
from landmark.network.embeddings import EmbeddingStore
from landmark.network.network import Network
from landmark.photos.decode import UnreadablePhoto, decode, open_photo, photo_digest, resize
from landmark.photos.listing import SUFFIXES
from landmark.storage import is_s3, join, list_files, shown

log = logging.getLogger(__name__)

Vectors = NDArray[np.float32]

MULTIPLE = 32  # side of a scaled input [pixels]: what backbones divide their input by
PART = 65_536
"""Photos of a folder listed, hashed and embedded at a time: what is kept in memory of a million."""
BLOCK = 16_384
"""Embeddings handed on at once."""
INSIDE = 0.9
"""Share of a box that must lie in its photo: less means that the photo isn't the original, or was scaled."""


def input_sizes(size: int, scales: Sequence[float]) -> list[int]:
    """Sides of the network's input at each scale [pixels]: the network's own at 1, else the nearest multiple of 32.

    The networks take squares of one size, so a scale is one of the input: ours to choose, as the reference scales photos
    whose longer side has 1024 pixels.

    Raises:
        UsageError: no scale, one that is not above 0, or two that give the same size.

    >>> input_sizes(224, [1, 0.7071, 1.4142])
    [224, 160, 320]
    """
    if not scales or not all(0 < scale <= 8 for scale in scales):
        raise UsageError(f"--scales: {list(scales)}; give factors above 0 and up to 8, such as 1,0.7071,1.4142")
    sizes = [size if scale == 1 else max(1, round(size * scale / MULTIPLE)) * MULTIPLE for scale in scales]
    if len(set(sizes)) < len(sizes):
        raise UsageError(f"--scales: {list(scales)} are inputs of {sizes} pixels; leave out what gives the same size twice")
    return sizes


class MultiScale:
    """Embeds photos at several sizes of the network's input: the mean of the unit vectors, brought to unit length.

    Database photos and distractors go through the embedding store, so that what was embedded before is not embedded again.

    Args:
        network: the network.
        scales: factors of its input size.
        folder: of the embedding store.

    Attributes:
        sizes: sides of the input [pixels].

    Raises:
        UsageError: scales that can't be used, or an input size that the backbone can't take.
    """

    def __init__(self, network: Network, scales: Sequence[float], folder: Path) -> None:
        self.sizes = input_sizes(network.config.image_size, scales)
        self.dim = network.embedding_dim
        self._resize = network.config.resize
        networks = [_resized(network, size) for size in self.sizes]
        self._embedders = [Embedder(scaled, cache=folder) for scaled in networks]
        self._stores = [
            EmbeddingStore(folder, scaled, embedder=embedder)
            for scaled, embedder in zip(networks, self._embedders, strict=True)
        ]

    def images(self, images: Sequence[Image.Image]) -> Vectors:
        """Embed RGB images, kept nowhere: unit vectors `[n, d]`."""
        parts = [
            embedder(np.stack([resize(image, embedder.size, self._resize) for image in images])) for embedder in self._embedders
        ]
        return _mean(parts)

    def photos(self, photos: Sequence[str]) -> Vectors:
        """Embed photos, all of which must be readable: unit vectors `[n, d]`.

        Raises:
            LandmarkError: a photo can't be read; names it and how many more.
        """
        parts = []
        for vectors, failed in self._parts(photos):
            if failed:
                raise LandmarkError(
                    f"{shown(next(iter(failed)))}: {next(iter(failed.values()))}{_more(len(failed))}; copy it again"
                )
            parts.append(vectors)
        return np.concatenate(parts)

    def folder(self, folder: str, unreadable: list[str]) -> Iterator[Vectors]:
        """Embed all photos below a folder, part by part.

        Args:
            folder: path or s3:// URI.
            unreadable: gets the photos that can't be read, which are left out with a warning.

        Yields:
            Unit vectors `[b, d]`.

        Raises:
            UsageError: no such folder, or no photos in it.
        """
        files = list_files(folder, SUFFIXES)
        count = 0
        while part := list(islice(files, PART)):
            for vectors, failed in self._parts(part):
                for photo, reason in failed.items():
                    log.warning("%s: %s; left out", shown(photo), reason)
                unreadable += failed
                kept = vectors[np.isfinite(vectors[:, 0])] if failed else vectors
                count += len(kept)
                yield kept
            log.info("%s: %d photos", shown(folder), count)
        if not count:
            raise UsageError(f"{shown(folder)}: no readable photos; expected a folder of them")

    def _parts(self, photos: Sequence[str]) -> Iterator[tuple[Vectors, dict[str, str]]]:
        """Blocks of unit vectors, NaN where a photo failed; with the first of them, what failed and why."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            digests = list(pool.map(photo_digest, photos))
        made = [store.embed_photos(photos, digests) for store in self._stores]
        failed = {photo: reason for embedded in made for photo, reason in embedded.failed.items()}
        bad = failed
        for start in range(0, len(photos), BLOCK):
            yield _mean([embedded.vectors[start : start + BLOCK] for embedded in made]), bad
            bad = {}


def find_photos(folder: str, names: Sequence[str]) -> list[str]:
    """Files of photos that are named without extension: FOLDER/NAME.jpg or FOLDER/jpg/NAME.jpg.

    Raises:
        UsageError: no such folder.
        LandmarkError: photos are missing; names the first and how many more.
    """
    if not is_s3(folder) and not Path(folder).is_dir():
        raise UsageError(f"--images: no such folder: {shown(folder)}")
    # One listing of a bucket instead of a request a photo.
    known = set(list_files(folder)) if is_s3(folder) else None
    found: list[str] = []
    missing: list[str] = []
    for name in names:
        file = name if name.lower().endswith(tuple(SUFFIXES)) else f"{name}.jpg"
        places = [join(folder, file), join(folder, "jpg", file)]
        there = [place for place in places if (Path(place).is_file() if known is None else place in known)]
        (found if there else missing).append(there[0] if there else places[0])
    if missing:
        raise LandmarkError(
            f"{shown(missing[0])}: no such photo, nor in the folder jpg beside it{_more(len(missing))}; "
            "put all photos of the ground truth there"
        )
    return found


def query_images(photos: Sequence[str], truth: GroundTruth, whole: bool = False) -> list[Image.Image]:
    """The queries' photos, cropped to what is asked for.

    Args:
        photos: file of each query.
        truth: the ground truth, with their boxes.
        whole: leave the crop out, which is not the protocol.

    Raises:
        LandmarkError: a photo can't be read, or its box does not lie in it; names the photo.
    """
    images = []
    for photo, query in zip(photos, truth.queries, strict=True):
        try:
            images.append(decode(photo).image if whole else cropped(photo, query.box))
        except UnreadablePhoto as error:
            raise LandmarkError(f"{shown(photo)}: {error}; copy it again") from error
    return images


def cropped(photo: str, box: Box) -> Image.Image:
    """Part of a photo, as the reference implementation cuts it: sides rounded, in the file's own pixels; then turned upright.

    Args:
        photo: path or URI.
        box: x1, y1, x2, y2 [pixels].

    Raises:
        UnreadablePhoto: the photo can't be read, or the box does not lie in it.
    """
    decode(photo)  # refuses what is damaged or too large; the box is one of the file's pixels, before EXIF turns them
    with open_photo(photo) as (file, _), Image.open(file) as image:
        (x1, y1, x2, y2), (w, h) = box, image.size
        inside = max(0.0, min(x2, w) - max(x1, 0)) * max(0.0, min(y2, h) - max(y1, 0))
        if inside < INSIDE * (x2 - x1) * (y2 - y1):
            raise UnreadablePhoto(f"its box {list(box)} does not lie in its {w} x {h} pixels; is it the original?")
        return decode(image.crop(box)).image


def _resized(network: Network, size: int) -> Network:
    if size == network.config.image_size:
        return network
    scaled = copy.deepcopy(network)
    scaled.config = network.config.model_copy(update={"image_size": size})
    try:
        with torch.inference_mode():
            scaled.cpu()(torch.zeros(1, 3, size, size))
    except (RuntimeError, AssertionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"--scales: '{network.config.backbone}' can't take {size} pixels ({reason}); leave it out") from error
    return scaled


def _mean(parts: Sequence[Vectors]) -> Vectors:
    if len(parts) == 1:
        return parts[0]
    total = np.sum(parts, axis=0, dtype=np.float32)
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12), np.float32)


def _more(count: int) -> str:
    return f" (and {count - 1} more)" if count > 1 else ""
