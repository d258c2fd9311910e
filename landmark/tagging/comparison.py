"""One set of tagged photos against another: the findings of the drift check."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from landmark.tagging import statistics
from landmark.tagging.drift_config import ACTIONS, Action, DriftConfig
from landmark.tagging.profile import Profile


@dataclass(frozen=True)
class Row:
    """One finding.

    Attributes:
        what: "tagged", "far", "scores (PSI)", "scores (KS)", "similarity" or "landmarks".
        meaning: in words, with the unit.
        reference: value in the reference (None: the figure compares the two, or nothing was measured).
        now: value now.
        difference: now - reference, or the distance of the two.
        bound: what the difference must not pass, beyond doubt: see `meaning`.
        exceeded: whether it does.
        low: lower end of the difference's interval, if it has one.
        high: upper end.
    """

    what: str
    meaning: str
    reference: float | None
    now: float | None
    difference: float | None
    bound: float | None
    exceeded: bool
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Change:
    """A landmark whose share of the tags changed: shares and p-value."""

    landmark: str
    reference: float
    now: float
    p: float


@dataclass(frozen=True)
class Comparison:
    """All findings, and the landmarks that rose or fell, the surest first."""

    rows: list[Row]
    landmarks: list[Change] = field(default_factory=list)

    @property
    def exceeded(self) -> list[str]:
        """Names of the findings that exceed their bounds."""
        return [row.what for row in self.rows if row.exceeded]


def compare(reference: Profile, now: Profile, config: DriftConfig) -> Comparison:
    """Compare photos with a reference; both must be scored by the same model.

    Args:
        reference: with at least one photo.
        now: with at least one photo.
        config: bounds.
    """
    changes = [
        Change(*row)
        for row in statistics.landmark_changes(reference.landmarks, now.landmarks, config.chance, config.landmark_ratio)
    ]
    count = float(len(changes))
    landmarks = Row(
        "landmarks",
        f"landmarks whose share of the tags changed by a factor of {config.landmark_ratio:g} or more (G-test)",
        float(len(reference.landmarks)), float(len(now.landmarks)), count, 0.0, count > 0,
    )  # fmt: skip
    rows = [_tagged(reference, now, config), _far(reference, now, config), *_scores(reference, now, config)]
    return Comparison([*rows, _similarity(reference, now, config), landmarks], changes)


def _tagged(reference: Profile, now: Profile, config: DriftConfig) -> Row:
    bound = config.tagged * reference.tags / reference.photos
    meaning = f"share of photos with a landmark; may change by {config.tagged:g} of itself"
    return _shares("tagged", meaning, (reference.tags, reference.photos, now.tags, now.photos), bound, config, both=True)


def _far(reference: Profile, now: Profile, config: DriftConfig) -> Row:
    # The largest cut below which no more than the wanted share of the reference lies, but at least one cell of it.
    sums = np.cumsum(reference.similarities)
    cut = int(np.searchsorted(sums, config.far_share * sums[-1], side="right"))
    cut = max(cut, int(np.flatnonzero(reference.similarities)[0]) + 1)
    far, far_now = int(reference.similarities[:cut].sum()), int(now.similarities[:cut].sum())
    meaning = f"share of photos as far from every centroid as the farthest {config.far_share:.0%} of the reference"
    bound = config.far * far / reference.photos
    return _shares("far", meaning, (far, reference.photos, far_now, now.photos), bound, config, both=False)


def _shares(what: str, meaning: str, counts: tuple[int, int, int, int], bound: float, config: DriftConfig, both: bool) -> Row:
    from scipy.stats import norm

    a, n, b, m = counts
    low, high = statistics.difference_interval(a, n, b, m, float(norm.isf(config.chance / 2)))
    exceeded = low > bound or (both and high < -bound)
    return Row(what, meaning, a / n, b / m, b / m - a / n, bound, bool(exceeded), low, high)


def _scores(reference: Profile, now: Profile, config: DriftConfig) -> list[Row]:
    edges = statistics.quantile_edges(reference.scores, config.bins)
    cells = [0, *edges]
    value = statistics.psi(np.add.reduceat(reference.scores, cells), np.add.reduceat(now.scores, cells))
    bound = max(config.psi, statistics.psi_by_chance(len(cells), reference.photos, now.photos, config.chance))
    distance = statistics.ks(reference.scores, now.scores)
    most = max(config.ks, statistics.ks_by_chance(reference.photos, now.photos, config.chance))
    return [
        Row("scores (PSI)", f"population stability index of the scores in {len(cells)} bins [nat]", None, None, value, bound,
            value > bound),
        Row("scores (KS)", "largest difference of the scores' cumulative shares", None, None, distance, most, distance > most),
    ]  # fmt: skip


def _similarity(reference: Profile, now: Profile, config: DriftConfig) -> Row:
    from scipy.stats import t

    meaning = f"mean similarity of tagged photos; may fall by {config.similarity:g} standard deviations of the reference"
    (before, deviation), (mean, other) = reference.moments(), now.moments()
    if min(reference.tags, now.tags) < max(2, config.minimum_tagged):
        values = [value if math.isfinite(value) else None for value in (before, mean)]
        return Row("similarity", f"{meaning}; too few tagged photos to judge", values[0], values[1], None, None, False)
    bound = -config.similarity * deviation
    parts = deviation**2 / reference.tags, other**2 / now.tags
    error = math.sqrt(sum(parts))
    # Welch's degrees of freedom: the two spreads may differ.
    freedom = sum(parts) ** 2 / (parts[0] ** 2 / (reference.tags - 1) + parts[1] ** 2 / (now.tags - 1)) if error else 1.0
    half = float(t.isf(config.chance, freedom)) * error
    difference = mean - before
    return Row(
        "similarity", meaning, before, mean, difference, bound, difference + half < bound, difference - half, difference + half
    )


def advised(windows: Sequence[Sequence[str]], config: DriftConfig) -> tuple[Action, list[str]]:
    """What to do after windows, the last one last, and the findings that say so.

    Args:
        windows: findings that exceeded their bounds, window by window.
        config: what triggers what.

    >>> advised([["similarity"]], DriftConfig()), advised([["similarity"], ["similarity", "tagged"]], DriftConfig())
    (('none', []), ('retrain', ['similarity']))
    """
    triggers: dict[str, Action] = {
        "tagged": config.on_tagged,
        "far": config.on_far,
        "scores (PSI)": config.on_scores,
        "scores (KS)": config.on_scores,
        "similarity": config.on_similarity,
        "landmarks": config.on_landmarks,
    }
    found = list(windows[-1]) if windows else []
    lasting = len(windows) >= config.lasting and all("similarity" in window for window in windows[-config.lasting :])
    because = [what for what in found if triggers[what] != "none" and (what != "similarity" or lasting)]
    strength = min(max((ACTIONS.index(triggers[what]) for what in because), default=0), ACTIONS.index(config.action))
    return ACTIONS[strength], because if strength else []
