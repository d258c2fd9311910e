"""Steps: the generated world, and the catalog of all photos."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from landmark.network.curriculum import training_digest
from landmark.photos.build import build_catalog
from landmark.photos.catalog import SPLITS, Catalog
from landmark.photos.world import write_world
from landmark.run import Work

CATALOG = "catalog.parquet"


def world(work: Work) -> Mapping[str, Any]:
    """Render the generated sample."""
    write_world(work.out / "photos", work.config.data.world)
    return {}


def catalog(work: Work) -> Mapping[str, Any]:
    """Read all photos into a catalog with clean splits.

    Returns:
        facts: content (digest of the catalog), training (of what training sees of it), and `counts`.
    """
    data = work.config.data
    if "world" in work.inputs:
        data = data.model_copy(update={"source": str(work.file("world", "photos"))})
    made = build_catalog(data, work.config.seed)
    made.save(work.out / CATALOG)
    return {"content": made.digest, "training": training_digest(made), **counts(made)}


def counts(catalog: Catalog) -> dict[str, Any]:
    """How many photos of what a catalog holds."""
    table = catalog.table
    return {
        "photos": {split: int((table["split"] == split).sum()) for split in SPLITS},
        "landmarks": int(table.loc[table["landmark"] != "", "landmark"].nunique()),
        "others": int(((table["landmark"] == "") & table["known"]).sum()),
        "unknown": int((~table["known"]).sum()),
        "rejects": len(catalog.rejects),
    }
