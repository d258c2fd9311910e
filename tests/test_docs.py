"""The examples in the documentation run, in order, and are type-checked."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from mypy import api
from PIL import Image

from tests.recognition.striped import paint, striped

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks(file: str) -> list[tuple[int, str]]:
    """The Python blocks of a document, and the line that each starts at."""
    text = (ROOT / file).read_text(encoding="utf-8")
    return [(text[: found.start(1)].count("\n"), found[1]) for found in BLOCK.finditer(text)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the examples work on."""
    made = tmp_path_factory.mktemp("docs")
    recognizer = striped()
    recognizer.save(made / "recognizer")
    recognizer.save(made / ".landmark/runs/demo/recognizer")
    (made / "holiday").mkdir()
    for name, kind in (("arch", 0), ("bell", 1), ("sea", 3)):
        Image.fromarray(paint(kind, 7)).save(made / "holiday" / f"{name}.jpg", quality=100, subsampling=0)
    (made / "holiday/broken.jpg").write_bytes(b"\xff\xd8\xff no photo")
    Image.fromarray(paint(0, 9)).save(made / "a.jpg", quality=100, subsampling=0)
    Image.fromarray(paint(1, 9)).save(made / "b.heic", quality=100)
    return made


@pytest.fixture
def place(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The examples' folder, as the working folder, with buckets, and a registry whose champion is in it."""
    from landmark.registry import models

    monkeypatch.chdir(folder)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(models, "resolve", lambda uri: {"models:/landmark@champion": folder / "recognizer"}[uri])
    with mock_aws():
        s3 = boto3.client("s3")
        for bucket in ("models", "photos"):
            s3.create_bucket(Bucket=bucket)
        s3.upload_file("holiday/bell.jpg", "photos", "holiday/bell.jpg")
        yield folder


def run(file: str) -> dict[str, Any]:
    """Run all blocks of a document one after another, and return what they leave behind."""
    names: dict[str, Any] = {}
    found = blocks(file)
    assert found
    for line, block in found:
        exec(compile("\n" * line + block, file, "exec"), names)
    return names


def test_the_python_page(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left = run("docs/python.md")
    table = left["table"]
    assert table["landmark"].tolist() == ["bell", "", ""]
    assert table["name"].tolist() == ["The Bell", "", ""]
    assert left["mixed"]["landmark"].tolist() == ["bell"] * 6
    assert left["unreadable"].tolist() == [False, False, True]
    assert left["counts"] == {"arch": 1, "bell": 1}
    assert (left["here"][:2] > table["confidence"][:2]).all()
    assert (left["result"].photos, left["result"].tagged, left["result"].unreadable) == (4, 2, 1)
    assert left["by_place"].sum() == 2
    assert left["near_misses"]["photo"].str.endswith("sea.jpg").tolist() == [True]
    assert [correction.verdict for correction in left["corrections"].current.values()] == ["correct"]
    assert left["in_french"]["name"].tolist() == left["recognizer"].landmarks["name"].tolist()
    printed = capsys.readouterr().out
    assert "nowhere" in printed
    assert "The Bell" in printed
    # Every column of the answer stands in the table of columns, and no other.
    page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    columns = page[page.index("| column |") : page.index("A photo may be a path")]
    assert re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in columns.splitlines() if "|" in line)) == list(table)


def test_the_readme(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("README.md")
    printed = capsys.readouterr().out
    assert re.search(r"a\.jpg +arch ", printed)
    assert re.search(r"b\.heic +bell ", printed)


def test_the_examples_are_typed(tmp_path: Path) -> None:
    for number, file in enumerate(("docs/python.md", "README.md")):
        text = ""
        for line, block in blocks(file):
            text += "\n" * (line - text.count("\n")) + block  # a message names the line in the document
        (tmp_path / f"example_{number}.py").write_text(text, encoding="utf-8")
    wrong = "from landmark.recognition.recognizer import Recognizer\n\nRecognizer.load('x').recognize(3)\n"
    (tmp_path / "wrong.py").write_text(wrong)
    # The project's own settings are strict; others would make mypy check the whole package anew.
    settings = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache")]
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["strict"] is True
    out, problems, status = api.run([*settings, *map(str, sorted(tmp_path.glob("*.py")))])
    assert not problems, problems
    assert [line for line in out.splitlines() if "example_" in line] == []
    assert status == 1  # a call that is wrong is found
    assert 'wrong.py:3: error: Argument 1 to "recognize" of "Recognizer" has incompatible type "int"' in out
