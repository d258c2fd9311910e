"""A source with one folder a landmark: SOURCE/<landmark>/**/*.jpg."""

from __future__ import annotations

import os

from landmark import storage
from landmark.config import DataConfig
from landmark.errors import UsageError
from landmark.names import shown
from landmark.photos.listing import SIDECARS, Listing, visible_files
from landmark.photos.places import check_ids


def list_folder(data: DataConfig) -> Listing:
    """List a folder source. Files that lie beside the landmark folders are rejects.

    Raises:
        UsageError: no such folder, no landmarks, an empty landmark folder, an id that can't be used, no other photos.
    """
    assert data.source is not None  # DataConfig checks it
    source = storage.join(data.source)
    # `others` may lie inside the source: it is no landmark then.
    apart = [storage.join(folder) + "/" for folder in (data.others, data.unknown) if folder is not None]
    listing = Listing(roots=[source])
    found: set[str] = set()
    for file in visible_files(source, "data.source"):
        if any(file.startswith(folder) for folder in apart):
            continue
        landmark, slash, _ = file.removeprefix(source + "/").partition("/")
        if not slash:
            if os.path.splitext(file)[1].lower() not in SIDECARS:  # noqa: PTH122 - may be a URI
                listing.rejects.append((file, "lies in no landmark's folder"))
            continue
        found.add(landmark)
        listing.add(file, landmark)
    check_ids(found, shown(source))
    for folder in _folders(source):
        if not any(f"{folder}/".startswith(other) or other.startswith(f"{folder}/") for other in apart):
            landmark = folder.removeprefix(source + "/")
            if landmark not in found:
                raise UsageError(f"{shown(folder)}: landmark folder without photos; put photos there or remove it")
    if not found:
        raise UsageError(
            f"data.source: no landmark folders with photos in {shown(source)}; expected {shown(source)}/<landmark>/*.jpg"
        )
    listing.add_others(data.others, data.unknown)
    return listing


def _folders(source: str) -> list[str]:
    if storage.is_s3(source):  # S3 has no empty folders
        return []
    with os.scandir(source) as entries:
        return sorted(
            entry.path
            for entry in entries
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith((".", "@", "__MACOSX"))
        )
