"""The ground truth of a revisited data set: database, queries, and which photos are easy, hard or junk for each."""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from landmark.errors import LandmarkError
from landmark.evaluation.revisited.unpickle import unpickle_plain
from landmark.names import shown
from landmark.storage import is_s3, read_bytes

Ids = NDArray[np.int64]
Box = tuple[float, float, float, float]

MAX_BYTES = 64 << 20
"""Largest ground truth that is read; the published ones have 0.3 MB."""
GRADES = ("easy", "hard", "junk")
KEYS = ("imlist", "qimlist", "gnd")


@dataclass(frozen=True)
class Query:
    """One query.

    Attributes:
        name: of its photo, without folder and extension.
        box: x1, y1, x2, y2 of what is asked for in the photo [pixels].
        easy, hard, junk: ids of database photos, rising, int64 `[m]`; no id is in two of them.
    """

    name: str
    box: Box
    easy: Ids
    hard: Ids
    junk: Ids

    def __post_init__(self) -> None:
        x1, y1, x2, y2 = self.box
        if not (all(map(math.isfinite, self.box)) and x1 < x2 and y1 < y2):
            raise LandmarkError(f"query '{shown(self.name)}': bbx {list(self.box)} is no box; it needs x1 < x2 and y1 < y2")
        grade: dict[int, str] = {}
        for key in GRADES:
            for number in getattr(self, key).tolist():
                if number in grade:
                    where = f"twice in {key}" if grade[number] == key else f"both {grade[number]} and {key}"
                    raise LandmarkError(f"query '{shown(self.name)}': photo {number} is {where}; keep it in one")
                grade[number] = key

    @property
    def graded(self) -> Ids:
        """Ids of all photos whose place in the ranking counts: easy, hard and junk ones."""
        return np.concatenate([self.easy, self.hard, self.junk])

    def with_junk(self, moved: Iterable[int]) -> Query:
        """The same query, some of its easy or hard photos moved to junk.

        Raises:
            LandmarkError: a photo is neither easy nor hard.
        """
        ids = np.unique(np.fromiter(moved, np.int64))
        strange = ids[~np.isin(ids, np.concatenate([self.easy, self.hard]))]
        if len(strange):
            raise LandmarkError(
                f"query '{shown(self.name)}': photo {strange[0]} is neither easy nor hard; it can't become junk"
            )
        easy, hard = (kept[~np.isin(kept, ids)] for kept in (self.easy, self.hard))
        return replace(self, easy=easy, hard=hard, junk=np.union1d(self.junk, ids))


@dataclass(frozen=True)
class GroundTruth:
    """Database and queries of Revisited Oxford or Paris, or of a set of one's own in the same form.

    Attributes:
        database: names of the database photos; a photo's id is its place here.
        queries: the queries, in the order of a ranking's columns.
    """

    database: tuple[str, ...]
    queries: tuple[Query, ...]

    def __post_init__(self) -> None:
        if not self.database or not self.queries:
            raise LandmarkError("ground truth: no database photos or no queries; download it again")
        for key, names in (("imlist", self.database), ("qimlist", [query.name for query in self.queries])):
            _check_names(key, names)
        for query in self.queries:
            ids = query.graded
            outside = ids[(ids < 0) | (ids >= len(self.database))]
            if len(outside):
                raise LandmarkError(
                    f"query '{shown(query.name)}': photo {outside[0]} is not in the database; ids go from 0 to "
                    f"{len(self.database) - 1}"
                )

    @cached_property
    def rows(self) -> Mapping[str, int]:
        """Column of a ranking by the query's name."""
        return {query.name: row for row, query in enumerate(self.queries)}

    @classmethod
    def load(cls, uri: str | Path) -> GroundTruth:
        """Read the published pickle, or JSON with the same keys: `imlist`, `qimlist`, `gnd` (each: easy, hard, junk, bbx).

        Raises:
            LandmarkError: not there, too large, damaged, hostile, or of another form; names query and key.
        """
        data = _read(uri)
        name = str(uri)
        data = data.removeprefix(codecs.BOM_UTF8)
        if data.lstrip()[:1] != b"{":
            return cls.parse(unpickle_plain(data, name), name)
        try:
            content = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise LandmarkError(f"{shown(name)}: not valid JSON ({shown(str(error))[:200]}); write it again") from error
        return cls.parse(content, name)

    @classmethod
    def parse(cls, content: Any, where: str) -> GroundTruth:
        """Check the content of a ground truth file.

        Args:
            content: dict with `imlist`, `qimlist`, `gnd`.
            where: named in errors.

        Raises:
            LandmarkError: of another form; names query and key.
        """
        if not isinstance(content, dict) or any(not isinstance(content.get(key), list) for key in KEYS):
            raise LandmarkError(
                f"{shown(where)}: expected the lists imlist, qimlist and gnd; is this a revisited ground truth?"
            )
        images, names, entries = (content[key] for key in KEYS)
        for key, values in (("imlist", images), ("qimlist", names)):
            odd = next((row for row, value in enumerate(values) if not isinstance(value, str)), None)
            if odd is not None:
                raise LandmarkError(f"{shown(where)}: {key}[{odd}] is {_kind(values[odd])}, expected a photo's name")
        if len(names) != len(entries):
            raise LandmarkError(f"{shown(where)}: {len(names)} names in qimlist but {len(entries)} entries in gnd")
        try:
            return cls(tuple(images), tuple(_query(*pair) for pair in zip(names, entries, strict=True)))
        except LandmarkError as error:
            raise LandmarkError(f"{shown(where)}: {error}") from error


