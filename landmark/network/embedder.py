"""The embedder: a network ready to embed photos, in the engine that is fastest for the device."""

from __future__ import annotations

import contextlib
import copy
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from landmark.errors import LandmarkError, UsageError
from landmark.network.device import pick_device
from landmark.network.network import Network

log = logging.getLogger(__name__)

Engine = Literal["auto", "torch", "onnx"]
Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]

TOLERANCE = 1e-4  # largest difference of a component of a unit vector between engines
# Pixels that go through the network at once. On a CPU few: activations that fit the cache are what makes it fast.
_PIXELS = {"onnx": 4 * 128 * 128, "torch": 16 * 128 * 128, "gpu": 256 * 128 * 128}


class Embedder:
    """Embeds photos with a network as it is now; one that is trained further needs a new embedder.

    On the CPU the network runs in ONNX Runtime, which is several times as fast as torch (benchmarks/throughput.py). Its
    outputs are compared with torch's when it is made: where it is missing, fails or differs by more than 1e-4, torch is
    used and the log says so. On a GPU it is torch, float32 without TF32.

    Threads of ONNX Runtime each take photos of their own: threads that share a layer wait for each other at its end, and
    either spin, which takes the cores from the decode workers, or sleep, which costs a fifth of the rate.

    Args:
        network: the network; left as it is.
        device: 'auto', 'cpu', 'gpu' or torch's name of one.
        threads: CPU threads; 0: as many as torch uses.
        engine: 'auto', 'torch', or 'onnx' (CPU only), which is an error where it can't be had.
        cache: folder for exported graphs; None: LANDMARK_CACHE, or `landmark` in the user's cache folder.

    Attributes:
        engine: 'torch' or 'onnx', whichever is in use.
        chunk: photos that go through the network at once.
        batch: photos that it is best called with at a time: work for all threads.

    Raises:
        UsageError: no such device, or engine 'onnx' for a GPU.
        LandmarkError: engine 'onnx' does not work here.
    """

    def __init__(
        self,
        network: Network,
        device: str = "auto",
        threads: int = 0,
        engine: Engine = "auto",
        cache: str | Path | None = None,
    ) -> None:
        self.device = pick_device(device)
        self.threads = threads or torch.get_num_threads()
        self.size = network.config.image_size
        self.dim = network.embedding_dim
        self.network = copy.deepcopy(network).eval().to(self.device)
        self.engine: Literal["torch", "onnx"] = "torch"
        self._session: Any = None
        if self.device.type != "cpu":
            if engine == "onnx":
                raise UsageError("engine: 'onnx' runs on the CPU only; use 'auto' or 'torch'")
        elif engine != "torch":
            problem = self._start_onnx(cache)
            if problem is None:
                self.engine = "onnx"
            elif engine == "onnx":
                raise LandmarkError(f"engine 'onnx': {problem}; use 'auto' or 'torch'")
            else:
                log.warning("embedding with torch, several times slower: ONNX Runtime %s", problem)
        self.chunk = max(1, _PIXELS[self.engine if self.device.type == "cpu" else "gpu"] // self.size**2)
        self.batch = self.chunk * (2 * self.threads if self.engine == "onnx" else 1)
        self._pool = ThreadPoolExecutor(self.threads, "embed") if self.engine == "onnx" and self.threads > 1 else None

    def __call__(self, photos: Pixels) -> Floats:
        """Embed photos, any number of them.

        Args:
            photos: uint8 `[n, s, s, 3]`, RGB, of the network's input size.

        Returns:
            Unit vectors `[n, embedding_dim]`, float32.

        Raises:
            LandmarkError: wrong shape or type.
        """
        if photos.dtype != np.uint8 or photos.ndim != 4 or photos.shape[1:] != (self.size, self.size, 3):
            raise LandmarkError(
                f"photos must be uint8 [n, {self.size}, {self.size}, 3], got {photos.dtype} {list(photos.shape)}; "
                "bring them to the network's size with landmark.photos.decode.resize"
            )
        run = self._torch if self._session is None else self._onnx
        out = np.empty((len(photos), self.dim), dtype=np.float32)

        def embed(start: int) -> None:
            out[start : start + self.chunk] = run(np.ascontiguousarray(photos[start : start + self.chunk]))

        for _ in (self._pool.map if self._pool else map)(embed, range(0, len(photos), self.chunk)):
            pass
        return out

    def _torch(self, photos: Pixels) -> Floats:
        with torch.inference_mode(), self._exact():
            images = self.network.normalise(torch.from_numpy(photos).to(self.device))
            embeddings: Floats = self.network(images).cpu().numpy()
        return embeddings

    def _onnx(self, photos: Pixels) -> Floats:
        embeddings: Floats = self._session.run(None, {"photos": photos})[0]
        return embeddings

    def _start_onnx(self, cache: str | Path | None) -> str | None:
        """Start ONNX Runtime and compare it with torch; returns what is wrong with it, if anything."""
        try:
            import onnxruntime

            from landmark.network.onnx_graph import build_graph

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.enable_mem_pattern = False  # plans memory anew for each size of batch, and keeps all plans
            options.log_severity_level = 3
            graph = build_graph(self.network, cache)
            session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
            # Three photos, as the graph was exported with two: the batch must really be free.
            probe = np.random.default_rng(0).integers(0, 256, (3, self.size, self.size, 3), dtype=np.uint8)
            difference = float(np.abs(session.run(None, {"photos": probe})[0] - self._torch(probe)).max())
        except ImportError as error:
            return f"is not installed ({error})"
        except Exception as error:  # exporter and runtime raise many kinds, and torch can do the work
            return f"cannot run this network ({type(error).__name__}: {' '.join(str(error).split())[:200]})"
        if not difference <= TOLERANCE:
            return f"differs from torch by {difference:.1e}, more than {TOLERANCE:.0e}"
        self._session = session
        log.info("embedding with ONNX Runtime on %d threads; differs from torch by %.1e", self.threads, difference)
        return None

    @contextlib.contextmanager
    def _exact(self) -> Iterator[None]:
        """This embedder's number of threads, and float32 that is float32."""
        before = torch.get_num_threads()
        try:
            if before != self.threads:
                torch.set_num_threads(self.threads)
            # What is not named here, it would set to other values than they have: cuDNN itself to off.
            cudnn = torch.backends.cudnn
            with cudnn.flags(enabled=cudnn.enabled, benchmark=cudnn.benchmark, deterministic=True, allow_tf32=False):
                yield
        finally:
            if before != self.threads:
                torch.set_num_threads(before)
