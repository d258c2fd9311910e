"""Embeddings to index, in shards larger than memory: .npy, .npz, Parquet, or a folder of these; read block by block."""

from __future__ import annotations

import hashlib
import itertools
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError, UsageError
from landmark.names import shown
from landmark.recognition.vectors import check_vectors
from landmark.storage import list_files

Floats = NDArray[np.float32]
BLOCK = 65_536
"""Rows in memory at once."""
SAMPLED = 65_536
"""Bytes at each end of a file that its digest is made from."""
SUFFIXES = {".npy", ".npz", ".parquet"}
NAMES = ("vectors", "embeddings", "vector", "embedding")
"""What the array of an archive, or the column of a table, is called where there are several."""


@dataclass(frozen=True)
class Shard:
    """One file of rows [rows, dim]; `part` is the array's or the column's name in it."""

    path: Path
    rows: int
    dim: int
    part: str = ""

    def blocks(self) -> Iterator[NDArray[Any]]:
        """Rows as they are stored, `BLOCK` at a time; of a .npy file nothing is read before it is used."""
        read = {".npy": _npy_blocks, ".npz": _npz_blocks, ".parquet": _parquet_blocks}[self.path.suffix.lower()]
        return read(self)


class VectorSource:
    """Unit vectors [count, dim], float16 or float32, in one or several shards or in memory.

    Row numbers go on from shard to shard, in the order of the file names.
    """

    def __init__(self, parts: list[Shard] | list[NDArray[Any]], name: str) -> None:
        if not parts:
            raise UsageError(f"{name}: no vectors (.npy, .npz or .parquet) there")
        self._parts = parts
        self.name = name
        dims = [part.dim if isinstance(part, Shard) else part.shape[1] for part in parts]
        for part, dim in zip(parts, dims, strict=True):
            if dim != dims[0]:
                where = shown(part.path) if isinstance(part, Shard) else name
                raise LandmarkError(f"{where}: {dim} dimensions, the shards before have {dims[0]}; embed all by one network")
        self.dim = dims[0]
        self.count = sum(_rows(part) for part in parts)
        if self.count == 0:
            raise LandmarkError(f"{name}: it holds no vectors; give at least one")

    @classmethod
    def of(cls, source: str | Path | NDArray[Any]) -> Self:
        """From a file, a folder, or an array [n, d].

        Raises:
            UsageError: no such file, or of another format.
            LandmarkError: a damaged file, or arrays that are no vectors.
        """
        if isinstance(source, np.ndarray):
            if source.ndim != 2 or source.shape[1] == 0:
                raise LandmarkError(f"vectors: expected an array [n, d], got shape {list(source.shape)}")
            return cls([source], "vectors")
        path, name = Path(source), shown(source)
        if path.is_dir():
            return cls([_shard(Path(file)) for file in list_files(path, SUFFIXES)], name)
        if not path.is_file():
            raise UsageError(f"{name}: no such file or folder")
        if path.suffix.lower() not in SUFFIXES:
            raise UsageError(f"{name}: vectors must be .npy, .npz, .parquet, or a folder of these")
        return cls([_shard(path)], name)

    def blocks(self, first: int = 0, stop: int | None = None) -> Iterator[tuple[int, Floats]]:
        """(number of the first row, unit vectors [b, d] float32), each block checked.

        Args:
            first: row to begin at, of one of `ranges`.
            stop: row to end before, of the same (None: all).

        Raises:
            LandmarkError: NaN, zero or unnormalised rows; names the first.
        """
        for start, block in self._raw(first, self.count if stop is None else stop):
            yield start, check_vectors(block, self._place(start), self.dim, numbers=np.arange(start, start + len(block)))

    def ranges(self, shards: int) -> list[tuple[int, int]]:
        """Ranges of rows (first, stop), about equally long and at most as many as asked for, in order.

        A range is one file or several, or, if there are fewer files than ranges, blocks of a .npy file: then the blocks of the
        ranges are those of the whole, and whoever reads them gets the same numbers, whatever the division.
        """
        cuts, start = [0], 0
        for part in self._parts:
            rows = _rows(part)
            inside = not isinstance(part, Shard) or part.path.suffix.lower() == ".npy"
            if inside and len(self._parts) < shards:
                cuts += range(start + BLOCK, start + rows, BLOCK)
            start += rows
            cuts.append(start)
        wanted = np.linspace(0, self.count, shards + 1)
        chosen = sorted({min(cuts, key=lambda cut: abs(cut - at)) for at in wanted})
        return list(itertools.pairwise(chosen))

    def digest(self) -> str:
        """Tells these vectors from others: a sha256 of each file's name, size, time of change and both ends.

        Not of every byte: that would cost as much reading as all the rest.
        """
        digest = hashlib.sha256()
        for part in self._parts:
            if isinstance(part, Shard):
                facts = part.path.stat()
                named: list[Any] = [part.path.name, part.part, facts.st_size, facts.st_mtime_ns, part.rows, part.dim]
                with part.path.open("rb") as file:
                    ends = file.read(SAMPLED)
                    file.seek(max(0, facts.st_size - SAMPLED))
                    ends += file.read(SAMPLED)
            else:
                named, ends = [str(part.dtype), *part.shape], np.concatenate([part[:64], part[-64:]]).tobytes()
            digest.update(json.dumps(named).encode() + ends)
        return digest.hexdigest()

    def take(self, rows: NDArray[np.int64]) -> Floats:
        """The rows of these numbers, in rising order, without repeats [m, d]; one pass."""
        wanted = np.unique(rows)
        found = np.empty((len(wanted), self.dim), np.float32)
        for start, block in self._raw():
            low, high = np.searchsorted(wanted, [start, start + len(block)])
            if high > low:
                some = wanted[low:high]
                found[low:high] = check_vectors(block[some - start], self._place(start), self.dim, numbers=some)
        return found

    def _place(self, row: int) -> str:
        """What holds a row, for errors, which number rows through all files."""
        first = 0
        for part in self._parts:
            if row < first + _rows(part):
                break
            first += _rows(part)
        if not isinstance(part, Shard) or len(self._parts) == 1:
            return self.name
        return f"{shown(part.path)} (from row {first} on)"

    def _raw(self, first: int = 0, stop: int | None = None) -> Iterator[tuple[int, NDArray[Any]]]:
        start = 0
        for part in self._parts:
            end = start + _rows(part)
            if end <= first or (stop is not None and start >= stop):
                start = end
                continue
            pieces = part.blocks() if isinstance(part, Shard) else (part[i : i + BLOCK] for i in range(0, len(part), BLOCK))
            for block in pieces:
                if stop is not None and start >= stop:
                    return
                if start + len(block) > first:
                    yield start, block
                start += len(block)
            if start != end:
                raise LandmarkError(f"{self.name}: {start} rows where its headers say {end}; a shard is cut off or changing")


