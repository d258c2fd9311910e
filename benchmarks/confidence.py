"""Is the confidence of a finished run's recognizer a probability, beside other ways to make one of a score?

    landmark retrain configs/photos.yaml && landmark bench confidence

Calibrated on the calibrate split (and, where no landmark photo lies in it, on cross-fitted training photos), judged on the
test split. The ways: the raw similarity; Platt's without a thought of the prior; the same weighted to 2 % landmark photos;
isotonic regression so weighted; ours. Ours was chosen by `cv log loss`: 5-fold cross-validation on the calibration photos
alone, weighted to 2 %, no near-duplicates across folds. Test photos are weighted to 2 % landmark photos; `as tested` takes
all alike and moves the confidence to their share of landmark photos instead. In brackets the lowest and highest over seeds:
each fits to calibration photos drawn with replacement, and judges 10,000 photos drawn from the test photos, 2 % of them of
landmarks (`as tested`: as many as there are). The last row draws the answers as our confidence says, 500 times: the errors of
a perfect confidence on as few photos (median, 5 % to 95 %). Writes results/confidence.{json,md,svg} (confidence-NAME for a
run of another name).
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.confidence_ways import WAYS, Floats, Photos, Way
from benchmarks.machine import machine
from landmark.config import RunConfig
from landmark.config_file import load_config
from landmark.errors import UsageError
from landmark.evaluation.galleries import Gallery, Split, truth_of
from landmark.evaluation.leave_out import calibrate_gallery
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.protocol_plots import reliability_figure
from landmark.evaluation.reliability import Confidences, Reliability, drawn, reliability
from landmark.photos.build import build_catalog
from landmark.recognition.calibration import Calibration, bank_similarity
from landmark.recognition.centroids import held_out
from landmark.recognition.confidence import PRIOR
from landmark.recognition.recognizer import Recognizer
from landmark.steps.embedding import embed_catalog, usable
from landmark.storage import write_bytes, write_json

ROOT = Path(__file__).parent
IDEAL = "ours, were it exactly right"
PERFECT = 500
"""Draws of answers that are as the confidence says [count]."""
COLLECTION = 10_000
"""Photos of a drawn collection."""
FOLDS = 5
CERTAIN = 1e-4
"""Log loss takes no photo for surer than this."""
FIGURES = {
    "ece": "ECE, all",
    "ece_tagged": "ECE, tagged",
    "ece_noticeable": "ECE, above 0.05",
    "ece_as_tested": "ECE as tested, all",
    "ece_tagged_as_tested": "ECE as tested, tagged",
    "precision_at_confidence_90": "right at >= 0.9",
    "sensitivity_at_confidence_90": "landmark photos at >= 0.9",
}


def judged(test: OpenSet, tagged: NDArray[np.bool_], confidence: Floats, for_prior: bool) -> Reliability:
    """Measure; what is for no prior is not moved to another one."""
    found = reliability(test, confidence, tagged)
    if for_prior:
        return found
    as_tested = Confidences(confidence, test.correct)
    figures = {
        **found.figures,
        "ece_as_tested": as_tested.ece(),
        "ece_equal_mass_as_tested": as_tested.ece(equal_mass=True),
        "brier_as_tested": as_tested.brier(),
    }
    if tagged.any():
        figures["ece_tagged_as_tested"] = as_tested.only(tagged).ece()
    return Reliability(found.in_collection, as_tested, tagged, figures)


def perfect(found: Reliability, seed: int) -> dict[str, float]:
    """The errors that the same confidences would show on as many photos, were they exactly right.

    Answers are drawn as they say (consistency resampling: Bröcker and Smith, Weather and Forecasting 2007); a photo that is
    drawn to be wrong weighs like one without a landmark.
    """
    as_tested = found.as_tested
    right = np.random.default_rng(seed).random(len(as_tested)) < as_tested.confidence
    weight = np.where(right, PRIOR / right.sum(), (1 - PRIOR) / (~right).sum())
    drew = Reliability(
        replace(found.in_collection, right=right, weight=weight), replace(as_tested, right=right), found.tagged, {}
    )
    names = ("", "_tagged", "_noticeable")
    figures: dict[str, float] = {}
    for name, (_, in_collection, tested) in zip(names, drew.parts(), strict=True):
        figures |= {f"ece{name}": in_collection.ece(), f"ece{name}_as_tested": tested.ece()}
    return figures


def cross_validated(way: Way, photos: Photos, seed: int) -> float:
    """Log loss of a way on calibration photos that it was not fitted to, weighted to 2 %."""
    groups, of_group = np.unique(photos.group, return_inverse=True)
    fold = np.random.default_rng(seed).integers(0, FOLDS, len(groups))[of_group]
    chances = np.empty(len(fold))
    for number in range(FOLDS):
        out = fold == number
        chances[out] = way(photos.take(~out))(photos.take(out))
    chances = np.clip(chances, CERTAIN, 1 - CERTAIN)
    return float(-(photos.weight() * np.log(np.where(photos.right, chances, 1 - chances))).sum())


def resampled(photos: Photos, seed: int) -> Photos:
    """As many landmark photos and others, drawn with replacement."""
    random = np.random.default_rng(seed)
    kinds = [np.flatnonzero(photos.shows), np.flatnonzero(~photos.shows)]
    return photos.take(np.concatenate([random.choice(rows, len(rows)) for rows in kinds]))


def of_collection(test: OpenSet, rows: NDArray[np.int64]) -> OpenSet:
    """Some rows of the test photos, perhaps repeated."""
    assert test.known is not None
    return OpenSet(test.score[rows], test.predicted[rows], test.truth[rows], test.known[rows])


def compare(
    calibration: Photos, test: OpenSet, asked: Photos, tagged: NDArray[np.bool_], seeds: int
) -> tuple[pd.DataFrame, dict[str, Reliability]]:
    """Every way, on the same photos.

    Args:
        calibration: photos to fit to.
        test: photos to judge on [n].
        asked: the same with their similarities [n].
        tagged: which of them are tagged [n].
        seeds: draws for the spread [count].

    Returns:
        A row a way: cv_log_loss, the figures, and the lowest and highest of each over the draws; and what was measured.
    """
    rows, measured = [], {}
    for name, (way, for_prior) in WAYS.items():
        found = measured[name] = judged(test, tagged, way(calibration)(asked), for_prior)
        losses = [cross_validated(way, calibration, seed) for seed in range(seeds)]
        draws = []
        for seed in range(seeds):
            confidence = way(resampled(calibration, seed))(asked)
            figures: dict[str, float] = {}
            for share, count in ((float(test.landmark_photo.mean()), len(test)), (PRIOR, COLLECTION)):
                chosen = drawn(test, share, count, seed)
                drew = judged(of_collection(test, chosen), tagged[chosen], confidence[chosen], for_prior).figures
                figures |= {key: value for key, value in drew.items() if key not in figures or "as_tested" not in key}
            draws.append(figures)
        spread = pd.DataFrame(draws).reindex(columns=list(FIGURES))
        rows.append(
            {
                "way": name,
                "cv_log_loss": float(np.mean(losses)),
                **found.figures,
                **{f"{key}_lowest": value for key, value in spread.min().items()},
                **{f"{key}_highest": value for key, value in spread.max().items()},
            }
        )
    drawn_right = pd.DataFrame([perfect(measured["ours"], seed) for seed in range(PERFECT)])
    limits = {"": drawn_right.median(), "_lowest": drawn_right.quantile(0.05), "_highest": drawn_right.quantile(0.95)}
    rows.append({"way": IDEAL, **{f"{key}{end}": value for end, row in limits.items() for key, value in row.items()}})
    return pd.DataFrame(rows), measured


def scored(recognizer: Recognizer, config: RunConfig) -> tuple[Photos, OpenSet, Photos, NDArray[np.bool_], Calibration]:
    """The photos of a run's data, scored with a calibration that is made anew: to fit to, and to judge on."""
    catalog = build_catalog(config.data, config.seed)
    table, vectors = usable(catalog.table, embed_catalog(recognizer.network, catalog, Path(config.home), config).vectors)
    split, centroids = Split.of(table), recognizer.centroids
    made = calibrate_gallery(vectors, table, split, centroids, config.centroids, config.calibration, config.seed)
    ids, group = np.asarray(table["landmark"], dtype=str), table["group"].to_numpy(np.int64)
    gallery = Gallery(centroids.vectors, np.asarray(centroids.landmark, dtype=str))

    def score(mask: NDArray[np.bool_], similarity: Any, landmark: Any) -> Floats:
        rows = np.asarray(vectors[mask], np.float32)
        bank = bank_similarity(rows, np.asarray(vectors[split.bank], np.float32), made.neighbours)
        return made.score(similarity, bank, made.moves(landmark))

    other, nearest = gallery.nearest(np.asarray(vectors[split.calibrate], np.float32))
    other_score = score(split.calibrate, other, gallery.landmark[nearest])
    own = split.calibrate_landmarks if split.calibrate_landmarks.any() else split.train
    rows = np.asarray(vectors[own], np.float32)
    if own is split.train:
        similarity, right = held_out(rows, ids[own], centroids, config.centroids, group[own], config.seed)
        landmark_score = score(own, similarity, np.where(right, ids[own], ""))
    else:
        similarity, nearest = gallery.nearest(rows)
        right = gallery.landmark[nearest] == ids[own]
        landmark_score = score(own, similarity, gallery.landmark[nearest])
    calibration = Photos(
        np.concatenate([other_score, landmark_score]),
        np.concatenate([other, similarity]).astype(np.float64),
        np.repeat([False, True], [len(other), len(rows)]),
        np.concatenate([np.zeros(len(other), bool), right]),
        np.concatenate([group[split.calibrate], group[own]]),
    )
    shown = table[split.test]
    judge = Recognizer(recognizer.network, centroids, made, recognizer.bank, None, recognizer.landmarks, recognizer.metadata)
    found = judge.score(np.asarray(vectors[split.test], np.float32), shown["lat"].to_numpy(), shown["lon"].to_numpy())
    test = OpenSet(found["score"].to_numpy(), found["landmark"].to_numpy().astype(str), *truth_of(table, split.test))
    asked = Photos(test.score, found["similarity"].to_numpy(np.float64), test.landmark_photo, test.correct, group[split.test])
    return calibration, test, asked, found["accepted"].to_numpy(bool), made


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="landmark bench confidence", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--config", type=Path, default=ROOT.parent / "configs" / "photos.yaml", help="config of a finished run")
    parser.add_argument("--seeds", type=int, default=20, help="draws for the spread [count]")
    parser.add_argument("--out", type=Path, default=ROOT / "results", help="folder of the results")
    arguments = parser.parse_args()
    config = load_config(arguments.config)
    folder = Path(config.home) / "runs" / config.name / "recognizer"
    if config.data.format == "world" or not folder.is_dir():
        raise UsageError(
            f"bench confidence: it needs real photos and a finished run; first: landmark retrain {arguments.config}"
        )
    calibration, test, asked, tagged, made = scored(Recognizer.load(folder), config)
    table, measured = compare(calibration, test, asked, tagged, arguments.seeds)
    counts = {
        "calibrate, landmark": int(calibration.shows.sum()),
        "calibrate, other": int((~calibration.shows).sum()),
        "test, landmark": int(test.landmark_photo.sum()),
        "test, other": int(test.other_photo.sum()),
        "test, unknown landmark": int(test.unknown_photo.sum()),
    }
    header = (
        f"Confidence: {config.name}, {config.network.image_size} pixels, target specificity {config.calibration.specificity}"
    )
    name = "confidence" if config.name == "photos" else f"confidence-{config.name}"
    about = {"what": header, "machine": machine(), "seed": config.seed, "seeds": arguments.seeds, "photos": counts}
    about |= {"slope": made.slope, "intercept": made.intercept, "collection": COLLECTION}
    rows = [{key: None if pd.isna(value) else value for key, value in row.items()} for row in table.to_dict("records")]
    write_json(arguments.out / f"{name}.json", {**about, "rows": rows})
    ours_found = measured["ours"]
    svg = reliability_figure({"as tested": ours_found.as_tested, "in a collection": ours_found.in_collection})
    write_bytes(arguments.out / f"{name}.svg", svg.encode())
    text = report(header, counts, table, arguments.seeds, machine())
    write_bytes(arguments.out / f"{name}.md", text.encode())
    print(text)


