"""GPUs, whatever are there: inverted lists are moved to them to be filled and searched, and back to be saved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import faiss

from landmark.errors import UsageError
from landmark.recognition.index.policy import SUBQUANTISERS

MAX_RESULTS = 2048
"""Results, and lists probed, that FAISS's kernels take at most."""
ONE_GPU = {"useFloat16": True, "indicesOptions": "INDICES_64_BIT", "allowCpuCoarseQuantizer": True}
"""Options of `GpuClonerOptions`: 64 x 8-bit codes fit a GPU's shared memory only with lookup tables in float16; ids
are kept; a graph over the lists stays on the CPU."""
SEVERAL_GPUS = {**ONE_GPU, "shard": True}
"""Options of `GpuMultipleClonerOptions`: each GPU holds a part of the vectors."""


@dataclass(frozen=True)
class OnGpu:
    """An index on GPUs, and the resources that must live as long as it."""

    index: Any
    resources: Any


def gpus() -> int:
    """GPUs that FAISS can use."""
    return int(getattr(faiss, "get_num_gpus", lambda: 0)())


def choose(device: str) -> str:
    """ "cpu" or "gpu" for "auto", "cpu" or "gpu".

    Raises:
        UsageError: another word; "gpu" where there is none.
    """
    if device not in ("auto", "cpu", "gpu"):
        raise UsageError(f"device '{device}': give auto, cpu or gpu")
    if device == "gpu" and not gpus():
        raise UsageError("device 'gpu': FAISS finds no GPU; install the extra 'gpu', or use 'auto'")
    return "gpu" if gpus() and device != "cpu" else "cpu"


def within_limits(nprobe: int, results: int) -> bool:
    """Whether the GPU's kernels take so many lists and results; else the CPU searches."""
    return nprobe <= MAX_RESULTS and results <= MAX_RESULTS


def supported(lists: Any) -> bool:
    """Whether the GPU has kernels for these lists: 8-bit product or scalar quantisation, a list found by comparing with all."""
    ivf = faiss.downcast_index(faiss.extract_index_ivf(lists))
    if isinstance(ivf, faiss.IndexIVFPQFastScan):
        return False
    return not isinstance(ivf, faiss.IndexIVFPQ) or (ivf.pq.nbits == 8 and ivf.pq.M in SUBQUANTISERS)


def options(name: str, values: dict[str, Any]) -> Any:
    """FAISS's object of options, set; what this build was made with is used."""
    made = getattr(faiss, name)()
    for key, value in values.items():
        if not hasattr(made, key):  # SWIG objects take any name without a word
            raise UsageError(f"FAISS {faiss.__version__} has no {name}.{key}; install another version")
        setattr(made, key, getattr(faiss, value) if isinstance(value, str) else value)
    if "CUVS" in faiss.get_compile_options():
        made.use_cuvs = True
    return made


def to_gpu(lists: Any) -> OnGpu | None:
    """Inverted lists on all GPUs that are there; None where there is none, or no kernel for these lists."""
    count = gpus()
    if count == 0 or not supported(lists):
        return None
    if count == 1:
        resources = faiss.StandardGpuResources()
        made = options("GpuClonerOptions", ONE_GPU)
        return OnGpu(faiss.index_cpu_to_gpu(resources, 0, lists, made), resources)
    return OnGpu(faiss.index_cpu_to_all_gpus(lists, co=options("GpuMultipleClonerOptions", SEVERAL_GPUS)), None)


def to_cpu(on_gpu: OnGpu) -> Any:
    """Back, to be saved or mapped."""
    return faiss.index_gpu_to_cpu(on_gpu.index)
