from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from landmark.tagging.json_lines import iso_times, json_lines
from landmark.tagging.schema import RUNNER_UP

NASTY = ['"', "\\", "a\nb", "\t\x00\x1f", "\x7f", "\u2028\u2029", "\u202e", "🗼é", "</script>", "\\u0041", "", " ", "a\n"]
SCHEMA = pa.schema(
    [
        pa.field('na"me', pa.string()),
        pa.field("small", pa.float32()),
        pa.field("wide", pa.float64()),
        pa.field("count", pa.int32()),
        pa.field("others", pa.list_(RUNNER_UP)),
        pa.field("taken_at", pa.timestamp("ms")),
        pa.field("time", pa.timestamp("ms", tz="UTC")),
    ]
)
text = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(NASTY))
small = st.one_of(st.none(), st.floats(width=32, allow_nan=False))
times = st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)).map(
    lambda t: t.replace(microsecond=t.microsecond // 1000 * 1000)
)
others = st.lists(st.fixed_dictionaries({"landmark": text, "name": text, "similarity": small}), max_size=3)
rows = st.fixed_dictionaries(
    {
        'na"me': text,
        "small": small,
        "wide": st.one_of(st.none(), st.floats(allow_nan=False)),
        "count": st.one_of(st.none(), st.integers(-(2**31), 2**31 - 1)),
        "others": st.one_of(st.none(), others),
        "taken_at": st.one_of(st.none(), times),
        "time": st.one_of(st.none(), times.map(lambda t: t.replace(tzinfo=UTC))),
    }
)


def plainly(row: dict[str, Any]) -> str:
    """The oracle: Python's own encoder."""
    said = {
        key: (value.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z" * (value.tzinfo is not None))
        if isinstance(value, datetime)
        else value
        for key, value in row.items()
    }
    return json.dumps(said, separators=(",", ":")) + "\n"


@settings(max_examples=200, deadline=None)
@given(st.lists(rows, max_size=6), st.integers(0, 3))
@example(
    [{'na"me': name, "small": 0.5, "wide": -0.0, "count": 0, "others": [], "taken_at": None, "time": None} for name in NASTY], 1
)
def test_every_line_is_what_pythons_encoder_writes(made: list[dict[str, Any]], start: int) -> None:
    table = pa.Table.from_pylist(made, schema=SCHEMA).slice(start)
    assert json_lines(table).decode("ascii") == "".join(plainly(row) for row in table.to_pylist())


def test_numbers_at_the_edges_of_the_notation() -> None:
    values = [
        float(f"{sign}{digits}e{exponent}")
        for sign in ("", "-")
        for digits in (1, 1.5, 9.999999)
        for exponent in range(-20, 25)
    ]
    values += [
        0.0,
        -0.0,
        0.0001,
        0.00009999,
        1e15,
        1e16,
        123456789.125,
        float(np.float32(0.97)),
        5e-324,
        1.7976931348623157e308,
    ]
    table = pa.table({"x": values})
    assert json_lines(table).decode() == "".join(json.dumps({"x": value}, separators=(",", ":")) + "\n" for value in values)


def test_times_before_1970_and_other_types() -> None:
    before = pa.array([datetime(1965, 3, 4, 5, 6, 7, 89000)], pa.timestamp("ms"))
    assert iso_times(before).to_pylist() == ["1965-03-04T05:06:07.089"]
    with pytest.raises(TypeError, match="no JSON for"):
        json_lines(pa.table({"x": [b"bytes"]}))
    assert json_lines(pa.table({"x": pa.array([], pa.string())})) == b""
