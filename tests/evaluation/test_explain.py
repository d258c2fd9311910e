from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from landmark.config import NetworkConfig
from landmark.evaluation.explain import activation_map, explain_photos, overlay
from landmark.network.network import Network

SIZE = 128


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def embed(network: Network, image: np.ndarray) -> np.ndarray:
    with torch.inference_mode():
        return network(network.normalise(torch.from_numpy(image.copy())[None]))[0].numpy()


def checkerboard_on(side: str) -> np.ndarray:
    """A grey photo whose left or right half is a checkerboard of 8-pixel squares."""
    squares = (np.indices((SIZE, SIZE)) // 8).sum(0) % 2 * 255
    image = np.full((SIZE, SIZE, 3), 128, np.uint8)
    half = slice(0, SIZE // 2) if side == "left" else slice(SIZE // 2, SIZE)
    image[:, half] = squares[:, half, None]
    return image


@pytest.fixture(scope="module")
def pretrained() -> Network:
    return Network.build(NetworkConfig(image_size=SIZE, dim=32))


@pytest.fixture(scope="module")
def baseline() -> Network:
    return Network.frozen_baseline(NetworkConfig(image_size=SIZE))


@pytest.mark.parametrize("side", ["left", "right"])
def test_the_place_that_shows_the_target_is_hot(baseline: Network, side: str) -> None:
    squares = (np.indices((SIZE, SIZE)) // 8).sum(0) % 2 * 255
    target = embed(baseline, np.repeat(squares[..., None], 3, 2).astype(np.uint8))
    heat = activation_map(baseline, checkerboard_on(side), target)
    assert heat.shape == (SIZE, SIZE)
    assert heat.min() >= 0
    assert heat.max() == pytest.approx(1)
    left, right = heat[:, : SIZE // 2].sum(), heat[:, SIZE // 2 :].sum()
    hot, cold = (left, right) if side == "left" else (right, left)
    assert hot > 3 * cold


def test_the_map_is_the_gradient_of_the_similarity(baseline: Network) -> None:
    # Along the features' own direction the derivative of a similarity times the features is the sum over positions of what
    # the map is made from; here it is measured by a small step at each position instead.
    from landmark.network.backbone import feature_map
    from landmark.network.pooling import gem, unit

    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8)
    target = embed(baseline, rng.integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8))
    with torch.inference_mode():
        features = feature_map(baseline.backbone, baseline.normalise(torch.from_numpy(image)[None])).double()
        rows, columns = features.shape[2:]
        evidence = np.zeros((rows, columns))
        for row in range(rows):
            for column in range(columns):
                similar = []
                for step in (-1e-3, 1e-3):
                    moved = features.clone()
                    moved[0, :, row, column] *= 1 + step
                    similar.append(float(unit(gem(moved, 3.0))[0] @ torch.from_numpy(target)))
                evidence[row, column] = (similar[1] - similar[0]) / 2e-3
    heat = activation_map(baseline, image, target)
    # Centres of the cells, where bilinear interpolation from 4 x 4 to 128 x 128 is nearly the cell's own value.
    centres = heat[16::32, 16::32]
    expected = np.clip(evidence, 0, None)
    assert np.corrcoef(centres.ravel(), expected.ravel())[0, 1] > 0.99


def test_the_tuned_half_takes_part(pretrained: Network) -> None:
    rng = np.random.default_rng(1)
    image = checkerboard_on("left")
    target = embed(pretrained, rng.integers(0, 255, (SIZE, SIZE, 3), dtype=np.uint8))
    only_pretrained, only_tuned = target.copy(), target.copy()
    only_pretrained[pretrained.channels :] = 0
    only_tuned[: pretrained.channels] = 0
    maps = [activation_map(pretrained, image, part) for part in (target, only_pretrained, only_tuned)]
    assert not np.allclose(maps[0], maps[1], atol=1e-3)
    assert not np.allclose(maps[0], maps[2], atol=1e-3)


def test_without_a_target_the_map_shows_what_is_pooled(baseline: Network) -> None:
    heat = activation_map(baseline, checkerboard_on("right"))
    assert heat[:, SIZE // 2 :].sum() > heat[:, : SIZE // 2].sum()


@pytest.mark.parametrize("backbone", ["resnet18", "vit_tiny_patch16_224", "convnext_atto", "swin_tiny_patch4_window7_224"])
@pytest.mark.parametrize("keep", [0.0, 1.0])
def test_any_backbone(backbone: str, keep: float) -> None:
    config = NetworkConfig(backbone=backbone, pretrained="none", image_size=224, dim=16, keep_pretrained=keep)
    network = Network.build(config)
    rng = np.random.default_rng(2)
    image = rng.integers(0, 255, (224, 224, 3), dtype=np.uint8)
    target = rng.normal(size=network.embedding_dim).astype(np.float32)
    heat = activation_map(network, image, target / np.linalg.norm(target))
    assert heat.shape == (224, 224)
    assert heat.max() == pytest.approx(1)
    assert heat.min() < 0.5


def test_the_network_is_left_as_it_was(pretrained: Network) -> None:
    before = pretrained.fingerprint
    pretrained.train()
    with torch.no_grad():
        activation_map(pretrained, checkerboard_on("left"), np.ones(pretrained.embedding_dim, np.float32))
    assert pretrained.training
    pretrained.eval()
    assert pretrained.fingerprint == before
    assert all(parameter.grad is None for parameter in pretrained.parameters())
    assert not any(module._forward_hooks for module in pretrained.modules())


def test_a_target_of_another_length_is_refused(baseline: Network) -> None:
    with pytest.raises(ValueError, match=r"target must be \[1280\]"):
        activation_map(baseline, checkerboard_on("left"), np.ones(3, np.float32))


def test_overlay_leaves_cold_places_and_changes_hot_ones() -> None:
    image = np.full((40, 60, 3), 100, np.uint8)
    heat = np.zeros((4, 6), np.float32)
    heat[:, 5] = 1
    mixed = overlay(image, heat)
    assert mixed.shape == image.shape
    assert (mixed[:, :30] == 100).all()
    assert np.abs(mixed[:, -2:].astype(int) - 100).max() > 50


@pytest.mark.parametrize(
    ("backbone", "size", "resize", "map_size", "shown"),
    [
        ("resnet18", 64, "squash", 128, (100, 200, 3)),
        ("resnet18", 64, "crop", 128, (100, 100, 3)),
        ("resnet18", 224, "squash", 224, (100, 200, 3)),
        ("mixer_s32_224", 64, "squash", 64, (100, 200, 3)),  # takes one size only
    ],
)
def test_photos_are_explained_at_a_size_that_shows_something(
    tmp_path: Path, backbone: str, size: int, resize: str, map_size: int, shown: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(4)
    good, broken = tmp_path / "good.png", tmp_path / "broken.png"
    Image.fromarray(rng.integers(0, 255, (100, 200, 3), dtype=np.uint8)).save(good)
    broken.write_bytes(b"no photo")
    config = NetworkConfig(backbone=backbone, pretrained="none", image_size=size, dim=16, resize=resize)  # type: ignore[arg-type]
    network = Network.build(config)
    targets = np.eye(2, network.embedding_dim, dtype=np.float32)
    explained = explain_photos(network, [str(broken), str(good)], targets, ["a", "b"])
    assert [(item.photo, item.landmark, item.size) for item in explained] == [(str(good), "b", map_size)]
    assert explained[0].image.shape == shown
    assert explained[0].heat.shape == (map_size, map_size)
    assert -1 <= explained[0].similarity <= 1
