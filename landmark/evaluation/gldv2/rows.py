"""Rows of the tasks' CSV files, read strictly: a malformed one is refused by file and line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from landmark import storage
from landmark.errors import UsageError
from landmark.names import shown

Task = Literal["recognition", "retrieval"]
COLUMN: dict[Task, str] = {"recognition": "landmarks", "retrieval": "images"}
"""The column that holds what a photo shows, or which photos show the same."""
_LONGEST = 1 << 27  # characters a cell; Python's own limit of 131,072 is 7,700 photos


def read_rows(uri: str, columns: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
    """Rows of a CSV (UTF-8) whose header starts with `columns`, each with where it stands, for messages.

    Empty lines are skipped; cells of further columns are dropped.

    Raises:
        UsageError: not UTF-8, another header, a row with more or fewer cells than the header, an id that is empty, has a
            space, or comes twice.
    """
    try:
        text = storage.read_bytes(uri).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown(uri)}: not a CSV in UTF-8 (byte {error.start}); save it as UTF-8") from error
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    before = csv.field_size_limit(_LONGEST)
    try:
        header = [cell.strip() for cell in next(reader, [])]
        if header[: len(columns)] != list(columns):
            found = shown(",".join(header))[:80]
            raise UsageError(f"{shown(uri)}, line 1: expected the header {','.join(columns)}, found '{found}'; mend it")
        seen: dict[str, int] = {}
        for cells in reader:
            if not cells:
                continue
            where = f"{shown(uri)}, line {reader.line_num}"
            if len(cells) != len(header):
                raise UsageError(f"{where}: {len(cells)} cells where the header has {len(header)}; mend the row")
            _check_id(cells[0], where)
            if cells[0] in seen:
                raise UsageError(f"{where}: id '{shown(cells[0])}' stands in line {seen[cells[0]]} already; keep one row")
            seen[cells[0]] = reader.line_num
            yield where, cells[: len(columns)]
    except csv.Error as error:
        raise UsageError(f"{shown(uri)}, line {reader.line_num}: not CSV ({error}); mend the row") from error
    finally:
        csv.field_size_limit(before)


def write_rows(uri: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a CSV atomically, to a path or `s3://`.

    Raises:
        UsageError: an id that is empty, has a space, or comes twice: nothing is written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    seen: set[str] = set()
    for row in rows:
        _check_id(row[0], shown(uri))
        if row[0] in seen:
            raise UsageError(f"{shown(uri)}: not written, id '{shown(row[0])}' comes twice; keep one")
        seen.add(row[0])
        writer.writerow(row)
    storage.write_bytes(uri, text.getvalue().encode())


def check_token(value: str, what: str, where: str) -> str:
    """Refuse an id that a list separated by spaces cannot hold."""
    if not value or value.split() != [value]:
        raise UsageError(f"{where}: {what} '{shown(value)}' is empty or has a space, which this format cannot hold; rename it")
    return value


def _check_id(value: str, where: str) -> None:
    check_token(value, "photo id", where)
