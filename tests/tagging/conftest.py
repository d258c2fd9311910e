"""A recognizer that is made once, and folders of painted photos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from landmark.recognition.recognizer import Recognizer
from landmark.tagging.job import TagResult, tag
from tests.recognition.striped import paint, striped

Tag = Callable[..., TagResult]


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recognizer, Path]:
    """The recognizer, and the folder that it was saved in."""
    made, folder = striped(), tmp_path_factory.mktemp("recognizer") / "recognizer"
    made.save(folder)
    return made, folder


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def tagged(real: tuple[Recognizer, Path], home: Path, tmp_path: Path) -> Tag:
    """Tags `tmp_path/photos` into `tmp_path/out`."""

    def run(**options: object) -> TagResult:
        settings = {"photos": str(tmp_path / "photos"), "model": real[1], "out": tmp_path / "out", "shard": 4, **options}
        return tag(settings.pop("photos"), settings.pop("model"), settings.pop("out"), home, progress=False, **settings)

    return run


def write_photo(file: Path, kind: int, seed: int, exif: Image.Exif | None = None) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(paint(kind, seed)).save(file, exif=Image.Exif() if exif is None else exif)
    return file


def write_photos(folder: Path, count: int) -> list[Path]:
    """Photos of three landmarks and of none, in two folders."""
    return [write_photo(folder / f"{n % 2}" / f"{n:03}.png", n % 4, 1000 + n) for n in range(count)]
