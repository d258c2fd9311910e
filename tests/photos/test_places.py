from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from landmark.errors import UsageError
from landmark.photos.places import category_name, places

HEADER = "landmark,name,city,country,region,lat,lon"


def write(folder: Path, *lines: str, encoding: str = "utf-8") -> str:
    file = folder / "landmarks.csv"
    file.write_bytes("\n".join(lines).encode(encoding) + b"\n")
    return str(file)


def test_rows_and_defaults(tmp_path: Path) -> None:
    csv = write(
        tmp_path,
        HEADER + ",name_fr,name_ja",
        'b,"Tower, the",Paris,France,Europe,48.8584,2.2945,Tour,塔',
        "a,,,,,,,,",
        encoding="utf-8-sig",
    )
    table = places(csv, {"a", "b", "big_ben"}).set_index("landmark")
    assert table.index.tolist() == ["a", "b", "big_ben"]
    assert list(table.loc["b", ["name", "city", "region", "lat"]]) == ["Tower, the", "Paris", "Europe", 48.8584]
    assert json.loads(str(table.loc["b", "names"])) == {"fr": "Tour", "ja": "塔"}
    assert table["name"].tolist() == ["a", "Tower, the", "big ben"]
    assert math.isnan(float(str(table.loc["a", "lat"])))
    assert list(table.loc["big_ben", ["country", "names"]]) == ["", "{}"]


def test_ids_stay_text(tmp_path: Path) -> None:
    assert places(write(tmp_path, HEADER, "007,NA,null,None,nan,1e1,-180"), {"007"}).iloc[0].tolist()[:7] == [
        "007",
        "NA",
        "null",
        "None",
        "nan",
        10.0,
        -180.0,
    ]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (
            ["landmark,name,city,country,lat,lon", "a,A,,,,"],
            r"landmarks\.csv: column 'region' is missing; it needs landmark,name,",
        ),
        ([HEADER, "a,A,,,,,", "b,B,,,,,", "a,A,,,,,"], r"row 4: landmark 'a' has a row already \(row 2\)"),
        ([HEADER, "zoo,Z,,,,,"], r"row 2: landmark 'zoo' has no photos in the source"),
        ([HEADER, ",Z,,,,,"], "row 2: the landmark's id is empty"),
        ([HEADER, "a,A,,,,90.5,0"], r"lat 90\.5 of 'a' must be from -90 to 90"),
        ([HEADER, "a,A,,,,0,-181"], r"lon -181\.0 of 'a' must be from -180 to 180"),
        ([HEADER, "a,A,,,,north,0"], r"row 2: lat 'north' isn't a number"),
        ([HEADER, "a,A,,,,inf,0"], r"row 2: lat 'inf' isn't a number"),
        ([], "not a readable CSV|column 'landmark' is missing"),
        ([HEADER, '"a,A'], "not a readable CSV"),
        ([HEADER, "a,A,,,,,,,,,"], "not a readable CSV"),
    ],
)
def test_bad_csv(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        places(write(tmp_path, *lines), {"a", "b"})
    assert "\n" not in str(error.value)


def test_not_utf8_and_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a readable CSV in UTF-8"):
        places(write(tmp_path, HEADER, "a,Café,,,,,", encoding="latin-1"), {"a"})
    with pytest.raises(UsageError, match=r"none\.csv: no such file"):
        places(str(tmp_path / "none.csv"), {"a"})


def test_gldv2_categories(tmp_path: Path) -> None:
    csv = write(
        tmp_path,
        "landmark_id,category",
        "0,http://commons.wikimedia.org/wiki/Category:Happy_Valley_Racecourse,_Hong_Kong".replace(",_", "%2C_"),
        "7,x",
        "9,",
    )
    assert places(csv, {"0", "9"})["name"].tolist() == ["Happy Valley Racecourse, Hong Kong", "9"]
    assert category_name("http://commons.wikimedia.org/wiki/Category:S%C3%A3o_Paulo%0A..") == "São Paulo.."
