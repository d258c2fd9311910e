from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from landmark.errors import UsageError
from landmark.tagging.languages import country_names, environment_language, fallbacks, read_names, translated


def landmarks(**names: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "landmark": ["tower", "bridge", "wat"],
            "name": ["Eiffel Tower", "Rialto Bridge", "Wat Arun"],
            "city": ["Paris", "Venice", ""],
            "country": ["France", "Italy", "Siam"],
            "region": ["Europe", "Europe", "Asia"],
            "lat": [48.9, 45.4, float("nan")],
            "lon": [2.3, 12.3, float("nan")],
            "names": [json.dumps(names), "{}", ""],
        }
    )


def test_no_language_changes_nothing() -> None:
    table = landmarks(fr="Tour Eiffel")
    pd.testing.assert_frame_equal(translated(table, None, None), table)


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("fr", "Tour Eiffel"),
        ("fr-CA", "Tour Eiffel"),
        ("FR_be", "Tour Eiffel"),
        ("pt-BR", "Torre Eiffel (BR)"),
        ("pt-PT", "Torre Eiffel"),
        ("pt", "Torre Eiffel"),
        ("zh-Hant-TW", "艾菲爾鐵塔"),
        ("zh-TW", "Eiffel Tower"),
        ("de", "Eiffel Tower"),  # there is no name in it
        ("es", "Eiffel Tower"),  # an empty one is none
    ],
)
def test_the_nearest_language_is_taken(language: str, name: str) -> None:
    names = {"fr": "Tour Eiffel", "pt": "Torre Eiffel", "pt_BR": "Torre Eiffel (BR)", "zh-hant": "艾菲爾鐵塔", "es": ""}
    table = landmarks(**names)
    found = translated(table, language, None)
    assert found["name"].tolist() == [name, "Rialto Bridge", "Wat Arun"]
    assert found.drop(columns=["name", "country"]).equals(table.drop(columns=["name", "country"]))
    assert table["country"].tolist() == ["France", "Italy", "Siam"]  # the table given is as it was


# As Debian's iso-codes (ISO 3166-1) has them, which are not made from the CLDR.
@pytest.mark.parametrize(
    ("language", "countries"),
    [
        ("fr", ["France", "Italie", "Siam"]),
        ("de-AT", ["Frankreich", "Italien", "Siam"]),
        ("ja", ["フランス", "イタリア", "Siam"]),
    ],
)
def test_countries(language: str, countries: list[str]) -> None:
    assert translated(landmarks(), language, None)["country"].tolist() == countries


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Türkiye", "Turquie"),
        ("Turkey", "Turquie"),
        ("czech  republic", "Tchéquie"),
        ("Bosnia and Herzegovina", "Bosnie-Herzégovine"),
        ("Côte d'Ivoire", "Côte d’Ivoire"),
        ("USA", "États-Unis"),
        ("DE", "Allemagne"),
        ("England", "England"),
        ("Deutschland", "Deutschland"),
        ("ZZ", "ZZ"),
        ("Unknown Region", "Unknown Region"),
        ("World", "World"),
        ("<b>", "<b>"),
        ("", ""),
    ],
)
def test_names_of_a_country(text: str, name: str) -> None:
    assert country_names(["fr"])(text) == name


def test_a_language_that_nothing_is_known_in(caplog: pytest.LogCaptureFixture) -> None:
    table = landmarks(fr="Tour Eiffel")
    with caplog.at_level(logging.WARNING):
        pd.testing.assert_frame_equal(translated(table, "xx", None), table)
    assert "language xx: the model knows no names in it" in caplog.text


@pytest.mark.parametrize("language", ["", "f", "french language", "../x", "f\nr", "fr-", "a" * 9, "français"])
def test_what_is_no_language_is_refused(language: str) -> None:
    with pytest.raises(UsageError, match="give a tag such as fr or pt-BR, or auto") as error:
        translated(landmarks(), language, None)
    assert "\n" not in str(error.value)


