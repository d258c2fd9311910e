"""What context brings: positions, bursts and visits, on real photos in made-up visits.

    landmark retrain configs/photos.yaml && landmark bench context

The photos have neither time nor position, so that visits are simulated (`benchmarks/context_sessions.py` says how), and
photos of one visit are of different photographers: they fail more independently than a camera's would. Every photo
without a landmark is once on a visit to one (the hard case) and once elsewhere. Figures are means over draws of visits with
[lowest, highest]; the photos and their scores are the same in every draw. `tags right` is at 2 % of landmark photos, as many
others taken on visits, and the rest elsewhere. `--tune` measures settings on training landmark photos and the others of
the calibrate split instead: the defaults of `ContextConfig` were chosen there, but for one thing:
that `against` helps was first seen on the test photos, then confirmed and sized on the others.

Writes results/context.{json,md}.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from benchmarks.context_sessions import KINDS, Kind, Taken, sessions, tags
from benchmarks.machine import machine
from benchmarks.photos import markdown
from landmark.config_file import load_config
from landmark.errors import UsageError
from landmark.evaluation.prevalence import share_right
from landmark.photos.build import build_catalog
from landmark.recognition.recognizer import Recognizer
from landmark.steps.embedding import embed_catalog, usable
from landmark.storage import write_bytes, write_json
from landmark.tagging.context import Context
from landmark.tagging.context_config import ContextConfig

ROOT = Path(__file__).parent
SHARD = 512
PREVALENCE = 0.02
NONE = {"gps": False, "neighbours": False}
Variant = tuple[bool, dict[str, Any]]
VARIANTS: dict[str, Variant] = {
    "each photo alone": (False, NONE),
    "veto": (True, NONE),
    "veto, near": (True, {"neighbours": False}),
    "neighbours": (False, {"gps": False}),
    "veto, neighbours": (True, {"gps": False}),
    "veto, near, neighbours (default)": (True, {}),
    "neighbours without against": (False, {"gps": False, "against": 0.0}),
    "default without against": (True, {"against": 0.0}),
    "default with an hour worth a burst": (True, {"visit": 1.5}),
    "default with mutual 0.5": (True, {"mutual": 0.5}),
    "all twice as strong": (True, {"near": 2.0, "burst": 3.0, "visit": 1.0}),
}
"""Whether the veto acts, and settings."""
STEPS = (0.5, 1.0, 1.5, 2.0)
TUNED: dict[str, Variant] = {
    **{name: VARIANTS[name] for name in ("each photo alone", "veto")},
    **{f"veto, near {step}": (True, {"neighbours": False, "near": step}) for step in STEPS},
    **{
        f"burst {burst}, visit {visit}": (False, {"gps": False, "burst": burst, "visit": visit})
        for burst in STEPS[1:]
        for visit in STEPS[:3]
    },
    **{f"sure {sure}": (False, {"gps": False, "sure": sure}) for sure in (0.3, 0.5, 0.7)},
    **{f"against {against}": (False, {"gps": False, "against": against}) for against in (0.0, 1.0, 2.0)},
    **{f"veto, near, neighbours, against {against}": (True, {"against": against}) for against in (0.0, 1.0, 2.0)},
    **{f"mutual {mutual}": (False, {"gps": False, "mutual": mutual}) for mutual in (0.5, 1.0)},
    **{f"lifts {lifts}": (False, {"gps": False, "lifts": lifts}) for lifts in (1, 2, 100)},
}


@dataclass(frozen=True)
class Photos:
    """Photos and their embeddings, without time or position."""

    name: NDArray[np.str_]
    landmark: NDArray[np.str_]
    known: NDArray[np.bool_]
    vectors: NDArray[np.float32]

    @classmethod
    def of(cls, table: pd.DataFrame, vectors: NDArray[np.float32], tune: bool) -> Photos:
        """Those of the test split; `tune`: landmark photos of the train, others of the calibrate split."""
        shows = table["landmark"] != ""
        wanted = table["split"] == np.where(shows, "train", "calibrate") if tune else table["split"] == "test"
        part = table[wanted]
        columns = (part["photo"].to_numpy(str), part["landmark"].to_numpy(str), part["known"].to_numpy(bool))
        return cls(*columns, np.asarray(vectors[wanted.to_numpy()], np.float32))


def applied(
    table: pa.Table, recognizer: Recognizer, veto_km: float | None, settings: ContextConfig
) -> tuple[NDArray[np.str_], dict[int, float]]:
    """Landmarks [n] after context, and the confidence of what was changed, by row."""
    shards = [table.slice(start, SHARD) for start in range(0, len(table), SHARD)]
    landmark = np.array(table["landmark"].to_pylist(), dtype=object)
    changed: dict[int, float] = {}
    with tempfile.TemporaryDirectory(prefix="landmark-") as folder:
        parts = (recognizer.calibration, recognizer.landmarks, veto_km, settings, Path(folder) / "context.sqlite")
        with Context(lambda: iter(shards), *parts) as context:
            for number, shard in enumerate(shards):
                for change in context.changes(shard):
                    landmark[number * SHARD + change.row] = change.landmark
                    changed[number * SHARD + change.row] = change.confidence
    return landmark.astype(str), changed


def figures(
    taken: list[Taken], truth: NDArray[np.str_], landmark: NDArray[np.str_], changed: dict[int, float]
) -> dict[str, float]:
    """What a collection's tags come to."""
    setting = np.array([photo.setting for photo in taken])
    target = np.where(setting == "landmark", truth[[photo.source for photo in taken]], "")
    shows, given = setting == "landmark", landmark != ""
    right = float((landmark == target)[shows].mean())
    wrong = float((given & (landmark != target))[shows].mean())
    visit, away = (float(given[setting == name].mean()) for name in ("visit", "away"))
    false = (PREVALENCE * visit + (1 - 2 * PREVALENCE) * away) / (1 - PREVALENCE)
    new = np.array([row for row in changed if landmark[row]], np.int64)
    return {
        "sensitivity": right,
        "wrong landmark": wrong,
        "specificity on visits": 1 - visit,
        "specificity elsewhere": 1 - away,
        "tags right": share_right(PREVALENCE, 0.0, right, wrong, false, 0.0),
        "given by context": len(new),
        "of these right": float((landmark == target)[new].mean()) if len(new) else float("nan"),
        "their confidence": float(np.mean([changed[row] for row in new])) if len(new) else float("nan"),
        "taken away": len(changed) - len(new),
    }