def _rows(part: Shard | NDArray[Any]) -> int:
    return part.rows if isinstance(part, Shard) else len(part)


def _shard(path: Path) -> Shard:
    try:
        return {".npy": _npy_shard, ".npz": _npz_shard, ".parquet": _parquet_shard}[path.suffix.lower()](path)
    except LandmarkError:
        raise
    except Exception as error:  # readers raise whatever they trip over: OSError, ValueError, BadZipFile, ArrowInvalid ...
        if isinstance(error, ValueError) and path.suffix.lower() == ".npy" and not _starts(path, b"\x93NUMPY"):
            raise LandmarkError(f"{shown(path)}: not a .npy file; write it with numpy.save") from error
        reason = (
            "an array of objects" if "pickle" in str(error) or "objects" in str(error) else " ".join(str(error).split())[:160]
        )
        raise LandmarkError(f"{shown(path)}: vectors cannot be read ({reason}); write the file again") from error


def _starts(path: Path, magic: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(magic)) == magic


def _npy_shard(path: Path) -> Shard:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    _check_shape(path, array.shape, array.dtype)
    return Shard(path, *array.shape)


def _npy_blocks(shard: Shard) -> Iterator[NDArray[Any]]:
    array = np.load(shard.path, mmap_mode="r", allow_pickle=False)
    for start in range(0, len(array), BLOCK):
        yield array[start : start + BLOCK]


def _npz_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(file)
    return shape, fortran, dtype


def _npz_shard(path: Path) -> Shard:
    found: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {}
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            with archive.open(name) as file:
                shape, fortran, dtype = _npz_header(file)
            if len(shape) == 2 and dtype.kind == "f" and not fortran:
                found[name.removesuffix(".npy")] = shape, dtype
    name = _chosen(path, list(found), "array of floats [n, d]")
    shape, dtype = found[name]
    _check_shape(path, shape, dtype)
    return Shard(path, shape[0], shape[1], name)


def _npz_blocks(shard: Shard) -> Iterator[NDArray[Any]]:
    with zipfile.ZipFile(shard.path) as archive, archive.open(f"{shard.part}.npy") as file:
        _, _, dtype = _npz_header(file)
        width = shard.dim * dtype.itemsize
        for start in range(0, shard.rows, BLOCK):
            want = min(BLOCK, shard.rows - start) * width
            try:
                data = file.read(want)
            except (OSError, EOFError, zipfile.BadZipFile) as error:
                raise LandmarkError(f"{shown(shard.path)}: damaged archive ({error}); write it again") from error
            if len(data) != want:
                raise LandmarkError(f"{shown(shard.path)}: the archive is cut off; write it again")
            yield np.frombuffer(data, dtype).reshape(-1, shard.dim)


def _parquet_shard(path: Path) -> Shard:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        fields = [f for f in file.schema_arrow if pa.types.is_fixed_size_list(f.type) or pa.types.is_list(f.type)]
        name = _chosen(path, [f.name for f in fields if pa.types.is_floating(f.type.value_type)], "column of lists of floats")
        rows = file.metadata.num_rows
    if rows == 0:
        raise LandmarkError(f"{shown(path)}: it holds no rows; leave it out")
    first = next(_parquet_blocks(Shard(path, rows, 0, name), 1))
    return Shard(path, rows, first.shape[1], name)


def _parquet_blocks(shard: Shard, size: int = BLOCK) -> Iterator[NDArray[Any]]:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(shard.path) as file:
        for batch in file.iter_batches(size, columns=[shard.part]):
            column = batch.column(0)
            lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
            values = column.flatten()
            dim = shard.dim or int(lengths[0])
            if column.null_count or values.null_count or (lengths != dim).any():
                raise LandmarkError(
                    f"{shown(shard.path)}: column '{shard.part}' has nulls or lists not of {dim} numbers; mend it"
                )
            yield values.to_numpy(zero_copy_only=False).reshape(-1, dim)


def _chosen(path: Path, names: list[str], what: str) -> str:
    known = [name for name in NAMES if name in names] or names
    if len(known) != 1:
        raise LandmarkError(f"{shown(path)}: {len(known)} candidates for the {what}; name one of them 'vectors'")
    return known[0]


def _check_shape(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    if len(shape) != 2 or shape[1] == 0 or dtype.newbyteorder("=") not in (np.float16, np.float32, np.float64):
        raise LandmarkError(f"{shown(path)}: {dtype} {list(shape)}, expected vectors [n, d]; write them as float16 or float32")
