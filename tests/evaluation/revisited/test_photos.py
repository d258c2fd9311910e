"""From photos to embeddings: crops as in the reference, several scales, folders of distractors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image

from landmark.config import NetworkConfig
from landmark.errors import LandmarkError, UsageError
from landmark.network.network import Network
from landmark.photos.decode import UnreadablePhoto, resize
from landmark.steps import revisited as module
from landmark.steps.revisited import MultiScale, cropped, find_photos, input_sizes, query_images
from tests.evaluation.revisited.samples import truth

CONFIG = NetworkConfig(backbone="test_efficientnet.r160_in1k", pretrained="none", dim=8, image_size=64)


@pytest.fixture(scope="module")
def network() -> Network:
    return Network.build(CONFIG)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


def noise(seed: int, size: tuple[int, int] = (40, 30)) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def write(folder: Path, count: int) -> list[str]:
    folder.mkdir(exist_ok=True)
    for number in range(count):
        noise(number).save(folder / f"p{number}.jpg", quality=95)
    return [str(folder / f"p{number}.jpg") for number in range(count)]


def test_input_sizes() -> None:
    assert input_sizes(128, [1]) == [128]
    assert input_sizes(224, [1, 0.7071067, 1.4142135]) == [224, 160, 320]  # 158.4 and 316.8 to multiples of 32
    assert input_sizes(100, [1, 0.1]) == [100, 32]
    for scales in ([], [0], [-1], [float("nan")], [9], [1, 1], [1, 1.01]):
        with pytest.raises(UsageError, match="--scales"):
            input_sizes(96, scales)


def test_crop_as_in_the_reference(tmp_path: Path) -> None:
    image = noise(0)
    image.save(tmp_path / "p.png")
    got = cropped(str(tmp_path / "p.png"), (2.5, 3.5, 20.4, 21.6))
    pixels = np.asarray(image)
    np.testing.assert_array_equal(np.asarray(got), pixels[4:22, 2:20])  # Pillow rounds halves to even
    padded = cropped(str(tmp_path / "p.png"), (30.0, 0.0, 41.0, 30.0))  # a pixel beyond the edge is black, as there
    assert padded.size == (11, 30)
    assert not np.asarray(padded)[:, 10].any()


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_crop_before_exif_turns_the_photo(tmp_path: Path, suffix: str) -> None:
    image = noise(1)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    image.save(tmp_path / f"p.{suffix}", exif=exif)
    pixels = np.asarray(Image.open(tmp_path / f"p.{suffix}"))
    got = cropped(str(tmp_path / f"p.{suffix}"), (0.0, 0.0, 10.0, 20.0))
    np.testing.assert_array_equal(np.asarray(got), np.rot90(pixels[:20, :10], -1))


@pytest.mark.parametrize("box", [(50.0, 0.0, 60.0, 20.0), (0.0, 0.0, 400.0, 300.0), (-20.0, 0.0, 20.0, 30.0)])
def test_a_box_of_another_photo_is_refused(tmp_path: Path, box: tuple[float, float, float, float]) -> None:
    (photo,) = write(tmp_path, 1)
    with pytest.raises(UnreadablePhoto, match=r"does not lie in its 40 x 30 pixels"):
        cropped(photo, box)


def test_queries(tmp_path: Path) -> None:
    made = truth(3, ([0], [], []), ([1], [], []))
    photos = write(tmp_path, 2)
    assert [image.size for image in query_images(photos, made)] == [(8, 8), (8, 8)]
    assert [image.size for image in query_images(photos, made, whole=True)] == [(40, 30), (40, 30)]
    Path(photos[1]).write_bytes(Path(photos[1]).read_bytes()[:500])
    for whole in (True, False):
        with pytest.raises(LandmarkError, match=r"p1\.jpg: .*copy it again"):
            query_images(photos, made, whole)


def test_find_photos(tmp_path: Path) -> None:
    write(tmp_path, 2)
    write(tmp_path / "jpg", 3)
    found = find_photos(str(tmp_path), ["p0", "p2", "p1.jpg"])
    assert found == [str(tmp_path / "p0.jpg"), str(tmp_path / "jpg" / "p2.jpg"), str(tmp_path / "p1.jpg")]
    with pytest.raises(LandmarkError, match=r"p7\.jpg: no such photo.*jpg beside it \(and 2 more\); put"):
        find_photos(str(tmp_path), ["p7", "p0", "p8", "p9"])
    with pytest.raises(LandmarkError, match=r"p7\.jpg: no such photo, nor in the folder jpg beside it; put"):
        find_photos(str(tmp_path), ["p7"])
    with pytest.raises(UsageError, match="--images: no such folder"):
        find_photos(str(tmp_path / "none"), ["p0"])


def test_several_scales_are_the_mean_of_unit_vectors(tmp_path: Path, store: Path, network: Network) -> None:
    photos = write(tmp_path / "photos", 3)
    scaled = MultiScale(network, [1, 0.5, 1.5], store)
    assert scaled.sizes == [64, 32, 96]
    images = [Image.open(photo) for photo in photos]
    total = np.zeros((3, network.embedding_dim))
    for size in (64, 32, 96):
        with torch.inference_mode():
            pixels = torch.from_numpy(np.stack([resize(image, size) for image in images]))
            total += network(network.normalise(pixels)).numpy()
    expected = total / np.linalg.norm(total, axis=1, keepdims=True)
    np.testing.assert_allclose(scaled.images(images), expected, atol=1e-4)
    np.testing.assert_allclose(scaled.photos(photos), expected, atol=1e-4)
    assert network.config.image_size == 64  # left as it was


def test_a_size_that_the_backbone_cannot_take(tmp_path: Path, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    def forward(images: torch.Tensor) -> torch.Tensor:
        raise AssertionError("Input height (32) doesn't match model (64)")

    broken = Network.build(CONFIG)
    monkeypatch.setattr(Network, "forward", lambda self, images: forward(images))
    with pytest.raises(UsageError, match=r"--scales: 'test_efficientnet\.r160_in1k' can't take 32 pixels"):
        MultiScale(broken, [0.5], tmp_path)


def test_a_folder_part_by_part(tmp_path: Path, store: Path, network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = write(tmp_path / "photos", 7)
    (tmp_path / "photos" / "notes.txt").write_text("no photo")
    Path(photos[4]).write_bytes(b"damaged")
    scaled = MultiScale(network, [1], store)
    unreadable: list[str] = []
    monkeypatch.setattr(module, "PART", 3)
    monkeypatch.setattr(module, "BLOCK", 2)
    blocks = list(scaled.folder(str(tmp_path / "photos"), unreadable))
    assert [len(block) for block in blocks] == [2, 1, 1, 1, 1]  # 3 + 3 + 1 photos; p4 is left out
    assert unreadable == [photos[4]]
    good = [photo for photo in photos if photo != photos[4]]
    np.testing.assert_allclose(np.concatenate(blocks), scaled.photos(good), atol=1e-6)
    with pytest.raises(LandmarkError, match=r"p4\.jpg: .*; copy it again"):
        scaled.photos(photos)
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match="no readable photos"):
        list(scaled.folder(str(tmp_path / "none"), unreadable))


def test_what_was_embedded_is_not_embedded_again(
    tmp_path: Path, store: Path, network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = write(tmp_path / "photos", 3)
    first = MultiScale(network, [1], store).photos(photos)
    again = MultiScale(network, [1], store)
    monkeypatch.setattr(type(again._embedders[0]), "__call__", lambda *_: pytest.fail("embedded again"))
    np.testing.assert_array_equal(again.photos(photos), first)
