"""The table of photos that everything else is made from: a row a photo, with its landmark, split and near-duplicate group."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from landmark import storage
from landmark.errors import LandmarkError, UsageError
from landmark.names import check_landmark_id, shown

SPLITS = ("train", "calibrate", "test")
_TABLE = {
    "photo": "str",
    "landmark": "str",
    "split": "str",
    "region": "str",
    "sha256": "str",
    "width": "int64",
    "height": "int64",
    "taken_at": "datetime64[us]",
    "lat": "float64",
    "lon": "float64",
    "group": "int64",
    "known": "bool",
    "verified": "bool",
}
_LANDMARKS = {
    "landmark": "str",
    "name": "str",
    "city": "str",
    "country": "str",
    "region": "str",
    "lat": "float64",
    "lon": "float64",
    "names": "str",
}
_REJECTS = {"photo": "str", "reason": "str"}
_FORMAT = 1
_KEY = b"landmark.catalog"


@dataclass(frozen=True, eq=False)
class Catalog:
    """Photos, the landmarks they show, and the files that couldn't be read.

    Attributes:
        table: a row a photo: `photo` (absolute path or s3:// URI), `landmark` (id; "" for a photo that shows none),
            `split` (train, calibrate or test), `region` (the landmark's, "" for none), `sha256` (of the file, hex),
            `width` and `height` (upright, [pixels]), `taken_at` (camera clock), `lat` and `lon` (of the camera, [degrees]),
            `group` (near-duplicates share one), `known` (False: it shows a landmark that the model does not know;
            `landmark` is "" then), `verified` (a person said of this very photo what it shows; False where it is missing).
        landmarks: a row a landmark: `landmark` (id), `name`, `city`, `country`, `region`, `lat`, `lon` ([degrees], NaN:
            not known), `names` (JSON object: language -> name).
        rejects: a row a file that was left out: `photo`, `reason`.

    Raises:
        LandmarkError: a column is missing, or a row breaks a rule (see `_check`).
    """

    table: pd.DataFrame
    landmarks: pd.DataFrame
    rejects: pd.DataFrame

    def __post_init__(self) -> None:
        table = self.table if "verified" in self.table.columns else self.table.assign(verified=False)
        object.__setattr__(self, "table", _typed(table, _TABLE, "photos"))
        object.__setattr__(self, "landmarks", _typed(self.landmarks, _LANDMARKS, "landmarks"))
        object.__setattr__(self, "rejects", _typed(self.rejects, _REJECTS, "rejects"))
        _check(self.table, self.landmarks)

    def __len__(self) -> int:
        return len(self.table)

    def split(self, name: str) -> Catalog:
        """The photos of one split: "train", "calibrate" or "test"."""
        if name not in SPLITS:
            raise UsageError(f"split '{name}': expected one of {', '.join(SPLITS)}")
        return self.only(self.table["split"] == name)

    def only(self, mask: Any) -> Catalog:
        """The photos where `mask` (bool [n]) holds; landmarks and rejects are kept as they are."""
        return Catalog(self.table[np.asarray(mask, dtype=bool)], self.landmarks, self.rejects)

    @functools.cached_property
    def digest(self) -> str:
        """SHA-256 (hex) of what is learned from: photo contents, labels, splits and landmarks. Paths play no part."""
        verified = ["verified"] if self.table["verified"].any() else []
        rows = self.table[["sha256", "landmark", "split", "known", *verified]].sort_values("sha256")
        places = self.landmarks[list(_LANDMARKS)].sort_values("landmark")
        digest = hashlib.sha256()
        for frame in (rows, places):
            for row in frame.itertuples(index=False, name=None):
                values = [None if isinstance(value, float) and np.isnan(value) else value for value in row]
                digest.update(json.dumps(values).encode() + b"\n")
            digest.update(b"\n")
        return digest.hexdigest()

    def save(self, file: str | os.PathLike[str]) -> None:
        """Write FILE.parquet, FILE.landmarks.parquet and FILE.rejects.parquet (local or s3://), atomically.

        Raises:
            LandmarkError: can't be written; a catalog that was there before is untouched.
        """
        if not storage.is_s3(file):
            names = [Path(name) for name in _files(file)]
            with storage.atomic_files(*names) as temporaries:
                self._write(temporaries)
            return
        with tempfile.TemporaryDirectory(prefix="landmark-") as folder:
            temporaries = [Path(folder) / str(number) for number in range(3)]
            self._write(temporaries)
            for target, temporary in reversed(list(zip(_files(file), temporaries, strict=True))):
                storage.write_bytes(target, temporary.read_bytes())

    def _write(self, files: list[Path]) -> None:
        main, landmarks, rejects = files
        pq.write_table(_arrow(self.landmarks), landmarks)
        pq.write_table(_arrow(self.rejects), rejects)
        # The three files are renamed one after another: their digests tell a mixed set from a whole one.
        seal = {"format": _FORMAT, "landmarks": storage.sha256_file(landmarks), "rejects": storage.sha256_file(rejects)}
        # Without corrections a catalog is, byte for byte, what it was before there were any.
        table = _arrow(self.table if self.table["verified"].any() else self.table.drop(columns="verified"))
        pq.write_table(table.replace_schema_metadata({_KEY: json.dumps(seal).encode()}), main)

    @classmethod
    def load(cls, file: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises:
            LandmarkError: not there, not a catalog, or its three files don't belong together.
        """
        name = shown(file)
        contents = [storage.read_bytes(part) for part in _files(file)]
        try:
            tables = [pq.read_table(pa.BufferReader(content)) for content in contents]
            seal = json.loads((tables[0].schema.metadata or {})[_KEY])
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            raise LandmarkError(f"{name}: not a catalog (or cut off); build it again with `landmark catalog`") from error
        if seal.get("format") != _FORMAT:
            raise LandmarkError(f"{name}: catalog of format {seal.get('format')}, expected {_FORMAT}; build it again")
        digests = [hashlib.sha256(content).hexdigest() for content in contents[1:]]
        if digests != [seal.get("landmarks"), seal.get("rejects")]:
            raise LandmarkError(f"{name}: its landmarks and rejects files are of another catalog; build it again")
        return cls(*(table.to_pandas() for table in tables))


def _files(file: str | os.PathLike[str]) -> list[str]:
    stem = os.fspath(file).removesuffix(".parquet")
    return [f"{stem}.parquet", f"{stem}.landmarks.parquet", f"{stem}.rejects.parquet"]


def _arrow(frame: pd.DataFrame) -> pa.Table:
    # Without the metadata of pandas: the file's bytes depend on the rows alone.
    return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)


def _typed(frame: pd.DataFrame, columns: dict[str, str], what: str) -> pd.DataFrame:
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise LandmarkError(f"catalog: the table of {what} has no column '{missing[0]}'; it needs {', '.join(columns)}")
    frame = frame[list(columns)].reset_index(drop=True)
    empty = [name for name, kind in columns.items() if kind in ("str", "int64", "bool") and frame[name].isna().any()]
    if empty:
        raise LandmarkError(f"catalog: the table of {what} has empty cells in column '{empty[0]}'; fill them")
    try:
        return frame.astype(columns)
    except (TypeError, ValueError) as error:
        raise LandmarkError(f"catalog: the table of {what} has a value of the wrong type ({error})") from error


def check_positions(frame: pd.DataFrame, where: str) -> None:
    """Refuse positions that aren't on Earth.

    Raises:
        UsageError: names the row by its first column.
    """
    for column, limit in (("lat", 90), ("lon", 180)):
        bad = frame[frame[column].abs() > limit]
        if len(bad):
            row = bad.iloc[0]
            raise UsageError(f"{where}: {column} {row[column]} of '{shown(row.iloc[0])}' must be from -{limit} to {limit}")


def _check(table: pd.DataFrame, landmarks: pd.DataFrame) -> None:
    """The rules: photos and contents are unique, splits and landmarks known, no group lies in two splits."""
    for landmark in landmarks["landmark"]:
        check_landmark_id(landmark, "catalog")
    if len(twice := landmarks[landmarks["landmark"].duplicated()]):
        raise LandmarkError(f"catalog: landmark '{twice['landmark'].iloc[0]}' has two rows; keep one")
    check_positions(landmarks, "catalog")
    check_positions(table, "catalog")
    for bad, problem in (
        (~table["split"].isin(SPLITS), f"its split must be one of {', '.join(SPLITS)}"),
        (~table["landmark"].isin([*landmarks["landmark"], ""]), "its landmark isn't in the table of landmarks"),
        (~table["known"] & (table["landmark"] != ""), "it has a landmark, so `known` must be true"),
        (~table["sha256"].str.fullmatch("[0-9a-f]{64}"), "its sha256 must be 64 hex digits"),
        (table["photo"].duplicated(), "it has two rows; keep one"),
        (table["sha256"].duplicated(), "another row has the same contents; keep one of them"),
        ((table["width"] < 1) | (table["height"] < 1), "its width and height must be at least 1"),
    ):
        if bad.any():
            raise LandmarkError(f"catalog: photo {shown(table['photo'][bad].iloc[0])}: {problem}")
    splits = table.groupby("group")["split"].nunique()
    if (splits > 1).any():
        group = splits.index[splits > 1][0]
        raise LandmarkError(f"catalog: near-duplicate group {group} lies in two splits; build the catalog again")