def _query(name: str, entry: Any) -> Query:
    label = f"query '{shown(name)}'"
    if not isinstance(entry, dict):
        raise LandmarkError(f"{label}: its entry in gnd is {_kind(entry)}, expected a dict")
    for key in (*GRADES, "bbx"):
        if not isinstance(entry.get(key), list):
            problem = f"'{key}' is {_kind(entry[key])}, expected a list" if key in entry else f"'{key}' is missing"
            old = " (a list 'ok' is of the old protocol: take the revisited ground truth)" if "ok" in entry else ""
            raise LandmarkError(f"{label}: {problem}{old}")
    for key in GRADES:
        odd = next((value for value in entry[key] if type(value) is not int or not -(2**63) <= value < 2**63), None)
        if odd is not None:
            raise LandmarkError(f"{label}: '{key}' holds {_kind(odd)}, expected ids of database photos")
    box = entry["bbx"]
    if len(box) != 4 or not all(type(value) in (int, float) and abs(value) < 2**31 for value in box):
        raise LandmarkError(f"{label}: 'bbx' must be 4 numbers x1, y1, x2, y2 [pixels]")
    x1, y1, x2, y2 = map(float, box)
    easy, hard, junk = (np.sort(np.array(entry[key], np.int64)) for key in GRADES)
    return Query(name, (x1, y1, x2, y2), easy, hard, junk)


def _check_names(key: str, names: Iterable[str]) -> None:
    """Names become files: none may leave the folder of the photos, and each must mean one photo."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise LandmarkError(f"{key}: '{shown(name)}' is there twice; name each photo once")
        if not name or not name.isprintable() or set(name.split("/")) & {"", ".", ".."} or "\\" in name:
            raise LandmarkError(f"{key}: '{shown(name)}' can't be the name of a photo in a folder")
        seen.add(name)


def _kind(value: Any) -> str:
    # Never the value itself: a few bytes of a pickle can stand for a list whose text fills the memory.
    return f"{value}"[:50] if type(value) in (bool, float) else f"of type {type(value).__name__}"


def _read(uri: str | Path) -> bytes:
    if not is_s3(uri) and Path(uri).exists():
        if not Path(uri).is_file():
            raise LandmarkError(f"{shown(uri)}: not a file; give the .pkl or .json with the ground truth")
        size = Path(uri).stat().st_size
        if size > MAX_BYTES:
            raise LandmarkError(f"{shown(uri)}: {size} bytes, over the limit of {MAX_BYTES}; is this a ground truth?")
    data = read_bytes(uri)
    if len(data) > MAX_BYTES:
        raise LandmarkError(f"{shown(uri)}: {len(data)} bytes, over the limit of {MAX_BYTES}; is this a ground truth?")
    return data
