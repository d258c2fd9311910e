"""From files to a catalog: list, read, merge copies, group near-duplicates, split."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pandas as pd

from landmark import storage
from landmark.config import DataConfig
from landmark.errors import LandmarkError, UsageError
from landmark.names import shown
from landmark.photos.catalog import Catalog
from landmark.photos.corrected import add_said
from landmark.photos.duplicates import crossing_pairs, merge_exact, near_groups
from landmark.photos.folder import list_folder
from landmark.photos.gldv2 import find_categories, list_gldv2
from landmark.photos.listing import Listing
from landmark.photos.places import places
from landmark.photos.record import Record, read_records, records_table, storable
from landmark.photos.record_cache import RecordCache
from landmark.photos.said import read_said
from landmark.photos.splits import assign_splits, consistent_groups, read_splits

log = logging.getLogger(__name__)


def build_catalog(data: DataConfig, seed: int, progress: bool = True) -> Catalog:
    """Read photos into a catalog.

    Everything that the CSVs and folders can have wrong is checked before the first photo is opened. A file that can't be
    read becomes a reject. Photos with the same bytes are merged. Near-duplicates form groups, and no group is split; where
    `data.splits` itself parts near-duplicates, its splits stand, the number of such pairs is logged, and groups are cut.
    What people said of photos (`data.corrections`) holds against the source; see `landmark.photos.corrected`.

    Args:
        data: where the photos are. For format "world", `source` is the folder that `landmark world` wrote.
        seed: of the splits that `data.splits` doesn't give.
        progress: show a bar on stderr, if that is a terminal.

    Raises:
        UsageError: the folders or CSVs contradict each other or themselves.
        LandmarkError: no photo of a landmark, or none of other things, can be read.
    """
    if data.format == "catalog":
        assert data.source is not None  # DataConfig checks it
        return Catalog.load(data.source)
    if data.format == "world":
        data = _world(data)
    listing = list_gldv2(data) if data.format == "gldv2" else list_folder(data)
    ids = {landmark for landmark in listing.landmark if landmark}
    said = read_said(data.corrections)
    named = ids | {word.landmark for word in said.values() if word.landmark}
    landmarks = places(find_categories(data) if data.format == "gldv2" else data.landmarks, named)
    pinned = read_splits(data.splits, listing) if data.splits is not None else {}

    table, hashes, rejects = _read(listing, pinned, progress)
    merged = merge_exact(table)
    hashes = hashes[merged.index.to_numpy()]
    if len(merged) < len(table):
        log.info("%d exact duplicates merged", len(table) - len(merged))
    table = merged.reset_index(drop=True)
    _enough(table, ids, rejects)

    group = near_groups(hashes, data.near_duplicate_bits)
    split = assign_splits(
        table["landmark"].tolist(), group, table["sha256"].tolist(), table["pinned"].tolist(), data.calibrate, data.test, seed
    )
    if said:
        table, hashes, left_out = add_said(table.assign(split=split), hashes, said, data.near_duplicate_bits, progress)
        rejects += left_out
        group, split = near_groups(hashes, data.near_duplicate_bits), table["split"].to_numpy(dtype=object)
    crossing = crossing_pairs(hashes, group, split, data.near_duplicate_bits)
    if crossing:
        log.warning(
            "data.splits parts %d pairs of near-duplicates (at most %d bits apart); its splits stand",
            crossing,
            data.near_duplicate_bits,
        )
    present = landmarks[landmarks["landmark"].isin(table["landmark"])]
    regions = dict(zip(landmarks["landmark"], landmarks["region"], strict=True))
    table = table.assign(
        split=split, group=consistent_groups(group, split), region=[regions.get(landmark, "") for landmark in table["landmark"]]
    )
    return Catalog(table, present, pd.DataFrame(rejects, columns=["photo", "reason"], dtype="str"))


def _world(data: DataConfig) -> DataConfig:
    if data.source is None:
        raise UsageError("data.source: format 'world' needs the folder that `landmark world` wrote")
    parts = {"source": "landmarks", "others": "others", "unknown": "unknown", "landmarks": "landmarks.csv"}
    paths: dict[str, Any] = {key: storage.join(data.source, name) for key, name in parts.items()}
    if not storage.exists(paths["unknown"]):
        paths["unknown"] = None
    return data.model_copy(update={"format": "folder", **paths})


def _read(listing: Listing, pinned: dict[str, str], progress: bool) -> tuple[pd.DataFrame, np.ndarray, list[tuple[str, str]]]:
    """Photos that can be read, their perceptual hashes (uint64 [n]), and all rejects."""
    rejects = [(photo if storable(photo) else shown(photo), reason) for photo, reason in listing.rejects]
    records: list[Record] = []
    kept: list[int] = []
    with RecordCache() as cache:
        for number, record in enumerate(read_records(listing.photo, progress, cache, _versions(listing))):
            if record.reason:
                rejects.append((record.photo, record.reason))
            else:
                records.append(record)
                kept.append(number)
    if rejects:
        log.warning("%d files rejected, the first: %s (%s)", len(rejects), shown(rejects[0][0]), rejects[0][1])
    known = [listing.known[number] for number in kept]
    table = records_table(records).assign(
        landmark=[listing.landmark[number] for number in kept],
        known=known,
        # The model is never shown unknown landmarks, and nothing is calibrated on them.
        pinned=[
            "test" if not is_known else pinned.get(record.photo, "") for record, is_known in zip(records, known, strict=True)
        ],
    )
    return table, np.array([record.phash for record in records], dtype=np.uint64), rejects


def _versions(listing: Listing) -> dict[str, tuple[str, int]]:
    """ETag and size of the photos in S3 [bytes], from listings alone."""
    roots: list[str] = []
    for root in sorted({storage.join(root) for root in listing.roots if storage.is_s3(root)}):
        if not any(root.startswith(f"{other}/") for other in roots):
            roots.append(root)
    return {uri: (etag, size) for root in roots for uri, etag, size in storage.object_versions(root)}


def _enough(table: pd.DataFrame, ids: set[str], rejects: list[tuple[str, str]]) -> None:
    """Refuse a catalog without landmarks or without other things; warn of landmarks that have too few photos."""
    counts = table["landmark"].value_counts()
    why = f"; the first reject: {shown(rejects[0][0])} ({rejects[0][1]})" if rejects else ""
    if not ids & set(counts.index):
        raise LandmarkError(f"no photo of any landmark can be read{why}")
    if not ((table["landmark"] == "") & table["known"]).any():
        raise LandmarkError(f"data.others: none of its photos can be read, and the threshold is calibrated on them{why}")
    for landmark in sorted(ids):
        if landmark not in counts.index:
            log.warning("landmark '%s': left out, none of its photos can be read", shown(landmark))
        elif counts[landmark] == 1:
            log.warning("landmark '%s': only one photo, which trains; nothing tests it", shown(landmark))
