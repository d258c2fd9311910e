"""What an index knows of each row beside its vector: the photo's id, and what a search may be filtered by."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from landmark.errors import LandmarkError, UsageError
from landmark.names import shown

ATTRIBUTES = {"landmark": pa.large_string(), "region": pa.large_string(), "lat": pa.float64(), "lon": pa.float64()}
ID_COLUMNS = ("id", "photo")
LONGEST_ID = 4096
"""Characters; results are arrays in which every id takes as much room as the longest."""


class Rows:
    """A table with a row a vector: `id` (int64 from 0 on, or text), and any of landmark, region, lat, lon.

    Raises:
        LandmarkError: ids that are missing, negative, empty, of another type, or there twice; names the first.
    """

    def __init__(self, table: pa.Table, name: str = "ids") -> None:
        self.table = table
        self.name = name

    @classmethod
    def numbered(cls, count: int) -> Self:
        """Ids 0, 1, 2, ..."""
        return cls(pa.table({"id": pa.array(np.arange(count, dtype=np.int64))}))

    @classmethod
    def of(cls, ids: Any, attributes: dict[str, Any] | None = None, name: str = "ids") -> Self:
        """From ids [n] and columns of attributes, checked."""
        try:
            column = ids if isinstance(ids, pa.Array | pa.ChunkedArray) else pa.array(ids)
            if isinstance(column, pa.ChunkedArray):
                column = column.combine_chunks()
            if pa.types.is_dictionary(column.type):
                column = column.dictionary_decode()
            text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
            if not (text or pa.types.is_integer(column.type)):
                raise LandmarkError(f"{name}: ids are {column.type}; give whole numbers or text")
            column = column.cast(pa.large_string() if text else pa.int64())
            columns = {"id": column}
            for key, values in (attributes or {}).items():
                columns[key] = (values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)).cast(
                    ATTRIBUTES[key]
                )
            rows = cls(pa.table(columns), name)
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise LandmarkError(f"{name}: not usable as ids and attributes ({' '.join(str(error).split())[:160]})") from error
        rows._check()
        return rows

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """From .npy, text (an id a line), or Parquet/CSV with a column `id` or `photo` (such as a catalog).

        Raises:
            UsageError: no such file, another format, no such column.
            LandmarkError: it can't be read, or the ids are no ids.
        """
        file, name = Path(path), shown(path)
        if not file.is_file():
            raise UsageError(f"{name}: no such file of ids")
        try:
            if file.suffix == ".npy":
                return cls.of(np.load(file, allow_pickle=False), name=name)
            if file.suffix == ".txt":
                return cls.of(file.read_text(encoding="utf-8").splitlines(), name=name)
            if file.suffix == ".csv":
                import pyarrow.csv

                texts = {key: pa.string() for key in (*ID_COLUMNS, "landmark", "region")}
                table = pyarrow.csv.read_csv(file, convert_options=pyarrow.csv.ConvertOptions(column_types=texts))
                table = _with_numbers(table)
            elif file.suffix == ".parquet":
                import pyarrow.parquet as pq

                known = [column for column in pq.read_schema(file).names if column in (*ID_COLUMNS, *ATTRIBUTES)]
                table = pq.read_table(file, columns=known)
            else:
                raise UsageError(f"{name}: ids must be .npy, .txt, .csv or .parquet")
        except (OSError, ValueError, pa.ArrowException) as error:
            raise LandmarkError(f"{name}: ids cannot be read ({' '.join(str(error).split())[:160]})") from error
        column = next((key for key in ID_COLUMNS if key in table.column_names), None)
        if column is None:
            raise UsageError(f"{name}: no column 'id' or 'photo'")
        return cls.of(table[column], {key: table[key] for key in ATTRIBUTES if key in table.column_names}, name)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def are_numbers(self) -> bool:
        """Whether ids are 0, 1, 2, ..."""
        return not self.text and bool((self.table["id"].to_numpy() == np.arange(len(self))).all())

    @property
    def text(self) -> bool:
        """Whether ids are text."""
        return bool(pa.types.is_large_string(self.table["id"].type))

    def positions(self, ids: Any) -> NDArray[np.int64]:
        """The row of each id, -1 where it is not there [n]."""
        column = self._like(ids)
        found = pc.index_in(column, value_set=self.table["id"].combine_chunks())
        return np.asarray(pc.fill_null(found, -1).to_numpy(zero_copy_only=False), np.int64)

    def ids(self, rows: NDArray[np.int64]) -> NDArray[Any]:
        """The ids of rows, of any shape; where a row is -1: -1, or "" if ids are text."""
        flat = rows.ravel()
        taken = self.table["id"].take(pa.array(np.maximum(flat, 0))) if len(self) else None
        if self.text:
            texts = np.asarray([] if taken is None else taken.to_pylist(), dtype=np.str_)
            return np.where(flat >= 0, texts, "").reshape(rows.shape)
        numbers = np.full(len(flat), -1, np.int64) if taken is None else taken.to_numpy()
        return np.where(flat >= 0, numbers, -1).reshape(rows.shape)

    def joined(self, more: Rows) -> Rows:
        """These rows and then others, which have the same columns. Ids are not checked again.

        Raises:
            UsageError: other columns.
        """
        if self.table.schema != more.table.schema:
            have, new = (", ".join(f"{f.name} {f.type}" for f in rows.table.schema) for rows in (self, more))
            raise UsageError(f"{more.name}: columns ({new}) are not those of the index ({have}); give the same ones")
        return Rows(pa.concat_tables([self.table, more.table]), self.name)

    def _like(self, ids: Any) -> pa.Array:
        try:
            column = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else pa.array(ids)
            return column.cast(self.table["id"].type)
        except (pa.ArrowException, ValueError, OverflowError) as error:
            kind = "text" if self.text else "whole numbers"
            raise UsageError(f"ids: the index has {kind} as ids ({' '.join(str(error).split())[:120]})") from error

    def _check(self) -> None:
        column = self.table["id"].combine_chunks()
        bad = pc.fill_null(pc.equal(column, "") if self.text else pc.less(column, 0), True).to_numpy(zero_copy_only=False)
        if bad.any():
            kind = "empty" if self.text else "negative"
            raise LandmarkError(f"{self.name}: row {int(bad.argmax())}: the id is missing or {kind}; give each photo an id")
        if self.text and len(self):
            longest = pc.max(pc.utf8_length(column)).as_py()
            if longest > LONGEST_ID:
                row = pc.index(pc.utf8_length(column), longest).as_py()
                raise LandmarkError(f"{self.name}: row {row}: an id of {longest} characters; give at most {LONGEST_ID}")
        for key, most, other in (("lat", 90, "lon"), ("lon", 180, "lat")):
            if key in self.table.column_names:
                if other not in self.table.column_names:
                    raise LandmarkError(f"{self.name}: column '{key}' without '{other}'; give both")
                degrees = pc.fill_null(self.table[key], 0.0).to_numpy()
                far = ~(np.abs(np.nan_to_num(degrees)) <= most)
                if far.any():
                    row = int(far.argmax())
                    raise LandmarkError(f"{self.name}: row {row}: {key} {degrees[row]:g}, from -{most} to {most} is allowed")
        counts = pc.value_counts(column)
        twice = pc.filter(counts.field("values"), pc.greater(counts.field("counts"), 1))
        if len(twice):
            raise LandmarkError(f"{self.name}: id '{shown(str(twice[0]))}' is there twice ({len(twice)} such); leave one out")


def _with_numbers(table: pa.Table) -> pa.Table:
    """Ids read as text as whole numbers, if all are written as numbers are: "007" stays text."""
    for place, key in enumerate(table.column_names):
        if key in ID_COLUMNS:
            with contextlib.suppress(pa.ArrowException):
                numbers = table[key].cast(pa.int64())
                if numbers.cast(pa.string()).equals(table[key]):
                    table = table.set_column(place, key, numbers)
    return table
