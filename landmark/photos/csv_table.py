"""CSV files from outside: read as text, with the columns checked."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Sequence
from typing import Any

import pandas as pd

from landmark import storage
from landmark.errors import UsageError
from landmark.names import shown


def read_csv(uri: str, columns: Sequence[str], optional: Sequence[str] | None = ()) -> pd.DataFrame:
    """Read some columns of a CSV (UTF-8, with or without a byte-order mark) as text; empty cells are "".

    Args:
        uri: path or s3:// URI.
        columns: columns that must be there.
        optional: columns that are kept if they are there (None: all others).

    Raises:
        UsageError: not there, not CSV, or a column is missing.
    """
    header = csv_columns(uri)
    missing = [name for name in columns if name not in header]
    if missing:
        raise UsageError(f"{shown(uri)}: column '{missing[0]}' is missing; it needs {','.join(columns)}")
    kept = [name for name in header if name in columns or optional is None or name in optional]
    # All columns are parsed: reading some alone hides rows with a comma too many, whose cells are shifted.
    return _read(uri)[kept]


def csv_columns(uri: str) -> list[str]:
    """The columns of a CSV.

    Raises:
        UsageError: not there or not CSV.
    """
    return list(_read(uri, nrows=0).columns)


def where(uri: str, row: int) -> str:
    """How messages name a row: the file and the line in it, for the `row`-th (from 0) below the header."""
    return f"{shown(uri)}, row {row + 2}"


def _read(uri: str, **options: Any) -> pd.DataFrame:
    if not storage.is_s3(uri) and not os.path.isfile(uri):  # noqa: PTH113 - a folder or pipe is no CSV either
        raise UsageError(f"{shown(uri)}: no such file")
    source = io.BytesIO(storage.read_bytes(uri)) if storage.is_s3(uri) else uri
    # index_col: otherwise rows with more cells than the header would shift all columns.
    options |= {"dtype": str, "keep_default_na": False, "encoding": "utf-8-sig", "skipinitialspace": True, "index_col": False}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            table: pd.DataFrame = pd.read_csv(source, **options)
    # pandas' parser errors, and text that isn't UTF-8, are ValueErrors
    except (ValueError, OSError, pd.errors.ParserWarning) as error:
        raise UsageError(f"{shown(uri)}: not a readable CSV in UTF-8 ({shown(' '.join(str(error).split()))[:200]})") from error
    return table
