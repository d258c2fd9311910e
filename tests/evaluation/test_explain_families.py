"""Activation maps of backbones of every kind, against the package grad-cam."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image
from pytorch_grad_cam import GradCAM, HiResCAM
from torch import Tensor, nn

from landmark.config import NetworkConfig
from landmark.evaluation.explain import _score, activation_map, explain_picture, map_size
from landmark.network.network import Network

SIZES = {"test_": 160, "crossvit": 240}


def size_of(backbone: str) -> int:
    return next((size for start, size in SIZES.items() if backbone.startswith(start)), 224)


def build(backbone: str) -> Network:
    """A random network without pretrained half, its batch norms and scales off their starting values."""
    config = NetworkConfig(backbone=backbone, pretrained="none", image_size=size_of(backbone), dim=16, keep_pretrained=0.0)
    network = Network.build(config)
    random = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1 and len(parameter) > 1:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=random))
    return network


def photo(size: int) -> np.ndarray:
    rng = np.random.default_rng(2)
    image = np.full((size, size, 3), 120, np.uint8)
    image[: size // 2, size // 2 :] = rng.integers(0, 255, (size // 2, size - size // 2, 3))
    return image


def target(network: Network) -> np.ndarray:
    vector = np.random.default_rng(5).normal(size=network.embedding_dim).astype(np.float32)
    return vector / np.linalg.norm(vector)


def evidence(network: Network, image: np.ndarray, vector: np.ndarray) -> np.ndarray:
    with torch.enable_grad():
        (read,), score = _score(network, network.normalise(torch.from_numpy(image)[None]), vector)
        score.backward()
        return read().detach().numpy()


def by_grad_cam(
    kind: type, network: Network, layer: nn.Module, image: np.ndarray, vector: np.ndarray, reshape: Callable | None
) -> np.ndarray:
    """What grad-cam weighs and sums at a layer [rows, columns], before it scales the map to the photo."""
    images = network.normalise(torch.from_numpy(image)[None])
    with torch.enable_grad(), kind(network, [layer], reshape) as cam:
        wanted = [lambda output: (output * torch.from_numpy(vector)).sum()]
        cam(images, wanted)
        (activations,), (gradients,) = cam.activations_and_grads.activations, cam.activations_and_grads.gradients
        return cam.get_cam_image(images, layer, wanted, activations.numpy(), gradients.numpy(), False)[0]


def tokens(output: Tensor) -> Tensor:
    """Patch tokens behind one class token [1, 1 + n, c], or alone [1, n, c], as a map [1, c, rows, columns]."""
    side = math.isqrt(output.shape[1])
    return output[:, -side * side :].reshape(1, side, side, -1).permute(0, 3, 1, 2)


LAYERS: list[tuple[str, Callable[[Network], nn.Module], Callable | None]] = [
    ("test_resnet", lambda network: network.backbone.layer4, None),
    ("test_convnext", lambda network: network.backbone.norm_pre, None),
    ("test_efficientnet", lambda network: network.backbone.bn2, None),
    ("swin_tiny_patch4_window7_224", lambda network: network.backbone.norm, lambda output: output.permute(0, 3, 1, 2)),
    ("test_mambaout", lambda network: network.backbone.stages, lambda output: output.permute(0, 3, 1, 2)),
    ("test_vit", lambda network: network.backbone.blocks[-1].norm1, tokens),
    ("test_vit_relpos", lambda network: network.backbone.norm, tokens),
    ("mixer_s32_224", lambda network: network.backbone.norm, tokens),
    ("pit_ti_224", lambda network: network.backbone.transformers[-1].blocks[-1].norm1, tokens),
]


@pytest.mark.parametrize(("backbone", "layer", "reshape"), LAYERS, ids=[row[0] for row in LAYERS])
def test_the_map_is_that_of_grad_cam(backbone: str, layer: Callable, reshape: Callable | None) -> None:
    network = build(backbone)
    image, vector = photo(size_of(backbone)), target(network)
    expected = by_grad_cam(HiResCAM, network, layer(network), image, vector, reshape)
    found = evidence(network, image, vector)
    assert found.shape == expected.shape
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max(), rtol=1e-3)


def test_under_mean_pooling_it_is_plain_grad_cam() -> None:
    # Draelos and Carin: both are the same where the gradient is the same at all positions. (GeM clips at 0: not even p = 1 is.)
    network = build("test_resnet")
    network.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
    image, vector = photo(160), target(network)
    expected = by_grad_cam(GradCAM, network, network.backbone.layer4, image, vector, None)
    np.testing.assert_allclose(evidence(network, image, vector), expected, atol=1e-4 * np.abs(expected).max())


@pytest.mark.parametrize(
    ("backbone", "side"),
    [
        ("vit_tiny_r_s16_p8_224", 7),  # convolutions, then a transformer
        ("coat_lite_tiny", 7),  # class tokens that it does not declare
        ("crossvit_tiny_240", 20),  # tokens of two scales
        ("xcit_nano_12_p16_224", 14),  # class attention
        ("levit_128s", 4),
        ("pvt_v2_b0", 7),
        ("test_vit3", 10),
    ],
)
def test_models_with_tokens_of_their_own_kind_have_a_map(backbone: str, side: int) -> None:
    network = build(backbone)
    found = evidence(network, photo(size_of(backbone)), target(network))
    assert found.shape == (side, side)
    assert np.isfinite(found).all()
    assert np.ptp(found) > 0


@pytest.mark.parametrize("backbone", ["test_convnext", "test_vit", "pit_ti_224"])
def test_heat_is_from_0_to_1_over_the_photo(backbone: str) -> None:
    network = build(backbone)
    image, vector = photo(size_of(backbone)), target(network)
    maps = [activation_map(network, image, sign * vector) for sign in (1.0, -1.0)]
    for heat in maps:
        assert heat.shape == image.shape[:2]
        assert heat.min() >= 0
        assert heat.max() == pytest.approx(1) or not heat.any()
    # What speaks for a direction speaks against its opposite.
    assert maps[0].any() or maps[1].any()
    assert not (maps[0] * maps[1]).any()


def test_the_photo_is_left_as_it_was() -> None:
    network = build("test_resnet")
    picture = Image.fromarray(photo(400))
    image, heat = explain_picture(network, picture, target(network))
    assert picture.size == (400, 400)
    assert image.shape == (320, 320, 3)
    assert heat.shape == (map_size(network),) * 2 == (320, 320)
