"""The gate: may the challenger take the champion's place? Arithmetic alone; no MLflow, no files.

The rule is told in `landmark.gate_config`, its statistics in `landmark.registry.paired`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from landmark.gate_config import GateConfig
from landmark.registry.bounds import EPSILON, least, size, times
from landmark.registry.paired import Paired, bootstrap_interval, holm, loss_p, margin_p, score_interval
from landmark.registry.seen import Photos as Photos
from landmark.registry.seen import Seen as Seen
from landmark.registry.verdict import Check, LandmarkRow, Verdict


def judge(
    photos: Photos,
    champion: Seen | None,
    challenger: Seen,
    rule: GateConfig,
    about: Mapping[str, Any],
    *,
    anchor: Seen | None = None,
    target: float | None = None,
) -> Verdict:
    """Hold a challenger against the champion, and against the anchor.

    Args:
        photos: the test photos [n].
        champion: None: the model has none, and only the bounds without a rival hold.
        challenger: what wants to take its place.
        rule: the settings of the gate.
        about: what the verdict is about; kept with it.
        anchor: what the last person's promotion, or the first one, made champion; None: that is the champion itself.
        target: specificity that the challenger was calibrated for; None: not known.
    """
    alone = [*times(champion, challenger, rule), *least(photos, challenger, rule, target)]
    if champion is None:
        return Verdict((size(None, challenger, rule), *alone), (), rule.model_dump(mode="json"), about)
    both = Paired(photos.right(champion), photos.right(challenger), photos.group)
    shared = champion.knows & challenger.knows
    rows = landmark_rows(photos, both, shared, rule)
    checks = [
        _sensitivity(both.only(photos.of_landmarks(shared)), rule),
        _specificity(both.only(photos.other), rule),
        _landmarks(rows, rule),
        _small_landmarks(photos, both, rows, rule),
        _known(champion.knows, challenger.knows, rule),
        *(_since_anchor(photos, anchor, challenger, rule) if anchor is not None else ()),
        *_told(photos, both, champion, challenger),
        size(champion, challenger, rule),
        *alone,
    ]
    return Verdict(tuple(checks), rows, rule.model_dump(mode="json"), about)


def _since_anchor(photos: Photos, anchor: Seen, challenger: Seen, rule: GateConfig) -> list[Check]:
    """What many small steps since the anchor came to: plain shares and no test, which each step has passed."""
    both = Paired(photos.right(anchor), photos.right(challenger), photos.group)
    shared = anchor.knows & challenger.knows
    rows = landmark_rows(photos, both, shared, rule)
    found = []
    for name, pairs, drop in (
        ("sensitivity since anchor", both.only(photos.of_landmarks(shared)), rule.sensitivity_drop),
        ("specificity since anchor", both.only(photos.other), rule.anchor_drop),
    ):
        if len(pairs):
            passed = pairs.difference >= -drop - EPSILON
            found.append(_share_check(name, pairs, rule, 0.0 - drop, passed, "as observed"))
    lost = _landmarks(rows, rule)
    return [*found, replace(lost, name="worst landmark since anchor")]


def _interval(pairs: Paired, rule: GateConfig) -> tuple[float, float]:
    if rule.test == "bootstrap":
        return bootstrap_interval(pairs, rule.alpha, rule.resamples, rule.seed)
    groups, lost, won = pairs.by_group()
    return score_interval(lost, won, groups, rule.alpha)


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
    margin = rule.specificity_margin
    if margin_p(0, 0, groups, margin) > rule.alpha:
        passed = groups >= rule.specificity_photos and lost <= won and pairs.difference >= 0
        note = "too few photos to show that it is no worse, so nothing may be lost"
        note += f"; at least {rule.specificity_photos} are needed" if groups < rule.specificity_photos else ""
    elif rule.test == "bootstrap":
        passed = _interval(pairs, rule)[0] > -margin
        note = f"the interval's lower end is {'' if passed else 'not '}above the margin"
    else:
        p = margin_p(lost, won, groups, margin)
        passed = p <= rule.alpha
        note = f"test against a loss of the margin p = {p:.3g}"
    return _share_check("specificity", pairs, rule, 0.0 - margin, passed, note)


def landmark_rows(photos: Photos, both: Paired, ids: frozenset[str], rule: GateConfig) -> tuple[LandmarkRow, ...]:
    """Each landmark of `ids` that is shown, the greatest loss first.

    A landmark is given up where the net share of its photos lost exceeds `landmark_drop` and is no chance: it has
    `landmark_photos` photos or more, or the exact test over its groups is significant at `landmark_alpha`, or none is left of
    two photos or more.
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
    whole = pairs.champion.sum() > 1 and not pairs.challenger.any()
    note = ""
    if beyond:
        note = "lost whole" if whole else "lost" if many or significant else "may be chance: few photos"
    return LandmarkRow(
        landmark=landmark,
        photos=len(pairs),
        champion=int(pairs.champion.sum()),
        challenger=int(pairs.challenger.sum()),
        lost=pairs.lost,
        won=pairs.won,
        p=p,
        passed=not (beyond and (many or significant or whole)),
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


def _small_landmarks(photos: Photos, both: Paired, rows: tuple[LandmarkRow, ...], rule: GateConfig) -> Check:
    """Landmarks with few photos, together: by itself none of them could show a loss."""
    small = frozenset(row.landmark for row in rows if row.photos < rule.landmark_photos)
    pairs = both.only(photos.of_landmarks(small))
    if not len(pairs):
        return Check("small landmarks", "share", None, None, None, None, None, None, True, "there are none")
    _, lost, won = pairs.by_group()
    p = loss_p(lost, won)
    passed = not (pairs.difference < -rule.landmark_drop - EPSILON and p <= rule.landmark_alpha)
    note = f"{len(small)} landmarks with fewer than {rule.landmark_photos} photos, together; exact test of a loss p = {p:.3g}"
    return _share_check("small landmarks", pairs, rule, 0.0 - rule.landmark_drop, passed, note)


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
