"""Sidecars beside photos in S3."""

from __future__ import annotations

import os
import sqlite3
from datetime import UTC, datetime

from landmark.names import shown
from landmark.storage import Changed, NoSuchObject, exists, read_version, write_if
from landmark.storage.objects import head_object, list_objects, remove_objects
from landmark.tagging.sidecar_places import LIMIT, Found, Gone, Read, Refused, names


class Objects:
    """Photos in S3: one listing of what lies beside them, then conditional writes.

    Args:
        base: database for the listing, which is temporary.
    """

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base
        base.execute("create temp table if not exists objects (uri text primary key, version text not null, size integer)")

    def fill(self, first: str, last: str) -> None:
        """Take in what lies beside all photos of one bucket from the first to the last."""
        common = os.path.commonprefix([first, last]).rpartition("/")[0]  # noqa: RUF071 - of keys, cut at a folder
        bucket, _, prefix = common.removeprefix("s3://").partition("/")
        found = (
            (f"s3://{bucket}/{item.key}", item.etag, item.size) for item in list_objects(bucket, prefix + "/" if prefix else "")
        )
        self._base.executemany("insert or replace into objects values (?, ?, ?)", found)

    def find(self, photo: str) -> list[Found]:
        """See Place."""
        found = []
        for number, name in enumerate(dict.fromkeys(names(photo))):
            if number and self._listed(name) is not None:
                break
            for uri in (f"{name}.xmp", f"{name}.XMP"):
                if (row := self._listed(uri)) is not None:
                    found.append(Found(uri, row[0] if row[1] <= LIMIT else f"large-{row[0]}", bool(number)))
        return found

    def _listed(self, uri: str) -> tuple[str, int] | None:
        """Version and size, at the time of the listing."""
        row: tuple[str, int] | None = self._base.execute("select version, size from objects where uri = ?", (uri,)).fetchone()
        return row

    def read(self, path: str) -> Read:
        """See Place."""
        try:
            head = head_object(path)
            if head is None:
                raise Gone
            if head["ContentLength"] > LIMIT:
                raise Refused(f"larger than {LIMIT >> 20} MiB")
            data, version = read_version(path)
        except NoSuchObject as error:
            raise Gone from error
        if version != str(head["ETag"]).strip('"'):
            raise Changed(f"{shown(path)}: somebody else changed it in S3 meanwhile; run again")
        return Read(data, version, min(head["LastModified"].astimezone(UTC), datetime.now(UTC)))

    def write(self, path: str, data: bytes, version: str | None) -> str:
        """See Place."""
        return write_if(path, data, version)

    def remove(self, path: str, version: str) -> None:
        """See Place. S3 has no conditional removal that every server knows; a round trip lies between look and removal."""
        head = head_object(path)
        if head is None:
            return
        if str(head["ETag"]).strip('"') != version:
            raise Changed(f"{shown(path)}: somebody else changed it in S3 meanwhile; run again")
        bucket, _, key = path.removeprefix("s3://").partition("/")
        remove_objects(bucket, [key])

    def exists(self, path: str) -> bool:
        """See Place."""
        return self._listed(path) is not None or exists(path)

    def beside(self, photo: str, extension: str) -> bool:
        """See Place."""
        return self._listed(f"{names(photo)[1]}.{extension}") is not None
