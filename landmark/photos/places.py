"""The table of landmarks: what each is called and where it stands, from `landmarks.csv` or GLDv2's categories."""

from __future__ import annotations

import json
import logging
from collections.abc import Collection
from urllib.parse import unquote

import pandas as pd

from landmark.errors import UsageError
from landmark.names import check_landmark_id, shown
from landmark.photos.catalog import check_positions
from landmark.photos.csv_table import csv_columns, read_csv, where

log = logging.getLogger(__name__)

COLUMNS = ("landmark", "name", "city", "country", "region", "lat", "lon")


def places(uri: str | None, ids: Collection[str]) -> pd.DataFrame:
    """The landmarks of a catalog, by id.

    Args:
        uri: `landmarks.csv` (landmark,name,city,country,region,lat,lon and any name_<language>; cells may be empty), or a
            GLDv2 `label_to_category` (landmark_id,category), which may list more landmarks than the catalog has;
            None: landmarks are called by their ids.
        ids: landmarks of the catalog.

    Returns:
        landmark, name, city, country, region, lat, lon, names (JSON object: language -> name).

    Raises:
        UsageError: missing column, unknown landmark, two rows of one landmark, or a position that isn't on Earth.
    """
    known = pd.DataFrame({"landmark": sorted(ids)}, dtype="str")
    if uri is None:
        table = pd.DataFrame({name: pd.Series(dtype="str") for name in (*COLUMNS, "names")})
    elif "category" in csv_columns(uri):
        table = _categories(uri, ids)
    else:
        table = _places(uri, ids)
    for column in ("lat", "lon"):
        table[column] = _numbers(table, column, uri or "")
    if uri is not None:
        check_positions(table, shown(uri))
        unnamed = sorted(set(ids) - set(table["landmark"]))
        if unnamed:
            log.warning("%s: no row for %d landmarks (%s ...): called by id", shown(uri), len(unnamed), shown(unnamed[0]))
    table = known.merge(table, on="landmark", how="left", validate="one_to_one")
    texts = ["name", "city", "country", "region"]
    table[texts] = table[texts].fillna("")
    table["name"] = table["name"].where(table["name"] != "", table["landmark"].str.replace("_", " "))
    table["names"] = table["names"].fillna("{}")
    return table


def _places(uri: str, ids: Collection[str]) -> pd.DataFrame:
    table = read_csv(uri, COLUMNS, optional=None)
    _once(uri, table["landmark"])
    for row, landmark in enumerate(table["landmark"]):
        if landmark not in ids:
            raise UsageError(
                f"{where(uri, row)}: landmark '{shown(landmark)}' has no photos in the source; remove the row or mend the id"
            )
    languages = [name for name in table.columns if name.startswith("name_")]
    rows = table[languages].to_numpy(dtype=object).tolist()  # older pandas iterates over no row where there is no column
    names = [{name.removeprefix("name_"): value for name, value in zip(languages, row, strict=True) if value} for row in rows]
    return table[list(COLUMNS)].assign(names=[json.dumps(item, sort_keys=True, ensure_ascii=False) for item in names])


def _categories(uri: str, ids: Collection[str]) -> pd.DataFrame:
    table = read_csv(uri, ("landmark_id", "category")).rename(columns={"landmark_id": "landmark"})
    _once(uri, table["landmark"])
    table = table[table["landmark"].isin(list(ids))]
    names = [category_name(category) for category in table["category"]]
    return pd.DataFrame(
        {
            "landmark": table["landmark"],
            "name": names,
            "city": "",
            "country": "",
            "region": "",
            "lat": "",
            "lon": "",
            "names": "{}",
        }
    )


def category_name(category: str) -> str:
    """The name in a Wikimedia Commons category's address.

    >>> category_name("http://commons.wikimedia.org/wiki/Category:Mus%C3%A9e_d%27Orsay")
    "Musée d'Orsay"
    """
    name = unquote(category.rpartition("/wiki/")[2]).removeprefix("Category:").replace("_", " ")
    return "".join(c for c in name if c.isprintable()).strip()


def _once(uri: str, landmarks: pd.Series) -> None:
    for row, landmark in enumerate(landmarks):
        if not landmark:
            raise UsageError(f"{where(uri, row)}: the landmark's id is empty")
    if landmarks.duplicated().any():
        row = int(landmarks.duplicated().to_numpy().argmax())
        landmark = landmarks.iloc[row]
        first = int((landmarks == landmark).to_numpy().argmax())
        raise UsageError(f"{where(uri, row)}: landmark '{shown(landmark)}' has a row already (row {first + 2}); keep one")


def _numbers(table: pd.DataFrame, column: str, uri: str) -> pd.Series:
    text = table[column].str.strip()
    numbers = pd.to_numeric(text.where(text != "", None), errors="coerce").astype("float64")
    bad = (numbers.isna() & (text != "")) | (numbers.abs() == float("inf"))
    if bad.any():
        row = int(bad.to_numpy().argmax())
        raise UsageError(f"{where(uri, row)}: {column} '{shown(text.iloc[row])}' isn't a number of degrees, as in 48.8584")
    return numbers


def check_ids(ids: Collection[str], place: str) -> None:
    """Refuse landmark ids that can't name a folder.

    Raises:
        UsageError: names the first one.
    """
    for landmark in sorted(ids):
        check_landmark_id(landmark, place)
