"""Which photos a version was trained, calibrated and measured with: kept in its MLflow run, and asked for by the gate."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient

from landmark.cache import locked
from landmark.photos.catalog import SPLITS
from landmark.registry.download import NotWhole, cached, fill, touch
from landmark.registry.tracking import Tracker
from landmark.registry.versions import NETWORK_TAG, SHA256, SPLITS_TAG, by_number, versions
from landmark.storage import atomic_folder, sha256_file

log = logging.getLogger(__name__)

FILE = "splits.parquet"
PREFIX = 16
"""Hex digits of a photo's sha256 that tell it from all others."""


def used_for(client: MlflowClient, model: str, version: Any, home: Path) -> dict[str, str]:
    """What each photo was to a version: the first 16 hex digits of its sha256 -> train, calibrate or test.

    Also of versions before it with the same network: who refreshes has not trained, but the network was.

    Args:
        client: from `connect`.
        model: name of the registered model.
        version: its number, or as MLflow gives it.
        home: where what was downloaded is kept.

    Returns:
        empty where the version does not tell (it was registered by an earlier package), or its file is damaged.

    Raises:
        LandmarkError: the store does not answer.
    """
    found = by_number(client, model, version) if isinstance(version, str) else version
    wanted = str(found.tags.get(SPLITS_TAG, ""))
    if not SHA256.fullmatch(wanted) or not found.run_id:
        return {}
    place = cached(home, model, found)
    folder = place.with_name(f"{place.name}-splits")
    with locked(home.resolve() / "locks" / f"{folder.name}.lock", wait=f"{folder.name}: another process downloads it; waiting"):
        if not _is(folder / FILE, wanted):
            try:
                with atomic_folder(folder) as target:
                    fill(f"runs:/{found.run_id}/{artefact(wanted)}", target)
                    if not _is(target / FILE, wanted):
                        raise NotWhole("another file lies in its place")
            except NotWhole as error:
                log.warning("version %s of '%s': which photos it was made with is not known (%s)", found.version, model, error)
                return {}
        touch(folder)
        table = pd.read_parquet(folder / FILE)
    return dict(zip(table["sha256"].astype(str), table["split"].astype(str), strict=True))


def write_splits(tracker: Tracker, model: str, network: str, photos: pd.DataFrame, home: Path) -> str:
    """Keep with the run which photos it trains, calibrates and measures with.

    Args:
        tracker: of the run.
        model: name of the registered model.
        network: fingerprint; what an earlier version with this network was trained on is in the file too.
        photos: a row a photo: sha256, split.
        home: home folder.

    Returns:
        The sha256 of the file, for the version's tags.
    """
    earlier = [version for version in versions(tracker.client, model) if network and version.tags.get(NETWORK_TAG) == network]
    before = used_for(tracker.client, model, earlier[-1], home) if earlier else {}
    table = merged(photos, before)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / FILE
        table.to_parquet(file, index=False)
        digest = sha256_file(file)
        tracker.artefacts([file], artefact(digest))
    return digest


def merged(photos: pd.DataFrame, before: Mapping[str, str]) -> pd.DataFrame:
    """A row a photo, sorted: sha256 (prefix), split; the one that has taught most where there are several."""
    now = pd.DataFrame({"sha256": photos["sha256"].astype(str).str[:PREFIX], "split": photos["split"].astype(str)})
    both = pd.concat([now, pd.DataFrame({"sha256": list(before), "split": list(before.values())}, dtype=str)])
    rank = both["split"].map({split: number for number, split in enumerate(SPLITS)})
    chosen = both.assign(rank=rank).sort_values(["sha256", "rank"]).drop_duplicates("sha256")
    return chosen[["sha256", "split"]].reset_index(drop=True)


def artefact(digest: str) -> str:
    """The folder of the file in the run; a run that goes on with other photos does not overwrite it."""
    return f"catalog/{digest[:PREFIX]}"


def _is(file: Path, digest: str) -> bool:
    return file.is_file() and sha256_file(file) == digest
