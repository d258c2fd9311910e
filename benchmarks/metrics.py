"""Time of the open-set figures and of the other protocols, beside plain loops over the same photos.

    landmark bench metrics [--photos 100000] [--rounds 5] [--out FILE]

A plain loop does the same in one pass over Python lists, sorted once: no algorithm is made worse than it need be. Whatever
is compared runs in turns, on one thread, and must give the same figures. Writes results/metrics.json.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.machine import machine
from landmark.console import print_table
from landmark.evaluation.breakdown import breakdown_figures, by_aspect, by_training_photos
from landmark.evaluation.gldv2.score import gap, map_at_100
from landmark.evaluation.intervals import Z95
from landmark.evaluation.new_class import Ranked
from landmark.evaluation.open_set import OpenSet
from landmark.evaluation.prevalence import at_prevalence, prevalence_figures
from landmark.evaluation.verification import Pairs
from landmark.recognition.centroids import Centroids
from landmark.storage import write_json

RESULTS = Path(__file__).parent / "results"
LANDMARKS, ASPECTS, THRESHOLD = 2000, 3, 1.5
Case = tuple[str, Callable[[], dict[str, float]], Callable[[], dict[str, float]]]


def open_set_case(photos: int, random: np.random.Generator) -> Case:
    """Figures, curve with bands, per landmark, by training photos, by aspect, at a prevalence."""
    ids = np.array([f"{number:016x}" for number in range(LANDMARKS)])
    truth = np.where(random.random(photos) < 0.5, random.choice(ids, photos), "")
    predicted = np.where((truth != "") & (random.random(photos) < 0.85), truth, random.choice(ids, photos))
    score = random.normal(size=photos) + 2.0 * (predicted == truth)
    known = (truth != "") | (random.random(photos) < 0.9)
    trained = dict(zip(ids.tolist(), random.integers(1, 400, LANDMARKS).tolist(), strict=True))
    number = {name: row for row, name in enumerate(ids.tolist())}
    part = random.integers(0, ASPECTS, photos)
    aspect = np.array([ASPECTS * number[name] + row if name else -1 for name, row in zip(truth.tolist(), part, strict=True)])
    count = LANDMARKS * ASPECTS
    centroids = Centroids(
        np.tile(np.eye(4, dtype=np.float32), (count // 4, 1)),
        np.repeat(ids, ASPECTS).astype(object),
        np.tile([30, 20, 10], LANDMARKS),
        np.full(count, "", object),
    )

    def fast() -> dict[str, float]:
        open_set = OpenSet(score, predicted, truth, known)
        sizes = by_training_photos(open_set, THRESHOLD, trained)
        aspects = by_aspect(open_set, THRESHOLD, aspect, centroids)
        curve = open_set.curve()
        return {
            **open_set.figures(THRESHOLD),
            **breakdown_figures(sizes, aspects),
            **prevalence_figures(at_prevalence(open_set, THRESHOLD)),
            "area": float(np.trapezoid(curve["sensitivity"], curve["specificity"])),
            "curve_low": float(curve["sensitivity_low"].mean()),
            "curve_high": float(curve["specificity_high"].mean()),
            "aspects_low": float(aspects["sensitivity_low"].mean()),
        }

    rows = list(zip(score.tolist(), predicted.tolist(), truth.tolist(), known.tolist(), aspect.tolist(), strict=True))
    return "open-set figures, curve and breakdowns", fast, lambda: plain_open_set(rows, trained)


def plain_open_set(rows: list[tuple[float, str, str, bool, int]], trained: dict[str, int]) -> dict[str, float]:
    """The same by one pass and one sort; some figures are left out, so that it has the lesser part."""
    shown: Counter[str] = Counter()
    right: Counter[str] = Counter()
    sizes: dict[str, list[int]] = {"rare": [0, 0], "uncommon": [0, 0], "common": [0, 0], "frequent": [0, 0]}
    aspects: dict[int, list[int]] = {}
    others = rejected = unknown = unknown_rejected = 0
    for score, predicted, truth, known, aspect in rows:
        accepted = score > THRESHOLD
        if truth:
            good = accepted and predicted == truth
            shown[truth] += 1
            right[truth] += good
            size = trained[truth]
            group = "rare" if size < 10 else "uncommon" if size < 50 else "common" if size < 200 else "frequent"
            sizes[group][0] += 1
            sizes[group][1] += good
            cell = aspects.setdefault(aspect, [0, 0])
            cell[0] += 1
            cell[1] += good
        elif known:
            others += 1
            rejected += not accepted
        else:
            unknown += 1
            unknown_rejected += not accepted
    landmarks = sum(shown.values())
    correct = false = 0
    total = area = 0.0
    # All scores differ. The curve starts where nothing is accepted; its points run towards the lowest threshold.
    lows, highs = [plain_wilson(0, landmarks)[0]], [plain_wilson(others, others)[1]]
    for rank, (_, predicted, truth, known, _) in enumerate(sorted(rows, key=lambda row: -row[0]), start=1):
        if truth and predicted == truth:
            correct += 1
            total += correct / rank
        elif not truth and known:
            false += 1
            area += correct / landmarks / others
        lows.append(plain_wilson(correct, landmarks)[0])
        highs.append(plain_wilson(others - false, others)[1])
    main = [cell for row, cell in aspects.items() if row % ASPECTS == 0]
    return {
        "sensitivity": sum(right.values()) / landmarks,
        "specificity": rejected / others,
        "unknown_specificity": unknown_rejected / unknown,
        "macro_sensitivity": sum(right[name] / count for name, count in shown.items()) / len(shown),
        "gap": total / landmarks,
        "area": area,
        "curve_low": sum(lows) / len(lows),
        "curve_high": sum(highs) / len(highs),
        "aspects_low": sum(plain_wilson(good, count)[0] for count, good in aspects.values()) / len(aspects),
        **{f"sensitivity_{name}": good / count for name, (count, good) in sizes.items()},
        "sensitivity_main_aspect": sum(cell[1] for cell in main) / sum(cell[0] for cell in main),
    }


def plain_wilson(k: int, n: int) -> tuple[float, float]:
    """Wilson's interval of one share."""
    p, z2 = k / n, Z95 * Z95
    half = Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n))
    centre = p + z2 / (2 * n)
    return max(0.0, (centre - half) / (1 + z2 / n)), min(1.0, (centre + half) / (1 + z2 / n))


