import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from landmark.errors import LandmarkError, UsageError
from landmark.evaluation.pictures import load_pixels, new_figure, short, show_picture, write_figure

HOSTILE = [
    "<script>alert(1)</script>",
    "$\\frac{1}{0}$",
    "$\\frac{$",
    "a&b\"c'd",
    "../../x\x00\x1b[31m\u202egpj.exe",
    "东京 東京 القاهرة",
]


@pytest.mark.parametrize("kind", ["png", "svg"])
@pytest.mark.parametrize("title", HOSTILE)
def test_titles_from_anyone_are_text(tmp_path: Path, title: str, kind: str) -> None:
    figure = new_figure(2, 2)
    show_picture(figure.subplots(), np.zeros((8, 8, 3), np.uint8), title)
    file = tmp_path / f"a.{kind}"
    write_figure(figure, str(file))
    if kind == "png":
        assert Image.open(file).size == (220, 220)
        return
    tree = ET.parse(file)
    assert not {"script", "a", "foreignObject"} & {element.tag.rpartition("}")[2] for element in tree.iter()}
    text = "".join("".join(element.itertext()) for element in tree.iter() if element.tag.endswith("}text"))
    for part in ("script", "frac", "b\"c'd", "gpj.exe", "東京"):
        assert (part in title) == (part in text)
    assert "\u202e" not in text


def test_the_same_figure_is_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        figure = new_figure(2, 2)
        show_picture(figure.subplots(), np.full((8, 8, 3), 9, np.uint8), "title")
        write_figure(figure, str(tmp_path / f"{name}.svg"))
        write_figure(figure, str(tmp_path / f"{name}.png"))
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_only_png_and_svg_are_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.pdf: pictures are written as \.png or \.svg"):
        write_figure(new_figure(1, 1), str(tmp_path / "a.pdf"))
    (tmp_path / "file").write_text("")
    with pytest.raises(LandmarkError, match="cannot be written"):
        write_figure(new_figure(1, 1), str(tmp_path / "file" / "a.png"))


def test_pixels_of_a_photo(tmp_path: Path) -> None:
    Image.new("RGB", (900, 300), (10, 200, 30)).save(tmp_path / "a.png")
    pixels = load_pixels(str(tmp_path / "a.png"), 90)
    assert pixels is not None
    assert pixels.shape == (30, 90, 3)
    assert (pixels == [10, 200, 30]).all()
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n")
    assert load_pixels(str(tmp_path / "b.png")) is None
    assert load_pixels(str(tmp_path / "none.png")) is None


@pytest.mark.parametrize("length", range(1, 12))
def test_short_texts_are_at_most_so_long(length: int) -> None:
    assert len(short("0123456789", length)) == min(length, 10)
    assert short("0123456789", 10) == "0123456789"
