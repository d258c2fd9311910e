"""The folder of a recognizer: damaged, foreign, old, or made by a stranger."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from landmark.errors import LandmarkError
from landmark.recognition.recognizer import Recognizer
from landmark.storage import sha256_file
from tests.recognition.striped import paint


@pytest.fixture
def copy(real: tuple[Recognizer, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(real[1], tmp_path / "copy"))


def change(folder: Path, **changes: Any) -> None:
    manifest = json.loads((folder / "recognizer.json").read_text())
    (folder / "recognizer.json").write_text(json.dumps({**manifest, **changes}))


FILES = ["bank.safetensors", "calibration.json", "centroids.parquet", "gallery/copies.faiss", "gallery/index.json"]
FILES += ["gallery/rows.arrow", "gallery/alive.npy", "landmarks.parquet", "network/network.json", "network/network.safetensors"]


@pytest.mark.parametrize("file", FILES)
def test_a_damaged_or_missing_file_is_named(copy: Path, file: str) -> None:
    data = bytearray((copy / file).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / file).write_bytes(data)
    with pytest.raises(LandmarkError, match=rf"{file} is damaged"):
        Recognizer.load(copy)
    (copy / file).unlink()
    with pytest.raises(LandmarkError, match=rf"{file} is missing"):
        Recognizer.load(copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 4}, "update the package"),
        ({"format": "other"}, "is this a recognizer's folder"),
        ({"files": {}}, "lists no bank"),
        ({"fingerprint": "0" * 64}, "another one than it was built with"),
        ({"metadata": {"gps_veto_km": -1}}, "'metadata'"),
    ],
)
def test_a_strange_manifest_is_refused(copy: Path, changes: dict[str, Any], message: str) -> None:
    change(copy, **changes)
    with pytest.raises(LandmarkError, match=message):
        Recognizer.load(copy)


def test_one_of_the_first_version_recognises_without_its_gallery(
    real: tuple[Recognizer, Path], copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (copy / "gallery" / "index.json").write_text('{"format": "landmark-index", "version": 1}')
    files = json.loads((copy / "recognizer.json").read_text())["files"]
    change(copy, version=1, files={**files, "gallery/index.json": sha256_file(copy / "gallery" / "index.json")})
    read = Recognizer.load(copy)
    assert "its gallery is of an older format" in caplog.text
    assert read.gallery is None
    photos = [paint(n % 4, 60 + n) for n in range(4)]
    pd.testing.assert_frame_equal(real[0].recognize(photos), read.recognize(photos), rtol=1e-5)
    change(copy, version=2)
    with pytest.raises(LandmarkError, match="index"):
        Recognizer.load(copy)


@pytest.mark.parametrize("name", ["../secret.json", "/etc/secret.json", "a/../../secret.json", "..\\secret.json", ""])
def test_a_manifest_cannot_leave_its_folder(copy: Path, name: str) -> None:
    (copy.parent / "secret.json").write_text("{}")
    files = json.loads((copy / "recognizer.json").read_text())["files"]
    change(copy, files={**files, name: sha256_file(copy.parent / "secret.json")})
    with pytest.raises(LandmarkError, match="out of its folder"):
        Recognizer.load(copy)


def test_links_and_code_are_refused(copy: Path) -> None:
    files = json.loads((copy / "recognizer.json").read_text())["files"]
    (copy / "hook.py").write_text("print(1)")
    change(copy, files={**files, "hook.py": sha256_file(copy / "hook.py")})
    with pytest.raises(LandmarkError, match="of a kind that is not used"):
        Recognizer.load(copy)
    change(copy, files=files)
    (copy.parent / "bank.safetensors").write_bytes((copy / "bank.safetensors").read_bytes())
    (copy / "bank.safetensors").unlink()
    (copy / "bank.safetensors").symlink_to(copy.parent / "bank.safetensors")
    with pytest.raises(LandmarkError, match="link out of its folder"):
        Recognizer.load(copy)


def test_no_recognizer_at_all(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(LandmarkError, match=r"no recognizer\.json|no such folder"):
            Recognizer.load(folder)
    (tmp_path / "recognizer.json").write_text("[1, 2")
    with pytest.raises(LandmarkError, match="not valid JSON"):
        Recognizer.load(tmp_path)


def test_saving_again_replaces_and_failing_keeps(
    real: tuple[Recognizer, Path], copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recognizer, _ = real
    recognizer.save(copy)
    assert Recognizer.load(copy).calibration == recognizer.calibration

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("landmark.recognition.recognizer_file.write_vectors", full)
    with pytest.raises((LandmarkError, OSError)):
        recognizer.save(copy)
    assert Recognizer.load(copy).calibration == recognizer.calibration


def test_the_version_is_the_oldest_that_has_what_it_needs(real: tuple[Recognizer, Path], tmp_path: Path) -> None:
    made = real[0]
    assert json.loads((real[1] / "recognizer.json").read_text())["version"] == 2
    calibration = replace(made.calibration, own_thresholds={"arch": 0.5})
    Recognizer(
        made.network, made.centroids, calibration, made.bank, None, made.landmarks, made.metadata
    ).save(tmp_path / "own")  # fmt: skip
    assert json.loads((tmp_path / "own" / "recognizer.json").read_text())["version"] == 3
    assert Recognizer.load(tmp_path / "own").calibration == calibration
