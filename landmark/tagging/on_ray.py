"""The tag job's work on Ray Data: photos are read on CPUs, embedded where the GPUs are, a block a task; this process commits.

    blocks -> read_block (tasks, CPUs) -> ShardMaker (actors, a GPU each where there are any) -> state.sqlite

A block whose worker dies is done again by another one. Workers write shards under names of their own into the folder of all
shards, which all nodes share; a shard counts once this process has put it down, and what was left by dead workers is removed
when the next job starts.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import secrets
import shutil
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.recognition.recognizer import Recognizer
from landmark.storage import StorageUnavailable
from landmark.tagging.plan import Block, Wanted
from landmark.tagging.progress import Bar
from landmark.tagging.ray_cluster import cluster, gpus
from landmark.tagging.ray_maker import ShardMaker
from landmark.tagging.ray_order import TRIES, Order, to_table
from landmark.tagging.ray_reader import read_block
from landmark.tagging.state import ShardRow, State
from landmark.tagging.work import REMOTE_WORKERS, Work

WAVE = 4096
"""Blocks that Ray is given at a time: their names are in memory, and its actors start anew for the next."""
SEEN_WITHIN = 10.0
"""A network file system may show what another node wrote only after a while [s]."""


@dataclass
class _Given:
    """A block in progress, without its photos: the first and the last one will do."""

    block: Block
    photos: int
    made: dict[str, Any] | None = None


class RayWork(Work):
    """Does blocks on a cluster of Ray, each as `Work` does it: the shards are the same.

    Args:
        recognizer: what decides.
        state: which shards there are; its folder must be there on all nodes, at the same path, as must photos that are files.
        wanted: what these shall be like.
        cache: folder for exported graphs, used where a node has it.
        device: 'auto' (GPUs if the cluster has any), 'cpu' or 'gpu'.
        workers: threads with which a task reads photos; 0: one, 16 where the photos lie in S3.
        remote: photos lie in S3.
    """

    def __init__(
        self, recognizer: Recognizer, state: State, wanted: Wanted, cache: Path, device: str, workers: int, remote: bool
    ) -> None:
        super().__init__(recognizer, state, wanted, cache, device, workers, remote)
        self._recognizer, self._cache, self._device = recognizer, cache, device
        self._threads = workers or (REMOTE_WORKERS if remote else 1)
        self._numbers = itertools.count()
        self._given: dict[int, _Given] = {}
        self._ranges: dict[str, deque[int]] = {}
        self._deadly: list[Block] = []

    def _read(self, blocks: Iterator[Block], bar: Bar) -> None:
        first = next(blocks, None)
        if first is None:
            return
        rest = itertools.chain([first], blocks)
        with cluster() as ray, self._order(gpus(ray, self._device)) as order:
            while wave := list(itertools.islice(self._tables(rest, ray), WAVE)):
                try:
                    for made in self._made(ray, wave, order):
                        self._take_made(made, bar)
                except ray.exceptions.RayError as error:
                    said = " ".join(str(error).split())[:300]
                    raise LandmarkError(f"--engine ray: the cluster failed ({said}); run again, it goes on") from error
                self._check_all()

    @contextlib.contextmanager
    def _order(self, gpu_count: int) -> Iterator[Order]:
        """The recognizer where all nodes see it, as long as this job runs."""
        folder = self._state.folder / f"ray-{secrets.token_hex(8)}"
        for old in self._state.folder.glob("ray-*"):  # of jobs that were killed
            shutil.rmtree(old, ignore_errors=True)
        self._cache.mkdir(parents=True, exist_ok=True)
        self._shards.mkdir(exist_ok=True)
        config = self._network.config
        try:
            self._recognizer.save(folder / "recognizer")
            yield Order(
                str(folder.resolve()), str(self._shards.resolve()), self._wanted, config.image_size, config.resize,
                self._network.embedding_dim, str(self._cache.resolve()), "gpu" if gpu_count else "cpu", self._threads,
            )  # fmt: skip
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _tables(self, blocks: Iterator[Block], ray: Any) -> Iterator[Any]:
        """Blocks in Ray's store; those without photos are done here."""
        for block in blocks:
            if not block.listed:
                self._commit(block, None)
                continue
            number = next(self._numbers)
            short = replace(block, listed=[block.listed[0], block.listed[-1]])
            self._given[number] = _Given(short, len(block.listed))
            if block.old is not None:
                self._ranges.setdefault(block.old.id, deque()).append(number)
            yield ray.put(to_table(number, block))

    def _made(self, ray: Any, wave: list[Any], order: Order) -> Iterator[dict[str, Any]]:
        """Shards as they come, in any order."""
        data, on_gpu = ray.data, order.device == "gpu"
        nodes = sum(node["Alive"] and node["Resources"].get("CPU", 0) > 0 for node in ray.nodes())
        most = gpus(ray, self._device) if on_gpu else max(1, nodes)
        whole: dict[str, Any] = {"batch_size": None, "batch_format": "pyarrow"}
        read = data.from_arrow_refs(wave).map_batches(read_block, fn_kwargs={"order": order}, num_cpus=1, **whole)
        # An actor without a CPU of its own: on CPUs it shares the node's with the tasks, as threads do in one process. With the
        # resources that tasks have, Ray Data would make one of both, and photos would be read where the GPUs are.
        pool = data.ActorPoolStrategy(min_size=1, max_size=most)
        shards = read.map_batches(
            ShardMaker, fn_constructor_kwargs={"order": order}, compute=pool, num_cpus=0, num_gpus=int(on_gpu), **whole
        )
        for table in shards.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            yield from table.to_pylist()

    def _take_made(self, made: dict[str, Any], bar: Bar) -> None:
        """Let a shard count, after those of its range that come before it: they share the old shard."""
        given = self._given[made["number"]]
        kind, _, text = (made["trouble"] or "").partition(":")
        if kind == "deaths":
            self._deadly.append(given.block)
            return
        if kind:
            raise _error(kind, text, given.block)
        self._check_seen(made)
        given.made = made
        self.done.read += made["read"]
        self.done.embedded += made["embedded"]
        scored = given.block.work == "score"
        self.done.rescored += made["photos"] - made["unreadable"] if scored and not made["read"] else 0
        bar.advance(given.photos if scored else made["read"])
        old = given.block.old
        if old is None:
            self._put_down(made["number"])
            return
        waiting = self._ranges[old.id]
        while waiting and self._given[waiting[0]].made is not None:
            self._put_down(waiting.popleft())
        if not waiting:
            del self._ranges[old.id]

    def _put_down(self, number: int) -> None:
        given = self._given.pop(number)
        block, made, wanted = given.block, given.made, self._wanted
        assert made is not None
        counts = (made["photos"], made["unreadable"], made["tagged"], block.content, wanted.fingerprint, wanted.digest)
        self._commit(block, ShardRow(block.listed[0][0], made["shard"], *counts))

    def _check_seen(self, made: dict[str, Any]) -> None:
        node = shown(made["node"])
        if made["lost"] is not None and os.path.lexists(made["lost"]):
            raise LandmarkError(
                f"{shown(os.fsdecode(made['lost']))}: node {node} does not see it; photos must lie in a folder that all "
                "nodes of the cluster share, at the same path, or in S3"
            )
        folder, end = self._shards / made["shard"], time.monotonic() + SEEN_WITHIN
        while not folder.is_dir():
            if time.monotonic() > end:
                raise LandmarkError(
                    f"{shown(folder)}: node {node} wrote it, and it is not seen here; --out must lie in a folder that all "
                    "nodes of the cluster share, at the same path"
                )
            time.sleep(0.1)

    def _check_all(self) -> None:
        """Whether all blocks of a wave came back.

        Raises:
            LandmarkError: workers died of one.
        """
        missing = self._deadly or [given.block for given in self._given.values() if given.made is None]
        if missing:
            more = f" (and {len(missing) - 1} shards more)" if len(missing) > 1 else ""
            raise LandmarkError(
                f"{_range(missing[0])}{more}: {TRIES} workers died of these photos, by a crash or for lack of memory; find the "
                "one that does it (a smaller --shard narrows it down) and move it away; what other shards hold is kept"
            )


def _range(block: Block) -> str:
    first, last = (shown(os.fsdecode(photo)) for photo, _ in (block.listed[0], block.listed[-1]))
    return f"{first} to {last}"


def _error(kind: str, text: str, block: Block) -> LandmarkError:
    if kind == "storage":
        return StorageUnavailable(text)
    return LandmarkError(text if kind == "known" else f"{_range(block)}: a worker failed ({text})")