def verification_case(pairs: int, random: np.random.Generator) -> Case:
    """ROC, AUC, EER and FPR at 95 % TPR."""
    same = random.random(pairs) < 0.1
    distance = random.normal(size=pairs) - 2.0 * same

    def plain() -> dict[str, float]:
        order = sorted(zip(distance.tolist(), same.tolist(), strict=True))
        positives, negatives = int(same.sum()), int((~same).sum())
        hits = false = 0
        area, at_95 = 0.0, None
        for _, one in order:
            if one:
                hits += 1
                if at_95 is None and hits >= 0.95 * positives:
                    at_95 = false / negatives
            else:
                false += 1
                area += hits / positives / negatives
        assert at_95 is not None
        return {"verification_auc": area, "verification_fpr_at_95": at_95}

    return "verification", lambda: Pairs(distance, same).figures(), plain


def new_class_case(photos: int, random: np.random.Generator) -> Case:
    """MAP@5 at a threshold, by counting; the plain loop makes the five labels."""
    score = -np.sort(-random.random((photos, 5)), axis=1)
    landmark = np.array([f"l{number}" for number in range(50)])[
        random.permuted(np.tile(np.arange(50), (photos, 1)), axis=1)[:, :5]
    ]
    truth = np.where(random.random(photos) < 0.3, "", landmark[:, 1])
    ranked = Ranked(score, landmark, truth)

    def plain() -> dict[str, float]:
        total = 0.0
        for labels, name in zip(ranked.labels(0.5), truth.tolist(), strict=True):
            wanted = name or "new"
            if wanted in labels:
                total += 1 / (1 + labels.index(wanted))
        return {"map_at_5": total / photos}

    return "MAP@5 with a new class", lambda: {"map_at_5": ranked.map_at_5(0.5)}, plain


