"""What training and several centroids bring on the photos of a finished run, beside frozen features and plain fine-tuning.

    landmark retrain configs/photos.yaml && landmark bench photos

Reads the run's embeddings and takes them apart: the frozen pretrained half, the tuned half, both side by side as the run weighs
them. Each is measured with one mean per landmark, several centroids, earned centroids and all photos, with and without
re-scoring, over several seeds (of which centroids are earned); once on all landmarks, once on those that a second network
never saw. One run, one catalog, one threshold rule. Writes results/photos.{json,md} (photos-NAME for a run of another name).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.machine import machine
from flows.plan import plan
from landmark.config import RunConfig
from landmark.config_file import load_config
from landmark.errors import UsageError
from landmark.evaluation.galleries import gallery_baselines
from landmark.evaluation.leave_out import evaluate_left_out
from landmark.network.network import Network
from landmark.photos.catalog import Catalog
from landmark.run import Run
from landmark.steps.embedding import embed_catalog
from landmark.storage import write_bytes, write_json

ROOT = Path(__file__).parent
SIDE_BY_SIDE = 0.65
"""Weight of the tuned half in a plain mix, to compare the configured one with."""
Vectors = NDArray[np.float32]


def halves(vectors: Vectors, tuned: int) -> dict[str, Vectors]:
    """Embeddings [n, d] taken apart; the last `tuned` numbers of each are the tuned half."""

    def unit(rows: Vectors) -> Vectors:
        return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)

    frozen, fine = unit(vectors[:, :-tuned]), unit(vectors[:, -tuned:])
    return {
        "pretrained, frozen": frozen,
        "fine-tuned alone": fine,
        f"side by side 1 : {SIDE_BY_SIDE}": unit(np.concatenate([frozen, SIDE_BY_SIDE * fine], axis=1)),
        "as configured": np.asarray(vectors, np.float32),
    }


def measured(
    name: str, vectors: Vectors, table: pd.DataFrame, landmarks: list[str], config: RunConfig, seed: int
) -> pd.DataFrame:
    """One seed's figures of one kind of embedding."""
    released = evaluate_left_out(vectors, table, landmarks, config.centroids, config.calibration, seed)
    figures = released.figures()
    keys = ("top1", "sensitivity", "specificity", "sensitivity_at_99")
    first = {"method": "as released", "rescored": released.calibration.rescore_weight > 0, "vectors": len(released.centroids)}
    rows = gallery_baselines(vectors, table, config.centroids, config.calibration, landmarks=landmarks, seed=seed)
    rows = pd.concat([pd.DataFrame([{**first, **{key: figures[key] for key in keys}}]), rows[[*first, *keys]]])
    return rows.assign(embedding=name, seed=seed)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="landmark bench photos", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", type=Path, default=ROOT.parent / "configs" / "photos.yaml", help="config of a finished run")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of the centroids [count]")
    parser.add_argument("--out", type=Path, default=ROOT / "results", help="folder of the results")
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    run = Run(config, plan(config))
    if run.look() is not None:
        raise UsageError(f"bench photos: run '{config.name}' is not finished; first: landmark retrain {arguments.config}")
    catalog = Catalog.load(run.outputs["catalog"].folder / "catalog.parquet")
    every = sorted(set(catalog.table["landmark"]) - {""})
    tests = {"all landmarks": ("train", every)}
    if "left_out" in run.outputs:
        tests["landmarks never trained on"] = ("train_left_out", run.outputs["left_out"].facts["landmarks"])
    parts = []
    for test, (step, landmarks) in tests.items():
        network = Network.load(run.outputs[step].folder / "network")
        vectors = embed_catalog(network, catalog, run.home, config).vectors
        for name, rows in halves(np.asarray(vectors), network.dim).items():
            for seed in range(arguments.seeds):
                parts.append(measured(name, rows, catalog.table, landmarks, config, seed).assign(test=test))
    raw = pd.concat(parts, ignore_index=True)
    by = ["test", "embedding", "method", "rescored"]
    table = raw.groupby(by, sort=False).agg(
        vectors=("vectors", "mean"),
        top1=("top1", "mean"),
        sensitivity=("sensitivity", "mean"),
        lowest=("sensitivity", "min"),
        highest=("sensitivity", "max"),
        specificity=("specificity", "mean"),
        sensitivity_at_99=("sensitivity_at_99", "mean"),
    )
    table = table.reset_index().round(3)
    header = f"{config.name}, {config.network.image_size} pixels ({config.network.resize}), {config.network.backbone}, "
    header += f"target specificity {config.calibration.specificity}, {arguments.seeds} seeds of the centroids"
    name = "photos" if config.name == "photos" else f"photos-{config.name}"
    write_json(arguments.out / f"{name}.json", {"what": header, "machine": machine(), "rows": table.to_dict("records")})
    sections = [f"## {test}\n\n{markdown(part.drop(columns='test'))}\n" for test, part in table.groupby("test", sort=False)]
    text = "\n".join([f"# {header}\n\n`landmark bench photos`\n", *sections])
    write_bytes(arguments.out / f"{name}.md", text.encode())
    print(table.to_string(index=False))


def markdown(table: pd.DataFrame) -> str:
    """A table as Markdown."""
    rows = [list(table.columns), ["---"] * len(table.columns), *table.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


if __name__ == "__main__":
    main()
