"""The one small object that says what a folder in S3 holds: switching it switches the folder as a whole.

`PREFIX/.landmark.json` lists each file's name, sha256 and key. The content lies in
`PREFIX/.landmark/<number>-<digest>/<sha256>`, the number being that of the version that brought it.
A prefix without a pointer is a plain folder.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.storage.objects import first_object, read_object
from landmark.storage.problems import NoSuchObject
from landmark.storage.uris import bucket_key, join, prefix_of, stays

POINTER = ".landmark.json"
CONTENT = ".landmark"
_FORMAT = "landmark-folder"
_VERSION = 1
_KEY = re.compile(r"(\d{1,18})-[0-9a-f]{16}/[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Stored:
    """One file of a version.

    Attributes:
        key: below `PREFIX/.landmark/`.
        sha256: hex.
        size: [bytes].
    """

    key: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Pointer:
    """What a folder holds.

    Attributes:
        number: of the version, counted from 1.
        digest: sha256 over all names and contents, hex.
        files: by name relative to the folder, with "/".
        previous: the files of the version before, which readers may still be reading.
    """

    number: int
    digest: str
    files: Mapping[str, Stored]
    previous: Mapping[str, Stored] = field(default_factory=dict)

    @property
    def keys(self) -> set[str]:
        """Keys that this version and the one before need."""
        return {file.key for files in (self.files, self.previous) for file in files.values()}

    def to_bytes(self) -> bytes:
        """As the pointer object holds it."""
        content = {
            "format": _FORMAT,
            "version": _VERSION,
            "number": self.number,
            "digest": self.digest,
            "files": _dump(self.files),
            "previous": _dump(self.previous),
        }
        return json.dumps(content, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")


def number_of(key: str) -> int:
    """The number of the version that brought a key below `.landmark/`; -1 for a key of another kind."""
    match = _KEY.fullmatch(key)
    return int(match[1]) if match else -1


def read_pointer(uri: str | os.PathLike[str]) -> tuple[Pointer, str] | None:
    """A folder's pointer and its ETag; None where the folder has none.

    Raises:
        LandmarkError: it is damaged, by a newer version of the package, or names a file that would leave the folder.
        StorageUnavailable: S3 can't be reached.
    """
    place = join(uri, POINTER)
    try:
        data, etag = read_object(place)
    except NoSuchObject:
        return None
    return _parse(data, place), etag


def has_pointer(uri: str | os.PathLike[str]) -> bool:
    """Whether a folder in S3 was put as a whole; one request for one key of a listing."""
    bucket, key = bucket_key(uri, folder=True)
    wanted = prefix_of(key) + POINTER
    found = first_object(bucket, wanted, about=uri)
    return found is not None and found.key == wanted


def resolve(uri: str | os.PathLike[str]) -> str | None:
    """The URI of the object that holds a file of a folder that was put as a whole; None if no such folder has it."""
    bucket, key = bucket_key(uri)
    parts = key.split("/")
    for depth in range(len(parts) - 1, -1, -1):
        folder = join(f"s3://{bucket}", *parts[:depth])
        if not has_pointer(folder) or (found := read_pointer(folder)) is None:
            continue
        name = "/".join(parts[depth:])
        file = found[0].files.get(name)
        return None if file is None else join(folder, CONTENT, file.key)
    return None


def _dump(files: Mapping[str, Stored]) -> dict[str, Any]:
    return {name: {"key": file.key, "sha256": file.sha256, "bytes": file.size} for name, file in files.items()}


def _parse(data: bytes, place: str) -> Pointer:
    try:
        content = json.loads(data)
        if content["format"] != _FORMAT:
            raise ValueError("another format")
        if content["version"] > _VERSION:
            raise LandmarkError(f"{shown(place)}: by a newer version of this package; update the package")
        files, previous = _load(content["files"], place), _load(content["previous"], place)
        return Pointer(int(content["number"]), str(content["digest"]), files, previous)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise LandmarkError(
            f"{shown(place)}: not a folder's list of files ({shown(str(error))[:100]}); put it again"
        ) from error


def _load(rows: dict[str, Any], place: str) -> dict[str, Stored]:
    files = {}
    for name, row in rows.items():
        file = Stored(str(row["key"]), str(row["sha256"]), int(row["bytes"]))
        if not stays(name):
            raise LandmarkError(f"{shown(place)}: its file '{shown(name)}' would leave the folder; do not use it")
        if number_of(file.key) < 0 or not file.key.endswith(f"/{file.sha256}"):
            raise LandmarkError(f"{shown(place)}: the key '{shown(file.key)}' is none of its own; do not use it")
        files[name] = file
    return files
