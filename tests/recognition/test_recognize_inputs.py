"""One photo, one answer, whatever it is given as."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from landmark.recognition.recognizer import COLUMNS, PhotoSource, Recognizer
from tests.recognition.striped import paint

Real = tuple[Recognizer, Path]


def png(pixels: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(pixels).save(data, "PNG")
    return data.getvalue()


def written(pixels: np.ndarray, folder: Path) -> Path:
    file = folder / "naïve 🗼\n.png"
    file.write_bytes(png(pixels))
    return file


KINDS: dict[str, Callable[[np.ndarray, Path], PhotoSource]] = {
    "path": written,
    "str": lambda pixels, folder: str(written(pixels, folder)),
    "bytes": lambda pixels, _: png(pixels),
    "image": lambda pixels, _: Image.fromarray(pixels),
    "RGBA image": lambda pixels, _: Image.fromarray(pixels).convert("RGBA"),
    "uint8": lambda pixels, _: pixels,
    "uint8 with alpha": lambda pixels, _: np.dstack([pixels, np.full(pixels.shape[:2], 255, np.uint8)]),
    "view that is not contiguous": lambda pixels, _: np.ascontiguousarray(pixels.transpose(1, 0, 2)).transpose(1, 0, 2),
    "float64": lambda pixels, _: pixels / 255.0,
    "float32": lambda pixels, _: (pixels / 255.0).astype(np.float32),
}
BAD: dict[str, Any] = {
    "empty bytes": b"",
    "no photo": b"GIF89a but not really",
    "not there": "/nowhere/x.jpg",
    "floats above 1": np.full((8, 8, 3), 2.0),
    "NaN": np.full((8, 8, 3), np.nan),
    "integers": np.zeros((8, 8, 3), np.int64),
    "four dimensions": np.zeros((1, 8, 8, 3), np.uint8),
    "no pixels": np.zeros((0, 8, 3), np.uint8),
    "two channels": np.zeros((8, 8, 2), np.uint8),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_answer_for_every_kind(kind: str, real: Real, tmp_path: Path) -> None:
    recognizer, _ = real
    for number in range(4):
        pixels = paint(number, 70 + number)
        found = recognizer.recognize([KINDS[kind](pixels, tmp_path)])
        plain = recognizer.recognize([pixels])
        pd.testing.assert_frame_equal(found.drop(columns="photo"), plain.drop(columns="photo"))


def test_grey_is_the_same_in_every_kind(real: Real) -> None:
    recognizer, _ = real
    grey = paint(3, 5)[..., 0]
    kinds = [grey, grey[..., None], np.repeat(grey[..., None], 3, axis=2), Image.fromarray(grey), grey / 255.0, png(grey)]
    table = recognizer.recognize(kinds)
    assert table["similarity"].nunique() == 1
    assert table["reason"].nunique() == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.one_of(st.tuples(st.sampled_from(sorted(KINDS)), st.integers(0, 3)), st.sampled_from(sorted(BAD))), max_size=9
    ),
    batch=st.integers(1, 4),
    lazily=st.booleans(),
)
def test_mixed_lists_keep_their_order(rows: list[Any], batch: int, lazily: bool, real: Real, tmp_path: Path) -> None:
    recognizer, _ = real
    expected = ["arch", "bell", "dome", ""]
    files = {number: written(paint(number, number), make(tmp_path / str(number))) for number in range(4)}

    def source(row: Any) -> Any:
        if isinstance(row, str):
            return BAD[row]
        kind, number = row
        if kind in ("path", "str"):
            return files[number] if kind == "path" else str(files[number])
        return KINDS[kind](paint(number, number), tmp_path)

    sources = [source(row) for row in rows]
    parts = list(recognizer.recognize_batches(iter(sources) if lazily else sources, batch))
    assert [len(part) for part in parts] == [min(batch, len(rows) - start) for start in range(0, len(rows), batch)]
    if not rows:
        return
    table = pd.concat(parts, ignore_index=True)
    assert table["photo"].tolist() == [
        str(photo) if isinstance(photo, str | Path) else f"#{place}" for place, photo in enumerate(sources)
    ]
    unreadable = [isinstance(row, str) for row in rows]
    assert table["reason"].str.startswith("unreadable: ").tolist() == unreadable
    assert table["landmark"].tolist() == ["" if isinstance(row, str) else expected[row[1]] for row in rows]
    assert table["similarity"].isna().tolist() == unreadable
    assert (table["confidence"] == 0).tolist() == unreadable
    assert not table["reason"].str.contains("\n").any()


def make(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def test_nothing_in_nothing_out(real: Real) -> None:
    recognizer, _ = real
    for nothing in ([], iter([]), ()):
        table = recognizer.recognize(nothing)
        assert list(table.columns) == list(COLUMNS)
        assert len(table) == 0
    assert list(recognizer.recognize_batches([])) == []


def test_all_unreadable(real: Real) -> None:
    table = real[0].recognize(list(BAD.values()))
    assert (table["landmark"] == "").all()
    assert table["reason"].str.startswith("unreadable: ").all()
    assert table["candidates"].tolist() == [[]] * len(BAD)


def test_a_generator_is_read_a_batch_ahead_and_no_further(real: Real) -> None:
    taken = []

    def photos() -> Any:
        for number in range(40):
            taken.append(number)
            yield paint(number % 4, number)

    batches = real[0].recognize_batches(photos(), batch=3)
    next(batches)
    assert len(taken) == 6
    batches.close()
    assert len(taken) == 6
