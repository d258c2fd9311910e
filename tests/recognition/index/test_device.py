"""Building and searching on GPUs: with one, with the GPU wheel alone, and with neither.

The wheel is 1.3 GB with what it needs, so its environment is made only where a folder for it is named, and kept there:

    LANDMARK_GPU_ENV=~/.cache/faiss-gpu pytest -m slow tests/recognition/index/test_device.py
"""

from __future__ import annotations

import os
import subprocess
import sysconfig
import venv
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import faiss
import numpy as np
import pytest

from landmark.errors import UsageError
from landmark.recognition.index import device as index_device
from landmark.recognition.index.build import Goal, build
from landmark.recognition.index.design import SUBQUANTISERS, Design, design
from landmark.recognition.index.rows import Rows
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.index.source import VectorSource
from landmark.storage import atomic_folder
from tests.recognition.samples import around
from tests.test_cli import ROOT

WHEEL = "faiss-gpu==1.15.1"
COUNT, DIM, K = 3000, 16, 5
RANDOM = np.random.default_rng(5)
ALL = RANDOM.permutation(around(RANDOM.normal(size=(130, DIM)), 25, 0.4, RANDOM))
STORED, FRESH = ALL[:COUNT], ALL[COUNT:]


def make(folder: Path, way: Design, device: str) -> Path:
    goal = Goal(0.5, K, device=device, strict=False)  # four bytes a vector alone find 0.44
    with atomic_folder(folder) as temporary:
        build(temporary, VectorSource.of(STORED), Rows.numbered(COUNT), goal, FRESH, way=way)
    return folder


def recall(index: SearchIndex) -> float:
    true = np.argsort(-(FRESH @ STORED.T), axis=1)[:, :K]
    found = index.search(FRESH)[1]
    return float(np.mean([len(set(a) & set(b)) / K for a, b in zip(found.tolist(), true.tolist(), strict=True)]))


def untrained(factory: str) -> Any:
    return faiss.index_factory(256, factory, faiss.METRIC_INNER_PRODUCT)


def test_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_device, "gpus", lambda: 0)
    assert index_device.choose("auto") == "cpu"
    assert index_device.to_gpu(untrained("IVF16,PQ32")) is None
    assert index_device.for_clustering(16) is None
    with pytest.raises(UsageError, match="install the extra 'gpu'"):
        index_device.choose("gpu")
    monkeypatch.setattr(index_device, "gpus", lambda: 2)
    assert (index_device.choose("auto"), index_device.choose("cpu")) == ("gpu", "cpu")


def test_what_has_kernels() -> None:
    """As FAISS's wiki has it, "Faiss on the GPU": codes of 8 bits, 1 to 96 sub-quantisers of certain numbers and lengths."""
    assert (max(SUBQUANTISERS), index_device.MAX_RESULTS) == (96, 2048)
    for factory in ("IVF16,PQ64", "OPQ96_192,IVF16,PQ96", "IVF16,SQ8", "OPQ32,IVF16_HNSW32,PQ32"):
        assert index_device.supported(untrained(factory))
    for factory in ("IVF16,PQ64x4fs", "IVF16,PQ64x4", "IVF16,PQ128", "IVF16,Flat"):
        assert not index_device.supported(untrained(factory))
    plain: Any = untrained("IVF16,PQ64")
    plain.by_residual = False
    assert not index_device.supported(plain)
    assert index_device.within_limits(2048, 2048)
    assert not index_device.within_limits(2049, 10)
    assert not index_device.within_limits(10, 2049)


@pytest.mark.parametrize("count", [12_000, 1_000_000, 100_000_000, 10_000_000_000])
@pytest.mark.parametrize("dim", [16, 96, 100, 256, 512])
def test_what_is_chosen_for_a_gpu_has_kernels(count: int, dim: int) -> None:
    way = design(count, dim, device="gpu")
    lists = faiss.index_factory(dim, way.lists_factory.replace(f"IVF{way.lists}", "IVF16"), faiss.METRIC_INNER_PRODUCT)
    assert index_device.supported(lists)


