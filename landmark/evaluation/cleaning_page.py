"""The page to check a cleaning by: dropped photos beside their landmark's references. One HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from landmark import storage
from landmark.evaluation.pages import page_template
from landmark.evaluation.pictures import Thumbnails
from landmark.evaluation.tables import Cell, Table, data_table, percent
from landmark.recognition.cleaning_table import OTHER_LANDMARK, REFERENCE

MAX_LANDMARKS = 200
MAX_REFERENCES = 6
MAX_DROPPED = 60
SIDE = 112


def write_cleaning_page(file: Path, table: pd.DataFrame, names: Mapping[str, str], title: str, budget: int = 8_000_000) -> None:
    """Write the page, atomically.

    Args:
        file: where to.
        table: as of `CleaningTable`.
        names: landmark id -> name to show; ids without one are shown themselves.
        title: heading.
        budget: of all pictures together [bytes].

    Raises:
        LandmarkError: the file cannot be written.
    """
    storage.write_bytes(str(file), render_cleaning_page(table, names, title, budget).encode("utf-8"))


def render_cleaning_page(table: pd.DataFrame, names: Mapping[str, str], title: str, budget: int = 8_000_000) -> str:
    """The page as HTML text; every name and path in it is escaped. Arguments as of `write_cleaning_page`."""
    thumbnails = Thumbnails(budget)
    labelled = table[table["landmark"] != ""]
    share = 1 - labelled.groupby("landmark")["kept"].mean()
    order = share.sort_values(ascending=False, kind="stable").index.tolist()
    touched = [landmark for landmark in order if share[landmark] > 0]

    def name(landmark: str) -> str:
        return names.get(landmark) or landmark

    dropped = int((~labelled["kept"]).sum())
    landmarks = [
        _landmark(labelled[labelled["landmark"] == landmark], name, f"l{number}", thumbnails)
        for number, landmark in enumerate(touched[:MAX_LANDMARKS])
    ]
    return page_template("cleaning.html").render(
        title=title,
        labelled=len(labelled),
        dropped=dropped,
        share=percent(dropped / len(labelled)) if len(labelled) else percent(0.0),
        reasons=labelled.loc[~labelled["kept"], "reason"].value_counts().to_dict(),
        table=_counts(labelled, order, name),
        landmarks=landmarks,
        not_shown=len(touched) - len(landmarks),
        pictures_left_out=thumbnails.left_out,
    )


def _counts(labelled: pd.DataFrame, order: list[str], name: Any) -> Table:
    rows = labelled.groupby("landmark").agg(photos=("kept", "size"), kept=("kept", "sum")).loc[order].reset_index()
    rows["dropped"] = rows["photos"] - rows["kept"]
    shares = rows["dropped"] / rows["photos"]
    rows["landmark"] = [name(landmark) for landmark in rows["landmark"]]
    table = data_table(rows)
    cells = [[*row, Cell(percent(share), repr(share), numeric=True)] for row, share in zip(table.rows, shares, strict=True)]
    return Table([*table.columns, "share dropped"], cells)


def _landmark(rows: pd.DataFrame, name: Any, anchor: str, thumbnails: Thumbnails) -> dict[str, Any]:
    """A landmark's section: its references, then what was dropped, the surest first."""
    references = rows[rows["reason"] == REFERENCE].sort_values("similarity", ascending=False, kind="stable")
    dropped = rows[~rows["kept"]].copy()
    dropped["margin"] = dropped["similarity"].fillna(-1.0) - dropped["rival_similarity"]
    dropped = dropped.sort_values("margin", kind="stable")
    return {
        "anchor": anchor,
        "name": name(rows["landmark"].iloc[0]),
        "photos": len(rows),
        "dropped": len(dropped),
        "not_shown": max(0, len(dropped) - MAX_DROPPED),
        "references": [_picture(row, thumbnails) for row in references.head(MAX_REFERENCES).to_dict("records")],
        "cards": [
            {
                **_picture(row, thumbnails),
                "nearer": name(row["rival"]) if row["reason"] == OTHER_LANDMARK else "photos without a landmark",
                "similarity": "–" if np.isnan(row["similarity"]) else f"{row['similarity']:z.2f}",
                "rival_similarity": f"{row['rival_similarity']:z.2f}",
                "cluster": int((rows["cluster"] == row["cluster"]).sum()),
            }
            for row in dropped.head(MAX_DROPPED).to_dict("records")
        ],
    }


def _picture(row: Mapping[Any, Any], thumbnails: Thumbnails) -> dict[str, Any]:
    return {"photo": thumbnails.photo(str(row["photo"]), SIDE), "file": "/".join(str(row["photo"]).split("/")[-2:])}
