"""The folder of a search index: what lies in it, its checksums, one writer at a time, readers that see the old or the new."""

from __future__ import annotations

import contextlib
import glob
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from landmark.errors import LandmarkError, UsageError
from landmark.names import shown
from landmark.recognition.index.rows import Rows
from landmark.storage import read_json, sha256_file, write_json

FORMAT = "landmark-search-index"
VERSION = 1
INDEX, LISTS, COPIES, ROWS, ALIVE, POINTS, PLOT = (
    "index.json",
    "lists.faiss",
    "copies.faiss",
    "rows.arrow",
    "alive.npy",
    "operating_points.json",
    "operating_points.svg",
)
HEADERS = {LISTS: (b"IxPT", b"IwPf", b"IwPQ", b"IwSq"), COPIES: (b"IxFI", b"IxSQ")}
NUMBERS = {"dim": int, "rows": int, "count": int, "k": int, "nprobe": int, "candidates": int, "built_rows": int}
POSITIVE = {"dim", "rows", "k", "built_rows"}
MOST = {"dim": 65_536, "k": 2**20, "candidates": 2**20}
TRIES = 20
Read = TypeVar("Read")


def seal(folder: Path, values: dict[str, Any]) -> None:
    """Write `index.json`, with size and sha256 of every other file: the last one."""
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256_file(path)}
        for path in sorted(folder.iterdir())
        if path.name != INDEX
    }
    write_json(folder / INDEX, {**values, "format": FORMAT, "version": VERSION, "files": files})


