"""Reference photos that someone has checked: a CSV of photos and the landmark that each shows."""

from __future__ import annotations

import logging
from collections import defaultdict
from pathlib import PurePosixPath

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from landmark.errors import UsageError
from landmark.names import shown
from landmark.photos.csv_table import read_csv, where

log = logging.getLogger(__name__)


def read_references(uri: str, table: pd.DataFrame) -> NDArray[np.bool_]:
    """Which photos of a catalog are references.

    A photo may be named by its whole path, by the end of it (`eiffel_tower/12.jpg`), or by its file name without suffix
    (the ids of GLDv2). References outside the train split have no part in cleaning; their number is logged.

    Args:
        uri: CSV with the columns photo,landmark.
        table: a catalog's table [n].

    Returns:
        bool [n], only True in the train split.

    Raises:
        UsageError: not such a CSV; a photo that the catalog does not have, has twice, or labels otherwise; names the row.
    """
    by_stem: dict[str, list[int]] = defaultdict(list)
    photos = table["photo"].tolist()
    for position, photo in enumerate(photos):
        by_stem[PurePosixPath(photo).stem].append(position)
    labels, training = table["landmark"].tolist(), np.asarray(table["split"] == "train")
    chosen = np.zeros(len(table), bool)
    rows = read_csv(uri, ("photo", "landmark"))
    for row, (name, landmark) in enumerate(zip(rows["photo"], rows["landmark"], strict=True)):
        stem = PurePosixPath(name).stem
        found = [at for at in by_stem.get(stem, []) if photos[at] == name or photos[at].endswith(f"/{name}") or stem == name]
        if len(found) != 1:
            problem = (
                f"stands for {len(found)} photos; give more of its path" if found else "is no photo of the catalog; mend it"
            )
            raise UsageError(f"{where(uri, row)}: '{shown(name)}' {problem}")
        if labels[found[0]] != landmark:
            raise UsageError(
                f"{where(uri, row)}: '{shown(name)}' is a reference for '{shown(landmark)}', but the catalog labels it "
                f"'{shown(labels[found[0]])}'; mend one of them"
            )
        chosen[found[0]] = True
    if outside := int((chosen & ~training).sum()):
        log.info("%s: %d references are not in the train split and have no part in cleaning", shown(uri), outside)
    return np.asarray(chosen & training, bool)
