"""Steps: what the recognizer reaches, what plainer ways reach on the same photos, and how landmarks kept out fare."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from landmark.evaluation.galleries import ALL_PHOTOS, EARNED, FIXED_CUT, ONE_MEAN, gallery_baselines
from landmark.evaluation.leave_out import compare_left_out, evaluate_left_out
from landmark.evaluation.open_set import OpenSet
from landmark.network.network import Network
from landmark.photos.catalog import Catalog
from landmark.recognition.recognizer import Recognizer
from landmark.run import Work
from landmark.steps.embedding import Vectors, embed_catalog, load_embeddings, usable
from landmark.steps.identification import identify
from landmark.steps.measure import measure
from landmark.steps.photos import CATALOG, counts
from landmark.steps.protocols import references, training_photos
from landmark.steps.recognition import RECOGNIZER
from landmark.steps.report import Extras, report
from landmark.steps.training import landmarks_kept_out, load_network, use_threads
from landmark.storage import write_json

BASELINES = "baselines.parquet"
LEFT_OUT = "left_out.parquet"
FROZEN = "frozen.npz"
TRAINED, PRETRAINED = "trained", "frozen"
SHORT = {ONE_MEAN: "one_mean", FIXED_CUT: "fixed_cut", EARNED: "earned", ALL_PHOTOS: "all_photos"}


def baselines(work: Work) -> Mapping[str, Any]:
    """The frozen pretrained network, and plainer galleries of the trained one, on the same test photos."""
    config = work.config
    table, vectors = load_embeddings(work)
    frozen_table, frozen = _frozen(work)
    galleries = {TRAINED: (table, vectors), PRETRAINED: (frozen_table, frozen)}
    parts = []
    for name, (rows, embeddings) in galleries.items():
        part = gallery_baselines(embeddings, rows, config.centroids, config.calibration, seed=config.seed)
        part.insert(0, "network", name)
        parts.append(part)
    pd.concat(parts, ignore_index=True).to_parquet(work.out / BASELINES, index=False)
    ids = sorted(set(frozen_table["landmark"]) - {""})
    released = evaluate_left_out(frozen, frozen_table, ids, config.centroids, config.calibration, config.seed)
    np.savez(work.out / FROZEN, allow_pickle=False, **asdict(released.open_set))
    return {key: value for key, value in released.figures().items() if key.startswith(("sensitivity", "specificity"))}


def left_out(work: Work) -> Mapping[str, Any]:
    """Landmarks that were kept from training, added by refresh; beside them the frozen network."""
    config = work.config
    catalog = Catalog.load(work.file("catalog", CATALOG))
    kept_out = landmarks_kept_out(catalog, config)
    trained = embed_catalog(load_network(work, "train_left_out"), catalog, work.home, config).vectors
    frozen = embed_catalog(Network.frozen_baseline(config.network, config.seed), catalog, work.home, config).vectors
    ok = ~np.isnan(trained[:, 0]) & ~np.isnan(frozen[:, 0])
    compared = compare_left_out(
        {TRAINED: trained[ok], PRETRAINED: frozen[ok]},
        catalog.table[ok].reset_index(drop=True),
        kept_out,
        config.centroids,
        config.calibration,
        seed=config.seed,
    )
    compared.to_parquet(work.out / LEFT_OUT, index=False)
    return {"landmarks": kept_out}


def evaluate(work: Work) -> Mapping[str, Any]:
    """Measure the recognizer on the test split; write metrics.json and report.html.

    Returns:
        facts: sensitivity, specificity.
    """
    use_threads(work.config)
    recognizer = Recognizer.load(work.file("recognizer", RECOGNIZER))
    catalog = Catalog.load(work.file("catalog", CATALOG))
    table, vectors = load_embeddings(work)
    measured = measure(recognizer, table, vectors, work.config.seed)
    compared_with = _compared(work) if "baselines" in work.inputs else None
    left = pd.read_parquet(work.file("left_out", LEFT_OUT)) if "left_out" in work.inputs else None
    metrics = {**measured.metrics, **_baseline_figures(compared_with), **_left_out_figures(left)}
    write_json(work.out / "metrics.json", metrics)
    curves = work.file("train", "curves.jsonl").read_text(encoding="utf-8").splitlines()
    extras = Extras(
        title=work.config.name,
        settings=work.config.model_dump(mode="json"),
        data={"catalog": catalog.digest, **counts(catalog)},
        curves=[json.loads(line) for line in curves],
        baselines=None if compared_with is None else compared_with[0],
        compared={} if compared_with is None else {"frozen pretrained network": compared_with[1]},
        left_out=left,
        pictures=work.config.evaluation.pictures,
        shows=dict(zip(catalog.table["photo"], catalog.table["landmark"], strict=True)),
        map=work.config.evaluation.map,
    )
    report(work.out / "report.html", recognizer, measured, metrics, extras)
    return {"sensitivity": metrics["sensitivity"], "specificity": metrics["specificity"]}


def evaluate_on(
    recognizer: Recognizer, catalog: Catalog, out: Path, home: Path, title: str, distractors: str | None = None
) -> dict[str, float]:
    """Measure any recognizer on a catalog's test split; writes metrics.json and report.html, returns the metrics.

    Of the calibrate and train splits, no more photos are embedded than MAP@5 and verification need.

    Args:
        recognizer: what is measured.
        catalog: with a test split.
        out: folder.
        home: where embeddings are kept.
        title: of the report.
        distractors: embeddings or a folder, as `identify` takes them: identification.json is written too.
    """
    whole = catalog.table
    needed = whole["split"].isin(["test", "calibrate"]).to_numpy() | references(whole)
    chosen = catalog.only(needed)
    table, vectors = usable(chosen.table, embed_catalog(recognizer.network, chosen, home).vectors)
    measured = measure(recognizer, table, vectors, 0, training_photos(whole, recognizer.centroids))
    curve = None
    if distractors is not None:
        curve = identify(recognizer, measured.vectors, measured.open_set, distractors, home)
        write_json(out / "identification.json", {"source": distractors, "curve": curve.to_dict("records")})
    write_json(out / "metrics.json", measured.metrics)
    extras = Extras(
        title=title,
        data={"catalog": catalog.digest, **counts(catalog)},
        identification=curve,
        shows=dict(zip(whole["photo"], whole["landmark"], strict=True)),
    )
    report(out / "report.html", recognizer, measured, measured.metrics, extras)
    return measured.metrics


def _frozen(work: Work) -> tuple[pd.DataFrame, Vectors]:
    catalog = Catalog.load(work.file("catalog", CATALOG))
    network = Network.frozen_baseline(work.config.network, work.config.seed)
    return usable(catalog.table, embed_catalog(network, catalog, work.home, work.config).vectors)


def _compared(work: Work) -> tuple[pd.DataFrame, OpenSet, dict[str, Any]]:
    with np.load(work.file("baselines", FROZEN), allow_pickle=False) as arrays:
        frozen = OpenSet(**{name: arrays[name] for name in arrays.files})
    return pd.read_parquet(work.file("baselines", BASELINES)), frozen, work.inputs["baselines"].facts


def _baseline_figures(compared: tuple[pd.DataFrame, OpenSet, dict[str, Any]] | None) -> dict[str, float]:
    """Names as `frozen_sensitivity` (as a release would be), `frozen_one_mean_sensitivity` (a gallery without re-scoring)."""
    if compared is None:
        return {}
    table, _, released = compared
    figures = {f"{PRETRAINED}_{name}": float(value) for name, value in released.items()}
    for row in table[~table["rescored"]].to_dict("records"):
        for name in ("sensitivity", "specificity"):
            figures[f"{row['network']}_{SHORT[row['method']]}_{name}"] = float(row[name])
    return figures


def _left_out_figures(table: pd.DataFrame | None) -> dict[str, float]:
    """Names as `left_out_sensitivity` (of the network trained without them) and `left_out_frozen_sensitivity`."""
    if table is None:
        return {}
    figures: dict[str, float] = {}
    for network, prefix in ((TRAINED, "left_out"), (PRETRAINED, "left_out_frozen")):
        row = table[(table["network"] == network) & (table["method"] == "as released")].iloc[0]
        for name in ("sensitivity", "sensitivity_low", "sensitivity_high", "specificity"):
            figures[f"{prefix}_{name}"] = float(row[name])
    return figures
