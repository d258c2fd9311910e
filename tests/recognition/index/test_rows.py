"""Ids, attributes and filters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from landmark.errors import LandmarkError
from landmark.recognition.index.filter import Filter
from landmark.recognition.index.rows import Rows

PARIS, LYON = (48.8566, 2.3522), (45.7640, 4.8357)  # 392 km apart


def test_ids_of_numbers_and_of_text() -> None:
    numbers, texts = Rows.of(np.array([7, 3, 9])), Rows.of(["a.jpg", "ü/b.jpg", "c"])
    assert numbers.positions([9, 8, 7]).tolist() == [2, -1, 0]
    assert texts.positions(["c", "none"]).tolist() == [2, -1]
    places = np.array([[2, -1], [0, 1]])
    assert numbers.ids(places).tolist() == [[9, -1], [7, 3]]
    assert texts.ids(places).tolist() == [["c", ""], ["a.jpg", "ü/b.jpg"]]
    assert texts.ids(places).dtype.kind == "U"


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 2, 1], "id '1' is there twice"),
        (["a", "b", "b"], "id 'b' is there twice"),
        ([1, -1], "row 1: the id is missing or negative"),
        (["a", ""], "row 1: the id is missing or empty"),
        ([1, None], "row 1: the id is missing"),
        ([0.5, 1.5], "whole numbers or text"),
        ([1, "a"], "not usable"),
    ],
)
def test_ids_that_are_none(ids: list[object], message: str) -> None:
    with pytest.raises(LandmarkError, match=message):
        Rows.of(ids)


def test_every_format(tmp_path: Path) -> None:
    np.save(tmp_path / "i.npy", np.array([4, 5]))
    (tmp_path / "i.txt").write_text("a\nb\n")
    (tmp_path / "i.csv").write_text("photo,landmark,lat,lon,width\na,x,1,2,9\nb,,,,9\n")
    pq.write_table(pa.table({"photo": ["a", "b"], "landmark": pa.array(["x", ""]).dictionary_encode()}), tmp_path / "i.parquet")
    assert Rows.read(tmp_path / "i.npy").ids(np.array([0, 1])).tolist() == [4, 5]
    assert Rows.read(tmp_path / "i.txt").text
    assert Rows.read(tmp_path / "i.csv").table.column_names == ["id", "landmark", "lat", "lon"]
    assert Rows.read(tmp_path / "i.parquet").table["landmark"].to_pylist() == ["x", ""]
    for name, content in (("i.json", "[]"), ("j.csv", "x\n1\n"), ("k.parquet", "no")):
        (tmp_path / name).write_text(content)
        with pytest.raises(LandmarkError, match=name):
            Rows.read(tmp_path / name)


def test_filters_hold_together() -> None:
    rows = Rows.of(
        [0, 1, 2, 3],
        {
            "landmark": ["a", "b", "a", None],
            "region": ["north", "north", "south", "south"],
            "lat": [PARIS[0], LYON[0], PARIS[0], None],
            "lon": [PARIS[1], LYON[1], PARIS[1], None],
        },
    )
    a, north = frozenset("a"), frozenset(["north"])
    assert Filter(landmarks=a).mask(rows).tolist() == [True, False, True, False]
    assert Filter(landmarks=a, regions=north).mask(rows).tolist() == [True, False, False, False]
    assert Filter(near=(*PARIS, 390)).mask(rows).tolist() == [True, False, True, False]
    assert Filter(near=(*PARIS, 394)).mask(rows).tolist() == [True, True, True, False]
    assert Filter().empty


def test_filters_that_cannot_be() -> None:
    with pytest.raises(LandmarkError, match="built without 'region'"):
        Filter(regions=frozenset("x")).mask(Rows.of([1]))
    for near in ((91, 0, 1), (0, 181, 1), (0, 0, 0), (0, 0, float("nan"))):
        with pytest.raises(LandmarkError, match="latitude"):
            Filter(near=near)


def test_ids_of_a_csv_are_numbers_only_if_they_are_written_so(tmp_path: Path) -> None:
    for text, expected in (("7\n10\n", [7, 10]), ("007\n10\n", ["007", "10"]), ("a\n10\n", ["a", "10"])):
        (tmp_path / "i.csv").write_text("id\n" + text)
        assert Rows.read(tmp_path / "i.csv").table["id"].to_pylist() == expected
    (tmp_path / "i.csv").write_text("id,landmark\n1,007\n")
    assert Rows.read(tmp_path / "i.csv").table["landmark"].to_pylist() == ["007"]


def test_ids_too_long_or_too_large_are_refused() -> None:
    with pytest.raises(LandmarkError, match="row 1: an id of 4097 characters; give at most 4096"):
        Rows.of(["a", "b" * 4097])
    with pytest.raises(LandmarkError, match="not usable as ids"):
        Rows.of([2**64])
    with pytest.raises(LandmarkError, match="whole numbers as ids"):
        Rows.of([1, 2]).positions([2**64])


def test_positions_are_checked() -> None:
    with pytest.raises(LandmarkError, match="row 1: lat 95, from -90 to 90"):
        Rows.of([1, 2], {"lat": [4.0, 95.0], "lon": [0.0, 0.0]})
    with pytest.raises(LandmarkError, match="column 'lat' without 'lon'"):
        Rows.of([1, 2], {"lat": [4.0, 5.0]})
    assert len(Rows.of([1, 2], {"lat": [4.0, None], "lon": [180.0, None]})) == 2
