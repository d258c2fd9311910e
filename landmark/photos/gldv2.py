"""A source in the form of Google Landmarks v2 (Weyand et al., CVPR 2020): CSVs, and photos at a/b/c/<id>.jpg.

`train.csv` is id,url,landmark_id; `train_clean.csv` is landmark_id,images with ids separated by spaces.
"""

from __future__ import annotations

import logging
import os

import pandas as pd

from landmark import storage
from landmark.config import DataConfig
from landmark.errors import UsageError
from landmark.names import shown
from landmark.photos.csv_table import csv_columns, read_csv, where
from landmark.photos.listing import Listing
from landmark.photos.places import check_ids

log = logging.getLogger(__name__)

CSVS = ("train_clean.csv", "train.csv")
CATEGORIES = ("train_label_to_category.csv", "label_to_category.csv", "train_label_to_hierarchical.csv")


def list_gldv2(data: DataConfig) -> Listing:
    """List a GLDv2 source.

    Raises:
        UsageError: missing column, an id that is malformed, without a photo or under two landmarks, no other photos.
    """
    assert data.source is not None  # DataConfig checks both
    assert data.images is not None
    csv = _csv(data.source)
    images = storage.join(data.images)
    table = _ids(csv)
    if table.empty:
        raise UsageError(f"{shown(csv)}: no photos listed; expected rows of id,url,landmark_id or landmark_id,images")
    bad = ~table["id"].str.fullmatch("[0-9A-Za-z_-]{3,128}")
    if bad.any():
        row = table[bad].iloc[0]
        raise UsageError(
            f"{where(csv, int(row['row']))}: '{shown(row['id'])}' isn't a photo id (letters and digits, 3 at least)"
        )
    check_ids(set(table["landmark_id"]), shown(csv))
    _one_landmark_each(csv, table)
    listing = Listing(roots=[images])
    table = table.drop_duplicates("id").sort_values("id")
    paths = [storage.join(images, *name[:3], f"{name}.jpg") for name in table["id"]]
    _all_there(csv, images, table, paths)
    for photo, landmark in zip(paths, table["landmark_id"], strict=True):
        listing.add(photo, landmark)
    listing.by_id = dict(zip(table["id"], paths, strict=True))
    listing.add_others(data.others, data.unknown)
    return listing


def find_categories(data: DataConfig) -> str | None:
    """`data.landmarks`, or else the label_to_category CSV that lies beside the source."""
    if data.landmarks is not None or data.source is None:
        return data.landmarks
    folder = storage.parent(_csv(data.source))
    beside = [storage.join(folder, name) for name in CATEGORIES]
    return next((file for file in beside if storage.exists(file)), None)


def _csv(source: str) -> str:
    if source.endswith(".csv"):
        return storage.join(source)
    for name in CSVS:
        if storage.exists(file := storage.join(source, name)):
            return file
    raise UsageError(f"data.source: {shown(source)} is no CSV, and holds neither {' nor '.join(CSVS)}")


def _ids(csv: str) -> pd.DataFrame:
    """id, landmark_id and row (from 0) of every photo listed."""
    columns = csv_columns(csv)
    if "images" in columns:
        table = read_csv(csv, ("landmark_id", "images"))
        table = table.assign(id=table["images"].str.split(), row=range(len(table))).drop(columns="images")
        empty = table["id"].str.len() == 0
        if empty.any():
            row = int(empty.to_numpy().argmax())
            raise UsageError(
                f"{where(csv, row)}: landmark '{shown(table['landmark_id'].iloc[row])}' has no images; remove the row"
            )
        return table.explode("id", ignore_index=True).astype({"id": "str"})
    return read_csv(csv, ("id", "landmark_id")).assign(row=lambda frame: range(len(frame)))


def _one_landmark_each(csv: str, table: pd.DataFrame) -> None:
    twice = table[table.duplicated("id", keep=False)]
    landmarks = twice.groupby("id")["landmark_id"].nunique()
    if (landmarks > 1).any():
        first, second = (
            row
            for _, row in twice[twice["id"] == landmarks.index[landmarks > 1][0]]
            .drop_duplicates("landmark_id")
            .head(2)
            .iterrows()
        )
        raise UsageError(
            f"{where(csv, int(second['row']))}: photo '{first['id']}' is under landmark '{shown(second['landmark_id'])}' "
            f"and under '{shown(first['landmark_id'])}' (row {int(first['row']) + 2}); keep one"
        )
    if len(twice):
        log.warning(
            "%s: %d rows repeat a photo of the same landmark; one of each is kept", shown(csv), twice["id"].duplicated().sum()
        )


def _all_there(csv: str, images: str, table: pd.DataFrame, paths: list[str]) -> None:
    if storage.is_s3(images):  # one listing is cheaper than a request a photo
        present = set(storage.list_files(images))
        missing = [number for number, path in enumerate(paths) if path not in present]
    else:
        missing = [number for number, path in enumerate(paths) if not _is_photo(path, images)]
    if missing:
        row = table.iloc[missing[0]]
        others = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
        raise UsageError(
            f"{where(csv, int(row['row']))}: photo '{row['id']}'{others} isn't there: {shown(paths[missing[0]])}; "
            "download it or remove it from the CSV"
        )


def _is_photo(path: str, images: str) -> bool:
    return os.path.isfile(path) and (not os.path.islink(path) or storage.inside(path, images))  # noqa: PTH113, PTH114