@pytest.fixture
def pretended(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A GPU made of copies in memory; the options that it was given."""
    given: list[Any] = []

    def options() -> SimpleNamespace:
        return SimpleNamespace(useFloat16=False, indicesOptions=None, use_cuvs=None)

    def to_gpu(resources: Any, number: int, index: Any, options: Any) -> Any:
        given.append((type(faiss.downcast_index(index)).__name__, options))
        ivf: Any = None if isinstance(index, faiss.IndexFlat) else faiss.downcast_index(faiss.extract_index_ivf(index))
        mapped: Any = ivf and faiss.downcast_InvertedLists(ivf.invlists)
        if isinstance(mapped, faiss.OnDiskInvertedLists):  # FAISS clones these to a GPU, but not in memory
            entries: Any = faiss.ArrayInvertedLists(mapped.nlist, mapped.code_size)
            mapped.copy_subset_to(entries, faiss.InvertedLists.SUBSET_TYPE_ID_RANGE, 0, COUNT)
            ivf.replace_invlists(entries, True)
            entries.this.disown()
        return faiss.clone_index(index)

    replaced = {
        "get_num_gpus": lambda: 1,
        "StandardGpuResources": object,
        "GpuClonerOptions": options,
        "INDICES_64_BIT": 3,
        "index_cpu_to_gpu": to_gpu,
        "index_gpu_to_cpu": faiss.clone_index,
    }
    for name, value in replaced.items():
        monkeypatch.setattr(faiss, name, value, raising=False)
    return given


def test_options_are_set_at_each_move(pretended: list[Any], tmp_path: Path) -> None:
    """The same files as without a GPU, where copies in memory stand for one."""
    way = Design("OPQ4,IVF16,PQ4", "SQfp16", 16, 0)
    one, other = make(tmp_path / "cpu", way, "cpu"), make(tmp_path / "gpu", way, "gpu")
    assert [kind for kind, _ in pretended] == ["IndexFlatL2", "IndexPreTransform", "IndexPreTransform"]  # train, add, tune
    for name in ("lists.faiss", "copies.faiss"):
        assert (one / name).read_bytes() == (other / name).read_bytes()
    pretended.clear()
    index = SearchIndex.load(other, device="gpu")
    ((_, options),) = pretended
    assert (options.useFloat16, options.indicesOptions, options.use_cuvs) == (True, 3, False)
    assert recall(index) == recall(SearchIndex.load(other))


def test_a_graph_over_the_lists_stays_and_comes_back(pretended: list[Any], tmp_path: Path) -> None:
    place = make(tmp_path / "i", Design("IVF16_HNSW8,PQ4", "SQ8", 16, 0), "gpu")
    lists = SearchIndex.load(place, device="gpu").engine.lists
    assert isinstance(faiss.downcast_index(faiss.extract_index_ivf(lists).quantizer), faiss.IndexHNSW)
    ivf: Any = faiss.downcast_index(lists)
    centres = faiss.downcast_index(ivf.quantizer).reconstruct_n(0, 16)
    with index_device.flat_quantiser(ivf):
        copy: Any = faiss.clone_index(ivf)
    assert (faiss.rev_swig_ptr(faiss.downcast_index(copy.quantizer).get_xb(), 16 * DIM) == centres.ravel()).all()
    assert (faiss.downcast_index(ivf.quantizer).reconstruct_n(0, 16) == centres).all()
    assert index_device.supported(lists)


def test_cuvs_is_not_asked_for_what_it_does_not_know(pretended: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faiss, "get_compile_options", lambda: "OPTIMIZE AVX2 GPU NVIDIA_CUVS ")
    for factory in ("IVF16,PQ32", "IVF16,SQ8"):
        lists: Any = untrained(factory)
        index_device.to_gpu(lists)
    assert [options.use_cuvs for _, options in pretended] == [True, False]


def test_an_option_that_does_not_exist_is_an_error(pretended: list[Any]) -> None:
    with pytest.raises(UsageError, match=r"has no GpuClonerOptions\.nosuch"):
        index_device.options("GpuClonerOptions", {"nosuch": True})


ON_THE_WHEEL = """
import sys, tempfile
from pathlib import Path
import faiss, numpy as np
from landmark.errors import UsageError
from landmark.recognition.index import device
from landmark.recognition.index.build import Goal, build
from landmark.recognition.index.design import design
from landmark.recognition.index.rows import Rows
from landmark.recognition.index.search import SearchIndex
from landmark.recognition.index.source import VectorSource
from landmark.storage import atomic_folder

print(faiss.__version__, faiss.get_compile_options(), device.gpus())
for values in (device.ONE_GPU, {}):
    made = device.options("GpuClonerOptions", values)
    for key, value in values.items():
        assert getattr(made, key) == (getattr(faiss, value) if isinstance(value, str) else value), key
assert device.options("GpuMultipleClonerOptions", device.SEVERAL_GPUS).shard
for name in ("GpuClonerOptions", "GpuMultipleClonerOptions"):
    try:
        device.options(name, {"nosuch": True})
    except UsageError:
        continue
    raise AssertionError(name)
for name in ("StandardGpuResources", "index_cpu_to_gpu", "index_cpu_to_all_gpus", "index_gpu_to_cpu"):
    assert callable(getattr(faiss, name)), name
config = faiss.GpuIndexIVFPQConfig()
assert hasattr(config, "useFloat16LookupTables")
random = np.random.default_rng(0)
for dim in (16, 20):
    rows = random.normal(size=(12_000, dim)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    way = design(len(rows), dim, device="gpu")
    with tempfile.TemporaryDirectory() as folder, atomic_folder(Path(folder) / "i") as place:
        build(place, VectorSource.of(rows), Rows.numbered(len(rows)), Goal(0.5, 5, device="cpu"), way=way)
        index = SearchIndex.load(place)
        assert device.supported(index.engine.lists)
        assert (index.search(rows[:50], 1)[1][:, 0] == np.arange(50)).mean() > 0.9
    print(dim, way.factory)
"""


@pytest.mark.slow
@pytest.mark.skipif("LANDMARK_GPU_ENV" not in os.environ, reason="LANDMARK_GPU_ENV names no folder for the GPU wheel (1.3 GB)")
def test_the_wheel_knows_every_option() -> None:
    folder = Path(os.environ["LANDMARK_GPU_ENV"]).expanduser()
    python = folder / "bin" / "python"
    if not (folder / "made").is_file():
        venv.create(folder, with_pip=True, clear=True)
        made = subprocess.run([python, "-m", "pip", "install", WHEEL], capture_output=True, text=True, check=False)
        if made.returncode:
            pytest.skip(f"{WHEEL} can't be had: {made.stderr.strip().splitlines()[-1]}")
        (folder / "made").touch()
    # What else the package needs comes from here; a module of the environment's own is found first.
    own = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], capture_output=True, text=True, check=True
    )
    (Path(own.stdout.strip()) / "tests.pth").write_text(sysconfig.get_path("purelib"))
    done = subprocess.run([python, "-c", ON_THE_WHEEL], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert " GPU " in done.stdout.splitlines()[0]


@pytest.mark.gpu
@pytest.mark.skipif(index_device.gpus() == 0, reason="FAISS finds no GPU")
@pytest.mark.parametrize(
    "factory", ["IVF16,PQ4", "OPQ4,IVF16,PQ8", "IVF16_HNSW8,PQ4", "IVF16,SQ8"], ids=["codes", "rotated", "graph", "scalar"]
)
@pytest.mark.parametrize("copies", ["SQfp16", ""], ids=["refined", "alone"])
def test_a_gpu_finds_as_much(factory: str, copies: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "i", Design(factory, copies, 16, 0), "gpu")
    assert index_device.to_gpu(SearchIndex.load(folder).engine.lists) is not None
    found = [recall(SearchIndex.load(folder, device=device)) for device in ("cpu", "gpu")]
    assert abs(found[0] - found[1]) <= 0.005