def measured(recognizer: Recognizer, photos: Photos, kind: Kind, seed: int, variants: dict[str, Variant]) -> pd.DataFrame:
    """A row a variant, of one draw of visits."""
    taken = sessions(photos.landmark, photos.known, recognizer.landmarks, kind, seed)
    taken.sort(key=lambda photo: photo.name)
    tables = {veto: tags(recognizer, taken, photos.name.tolist(), photos.vectors, veto) for veto in (False, True)}
    rows = []
    for name, (veto, settings) in variants.items():
        km = recognizer.metadata.gps_veto_km if veto else None
        landmark, changed = applied(tables[veto], recognizer, km, ContextConfig.model_validate(settings))
        rows.append({"kind": kind, "variant": name, "seed": seed, **figures(taken, photos.landmark, landmark, changed)})
    return pd.DataFrame(rows)


def summary(raw: pd.DataFrame) -> pd.DataFrame:
    """Means over seeds with [lowest, highest]."""
    names = [name for name in raw.columns if name not in ("kind", "variant", "seed")]
    grouped = raw.groupby(["kind", "variant"], sort=False)[names]
    mean, low, high = grouped.mean(), grouped.min(), grouped.max()
    table = pd.DataFrame(index=mean.index)
    for name in names:
        digits = 1 if name in ("given by context", "taken away") else 4 if name.startswith("spec") else 3
        cells = zip(mean[name], low[name], high[name], strict=True)
        table[name] = ["" if np.isnan(cell[0]) else "{:.{d}f} [{:.{d}f}, {:.{d}f}]".format(*cell, d=digits) for cell in cells]
    return table.reset_index()


def reach(recognizer: Recognizer, photos: Photos) -> float:
    """Share of the photos without a landmark whose score could be lifted by the largest support at all."""
    others = photos.landmark == ""
    score = recognizer.score(photos.vectors[others])["score"].to_numpy()
    calibration = recognizer.calibration
    return float((score > calibration.threshold - ContextConfig().most / calibration.slope).mean())


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="landmark bench context", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", type=Path, default=ROOT.parent / "configs" / "photos.yaml", help="config of the photos")
    parser.add_argument("--model", help="recognizer; else the one of the config's last run")
    parser.add_argument("--seeds", type=int, default=5, help="draws of visits [count]")
    parser.add_argument("--tune", action="store_true", help="settings on training photos; prints and writes nothing")
    parser.add_argument("--out", type=Path, default=ROOT / "results", help="folder of the results")
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    model = arguments.model or Path(config.home) / "runs" / config.name / "recognizer"
    if arguments.model is None and not Path(model).is_dir():
        raise UsageError(f"bench context: {model} is not there; first: landmark retrain {arguments.config}, or give --model")
    recognizer = Recognizer.load(model)
    if recognizer.metadata.gps_veto_km is None:
        raise UsageError("bench context: the recognizer has no veto; set metadata.gps_veto_km")
    catalog = build_catalog(config.data, config.seed)
    embedded = embed_catalog(recognizer.network, catalog, Path(config.home), config)
    photos = Photos.of(*usable(catalog.table, np.asarray(embedded.vectors)), tune=arguments.tune)
    # Other draws than those that are reported.
    seeds = range(1000, 1000 + arguments.seeds) if arguments.tune else range(arguments.seeds)
    variants = TUNED if arguments.tune else VARIANTS
    raw = pd.concat([measured(recognizer, photos, kind, seed, variants) for kind in KINDS for seed in seeds], ignore_index=True)
    table = summary(raw)
    print(table.to_string(index=False))
    if arguments.tune:
        return
    shows = int((photos.landmark != "").sum())
    unknown = int((~photos.known).sum())
    header = (
        f"{config.name}: {shows} landmark photos, {len(photos.landmark) - shows} others ({unknown} of them show landmarks that "
        f"the model does not know), {arguments.seeds} draws of visits; {reach(recognizer, photos):.3f} of the others within "
        "reach of context"
    )
    rows = [{key: None if value != value else value for key, value in row.items()} for row in raw.to_dict("records")]
    record = {"what": header, "machine": machine(), "settings": ContextConfig().model_dump(), "rows": rows}
    write_json(arguments.out / "context.json", record)
    sections = [f"## {kind}\n\n{markdown(part.drop(columns='kind'))}\n" for kind, part in table.groupby("kind", sort=False)]
    write_bytes(arguments.out / "context.md", "\n".join([f"# {header}\n\n`landmark bench context`\n", *sections]).encode())


if __name__ == "__main__":
    main()