def report(header: str, counts: dict[str, int], table: pd.DataFrame, seeds: int, on: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = [f"# {header}", "", f"`landmark bench confidence`, {on['date']}: {on['cpu']}, {on['cores']} cores", ""]
    lines += ["".join((__doc__ or "").split("\n\n")[2:]).strip(), ""]
    lines += [", ".join(f"{name}: {count:,}" for name, count in counts.items()) + f"; {seeds} seeds", ""]
    heads = ["way", "cv log loss", *FIGURES.values()]
    lines += [f"| {' | '.join(heads)} |", f"| {' | '.join(['---'] * len(heads))} |"]
    for row in table.to_dict("records"):
        cells = [str(row["way"]), "" if pd.isna(row["cv_log_loss"]) else f"{row['cv_log_loss']:.4f}"]
        for key in FIGURES:
            spread = f" [{row[f'{key}_lowest']:.3f}, {row[f'{key}_highest']:.3f}]"
            cells.append("" if pd.isna(row.get(key)) else f"{row[key]:.3f}{'' if 'nan' in spread else spread}")
        lines.append(f"| {' | '.join(cells)} |")
    mine = table[table["way"] == "ours"].iloc[0]
    low, high = mine["precision_at_confidence_90_low"], mine["precision_at_confidence_90_high"]
    negatives = counts["test, other"] + counts["test, unknown landmark"]
    heavier = (1 - PRIOR) / PRIOR * counts["test, landmark"] / negatives
    lines += [
        "",
        "ECE: 15 bins of equal width. `tagged`: photos above the threshold; `above 0.05`: those with such a confidence. In a",
        f"collection a test photo without a known landmark weighs as much as {heavier:.0f} landmark photos: errors over",
        "tagged photos hang on a handful of photos, and however few false tags there are, the test photos show no more than",
        f"that {low:.3f} to {high:.3f} (95 %) of our tags at a confidence of 0.9 are right.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
