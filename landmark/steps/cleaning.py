"""Steps: a round of database cleaning, and the catalog without what the last round dropped."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from typing import Any

import numpy as np

from landmark.evaluation.cleaning_page import write_cleaning_page
from landmark.network.curriculum import training_digest
from landmark.network.network import Network
from landmark.photos.catalog import Catalog
from landmark.recognition.cleaning import clean
from landmark.recognition.cleaning_references import read_references
from landmark.recognition.cleaning_table import CleaningTable
from landmark.run import Work
from landmark.steps.embedding import embed_catalog
from landmark.steps.photos import CATALOG, counts
from landmark.steps.plan import RAW_CATALOG, clean_step, train_step
from landmark.steps.preflight import check_catalog
from landmark.steps.training import load_network

log = logging.getLogger(__name__)

CLEANING = "cleaning.parquet"
PAGE = "cleaning.html"


def clean_round(work: Work) -> Mapping[str, Any]:
    """Judge the train split's landmark photos by the pretrained network, or by the one trained on what was kept before.

    Writes the table of verdicts, the page with the pictures, and the catalog without what was dropped. Photos of the other
    splits are never touched.

    Returns:
        facts: training (digest of what training sees of the catalog that remains), labelled, dropped, dropped_... (counts).
    """
    config = work.config
    before, number = _before(work)
    if before is None:
        check_catalog(config, work.file(RAW_CATALOG, CATALOG))
        network = Network.frozen_baseline(config.network, config.seed)
    else:
        network = load_network(work, train_step(number - 1))
    catalog = Catalog.load(work.file(RAW_CATALOG, CATALOG))
    train = catalog.split("train")
    table = train.table
    references = np.zeros(len(table), bool)
    if config.data.references:  # some may be in other splits, and have no part here
        of_all = read_references(config.data.references, catalog.table)
        references = of_all[np.asarray(catalog.table["split"] == "train")]
    embedded = embed_catalog(network, train, work.home, config)
    shows = np.asarray(table["landmark"] != "")
    judged = shows & embedded.ok
    others = ~shows & embedded.ok & np.asarray(table["known"])
    verdict = clean(
        np.asarray(embedded.vectors[judged]),
        table["landmark"].to_numpy(dtype=str)[judged],
        np.asarray(embedded.vectors[others]),
        table["group"].to_numpy()[judged],
        config.cleaning,
        references[judged],
        None if before is None else before.kept_of(table["sha256"])[judged],
        table["verified"].to_numpy(dtype=bool)[judged],
    )
    found = CleaningTable.of(train, judged, verdict, number, before)
    remains = found.apply(catalog)
    log.info("cleaning, round %d: %d of %d landmark photos dropped", number, found.counts()["dropped"], int(shows.sum()))
    found.save(work.out / CLEANING)
    remains.save(work.out / CATALOG)
    names = dict(zip(catalog.landmarks["landmark"], catalog.landmarks["name"], strict=True))
    write_cleaning_page(work.out / PAGE, found.table, names, f"round {number}")
    return {"training": training_digest(remains), **found.counts()}


def cleaned_catalog(work: Work) -> Mapping[str, Any]:
    """The catalog that everything after the cleaning sees.

    Returns:
        facts: as of the step `catalog` without cleaning, and labelled, dropped, dropped_... (counts).
    """
    ((_, output),) = work.inputs.items()
    for name in (CLEANING, PAGE):
        shutil.copyfile(output.folder / name, work.out / name)
    made = Catalog.load(output.folder / CATALOG)
    made.save(work.out / CATALOG)
    dropped = {name: value for name, value in output.facts.items() if name != "training"}
    return {"content": made.digest, "training": training_digest(made), **counts(made), **dropped}


def _before(work: Work) -> tuple[CleaningTable | None, int]:
    """What the round before found (None in the first), and this round's number."""
    for number in range(1, work.config.cleaning.rounds):
        if clean_step(number) in work.inputs:
            return CleaningTable.load(work.file(clean_step(number), CLEANING)), number + 1
    return None, 1
