"""What the gate holds a recognizer to beside its decisions: size, speed, and bounds that need no rival."""

from __future__ import annotations

import numpy as np
from scipy.stats import beta

from landmark.gate_config import GateConfig
from landmark.registry.paired import Bools
from landmark.registry.seen import Photos, Seen
from landmark.registry.verdict import Check

EPSILON = 1e-12
"""A share that is exactly on its bound must not fail by a rounding error."""


def within(value: float, bound: float | None) -> bool:
    """Whether a value is at most a bound, if there is one."""
    return bound is None or value <= bound * (1 + EPSILON)


def size(champion: Seen | None, challenger: Seen, rule: GateConfig) -> Check:
    """Bytes of the recognizer, against the bound and against the champion's."""
    if champion is None:
        bound, fits = rule.max_bytes, within(challenger.bytes, rule.max_bytes)
        return Check("bytes", "bytes", None, challenger.bytes, None, None, None, bound, fits, "")
    ratio = None if rule.max_bytes_ratio is None else rule.max_bytes_ratio * champion.bytes
    least_bound = min((one for one in (rule.max_bytes, ratio) if one is not None), default=None)
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
        least_bound,
        within(challenger.bytes, least_bound),
        note,
    )


def times(champion: Seen | None, challenger: Seen, rule: GateConfig) -> list[Check]:
    """Seconds a photo, each by its fastest round: what else a machine does makes a round slower, and none faster."""
    if not len(challenger.seconds):
        return []
    after = float(np.min(challenger.seconds))
    found = []
    if champion is not None and len(champion.seconds):
        before = float(np.min(champion.seconds))
        ratio = after / before
        bound = rule.max_seconds_ratio
        found.append(
            Check("slowness", "ratio", 1.0, ratio, ratio - 1, None, None, bound, within(ratio, bound),
                  f"fastest of {len(challenger.seconds)} rounds in turns: {before:.4g} and {after:.4g} seconds a photo")
        )  # fmt: skip
    if champion is None or rule.max_seconds is not None:
        passed = within(after, rule.max_seconds)
        found.append(
            Check("seconds", "seconds", None, after, None, None, None, rule.max_seconds, passed, "a photo, file to answer")
        )
    return found


def least(photos: Photos, challenger: Seen, rule: GateConfig, target: float | None) -> list[Check]:
    """The bounds that need no rival.

    Args:
        photos: the test photos [n].
        challenger: what it decided on them.
        rule: the settings of the gate.
        target: specificity that was calibrated for; None: not known.
    """
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
    if target is not None and rule.target_tolerance is not None:
        found.append(_target(photos, right[photos.other], rule, target - rule.target_tolerance))
    return found


def _target(photos: Photos, right: Bools, rule: GateConfig, bound: float) -> Check:
    """Refuses what is shown to lie below the target (Clopper-Pearson's upper limit): few photos may look so by chance."""
    count, good = len(right), int(right.sum())
    value = good / count if count else None
    high = float(beta.ppf(1 - rule.alpha, good + 1, count - good)) if good < count else 1.0
    note = f"{good} of {count} photos; at most {high:.4g} at level {rule.alpha:g}"
    return Check("specificity aimed at", "share", None, value, None, None, None, bound, high >= bound - EPSILON, note)
