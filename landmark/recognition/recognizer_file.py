"""The folder of a recognizer: a manifest with the sha256 of every file, and nothing in it that runs code when it is loaded."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from landmark.errors import LandmarkError
from landmark.storage import is_s3, local_folder, read_json, sha256_file, write_json

FORMAT = "landmark-recognizer"
VERSION = 3
"""Newest that is read. 1 had a gallery of another format; 3 has landmarks with thresholds of their own, 2 has none."""
WITHOUT_OWN_THRESHOLDS = 2
MANIFEST = "recognizer.json"
SUFFIXES = {".safetensors", ".parquet", ".json", ".faiss", ".arrow", ".npy"}

Resolver = Callable[[str], str | Path]
_RESOLVERS: dict[str, Resolver] = {}


def register_resolver(scheme: str, function: Resolver) -> None:
    """Say how URIs of a scheme (such as "models", for `models:/name@alias`) become a local folder."""
    _RESOLVERS[scheme] = function


@contextlib.contextmanager
def folder_of(uri: str | Path) -> Iterator[Path]:
    """A recognizer's folder as a local path.

    Raises:
        LandmarkError: not there, or of a scheme that nothing resolves.
    """
    scheme, separator, _ = str(uri).partition(":/")
    if not separator or is_s3(str(uri)):
        with local_folder(uri) as folder:
            yield folder
        return
    if scheme not in _RESOLVERS:
        known = ", ".join(["s3", *sorted(_RESOLVERS)])
        raise LandmarkError(f"{uri}: nothing here opens '{scheme}:/' (known: a folder, {known}); register a resolver for it")
    with local_folder(_RESOLVERS[scheme](str(uri))) as folder:
        yield folder


def write_manifest(folder: Path, settings: dict[str, Any], version: int = VERSION) -> None:
    """Write `recognizer.json`: format, version, sha256 of every file below the folder, and the settings.

    The version is the oldest that has all that the folder needs, so that older packages read what they can.
    """
    files = {
        file.relative_to(folder).as_posix(): sha256_file(file)
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != MANIFEST
    }
    write_json(folder / MANIFEST, {"format": FORMAT, "version": version, "files": files, **settings})


def read_manifest(folder: Path, needed: set[str]) -> dict[str, Any]:
    """Read and verify a manifest and the files that it lists.

    Args:
        folder: of the recognizer.
        needed: files that must be listed.

    Raises:
        LandmarkError: missing, foreign, newer, or damaged; a path that leaves the folder; a file of a kind that isn't used.
    """
    if not (folder / MANIFEST).is_file():
        raise LandmarkError(f"recognizer {folder}: no {MANIFEST}; is this the folder of a recognizer?")
    manifest = read_json(folder / MANIFEST)
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT or not isinstance(manifest.get("files"), dict):
        raise LandmarkError(f"recognizer {folder}: {MANIFEST} is not of the format '{FORMAT}'; is this a recognizer's folder?")
    version = manifest.get("version")
    if not isinstance(version, int) or version > VERSION:
        raise LandmarkError(f"recognizer {folder}: version {version}, this package reads up to {VERSION}; update the package")
    missing = sorted(needed - set(manifest["files"]))
    if missing:
        raise LandmarkError(f"recognizer {folder}: {MANIFEST} lists no {missing[0]}; build the recognizer again")
    for name, digest in manifest["files"].items():
        _verify(folder, name, digest)
    return manifest


def _verify(folder: Path, name: str, digest: Any) -> None:
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in name or "\0" in name:
        raise LandmarkError(f"recognizer {folder}: {MANIFEST} names {name!r}, a path out of its folder; do not use it")
    if path.suffix not in SUFFIXES:
        raise LandmarkError(f"recognizer {folder}: {MANIFEST} names {name!r}, of a kind that is not used; do not use it")
    file = folder / path
    if not file.is_file():
        raise LandmarkError(f"recognizer {folder}: {name} is missing; copy or build the recognizer again")
    # A symlink inside an artefact could make a later reader open any file of this machine.
    if not file.resolve().is_relative_to(folder.resolve()):
        raise LandmarkError(f"recognizer {folder}: {name} is a link out of its folder; do not use it")
    if sha256_file(file) != digest:
        raise LandmarkError(f"recognizer {folder}: {name} is damaged (sha256 differs); copy or build the recognizer again")


def write_table(file: Path, table: pd.DataFrame) -> None:
    """Write a table as Parquet, without pandas' own metadata."""
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(None), file)


def read_table(file: Path, columns: set[str]) -> pd.DataFrame:
    """Read a Parquet table that must have these columns.

    Raises:
        LandmarkError: not Parquet, or a column is missing.
    """
    try:
        table = pq.read_table(file)
    except (OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())[:200]
        raise LandmarkError(f"{file}: not readable as Parquet ({reason}); build the recognizer again") from error
    missing = sorted(columns - set(table.column_names))
    if missing:
        raise LandmarkError(f"{file}: no column '{missing[0]}'; build the recognizer again")
    frame: pd.DataFrame = table.to_pandas()
    return frame


def write_vectors(file: Path, vectors: NDArray[np.float32]) -> None:
    """Write float32 [m, d] as safetensors."""
    save_file({"vectors": np.ascontiguousarray(vectors, np.float32)}, file)


def read_vectors(file: Path) -> NDArray[np.float32]:
    """Read float32 [m, d] from safetensors.

    Raises:
        LandmarkError: damaged, or other tensors.
    """
    try:
        vectors = load_file(file)["vectors"]
    except (SafetensorError, KeyError, OSError) as error:
        raise LandmarkError(f"{file}: not a file of vectors ({error}); build the recognizer again") from error
    if vectors.dtype != np.float32 or vectors.ndim != 2:
        raise LandmarkError(f"{file}: expected float32 [m, d], got {vectors.dtype} {list(vectors.shape)}")
    return np.asarray(vectors, np.float32)
