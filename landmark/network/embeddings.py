"""The embedding store: photos to aligned embeddings, each photo embedded once by a network."""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from landmark.errors import LandmarkError
from landmark.network.embedder import Embedder, Engine, Floats, Pixels
from landmark.network.network import Network
from landmark.network.row_file import RowFile
from landmark.network.shards import Shards
from landmark.photos.decode import MAX_BYTES, UnreadablePhoto, decode, resize
from landmark.storage import StorageUnavailable, is_s3, read_bytes
from landmark.storage.answers import check_answers

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Embedded:
    """Embeddings aligned with the photos that were asked for.

    Attributes:
        vectors: float32 `[n, d]`, unit rows; the row of a photo that failed is NaN. Mapped from a temporary file that goes
            when the array goes: reading it costs page cache, not memory. Changes to it stay private.
        failed: reason by photo.
        rates: `decode_per_second`, `network_per_second`, `end_to_end_per_second` of the photos embedded now (0 where all
            came from the store); the first two are while sharing the cores.
        reused: photos whose embedding came from the store.
    """

    vectors: Floats
    failed: Mapping[str, str]
    rates: Mapping[str, float]
    reused: int

    @property
    def ok(self) -> NDArray[np.bool_]:
        """Which photos have an embedding, bool `[n]`."""
        return ~np.isnan(self.vectors[:, 0])


@dataclass
class _Batch:
    positions: list[int]
    pixels: Pixels
    failed: dict[int, str]
    seconds: float


