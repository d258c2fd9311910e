"""The gate: may the challenger take the champion's place? Arithmetic alone; no MLflow, no files.

The rule is told in `landmark.gate_config`, its statistics in `landmark.registry.paired`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from landmark.gate_config import GateConfig
from landmark.registry.paired import Paired, bootstrap_interval, exact_interval, holm, loss_p, margin_p
from landmark.registry.seen import Photos as Photos
from landmark.registry.seen import Seen as Seen
from landmark.registry.verdict import Check, LandmarkRow, Verdict

EPSILON = 1e-12
"""A share that is exactly on its bound must not fail by a rounding error."""


def judge(photos: Photos, champion: Seen | None, challenger: Seen, rule: GateConfig, about: Mapping[str, Any]) -> Verdict:
    """Hold a challenger against the champion.

    Args:
        photos: the test photos [n].
        champion: None: the model has none, and only the bounds without a rival hold.
        challenger: what wants to take its place.
        rule: the settings of the gate.
        about: what the verdict is about; kept with it.
    """
    checks = _bounds(photos, challenger, rule)
    rows: tuple[LandmarkRow, ...] = ()
    if champion is None:
        size = Check(
            "bytes",
            "bytes",
            None,
            challenger.bytes,
            None,
            None,
            None,
            rule.max_bytes,
            _within(challenger.bytes, rule.max_bytes),
            "",
        )
        checks += [size, *_times(None, challenger, rule)]
    else:
        both = Paired(photos.right(champion), photos.right(challenger), photos.group)
        common = both.only(photos.of_landmarks(champion.knows & challenger.knows))
        rows = landmark_rows(photos, both, champion.knows & challenger.knows, rule)
        checks = [
            _sensitivity(common, rule),
            _specificity(both.only(photos.other), rule),
            _landmarks(rows, rule),
            _known(champion.knows, challenger.knows, rule),
            *_told(photos, both, champion, challenger),
            _bytes(champion, challenger, rule),
            *_times(champion, challenger, rule),
            *checks,
        ]
    return Verdict(tuple(checks), rows, rule.model_dump(mode="json"), about)


def _interval(pairs: Paired, rule: GateConfig) -> tuple[float, float]:
    if rule.test == "bootstrap":
        return bootstrap_interval(pairs, rule.alpha, rule.resamples, rule.seed)
    groups, lost, won = pairs.by_group()
    return exact_interval(lost, won, groups, rule.alpha)


def _counted(pairs: Paired) -> str:
    groups, lost, won = pairs.by_group()
    text = f"{len(pairs)} photos, {pairs.lost} lost, {pairs.won} won"
    return text if groups == len(pairs) else f"{text}; {groups} groups, {lost} lost, {won} won"


def _share_check(name: str, pairs: Paired, rule: GateConfig, bound: float | None, passed: bool, note: str) -> Check:
    low, high = _interval(pairs, rule)
    before, after = float(pairs.champion.mean()), float(pairs.challenger.mean())
    return Check(name, "share", before, after, pairs.difference, low, high, bound, passed, f"{_counted(pairs)}; {note}")


def _nothing_to_compare(name: str, what: str) -> Check:
    note = f"no test photo {what}: nothing to compare by; add some to the test split"
    return Check(name, "share", None, None, None, None, None, None, False, note)


def _sensitivity(pairs: Paired, rule: GateConfig) -> Check:
    """Better or equal: the observed loss is at most `sensitivity_drop`, and no loss is significant."""
    if not len(pairs):
        return _nothing_to_compare("sensitivity", "shows a landmark that both know")
    _, lost, won = pairs.by_group()
    if rule.test == "bootstrap":
        worse = _interval(pairs, rule)[1] < 0
        found = f"the interval's upper end is {'' if worse else 'not '}below 0"
    else:
        p = loss_p(lost, won)
        worse = p <= rule.alpha
        found = f"exact test of a loss p = {p:.3g}"
    passed = pairs.difference >= -rule.sensitivity_drop - EPSILON and not (worse and pairs.difference < 0)
    return _share_check("sensitivity", pairs, rule, 0.0 - rule.sensitivity_drop, passed, f"landmarks that both know; {found}")


def _specificity(pairs: Paired, rule: GateConfig) -> Check:
    """Not worse, and that shown: see `landmark.gate_config`."""
    if not len(pairs):
        return _nothing_to_compare("specificity", "shows no landmark")
    groups, lost, won = pairs.by_group()
    few = lost <= rule.specificity_margin * groups + EPSILON
    if rule.test == "bootstrap":
        shown = _interval(pairs, rule)[0] >= -rule.specificity_margin - EPSILON
        found = f"the interval's lower end is {'' if shown else 'not '}above the margin"
    else:
        p = margin_p(lost, won, groups, rule.specificity_margin)
        shown = p <= rule.alpha
        found = f"exact test against a loss of the margin p = {p:.3g}"
    passed = pairs.difference >= -rule.specificity_margin - EPSILON and (few or shown)
    note = "no more lost than the margin" if few else found
    if not few and not shown and pairs.difference >= -rule.specificity_margin:
        note += "; too few photos to show that it is no worse"
    return _share_check("specificity", pairs, rule, 0.0 - rule.specificity_margin, passed, note)


def landmark_rows(photos: Photos, both: Paired, ids: frozenset[str], rule: GateConfig) -> tuple[LandmarkRow, ...]:
    """Each landmark of `ids` that is shown, the greatest loss first.

    A landmark is given up where the net share of its photos lost exceeds `landmark_drop` and is no chance: it has
    `landmark_photos` photos or more, or the exact test over its groups is significant at `landmark_alpha`.
    """
    chosen = photos.of_landmarks(ids)
    table = pd.DataFrame({"landmark": photos.landmark[chosen].astype(str), "row": np.flatnonzero(chosen)})
    found = []
    for landmark, rows in sorted(table.groupby("landmark")["row"].indices.items()):
        pairs = both.only(table["row"].to_numpy()[rows])
        _, lost, won = pairs.by_group()
        found.append((str(landmark), pairs, loss_p(lost, won)))
    raw = [p for *_, p in found]
    level = holm(raw) if rule.landmark_correction == "holm" and raw else raw
    made = [_landmark_row(landmark, pairs, float(p), rule) for (landmark, pairs, _), p in zip(found, level, strict=True)]
    return tuple(sorted(made, key=lambda row: (row.passed, row.difference, -row.photos, row.landmark)))


def _landmark_row(landmark: str, pairs: Paired, p: float, rule: GateConfig) -> LandmarkRow:
    drop = -pairs.difference
    many, significant = len(pairs) >= rule.landmark_photos, p <= rule.landmark_alpha
    beyond = drop > rule.landmark_drop + EPSILON
    note = ""
    if beyond:
        note = "lost" if many or significant else "may be chance: few photos"
    return LandmarkRow(
        landmark=landmark,
        photos=len(pairs),
        champion=int(pairs.champion.sum()),
        challenger=int(pairs.challenger.sum()),
        lost=pairs.lost,
        won=pairs.won,
        p=p,
        passed=not (beyond and (many or significant)),
        note=note,
    )


def _landmarks(rows: tuple[LandmarkRow, ...], rule: GateConfig) -> Check:
    lost = [row for row in rows if not row.passed]
    maybe = sum(1 for row in rows if row.passed and row.note)
    worst = min((row.difference for row in rows), default=0.0)
    note = f"{len(rows)} landmarks with test photos; {len(lost)} lost more than {rule.landmark_drop:g} of their sensitivity"
    note += f" ({_some([row.landmark for row in lost])})" if lost else ""
    note += f"; {maybe} more by what may be chance" if maybe else ""
    return Check("worst landmark", "share", None, None, worst, None, None, -rule.landmark_drop, not lost, note)


def _known(before: frozenset[str], after: frozenset[str], rule: GateConfig) -> Check:
    gone = sorted(before - after)
    refused = [landmark for landmark in gone if landmark not in rule.may_lose]
    note = f"{len(gone)} no longer known, {len(after - before)} new"
    note += f"; not allowed by may_lose: {_some(refused)}" if refused else ""
    return Check(
        "landmarks known", "landmarks", len(before), len(after), len(after) - len(before), None, None, 0.0, not refused, note
    )


def _some(ids: list[str]) -> str:
    return ", ".join(ids[:5]) + (f" and {len(ids) - 5} more" if len(ids) > 5 else "")


def _told(photos: Photos, both: Paired, champion: Seen, challenger: Seen) -> list[Check]:
    """What is shown and decides nothing: photos on which the champion cannot be right, and those of unknown landmarks."""
    told = []
    parts = (
        ("sensitivity, all landmarks", photos.shown, "new landmarks, which the champion cannot know, among them"),
        (
            "sensitivity, new landmarks",
            photos.of_landmarks(challenger.knows - champion.knows),
            "the champion does not know them",
        ),
        ("specificity, unknown landmarks", ~photos.shown & ~photos.known, "landmarks that neither shall know"),
    )
    for name, chosen, note in parts:
        pairs = both.only(chosen)
        if len(pairs):
            before, after = float(pairs.champion.mean()), float(pairs.challenger.mean())
            note = f"{_counted(pairs)}; {note}; shown only"
            told.append(Check(name, "share", before, after, pairs.difference, None, None, None, True, note))
    return told


def _within(value: float, bound: float | None) -> bool:
    return bound is None or value <= bound * (1 + EPSILON)


def _bytes(champion: Seen, challenger: Seen, rule: GateConfig) -> Check:
    ratio = None if rule.max_bytes_ratio is None else rule.max_bytes_ratio * champion.bytes
    bounds = [bound for bound in (rule.max_bytes, ratio) if bound is not None]
    bound = min(bounds, default=None)
    difference = challenger.bytes - champion.bytes
    note = f"{challenger.bytes / max(champion.bytes, 1):.2f} times the champion's; the bound is of the size itself"
    return Check(
        "bytes",
        "bytes",
        champion.bytes,
        challenger.bytes,
        difference,
        None,
        None,
        bound,
        _within(challenger.bytes, bound),
        note,
    )


def _times(champion: Seen | None, challenger: Seen, rule: GateConfig) -> list[Check]:
    """Seconds a photo, each by its fastest round: what else a machine does makes a round slower, and none faster."""
    if not len(challenger.seconds):
        return []
    after = float(np.min(challenger.seconds))
    found = []
    if champion is not None and len(champion.seconds):
        before = float(np.min(champion.seconds))
        ratio = after / before
        bound = None if rule.max_seconds_ratio is None else rule.max_seconds_ratio
        found.append(
            Check("slowness", "ratio", 1.0, ratio, ratio - 1, None, None, bound, _within(ratio, bound),
                  f"fastest of {len(challenger.seconds)} rounds in turns: {before:.4g} and {after:.4g} seconds a photo")
        )  # fmt: skip
    if champion is None or rule.max_seconds is not None:
        passed = _within(after, rule.max_seconds)
        found.append(
            Check("seconds", "seconds", None, after, None, None, None, rule.max_seconds, passed, "a photo, file to answer")
        )
    return found


def _bounds(photos: Photos, challenger: Seen, rule: GateConfig) -> list[Check]:
    """The bounds that need no rival."""
    right = photos.right(challenger)
    found = []
    for name, chosen, bound in (
        ("least sensitivity", photos.shown, rule.min_sensitivity),
        ("least specificity", photos.other, rule.min_specificity),
    ):
        value = float(right[chosen].mean()) if chosen.any() else None
        passed = bound is None or (value is not None and value >= bound - EPSILON)
        note = f"{int(right[chosen].sum())} of {int(chosen.sum())} photos" if value is not None else "no such test photo"
        found.append(Check(name, "share", None, value, None, None, None, bound, passed, note))
    return found
