from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from landmark.errors import UsageError
from landmark.names import check_landmark_id, shown


@given(st.text())
def test_shown_is_one_printable_line(name: str) -> None:
    assert shown(name).isprintable()
    assert len(shown(name).splitlines()) <= 1


def test_shown_leaves_plain_names_alone_and_escapes_direction_marks() -> None:
    assert shown("Café 🗼.jpg") == "Café 🗼.jpg"
    assert shown("a\u202egpj.exe\udcff") == r"a\u202egpj.exe\udcff"


@pytest.mark.parametrize("name", ["eiffel_tower", "Musée d'Orsay", "🗼", "👨‍👩‍👧", "12345", "a..b", "x" * 200])
def test_landmark_ids_that_are_fine(name: str) -> None:
    check_landmark_id(name, "here")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\\b", "a\nb", "a\0b", " a", "a ", "\u202eabc", "x" * 201, "é" * 101])
def test_landmark_ids_that_cannot_name_a_folder(name: str) -> None:
    with pytest.raises(UsageError, match=r"^here: ") as error:
        check_landmark_id(name, "here")
    assert len(str(error.value).splitlines()) == 1
