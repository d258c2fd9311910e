"""Sheets and the map from a recognizer, photos and a catalog."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from landmark.errors import LandmarkError, UsageError
from landmark.photos.catalog import Catalog
from landmark.recognition.recognizer import Recognizer
from landmark.steps.explain import ExplainOptions, explain_files, explain_options, sheet_name
from tests.evaluation.painted import recognizer_of

HOSTILE = "<img src=x onerror=alert(1)> & 'q' $x^"


@pytest.fixture(scope="module")
def recognizer(painted: Catalog) -> Recognizer:
    return recognizer_of(painted, threshold=-1.0)


@pytest.fixture
def photos(tmp_path: Path, painted: Catalog) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    good = Image.open(painted.table["photo"][0])
    good.save(folder / f"{HOSTILE}.png")
    good.rotate(180).save(folder / "z.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff no photo")
    (folder / "empty.png").touch()
    (folder / "notes.txt").write_text("no photo, and no suffix of one")
    return folder


def test_a_sheet_for_each_photo_that_can_be_read(tmp_path: Path, recognizer: Recognizer, photos: Path) -> None:
    made = explain_files(recognizer, [str(photos), str(tmp_path / "gone.jpg")], str(tmp_path / "out"), tmp_path / "home")
    assert [Path(row["photo"]).name for row in made["explained"]] == [f"{HOSTILE}.png", "z.png"]
    assert [(Path(row["photo"]).name, row["reason"]) for row in made["unreadable"]] == [
        ("broken.jpg", made["unreadable"][0]["reason"]),
        ("empty.png", "empty file"),
        ("gone.jpg", "cannot be opened (No such file or directory)"),
    ]
    pictures = [Path(row["picture"]) for row in made["explained"]]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in pictures)
    assert [path.name for path in pictures] == ["1-img-src-x-onerror-alert-1-q-x.png", "4-z.png"]
    for path in pictures:
        assert Image.open(path).size == (1210, 660)
    assert made["map"] is None
    assert {row["landmark"] for row in made["explained"]} <= {"arch", "bell", "crown", "dome"}


def test_with_a_catalog_neighbours_are_labelled_and_a_map_is_drawn(
    tmp_path: Path, recognizer: Recognizer, painted: Catalog, photos: Path
) -> None:
    options = ExplainOptions(format="svg", neighbours=2, map="pca")
    made = explain_files(recognizer, [str(photos)], str(tmp_path / "out"), tmp_path / "home", painted, options)
    sheets = [ET.parse(row["picture"]) for row in made["explained"]]
    texts = ["\n".join("".join(e.itertext()) for e in tree.iter() if e.tag.endswith("}text")) for tree in sheets]
    assert f"{HOSTILE}.png" in texts[0]
    assert "The <b>Arch</b>" in texts[0]
    assert "/arch_" not in texts[0]  # the landmark's name, not the file's
    ET.parse(made["map"])
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".svg"}


def test_a_recognizer_without_gallery_says_what_is_missing(
    tmp_path: Path, painted: Catalog, photos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plain = recognizer_of(painted, gallery=False)
    made = explain_files(plain, [str(photos / "z.png")], str(tmp_path / "out"), tmp_path)
    assert Image.open(made["explained"][0]["picture"]).size == (1210, 407)
    assert "name a --catalog" in caplog.text


def test_nothing_to_explain_is_an_error(tmp_path: Path, recognizer: Recognizer, photos: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(UsageError, match=r"explain: no photos in .*none"):
        explain_files(recognizer, [str(tmp_path / "none")], str(tmp_path / "out"), tmp_path)
    with pytest.raises(LandmarkError, match=r"none of 1 photos can be read; .*empty\.png: empty file"):
        explain_files(recognizer, [str(photos / "empty.png")], str(tmp_path / "out"), tmp_path)
    assert not (tmp_path / "out").exists()
    with pytest.raises(LandmarkError, match="cannot be written"):
        explain_files(recognizer, [str(photos / "z.png")], str(photos / "notes.txt"), tmp_path)


def test_a_catalog_whose_photos_are_gone_is_an_error(
    tmp_path: Path, recognizer: Recognizer, painted: Catalog, photos: Path
) -> None:
    table = painted.table.assign(photo=[f"/gone/{row}.png" for row in range(len(painted))])
    moved = Catalog(table, painted.landmarks, painted.rejects)
    with pytest.raises(LandmarkError, match="none of the catalog's photos can be read"):
        explain_files(recognizer, [str(photos / "z.png")], str(tmp_path / "out"), tmp_path / "home", moved)


@given(st.text(max_size=300), st.integers(1, 99))
def test_no_name_leaves_the_folder(photo: str, number: int) -> None:
    name = sheet_name(photo, number, 99, "png")
    assert name == os.path.basename(name)  # noqa: PTH119
    assert name.isascii()
    assert name.isprintable()
    assert len(name) < 60
    assert name.startswith(f"{number:02d}-")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"format": "pdf"}, "--format: Input should be 'png' or 'svg'"),
        ({"map": "mds"}, "--map: "),
        ({"neighbours": 13}, "--neig"),
        ({"catalog": None}, "--map: a map is of a catalog; give --catalog too"),
    ],
)
def test_wrong_options_are_refused(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        explain_options(**{"format": "png", "neighbours": 6, "map": "tsne", "catalog": "c.parquet", **changed})


def test_the_command(tmp_path: Path, recognizer: Recognizer, photos: Path) -> None:
    recognizer.save(tmp_path / "model")
    command = [sys.executable, "-m", "landmark.cli", "explain", str(tmp_path / "model"), str(photos), "--out", "out"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [*command, "--json"], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment, timeout=300
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert (len(made["explained"]), len(made["unreadable"])) == (2, 2)
    assert all(Path(row["picture"]).is_relative_to(tmp_path / "out") for row in made["explained"])
