"""How well cleaning finds wrong labels that were planted in real photos, and what it wins back.

    landmark bench cleaning

Photos of the train split get wrong labels (noise: "others" that get a landmark, "landmarks" that get another, "mix" of half
and half, "series" of ten photos alike that get one wrong label; `planted` is the share of wrong labels). Precision and recall
are of the dropped photos against the planted ones: what the photos had wrong before counts against the precision. Round 1
judges by the pretrained network, round 2 by one that was trained on what round 1 kept. The trained network is here a neck
(linear layer and batch norm) on pretrained features that are kept, beside which the pretrained embedding stays, as
configured. Sensitivity and specificity are as of a release: centroids, re-scoring and the threshold (split conformal, at the
configured specificity) come from training and calibrate photos; the labels of calibrate and test photos are the true ones.
`sensitivity_at_99` is at the threshold that gives a specificity of 0.99 on the test photos themselves. `won back` is the
share of what the noise costs, where that is more than a point. The settings of cleaning were chosen on other draws of noise,
but on the same photos.

Writes results/cleaning.{json,md}.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import nn

from benchmarks.cleaning_noise import KINDS, plant
from benchmarks.machine import machine
from benchmarks.photos import markdown
from flows.plan import plan
from landmark.config import RunConfig, StageConfig, TrainingConfig
from landmark.config_file import load_config
from landmark.evaluation.leave_out import evaluate_left_out
from landmark.network.network import Network
from landmark.network.objectives import make_objective
from landmark.network.sampler import epoch_batches
from landmark.photos.catalog import Catalog
from landmark.recognition.cleaning import clean
from landmark.run import Run
from landmark.steps.embedding import embed_catalog
from landmark.storage import write_bytes, write_json

ROOT = Path(__file__).parent
EPOCHS, BATCH, RATE = 12, 128, 2e-3
TRAINED_ON = ("true labels", "noisy labels", "cleaned, round 1", "cleaned, round 2", "planted labels taken out")
Vectors = NDArray[np.float32]
Bools = NDArray[np.bool_]


def train_neck(features: Vectors, landmark: NDArray[np.str_], config: RunConfig, seed: int) -> nn.Module:
    """A neck trained on kept features [n, d] by the configured loss and sampler, without centres."""
    torch.manual_seed(seed)
    names, targets = np.unique(np.append(landmark, ""), return_inverse=True)
    targets = targets[:-1].astype(np.int64)
    settings = TrainingConfig(stages=[StageConfig(name="neck", epochs=EPOCHS, learning_rate=RATE)], batch_size=BATCH)
    neck = nn.Sequential(nn.Linear(features.shape[1], config.network.dim, bias=False), nn.BatchNorm1d(config.network.dim))
    objective = make_objective(settings, np.bincount(targets, minlength=len(names)).astype(np.int64), config.network.dim)
    optimizer = torch.optim.AdamW([*neck.parameters(), *objective.parameters()], lr=RATE, weight_decay=settings.weight_decay)
    steps = EPOCHS * max(1, len(features) // BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=settings.warmup)
    inputs = torch.from_numpy(_scaled(features))
    for epoch in range(EPOCHS):
        for batch in epoch_batches(targets, settings=settings, sampler="balanced", seed=(seed, epoch)):
            embeddings = nn.functional.normalize(neck(inputs[batch]))
            loss = objective(embeddings, torch.from_numpy(targets[batch]), torch.from_numpy(batch))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    return neck.eval()


@torch.no_grad()
def embed(neck: nn.Module, features: Vectors, weight: float) -> Vectors:
    """The features beside what the neck makes of them, as `Network` puts them together: unit vectors [n, d + dim]."""
    tuned = nn.functional.normalize(neck(torch.from_numpy(_scaled(features)))).numpy()
    both = np.concatenate([weight * features, tuned], axis=1)
    return np.asarray(both / np.linalg.norm(both, axis=1, keepdims=True), np.float32)


def _scaled(features: Vectors) -> Vectors:
    # Unit vectors have tiny numbers; layers start out for numbers around one.
    return np.asarray(features * features.shape[1] ** 0.5, np.float32)


class Bench:
    """The photos, and what is done with one draw of noise."""

    def __init__(self, config: RunConfig, catalog: Catalog, features: Vectors) -> None:
        self.config, self.table, self.features = config, catalog.table, features
        self.train = np.flatnonzero(self.table["split"] == "train")
        self.truth = self.table["landmark"].to_numpy(dtype=str)[self.train]
        self.group = self.table["group"].to_numpy()[self.train]

    def clean(self, embeddings: Vectors, labels: NDArray[np.str_], before: Bools | None = None) -> Bools:
        """Which photos of the train split stay [t], by embeddings [t, d] and labels [t]."""
        shows = labels != ""
        trusted = None if before is None else before[shows]
        verdict = clean(
            embeddings[shows], labels[shows], embeddings[~shows], self.group[shows], self.config.cleaning, None, trusted
        )
        kept = np.ones(len(labels), bool)
        kept[shows] = verdict.kept
        return kept

    def found(self, kept: Bools, planted: Bools) -> dict[str, float]:
        """Precision and recall of what was dropped."""
        right = int((~kept & planted).sum())
        dropped = int((~kept).sum())
        return {"dropped": dropped, "precision": right / max(dropped, 1), "recall": right / max(int(planted.sum()), 1)}

    def neck(self, labels: NDArray[np.str_], kept: Bools, seed: int) -> Vectors:
        """Embeddings of all photos by a network trained on the photos kept."""
        neck = train_neck(self.features[self.train][kept], labels[kept], self.config, seed)
        return embed(neck, self.features, self.config.network.keep_pretrained)

    def released(self, embeddings: Vectors, labels: NDArray[np.str_], kept: Bools, seed: int) -> dict[str, float]:
        """What a recognizer of these embeddings and training photos reaches on the test split."""
        landmark = self.table["landmark"].to_numpy(dtype=object).copy()
        landmark[self.train] = labels
        mask = np.ones(len(landmark), bool)
        mask[self.train] = kept
        table = self.table.assign(landmark=landmark)[mask].reset_index(drop=True)
        ids = sorted(set(self.truth) - {""})
        figures = evaluate_left_out(
            embeddings[mask], table, ids, self.config.centroids, self.config.calibration, seed
        ).figures()
        return {name: figures[name] for name in ("sensitivity", "specificity", "sensitivity_at_99", "top1")}

    def draw(self, kind: str, level: float, seed: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """One draw of noise: rows of what cleaning finds, and (of the mix) of what trained networks reach."""
        features = self.features[self.train]
        labels, planted = plant(kind, level, self.truth, features, seed)
        where = {"noise": kind, "planted": level, "seed": seed}
        first = self.clean(features, labels)
        found = [{**where, "round": 1, **self.found(first, planted)}]
        network = self.neck(labels, first, seed)
        second = self.clean(network[self.train], labels, first)
        found.append({**where, "round": 2, **self.found(second, planted)})
        if kind != "mix":
            return found, []
        everything = np.ones(len(labels), bool)
        reached = []
        for name, target, kept in zip(
            TRAINED_ON,
            (self.truth, labels, labels, labels, labels),
            (everything, everything, first, second, ~planted),
            strict=True,
        ):
            trained = network if name == "cleaned, round 1" else self.neck(target, kept, seed)
            reached.append({**where, "trained on": name, **self.released(trained, target, kept, seed)})
        return found, reached


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="landmark bench cleaning", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", type=Path, default=ROOT.parent / "configs" / "photos.yaml", help="config with the photos")
    parser.add_argument(
        "--seeds", type=int, default=5, help="draws of noise a level (of other kinds than the mix: 3 at most) [count]"
    )
    parser.add_argument("--out", type=Path, default=ROOT / "results", help="folder of the results")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    config = load_config(arguments.config, ["cleaning.rounds=0"])
    run = Run(config, plan(config))
    for step in run.steps[: [step.name for step in run.steps].index("catalog") + 1]:
        run.perform(step)
    catalog = Catalog.load(run.outputs["catalog"].folder / "catalog.parquet")
    begin = time.perf_counter()
    network = Network.frozen_baseline(config.network, config.seed)
    bench = Bench(config, catalog, np.asarray(embed_catalog(network, catalog, run.home, config).vectors))
    kept = bench.clean(bench.features[bench.train], bench.truth)
    found: list[dict[str, Any]] = [{"noise": "none", "planted": 0.0, "seed": 0, "round": 1, **bench.found(kept, ~kept & False)}]
    reached: list[dict[str, Any]] = []
    for kind, levels in KINDS.items():
        for level in levels:
            for seed in range(arguments.seeds if kind == "mix" else min(3, arguments.seeds)):
                parts = bench.draw(kind, level, seed)
                found += parts[0]
                reached += parts[1]
            print(kind, level, f"{time.perf_counter() - begin:.0f} s", flush=True)
    write(arguments.out, config, pd.DataFrame(found), pd.DataFrame(reached), arguments.seeds, time.perf_counter() - begin)


def write(out: Path, config: RunConfig, found: pd.DataFrame, reached: pd.DataFrame, seeds: int, seconds: float) -> None:
    """Means and spreads over the draws, as JSON and Markdown."""
    quality = found.groupby(["noise", "planted", "round"], sort=False).agg(
        dropped=("dropped", "mean"),
        precision=("precision", "mean"),
        precision_lowest=("precision", "min"),
        recall=("recall", "mean"),
        recall_lowest=("recall", "min"),
    )
    figures = reached.groupby(["planted", "trained on"], sort=False).agg(
        sensitivity=("sensitivity", "mean"),
        lowest=("sensitivity", "min"),
        highest=("sensitivity", "max"),
        specificity=("specificity", "mean"),
        sensitivity_at_99=("sensitivity_at_99", "mean"),
    )
    for name in ("sensitivity", "sensitivity_at_99"):
        level = figures.index.get_level_values(0)
        true = figures[name].xs(TRAINED_ON[0], level=1).reindex(level).to_numpy()
        noisy = figures[name].xs(TRAINED_ON[1], level=1).reindex(level).to_numpy()
        figures[f"{name} won back"] = np.where(true - noisy > 0.01, (figures[name] - noisy) / (true - noisy), np.nan)
    quality, figures = quality.reset_index().round(3), figures.reset_index().round(3).astype(object).fillna("")
    header = f"{config.name}, {config.network.image_size} pixels ({config.network.resize}), {config.network.backbone}, "
    header += f"target specificity {config.calibration.specificity}, {seeds} draws of noise"
    content = {"what": header, "machine": machine(1), "seconds": round(seconds), "cleaning": config.cleaning.model_dump()}
    tables = {"found": quality.to_dict("records"), "reached": figures.to_dict("records")}
    write_json(out / "cleaning.json", {**content, **tables})
    about = (__doc__ or "").split("\n\n")[2].replace("\n", " ")
    text = f"# {header}\n\n`landmark bench cleaning`\n\n{about}\n\n## What cleaning drops\n\n{markdown(quality)}\n\n"
    text += f"## What a network reaches that is trained on it (noise: mix)\n\n{markdown(figures)}\n"
    write_bytes(out / "cleaning.md", text.encode())
    print(quality.to_string(index=False), figures.to_string(index=False), sep="\n\n")


if __name__ == "__main__":
    main()
