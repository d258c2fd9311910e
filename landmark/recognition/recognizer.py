"""The recognizer: from photos to landmarks, in one folder."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from landmark.config import MetadataConfig
from landmark.errors import LandmarkError, UsageError
from landmark.network.aspects import Array
from landmark.network.embedder import Embedder
from landmark.network.network import Network
from landmark.photos.decode import UnreadablePhoto, decode, resize
from landmark.recognition import recognizer_file
from landmark.recognition.calibration import Calibration, bank_similarity
from landmark.recognition.candidates import LANDMARK_COLUMNS, CandidateSearch, rows_of
from landmark.recognition.centroids import Centroids
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.metadata import distance_km, gps_veto
from landmark.recognition.recognizer_file import register_resolver
from landmark.recognition.scores import Scores
from landmark.recognition.vectors import check_vectors
from landmark.storage import atomic_folder, is_s3, read_json, upload_folder, write_json

log = logging.getLogger(__name__)

__all__ = ["COLUMNS", "PhotoSource", "Recognizer", "register_resolver"]

Positions = ArrayLike | Sequence[float | None] | None
PhotoSource = str | Path | bytes | Image.Image | np.ndarray[Any, Any]
COLUMNS = ("photo", "landmark", "name", "confidence", "similarity", "candidates", "reason")
CANDIDATES = 5
BATCH = 64


class Recognizer:
    """Network, centroids, calibration, bank, gallery and landmark names: all that turns a photo into a landmark.

    A photo shows its best candidate if score > threshold, where score = similarity to the nearest centroid -
    rescore_weight * mean similarity to the `neighbours` nearest photos of the bank, unless the photo's GPS position
    rules the landmark out.

    Args:
        network: what embeds photos.
        centroids: of the landmarks, in the network's embedding.
        calibration: threshold, re-scoring, confidence.
        bank: unit vectors [m, d] of non-landmark photos; m may be 0 where there is no re-scoring.
        gallery: index over the photos behind the centroids, its ids their URIs; None: none is kept.
        landmarks: a row a landmark: landmark, name, lat, lon, ... (as in a catalog).
        metadata: what a photo's metadata may overrule.

    Attributes:
        ids: of the landmarks that it may say, sorted [l].

    Raises:
        LandmarkError: parts that do not fit one another.
    """

    def __init__(
        self,
        network: Network,
        centroids: Centroids,
        calibration: Calibration,
        bank: Array | None,
        gallery: SearchIndex | None,
        landmarks: pd.DataFrame,
        metadata: MetadataConfig,
    ) -> None:
        self.network = network
        self.centroids = centroids
        self.calibration = calibration
        dim = network.embedding_dim
        self.bank = np.zeros((0, dim), np.float32) if bank is None else check_vectors(bank, "recognizer: bank", dim)
        self.gallery = gallery
        self.metadata = metadata
        check_vectors(centroids.vectors, "recognizer: centroids", dim)
        if calibration.rescore_weight and not len(self.bank):
            raise LandmarkError("recognizer: calibrated with re-scoring, but the bank is empty; calibrate again")
        if gallery is not None and (gallery.dim != dim or not gallery.rows.text):
            raise LandmarkError(
                f"recognizer: the gallery index holds vectors of {gallery.dim} numbers, the network's have {dim}, and its ids "
                f"are {'photos' if gallery.rows.text else 'numbers, not photos'}; build the index again"
            )
        self._search = CandidateSearch(centroids)
        self.landmarks = landmarks.reset_index(drop=True)
        self._known = rows_of(self.landmarks, self._search.ids)
        self._names = self._known["name"].tolist()
        self.ids = self._search.ids
        self._moves = calibration.moves(self._search.ids)
        self._embedder: Embedder | None = None

    def score(self, embeddings: NDArray[Any], lat: Positions = None, lon: Positions = None) -> pd.DataFrame:
        """Decide for photos that are embedded already.

        Args:
            embeddings: unit vectors [n, d].
            lat, lon: positions of the photos [n] [degrees]; NaN or None: unknown.

        Returns:
            A row a photo: landmark (best candidate that its position allows; "": none is allowed), similarity, score,
            accepted, candidates (the five most similar landmarks, whatever the position:
            list of {"landmark", "similarity"}), reason.
        """
        return self.score_arrays(embeddings, lat, lon).table()

    def score_arrays(self, embeddings: NDArray[Any], lat: Positions = None, lon: Positions = None) -> Scores:
        """`score` without the table: columns for many photos at a time. Arguments as there."""
        rows = check_vectors(embeddings, "embeddings", self.network.embedding_dim)
        near, found = self._search.best(rows, CANDIDATES)
        best, which = near[:, 0].astype(np.float64), found[:, 0].copy()
        notes: dict[int, str] = {}
        for photo, position, far in self._too_far(which, lat, lon):
            notes[photo] = f"; {self._names[which[photo]]} is {far:.0f} km from the photo's GPS position"
            vetoed = gps_veto(*position, self._known, self.metadata.gps_veto_km)
            best[photo], which[photo] = self._search.best_of(rows[photo], ~vetoed)
        bank = bank_similarity(rows, self.bank if self.calibration.rescore_weight else None, self.calibration.neighbours)
        score = self.calibration.score(best, bank, np.where(which < 0, 0.0, self._moves[which]))
        accepted = (score > self.calibration.threshold) & (which >= 0)
        return Scores(self._search.ids, self._names, which, best, score, accepted, found, near, notes, self.calibration)

    def recognize(self, photos: Iterable[PhotoSource]) -> pd.DataFrame:
        """Recognise photos.

        Args:
            photos: paths, `s3://` URIs, bytes of image files, images or arrays; may be a generator.

        Returns:
            A row a photo, in order: photo (path or URI; "#<position>" for one without a name), landmark ("": none), name,
            confidence (that the photo shows its best candidate, see `Calibration.confidence`), similarity, candidates,
            reason. Photos that can't be read are rows without a landmark, reason "unreadable: ...".
        """
        parts = list(self.recognize_batches(photos))
        return pd.concat(parts, ignore_index=True) if parts else self._recognized([])

    def recognize_batches(self, photos: Iterable[PhotoSource], batch: int = BATCH) -> Iterator[pd.DataFrame]:
        """`recognize`, a table for each batch: memory does not grow with the number of photos.

        The next batch is decoded while the network works on the one before.

        Raises:
            UsageError: one photo instead of several, or a batch of none.
        """
        if isinstance(photos, pd.DataFrame | dict):
            raise UsageError(f"recognize: expected photos, got a {type(photos).__name__}; give its column, e.g. table['photo']")
        names = isinstance(photos, np.ndarray) and photos.ndim == 1 and photos.dtype.kind in "OU"
        if isinstance(photos, str | bytes | Path | Image.Image | np.ndarray) and not names:
            raise UsageError(f"recognize: expected several photos, got one {type(photos).__name__}; put it in a list")
        if batch < 1:
            raise UsageError(f"recognize_batches: batch {batch} must be at least 1")
        return self._batches(photos, batch)

    def _batches(self, photos: Iterable[PhotoSource], batch: int) -> Iterator[pd.DataFrame]:
        if self._embedder is None:
            self._embedder = Embedder(self.network)
        numbered = enumerate(photos)
        with ThreadPoolExecutor(max_workers=2) as workers:

            def start() -> list[Any]:
                return [workers.submit(self._read, *item) for item in islice(numbered, batch)]

            waiting = start()
            while waiting:
                following = start()
                yield self._recognized([future.result() for future in waiting])
                waiting = following

    def nearest_photos(self, embeddings: NDArray[Any], k: int) -> list[list[tuple[str, float]]]:
        """The gallery photos most similar to each of [n, d] embeddings: (URI, similarity), falling.

        Raises:
            LandmarkError: the recognizer keeps no gallery.
        """
        if self.gallery is None:
            raise LandmarkError("recognizer: it was saved without a gallery index; build it with one")
        similarity, photos = self.gallery.search(embeddings, k)
        return [
            [(str(photo), float(value)) for value, photo in zip(*pair, strict=True) if photo]
            for pair in zip(similarity, photos, strict=True)
        ]

    def save(self, folder: str | Path) -> None:
        """Write all of it into one folder: safetensors, Parquet, Arrow, JSON and FAISS; replaced as a whole, or left as it was.

        In `s3://` the manifest tells a mixed set of files from a whole one when it is loaded.

        Raises:
            LandmarkError: it can't be written.
        """
        if is_s3(folder):
            with tempfile.TemporaryDirectory(prefix="landmark-") as local:
                self.save(Path(local) / "recognizer")
                upload_folder(Path(local) / "recognizer", str(folder))
            return
        with atomic_folder(Path(folder)) as target:
            self.network.save(target / "network")
            self.centroids.save(target / "centroids.parquet")
            write_json(target / "calibration.json", self.calibration.to_json())
            recognizer_file.write_vectors(target / "bank.safetensors", self.bank)
            recognizer_file.write_table(target / "landmarks.parquet", self.landmarks)
            if self.gallery is not None:
                self.gallery.save(target / "gallery")
            settings = {"metadata": self.metadata.model_dump(), "fingerprint": self.network.fingerprint}
            own = bool(self.calibration.own_thresholds)
            version = recognizer_file.VERSION if own else recognizer_file.WITHOUT_OWN_THRESHOLDS
            recognizer_file.write_manifest(target, settings, version)

    @classmethod
    def load(cls, uri: str | Path) -> Self:
        """Read what `save` wrote, from a folder, `s3://...`, or `models:/name@alias` where the registry is imported.

        One of version 1, whose gallery was of another format, recognises as it did, but has no gallery.

        Raises:
            LandmarkError: not there, damaged, foreign or of a newer version.
        """
        with recognizer_file.folder_of(uri) as folder:
            parts = {"centroids.parquet", "calibration.json", "bank.safetensors", "landmarks.parquet"}
            manifest = recognizer_file.read_manifest(folder, {*parts, "network/network.json", "network/network.safetensors"})
            network = Network.load(folder / "network")
            if manifest.get("fingerprint") != network.fingerprint:
                raise LandmarkError(f"recognizer {folder}: its network is another one than it was built with; build it again")
            try:
                metadata = MetadataConfig.model_validate(manifest.get("metadata"))
            except ValueError as error:
                raise LandmarkError(f"recognizer {folder}: 'metadata' in recognizer.json is damaged; build it again") from error
            kept = "gallery/index.json" in manifest["files"]
            if kept and manifest["version"] == 1:
                log.warning("recognizer %s: its gallery is of an older format, left out; build it again to have it", folder)
                kept = False
            return cls(
                network=network,
                centroids=Centroids.load(folder / "centroids.parquet"),
                calibration=Calibration.from_json(read_json(folder / "calibration.json")),
                bank=recognizer_file.read_vectors(folder / "bank.safetensors"),
                gallery=SearchIndex.load(folder / "gallery") if kept else None,
                landmarks=recognizer_file.read_table(folder / "landmarks.parquet", LANDMARK_COLUMNS),
                metadata=metadata,
            )

    def _too_far(
        self, which: NDArray[np.int64], lat: Positions, lon: Positions
    ) -> Iterator[tuple[int, tuple[float, float], float]]:
        """Photos whose position rules out their best candidate: row, position, distance [km]."""
        if lat is None or lon is None or self.metadata.gps_veto_km is None:
            return
        positions = np.stack([np.asarray(lat, np.float64), np.asarray(lon, np.float64)], axis=1)
        if len(positions) != len(which):
            raise LandmarkError(f"recognizer: {len(which)} embeddings but {len(positions)} positions; give one a photo")
        there = self._known[["lat", "lon"]].to_numpy(np.float64)[which]
        far = distance_km(*positions.T, *there.T)
        for photo in np.flatnonzero(np.isfinite(positions).all(1) & (far > self.metadata.gps_veto_km)):
            yield int(photo), (float(positions[photo, 0]), float(positions[photo, 1])), float(far[photo])

    def _read(self, position: int, source: PhotoSource) -> tuple[str, Any]:
        """Name of a photo, and (pixels [s, s, 3], lat, lon) or the reason why it can't be read."""
        name = str(source) if isinstance(source, str | Path) else f"#{position}"
        settings = self.network.config
        try:
            photo = decode(source, min_side=settings.image_size)
            return name, (resize(photo.image, settings.image_size, settings.resize), photo.lat, photo.lon)
        except UnreadablePhoto as error:
            return name, str(error)

    def _recognized(self, read: list[tuple[str, Any]]) -> pd.DataFrame:
        good = [row for row, (_, photo) in enumerate(read) if not isinstance(photo, str)]
        reasons = [f"unreadable: {photo}" if isinstance(photo, str) else "" for _, photo in read]
        texts = {"photo": [name for name, _ in read], "landmark": [""] * len(read), "name": [""] * len(read), "reason": reasons}
        # Objects from the start: a file name need not be valid UTF-8.
        columns: dict[str, Any] = {name: pd.Series(values, dtype=object) for name, values in texts.items()}
        columns |= {"confidence": 0.0, "similarity": np.nan, "candidates": pd.Series([[] for _ in read], dtype=object)}
        table = pd.DataFrame(columns, index=range(len(read)))[list(COLUMNS)]
        if not good or self._embedder is None:
            return table
        pixels, lat, lon = zip(*(read[row][1] for row in good), strict=True)
        scores = self.score_arrays(self._embedder(np.stack(pixels)), lat, lon)
        scored = scores.table()
        shown = scored["landmark"].where(scored["accepted"], "")
        pairs = zip(scores.which, scores.accepted, strict=True)
        for column, values in (
            ("landmark", shown),
            ("name", [self._names[which] if accepted else "" for which, accepted in pairs]),
            ("confidence", scores.confidence()),
            ("similarity", scored["similarity"]),
            ("candidates", scored["candidates"]),
            ("reason", scored["reason"]),
        ):
            table.loc[good, column] = pd.Series(list(values), index=good, dtype=table[column].dtype)
        return table