class EmbeddingStore:
    """Embeddings of one network under `folder/<fingerprint>/`, in shards keyed by the photos' sha256.

    Exported graphs are cached under `folder/onnx/`.

    Decode workers (threads; decoders release the interpreter lock) work ahead of the network by a bounded number of batches,
    so memory does not grow with the number of photos. A run that is killed keeps the shards it finished.

    Args:
        folder: where embeddings of all networks are kept.
        network: the network as it is now.
        device, threads, engine: as in `Embedder`.
        workers: decode threads; 0: one a CPU thread.
        shard_rows: rows a shard.
        progress: show a bar on a terminal.
        embedder: one that was made of this network before; else one is made when first needed.
    """

    def __init__(
        self,
        folder: str | Path,
        network: Network,
        *,
        device: str = "auto",
        threads: int = 0,
        engine: Engine = "auto",
        workers: int = 0,
        shard_rows: int = 2048,
        progress: bool = True,
        embedder: Embedder | None = None,
    ) -> None:
        self.folder = Path(folder) / network.fingerprint
        self.shards = Shards(self.folder, network.embedding_dim)
        self.workers = workers or threads or torch.get_num_threads()
        self._shard_rows = shard_rows
        self._progress = progress
        self._config = network.config
        self._dim = network.embedding_dim
        self._make: Callable[[], Embedder] = lambda: Embedder(network, device, threads, engine, cache=folder)
        self._embedder = embedder

    def embed_photos(self, photos: Sequence[str], sha256: Sequence[str]) -> Embedded:
        """Embed photos, except those that this network has embedded before.

        Args:
            photos: paths or s3:// URIs `[n]`.
            sha256: digest of each photo's file `[n]`; a file that has changed since fails.

        Returns:
            Embeddings in the order of `photos`, and what failed with the reason.

        Raises:
            LandmarkError: disk full, or shards by a newer version.
            StorageUnavailable: S3 can't be reached, or the photos' disk or mount does not answer.
        """
        if len(photos) != len(sha256):
            raise LandmarkError(f"embed_photos: {len(photos)} photos with {len(sha256)} sha256")
        first: dict[str, int] = {}
        for position, key in enumerate(sha256):
            first.setdefault(key, position)
        with RowFile(self.folder, len(photos), self._dim) as result:
            have = np.zeros(len(photos), dtype=bool)
            for positions, rows in self.shards.read(first):
                result.write(positions, rows)
                have[positions] = True
            todo = [position for position in first.values() if not have[position]]
            failed, rates = self._embed(photos, sha256, todo, result)
            for position, key in enumerate(sha256):
                original = first[key]
                if original != position:
                    result.copy(original, position)
                    if original in failed:
                        failed[position] = failed[original]
            reasons = {photos[position]: failed[position] for position in sorted(failed)}
            return Embedded(result.array(), reasons, rates, reused=int(have.sum()))

    def _embed(
        self, photos: Sequence[str], sha256: Sequence[str], todo: list[int], result: RowFile
    ) -> tuple[dict[int, str], dict[str, float]]:
        names = ("decode_per_second", "network_per_second", "end_to_end_per_second")
        failed: dict[int, str] = {}
        if not todo:
            return failed, dict.fromkeys(names, 0.0)
        self._embedder = self._embedder or self._make()
        started, decoding, running = time.perf_counter(), 0.0, 0.0
        with _ShardWriter(self.shards, self._shard_rows) as writer, self._bar() as bar:
            task = bar.add_task("embedding", total=len(todo))
            for batch in self._decoded(photos, sha256, todo):
                begin = time.perf_counter()
                rows = self._embedder(batch.pixels)
                running += time.perf_counter() - begin
                decoding += batch.seconds
                finite = [bool(np.isfinite(row).all()) for row in rows]
                good = [position for position, fine in zip(batch.positions, finite, strict=True) if fine]
                failed |= batch.failed
                failed |= dict.fromkeys(set(batch.positions) - set(good), "the network gives no finite embedding")
                result.write(good, rows[finite])
                writer.add([sha256[position] for position in good], rows[finite])
                bar.advance(task, len(batch.positions) + len(batch.failed))
        for position in failed:
            result.write([position], np.full((1, self._dim), np.nan, dtype=np.float32))
        seconds = (decoding / self.workers, running, time.perf_counter() - started)
        rates = {name: len(todo) / max(value, 1e-9) for name, value in zip(names, seconds, strict=True)}
        log.info(
            "embedded %d photos: decode %.0f/s, network %.0f/s, end to end %.0f/s; %d failed",
            len(todo) - len(failed),
            *rates.values(),
            len(failed),
        )
        return failed, rates

    def _decoded(self, photos: Sequence[str], sha256: Sequence[str], todo: list[int]) -> Iterator[_Batch]:
        """Batches in order, decoded ahead by at most two a worker."""
        assert self._embedder is not None
        size = max(1, min(self._embedder.batch, -(-len(todo) // (2 * self.workers))))
        starts = iter(range(0, len(todo), size))
        ahead: deque[Future[_Batch]] = deque()
        pool = ThreadPoolExecutor(self.workers, thread_name_prefix="decode")

        def submit() -> None:
            if (start := next(starts, None)) is not None:
                ahead.append(pool.submit(self._read, photos, sha256, todo[start : start + size]))

        try:
            for _ in range(2 * self.workers):
                submit()
            while ahead:
                batch = ahead.popleft().result()
                submit()
                yield batch
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _read(self, photos: Sequence[str], sha256: Sequence[str], positions: list[int]) -> _Batch:
        begin = time.perf_counter()
        size = self._config.image_size
        pixels = np.empty((len(positions), size, size, 3), dtype=np.uint8)
        good: list[int] = []
        failed: dict[int, str] = {}
        for position in positions:
            try:
                data = _bytes(photos[position], sha256[position])
                if hashlib.sha256(data).hexdigest() != sha256[position]:
                    raise UnreadablePhoto("changed since it was catalogued (sha256 differs); catalog the photos again")
                pixels[len(good)] = resize(decode(data, min_side=size).image, size, self._config.resize)
            except StorageUnavailable:
                raise
            except LandmarkError as error:
                # A row that could not be read once must not stand in the output for good.
                if isinstance(error.__cause__, OSError):
                    check_answers(error.__cause__, photos[position])
                failed[position] = str(error)
            except Exception as error:  # one hostile photo must not end a run of millions
                if isinstance(error, OSError):
                    check_answers(error, photos[position])
                failed[position] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            else:
                good.append(position)
        return _Batch(good, pixels[: len(good)], failed, time.perf_counter() - begin)

    def _bar(self) -> Progress:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        visible = self._progress and sys.stderr.isatty()
        return Progress(*columns, console=Console(stderr=True), disable=not visible, transient=True)


def _bytes(photo: str, sha256: str) -> bytes:
    """A photo's file; what is no regular file (a pipe would block for ever) or is too large is refused before it is read."""
    if not is_s3(photo):
        try:
            status = os.stat(photo)  # noqa: PTH116 - a null byte in a name raises ValueError here and in Path alike
        except (OSError, ValueError) as error:
            raise UnreadablePhoto(f"cannot be opened ({getattr(error, 'strerror', None) or error})") from error
        if not stat.S_ISREG(status.st_mode):
            raise UnreadablePhoto("not a regular file")
        if status.st_size > MAX_BYTES:
            raise UnreadablePhoto(f"file of {status.st_size} bytes, over the limit of {MAX_BYTES}")
    return read_bytes(photo, sha256=sha256, limit=MAX_BYTES)


class _ShardWriter:
    """Gathers rows and writes a shard whenever there are enough; the rest at the end, or when the run is broken off."""

    def __init__(self, shards: Shards, rows: int) -> None:
        self._shards = shards
        self._limit = rows
        self._keys: list[str] = []
        self._rows: list[Floats] = []

    def __enter__(self) -> _ShardWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._flush()
        else:
            with suppress(LandmarkError):  # the error on its way out says more
                self._flush()

    def add(self, keys: list[str], rows: Floats) -> None:
        self._keys += keys
        self._rows.append(rows)
        if len(self._keys) >= self._limit:
            self._flush()

    def _flush(self) -> None:
        keys, rows, self._keys, self._rows = self._keys, self._rows, [], []
        if keys:
            self._shards.write(keys, np.concatenate(rows))
