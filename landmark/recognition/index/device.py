"""GPUs, whatever are there: inverted lists are moved to them to be filled and searched, and back to be saved."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import faiss

from landmark.errors import UsageError
from landmark.recognition.index.design import SUBQUANTISERS, SUBVECTOR_DIMS

MAX_RESULTS = 2048
"""Results, and lists probed, that FAISS's kernels take at most."""
ONE_GPU = {"useFloat16": True, "indicesOptions": "INDICES_64_BIT"}
"""Options of `GpuClonerOptions`. useFloat16 is what makes an IVF-PQ index's `useFloat16LookupTables`: 64 x 8-bit codes fit a
GPU's shared memory only with such tables; ids are kept. `reserveVecs` is left alone: cuVS refuses it."""
SEVERAL_GPUS = {**ONE_GPU, "shard": True}
"""Options of `GpuMultipleClonerOptions`: each GPU holds a part of the vectors, and a quantiser of its own: with a common one
(`common_ivf_quantizer`) no nprobe can be given with a search."""


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
    """Whether the GPU has kernels for these lists: 8-bit residual product quantisation, or scalar quantisation."""
    ivf = faiss.downcast_index(faiss.extract_index_ivf(lists))
    if isinstance(ivf, faiss.IndexIVFPQ):
        pq = ivf.pq
        return bool(ivf.by_residual and pq.nbits == 8 and pq.M in SUBQUANTISERS and pq.dsub in SUBVECTOR_DIMS)
    return isinstance(ivf, faiss.IndexIVFScalarQuantizer)


def options(name: str, values: dict[str, Any], cuvs: bool = True) -> Any:
    """FAISS's object of options, set; cuVS is used where this build has it, and it knows the index."""
    made = getattr(faiss, name)()
    for key, value in {**values, "use_cuvs": cuvs and "CUVS" in faiss.get_compile_options()}.items():
        if not hasattr(made, key):  # SWIG objects take any name without a word
            raise UsageError(f"FAISS {faiss.__version__} has no {name}.{key}; install another version")
        setattr(made, key, getattr(faiss, value) if isinstance(value, str) else value)
    return made


def to_gpu(lists: Any) -> OnGpu | None:
    """Inverted lists on all GPUs that are there; None where there is none, or no kernel for these lists.

    The options do not survive on disk: they are set here, each time. A graph over the lists stays behind: a GPU compares with
    all of their centres faster than a CPU walks the graph.
    """
    if gpus() == 0 or not supported(lists):
        return None
    ivf: Any = faiss.downcast_index(faiss.extract_index_ivf(lists))
    with flat_quantiser(ivf):
        return _cloned(lists, ONE_GPU, SEVERAL_GPUS, cuvs=isinstance(ivf, faiss.IndexIVFPQ))


def for_clustering(dim: int) -> OnGpu | None:
    """An empty index on all GPUs that compares vectors of this length, for k-means; None where there is no GPU.

    Only this part of training moves: several GPUs that each trained lists of their own would not agree on them.
    """
    if gpus() == 0:
        return None
    return _cloned(faiss.IndexFlatL2(dim), {}, {}, cuvs=True)


def take_back(on_gpu: OnGpu, lists: Any) -> None:
    """Put the entries that were added on GPUs into the lists that were moved there, which keep all else that was trained."""
    filled: Any = faiss.index_gpu_to_cpu(on_gpu.index)
    take_entries(filled, lists)


def take_entries(filled: Any, lists: Any) -> None:
    """Move the entries of one index into another of the same lists."""
    source: Any = faiss.downcast_index(faiss.extract_index_ivf(filled))
    target: Any = faiss.downcast_index(faiss.extract_index_ivf(lists))
    entries = source.invlists
    source.own_invlists = False
    target.replace_invlists(entries, True)
    lists.ntotal = target.ntotal = filled.ntotal


@contextlib.contextmanager
def flat_quantiser(ivf: Any) -> Iterator[None]:
    """Meanwhile the nearest lists are found by comparing with all."""
    before: Any = faiss.downcast_index(ivf.quantizer)
    if isinstance(before, faiss.IndexFlat):
        yield
        return
    flat: Any = faiss.IndexFlatIP(ivf.d)
    flat.add(before.reconstruct_n(0, ivf.nlist))
    ivf.quantizer = flat
    flat.this.own(True)  # SWIG thinks that it belongs to the lists now; they get theirs back
    try:
        yield
    finally:
        ivf.quantizer = before


def _cloned(index: Any, one: dict[str, Any], several: dict[str, Any], cuvs: bool) -> OnGpu:
    if gpus() == 1:
        resources = faiss.StandardGpuResources()
        return OnGpu(faiss.index_cpu_to_gpu(resources, 0, index, options("GpuClonerOptions", one, cuvs)), resources)
    return OnGpu(faiss.index_cpu_to_all_gpus(index, co=options("GpuMultipleClonerOptions", several, cuvs)), None)
