import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from landmark.evaluation.pictures import Thumbnails


def noise(path: Path, width: int = 600, height: int = 300) -> str:
    pixels = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, quality=95)
    return str(path)


def read(uri: str) -> Image.Image:
    prefix, data = uri.split(",", 1)
    assert prefix == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


def test_a_photo_is_made_small_and_keeps_its_shape(tmp_path: Path) -> None:
    uri = Thumbnails().photo(noise(tmp_path / "a.jpg"), 100)
    assert uri is not None
    assert read(uri).size == (100, 50)


def test_small_photos_are_not_enlarged(tmp_path: Path) -> None:
    uri = Thumbnails().photo(noise(tmp_path / "a.jpg", 40, 30), 100)
    assert uri is not None
    assert read(uri).size == (40, 30)


def test_the_budget_is_kept(tmp_path: Path) -> None:
    photo = noise(tmp_path / "a.jpg")
    size = len(Thumbnails().photo(photo, 64) or "")
    thumbnails = Thumbnails(budget=2 * size + 1)
    made = [thumbnails.photo(photo, 64) for _ in range(4)]
    assert [uri is not None for uri in made] == [True, True, False, False]
    assert thumbnails.left_out == 2


def test_unreadable_photos_have_no_picture(tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff no photo")
    assert Thumbnails().photo(str(broken)) is None
    assert Thumbnails().photo(str(tmp_path / "missing.jpg")) is None


def test_pixels() -> None:
    uri = Thumbnails().pixels(np.zeros((30, 60, 3), np.uint8), 20)
    assert uri is not None
    assert read(uri).size == (20, 10)