def gldv2_case(photos: int, random: np.random.Generator) -> Case:
    """GAP of all photos, and mAP@100 of a hundredth as many queries."""
    names = [f"{number:016x}" for number in range(photos)]
    solution = {name: [str(random.integers(500))] if random.random() < 0.02 else [] for name in names}
    answers = {
        name: ((right or ["7"])[0] if random.random() < 0.7 else "3", float(random.random()))
        for name, right in solution.items()
    }
    queries = {f"q{number}": [f"i{row}" for row in random.integers(0, 5000, 60)] for number in range(photos // 100)}
    queries = {query: list(dict.fromkeys(rows)) for query, rows in queries.items()}
    ranked = {query: [f"i{row}" for row in random.integers(0, 5000, 100)] for query in queries}

    def plain() -> dict[str, float]:
        correct, total = 0, 0.0
        for rank, name in enumerate(sorted(answers, key=lambda name: (-answers[name][1], name)), start=1):
            if answers[name][0] in solution[name]:
                correct += 1
                total += correct / rank
        precision = 0.0
        for query, rows in ranked.items():
            right, seen, found, own = set(queries[query]), set(), 0, 0.0
            for rank, row in enumerate(rows, start=1):
                if row in right and row not in seen:
                    found += 1
                    own += found / rank
                seen.add(row)
            precision += own / min(len(right), 100)
        return {"gap": total / sum(1 for right in solution.values() if right), "map_at_100": precision / len(queries)}

    return "GLDv2", lambda: {"gap": gap(answers, solution), "map_at_100": map_at_100(ranked, queries)}, plain


def measured(case: Case, rounds: int) -> dict[str, Any]:
    """Median seconds of both, and the median ratio within a round.

    Raises:
        AssertionError: the two do not agree.
    """
    name, fast, plain = case
    times: dict[str, list[float]] = {"seconds": [], "plain_loop_seconds": []}
    for _ in range(rounds):
        results = {}
        for key, run in (("seconds", fast), ("plain_loop_seconds", plain)):
            start = time.perf_counter()
            results[key] = run()
            times[key].append(time.perf_counter() - start)
        for figure, value in results["plain_loop_seconds"].items():
            assert abs(results["seconds"][figure] - value) < 1e-9, (name, figure, results["seconds"][figure], value)
    ratios = [plain / fast for fast, plain in zip(*times.values(), strict=True)]
    return {
        "name": name,
        **{key: statistics.median(values) for key, values in times.items()},
        "ratio": statistics.median(ratios),
    }


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(prog="landmark bench metrics", description="Time of the metrics, beside plain loops.")
    parser.add_argument("--photos", type=int, default=100_000, help="photos (pairs: ten times as many)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=RESULTS / "metrics.json")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    with threadpool_limits(1):
        cases = [
            open_set_case(options.photos, random),
            verification_case(10 * options.photos, random),
            new_class_case(options.photos, random),
            gldv2_case(options.photos, random),
        ]
        rows = [measured(case, options.rounds) for case in cases]
    write_json(options.out, {"photos": options.photos, "pairs": 10 * options.photos, "rows": rows, "machine": machine(1)})
    cells = [
        [row["name"], *(f"{row[key]:.3f}" for key in ("seconds", "plain_loop_seconds")), f"{row['ratio']:.1f}"] for row in rows
    ]
    print_table(f"{options.photos:,} photos", ["", "seconds", "plain loop", "ratio"], cells)


if __name__ == "__main__":
    main()