def write_rows(folder: Path, rows: Rows, alive: NDArray[np.bool_]) -> None:
    """Write ids and attributes, and which rows are still there; ids that are just the numbers of the rows take no room."""
    table = rows.table.drop_columns(["id"]) if rows.are_numbers else rows.table
    with pa.OSFile(str(folder / ROWS), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    np.save(folder / ALIVE, np.packbits(alive))


def read_rows(folder: Path, count: int) -> tuple[Rows, NDArray[np.bool_]]:
    """Ids and attributes, mapped (ids that are the numbers of the rows are made), and which rows are still there."""
    table = pa.ipc.open_file(pa.memory_map(str(folder / ROWS))).read_all()
    table.validate(full=True)  # lengths of texts that lie would lead outside of the file
    alive = np.unpackbits(np.load(folder / ALIVE, allow_pickle=False), count=count).astype(bool)
    if "id" not in table.column_names and (not table.num_columns or table.num_rows == count):
        numbers = Rows.numbered(count).table
        table = pa.table([numbers["id"], *table.columns], names=["id", *table.column_names])
    if table.num_rows != count or len(alive) != count or "id" not in table.column_names:
        raise ValueError(f"{table.num_rows} ids for {count} rows")
    return Rows(table, shown(folder)), alive


def values_of(folder: Path) -> dict[str, Any]:
    """What `index.json` says, checked.

    Raises:
        UsageError: no index there.
        LandmarkError: damaged, foreign, or of a newer version.
    """
    name = shown(folder)
    if not (folder / INDEX).is_file():
        raise UsageError(f"index {name}: no {INDEX}; is this the folder of an index?")
    values = read_json(folder / INDEX)
    if isinstance(values, dict) and values.get("format") == "landmark-index":
        raise LandmarkError(
            f"index {name}: the gallery of a recognizer, which that searches itself; build a search index apart"
        )
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise LandmarkError(f"index {name}: {INDEX} is not of the format '{FORMAT}'; is this the folder of an index?")
    if values.get("version") != VERSION:
        raise LandmarkError(f"index {name}: version {values.get('version')}, this package reads {VERSION}; update the package")
    for key, kind in NUMBERS.items():
        if type(values.get(key)) is not kind or not (key in POSITIVE) <= values[key] <= MOST.get(key, 2**62):
            raise LandmarkError(
                f"index {name}: {INDEX}: '{key}' must be a whole number, and a likely one; build the index again"
            )
    imbalance = values.get("imbalance_built")
    if not isinstance(imbalance, float | int) or not 1 <= imbalance < float("inf"):
        raise LandmarkError(f"index {name}: {INDEX}: 'imbalance_built' must be a number from 1 on; build the index again")
    files = values.get("files")
    if not isinstance(files, dict) or not all(isinstance(facts, dict) for facts in files.values()):
        files = {}
    if not {ROWS, ALIVE, POINTS} <= set(files) or not {LISTS, COPIES} & set(files):
        raise LandmarkError(f"index {name}: {INDEX} names no complete set of files; build the index again")
    return values


def check_files(folder: Path, values: dict[str, Any], verify: bool) -> None:
    """Whether the files are those that were sealed; sizes and FAISS's headers always, checksums if asked.

    Raises:
        LandmarkError: missing or damaged.
    """
    for file, facts in values["files"].items():
        if file == PLOT:  # a picture: nothing is read from it
            continue
        if file != Path(file).name:
            raise LandmarkError(f"index {shown(folder)}: {INDEX} names files outside its folder; build the index again")
        path = folder / file
        size = path.stat().st_size if path.is_file() else -1
        if size != facts.get("bytes"):
            found = "missing" if size < 0 else f"{size} bytes, not {facts.get('bytes')}"
            raise LandmarkError(f"index {shown(folder)}: {file} is damaged ({found}); build the index again")
        if verify and sha256_file(path) != facts.get("sha256"):
            raise LandmarkError(f"index {shown(folder)}: {file} is damaged (sha256 differs); build the index again")
        if file in HEADERS:
            with path.open("rb") as stream:
                head = stream.read(16)
            count = values["rows"] if file == COPIES else values["count"]
            dim, total = struct.unpack("<iq", head[4:16]) if len(head) == 16 else (-1, -1)
            # Of each vector there is a byte at least: FAISS is not to make room for more than there can be.
            if head[:4] not in HEADERS[file] or (dim, total) != (values["dim"], count) or size < count:
                raise LandmarkError(f"index {shown(folder)}: {file} is not what {INDEX} says; build the index again")


def consistent(folder: Path, read: Callable[[dict[str, Any]], Read]) -> Read:
    """Read a folder that may be replaced meanwhile: what comes back is all of the old one or all of the new one.

    Raises:
        LandmarkError: what `read` raises, where the folder has not changed.
    """
    for _ in range(TRIES):
        before = values_of(folder)
        try:
            result = read(before)
        except (LandmarkError, OSError):
            if values_of(folder) == before:
                raise
            continue
        if values_of(folder) == before:
            return result
    raise LandmarkError(f"index {shown(folder)}: it changes all the time; try again")


@contextlib.contextmanager
def writer(folder: Path) -> Iterator[Path]:
    """One writer at a time: the changes of two would be one's alone. A lock file `.NAME.lock` stays beside the folder.

    Yields:
        The folder itself, where `folder` is a link to it.

    Raises:
        LandmarkError: another process writes; no permission.
        UsageError: it is a part of a recognizer.
    """
    place = Path(folder).resolve()
    if (place.parent / "recognizer.json").is_file():
        raise UsageError(f"index {shown(folder)}: the gallery of a recognizer, which has its checksum; give another folder")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(place.parent / f".{place.name}.lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise LandmarkError(f"index {shown(folder)}: another process changes it; wait for that") from None
    except OSError as error:
        raise LandmarkError(f"index {shown(folder)}: cannot be locked ({error.strerror}); mend the permissions") from error
    for left in place.parent.glob(f".{glob.escape(place.name[:64])}.{'[0-9a-f]' * 16}.tmp"):
        shutil.rmtree(left, ignore_errors=True)  # of a writer that was killed: nobody else may write here
    try:
        yield place
    finally:
        lock.release()
