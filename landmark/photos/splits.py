"""Which photos train, calibrate and test: as `splits.csv` says, and by near-duplicate group where it says nothing."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence

import numpy as np
import pandas as pd

from landmark import storage
from landmark.errors import UsageError
from landmark.names import shown
from landmark.photos.catalog import SPLITS
from landmark.photos.csv_table import read_csv, where
from landmark.photos.listing import Listing

log = logging.getLogger(__name__)


def read_splits(uri: str, listing: Listing) -> dict[str, str]:
    """Splits by photo, from a CSV with the columns photo,split.

    Paths in it are relative to the CSV's folder, or to the parent of the source, `others` or `unknown` folder; GLDv2
    photos may be named by their ids.

    Raises:
        UsageError: missing column, a split that doesn't exist, a photo that isn't there, or one that is listed in two splits.
    """
    table = read_csv(uri, ("photo", "split"))
    listed = {*listing.photo, *(file for file, _ in listing.rejects)}
    unknown = {photo for photo, known in zip(listing.photo, listing.known, strict=True) if not known}
    bases = list(dict.fromkeys([storage.parent(uri), *(storage.parent(root) for root in listing.roots), *listing.roots]))
    splits: dict[str, str] = {}
    elsewhere = 0
    for row, (name, split) in enumerate(zip(table["photo"], table["split"], strict=True)):
        if split not in SPLITS:
            raise UsageError(f"{where(uri, row)}: split '{shown(split)}' must be one of {', '.join(SPLITS)}")
        candidates = [name] if storage.is_s3(name) else [storage.join(base, name) for base in bases]
        photo = next((file for file in candidates if file in listed), None)
        if photo is None:
            photo = listing.by_id.get(name)
        if photo is None:
            if not name or "\0" in name or not any(storage.exists(file) for file in candidates[:1]):
                raise UsageError(f"{where(uri, row)}: photo '{shown(name)}' isn't there; mend the path or remove the row")
            elsewhere += 1
            continue
        if splits.setdefault(photo, split) != split:
            raise UsageError(f"{where(uri, row)}: photo '{shown(name)}' is in split '{splits[photo]}' already; keep one row")
        if photo in unknown and split != "test":
            raise UsageError(f"{where(uri, row)}: '{shown(name)}' shows an unknown landmark; such photos are for test only")
    if elsewhere:
        log.info("%s: %d rows are of photos outside this catalog's folders", shown(uri), elsewhere)
    return splits


def assign_splits(
    landmark: Sequence[str],
    group: np.ndarray,
    sha256: Sequence[str],
    pinned: Sequence[str],
    calibrate: float,
    test: float,
    seed: int,
) -> np.ndarray:
    """Give every photo a split.

    A pinned photo keeps its split, and takes its group along. The groups of each landmark (and of the photos without one)
    are drawn in an order that depends on the seed and the photos' contents alone: a new landmark leaves the others' splits
    as they are. At least one group of each landmark trains.

    Args:
        landmark: id of each photo [n], "" for none.
        group: int [n], near-duplicate groups.
        sha256: contents of each photo [n].
        pinned: split of each photo [n], or "" where it is free.
        calibrate: share of a landmark's groups for calibration.
        test: share of a landmark's groups for test.
        seed: of the order in which groups are drawn.

    Returns:
        str [n]: train, calibrate or test. If a group has photos pinned to several splits, its free photos go with most of them.
    """
    table = pd.DataFrame({"landmark": landmark, "group": group, "sha256": sha256, "pinned": pinned})
    free = table.groupby("group")["pinned"].transform("max") == ""
    groups = table[free].groupby("group").agg(landmark=("landmark", "first"), sha256=("sha256", "min"))
    groups["order"] = [hashlib.sha256(f"{seed}:{value}".encode()).hexdigest() for value in groups["sha256"]]
    groups = groups.sort_values("order")
    groups["split"] = ""
    for _, members in groups.groupby("landmark", sort=True):
        n = len(members)
        n_test = min(int(test * n + 0.5), n - 1)
        n_calibrate = min(int(calibrate * n + 0.5), n - 1 - n_test)
        names = ["test"] * n_test + ["calibrate"] * n_calibrate + ["train"] * (n - n_test - n_calibrate)
        groups.loc[members.index, "split"] = names
    table["split"] = table["pinned"].where(table["pinned"] != "", table["group"].map(groups["split"]))
    for name, rows in table[(~free).to_numpy() & (table["pinned"] == "").to_numpy()].groupby("group"):
        votes = table["pinned"][(table["group"] == name) & (table["pinned"] != "")].value_counts()
        table.loc[rows.index, "split"] = min(votes.index, key=lambda split: (-votes[split], SPLITS.index(split)))
    _train_all(table, free)
    return table["split"].to_numpy(dtype=object)


def _train_all(table: pd.DataFrame, free: pd.Series) -> None:
    """Move a free group to train for every landmark that has none there, which near-duplicates across landmarks can cause."""
    trained = set(table["landmark"][table["split"] == "train"])
    for name, rows in table[~table["landmark"].isin([*trained, ""])].groupby("landmark"):
        movable = rows["group"][free[rows.index]]
        if len(movable):
            table.loc[table["group"] == movable.iloc[-1], "split"] = "train"
        else:
            log.warning("landmark '%s': no photo in split train, since data.splits lists them all elsewhere", shown(str(name)))


def consistent_groups(group: np.ndarray, split: np.ndarray) -> np.ndarray:
    """Cut groups along the splits, so that none lies in two: int [n], numbered by first member."""
    pairs = pd.MultiIndex.from_arrays([group, split])
    return np.asarray(pairs.factorize()[0], dtype=np.int64)
