"""Who may write to the registry writes its tags and names: none of them leads out of `<home>/models`."""

import base64
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from landmark.errors import LandmarkError
from landmark.registry import download, promotion, served
from landmark.registry.connection import connect

HOSTILE = ["/../../steps", "../../steps", "/etc", "a" * 64 + "\n", "A" * 64, "a" * 63, "", "\x00", "é" * 64]


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A store that is not of this machine, and gives one file."""
    asked: list[str] = []

    def fill(uri: str, target: Path) -> None:
        asked.append(uri)
        (target / "recognizer.json").write_text("{}")

    monkeypatch.setattr(download, "local_source", lambda *_: None)
    monkeypatch.setattr(download, "fill", fill)
    monkeypatch.setattr(download, "check", lambda *_: None)
    return asked


def version(number: str = "1", **tags: str) -> Any:
    return SimpleNamespace(version=number, source="models:/m-1", tags={f"landmark.{key}": value for key, value in tags.items()})


@pytest.mark.parametrize("digest", HOSTILE)
def test_a_tag_that_is_no_digest_is_no_path(tmp_path: Path, stored: list[str], digest: str) -> None:
    step = tmp_path / "steps" / "train-0123" / "weights"
    step.parent.mkdir(parents=True)
    step.write_text("precious")
    folder = download.fetch_version(None, "landmark", version(digest=digest), tmp_path)  # type: ignore[arg-type]
    assert step.read_text() == "precious"
    assert folder.parent == tmp_path.resolve() / "models"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["locks", "models", "steps"]


@pytest.mark.parametrize("model", ["../../steps", "..", "a/b", "é"])
@pytest.mark.parametrize("number", ["1", "../../steps", "1/..", "", "١"])
def test_no_name_and_no_number_is_one_either(tmp_path: Path, model: str, number: str) -> None:
    if number == "1":
        assert download.cached(tmp_path, model, version()).parent == tmp_path.resolve() / "models"
        with promotion.model_lock(tmp_path, model):
            assert [path.parent.name for path in tmp_path.rglob("*.lock")] == ["locks"]
    else:
        with pytest.raises(LandmarkError, match="no number of a version"):
            download.cached(tmp_path, model, version(number))


def test_nor_is_it_a_tags_name(home: Path, tmp_path: Path) -> None:
    client = connect(home)
    client.create_registered_model("landmark")
    client.create_model_version("landmark", (tmp_path / "1").as_uri(), tags={"landmark.digest": "/../../steps"})
    for to in ("2", "3"):
        client.create_model_version("landmark", (tmp_path / to).as_uri())
    client.set_registered_model_alias("landmark", "champion", "1")
    done = promotion.switch(client, "landmark", home, expected="1", to="2", action="rollback", why="")
    assert done.switched
    (bar,) = [key for key in client.get_registered_model("landmark").tags if key.startswith(promotion.BARRED)]
    assert set(bar.removeprefix(promotion.BARRED)) <= set("0123456789abcdef")
    assert promotion.is_barred(client, "landmark", "1")


def test_what_is_in_use_is_young(tmp_path: Path, stored: list[str]) -> None:
    folder = download.fetch_version(None, "landmark", version(), tmp_path)  # type: ignore[arg-type]
    for path in (folder, *folder.iterdir()):
        os.utime(path, (1e9, 1e9))
    assert download.fetch_version(None, "landmark", version(), tmp_path) == folder  # type: ignore[arg-type]
    assert len(stored) == 1
    assert time.time() - folder.stat().st_mtime < 3600


def test_base64_of_any_length_is_bytes() -> None:
    # Zeros have no slash in base64: names longer than the 255 bytes that a file system takes.
    for length in range(51, 3751, 3):
        text = base64.b64encode(bytes(length)).decode()
        assert len(text) in range(65, 5001)
        assert served.photo_of(text) == bytes(length)


def test_a_long_path_is_a_path(tmp_path: Path) -> None:
    file = tmp_path / ("A" * 80)
    file.write_bytes(b"x")
    assert served.photo_of(str(file)) == str(file)
    assert served.photo_of("A" * 60) == "A" * 60