@given(st.text(max_size=12))
def test_any_text_is_a_tag_or_refused(language: str) -> None:
    try:
        tags = fallbacks(language)
    except UsageError:
        return
    assert tags[0].startswith(tags[-1])
    assert [len(tag) for tag in tags] == sorted({len(tag) for tag in tags}, reverse=True)
    country_names(tags)("France")


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({}, None),
        ({"LANG": "C.UTF-8"}, None),
        ({"LANG": "POSIX"}, None),
        ({"LANG": "de_CH.UTF-8"}, "de-CH"),
        ({"LANG": "sr_RS@latin"}, "sr-RS"),
        ({"LANG": "de_CH.UTF-8", "LC_MESSAGES": "fr_CH.UTF-8"}, "fr-CH"),
        ({"LANG": "de_CH.UTF-8", "LC_MESSAGES": "fr_CH.UTF-8", "LC_ALL": "it_CH"}, "it-CH"),
        ({"LANG": "de_CH.UTF-8", "LC_ALL": ""}, "de-CH"),
        ({"LANG": "/tmp/evil"}, None),
    ],
)
def test_the_environment(environment: dict[str, str], language: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    assert environment_language(environment) == language
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    same = translated(landmarks(de="Eiffelturm", fr="Tour Eiffel", it="Torre Eiffel"), "auto", None)["name"][0]
    assert same == {"de": "Eiffelturm", "fr": "Tour Eiffel", "it": "Torre Eiffel"}.get((language or "")[:2], "Eiffel Tower")


def write(folder: Path, *lines: str) -> Path:
    file = folder / "names.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def test_a_users_own_names_come_first(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = write(
        tmp_path, "landmark,name,country,city,note", 'tower,"Der Eiffelturm, Paris",,,x', "wat,,Thailand,Bangkok,", "zoo,Zoo,,,"
    )
    with caplog.at_level(logging.WARNING):
        found = translated(landmarks(fr="Tour Eiffel"), "fr", file)
    assert found["name"].tolist() == ["Der Eiffelturm, Paris", "Rialto Bridge", "Wat Arun"]
    assert found["city"].tolist() == ["Paris", "Venice", "Bangkok"]
    assert found["country"].tolist() == ["France", "Italie", "Thailand"]
    assert "names.csv: 1 landmarks that the model does not know are passed over (zoo ...)" in caplog.text


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["landmark,city", "tower,Paris"], r"names\.csv: column 'name' is missing; it needs landmark,name"),
        (
            ["landmark,name", "tower,A", "wat,B", "tower,C"],
            r"names\.csv, row 4: landmark 'tower' has a row already \(row 2\); keep one",
        ),
        (["landmark,name", ",A"], r"names\.csv, row 2: the landmark's id is empty"),
        (["landmark,name", "tower,A,B,C"], r"names\.csv: not a readable CSV"),
        (["landmark,name", 'tower,"A\nB"'], r"names\.csv, row 2: name 'A\\nB' has control characters"),
        (["landmark,name,name", "tower,A,B"], r"names\.csv: column 'name' is there twice"),
    ],
)
def test_bad_files_are_refused_with_their_row(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message) as error:
        translated(landmarks(), None, write(tmp_path, *lines))
    assert "\n" not in str(error.value)


def test_files_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.csv: no such file"):
        read_names(tmp_path / "none.csv")
    (tmp_path / "latin.csv").write_bytes("landmark,name\ntower,Café\n".encode("latin-1"))
    with pytest.raises(UsageError, match="not a readable CSV in UTF-8"):
        read_names(tmp_path / "latin.csv")


@pytest.mark.parametrize("names", ["", "[]", "{", '{"fr": 3}', '{"fr": null}', None])
def test_damaged_names_are_none(names: Any) -> None:
    table = landmarks()
    table["names"] = [names] * 3
    assert translated(table, "fr", None)["name"].tolist() == table["name"].tolist()


def test_a_recognizer_without_places() -> None:
    table = pd.DataFrame({"landmark": ["tower"], "name": ["Eiffel Tower"], "lat": [0.0], "lon": [0.0]})
    found = translated(table, "fr", None)
    assert found[["name", "city", "country"]].to_numpy().tolist() == [["Eiffel Tower", "", ""]]
