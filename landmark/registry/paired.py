"""Two recognizers on the same photos: what the second lost and won, and how sure that is. NumPy and SciPy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq
from scipy.stats import binom, norm

Bools = NDArray[np.bool_]
BLOCK = 1 << 24
"""Cells of a block of resamples: memory does not grow with photos times resamples."""


@dataclass(frozen=True, eq=False)
class Paired:
    """Which photos each recognizer had right.

    Attributes:
        champion: [n] right by the champion.
        challenger: [n] right by the challenger.
        group: [n] near-duplicate group of the photo; photos of one group are not independent.
    """

    champion: Bools
    challenger: Bools
    group: NDArray[np.int64]

    def __post_init__(self) -> None:
        for name, kind in (("champion", bool), ("challenger", bool), ("group", np.int64)):
            object.__setattr__(self, name, np.asarray(getattr(self, name), kind))
        if self.champion.ndim != 1 or not self.champion.shape == self.challenger.shape == self.group.shape:
            shapes = [self.champion.shape, self.challenger.shape, self.group.shape]
            raise ValueError(f"Paired: champion, challenger and group must all be [n], got {shapes}")

    def __len__(self) -> int:
        return len(self.champion)

    def only(self, rows: Bools | NDArray[np.int64]) -> Paired:
        """The photos where `rows` [n] holds, or at these rows [m]."""
        return Paired(self.champion[rows], self.challenger[rows], self.group[rows])

    @property
    def lost(self) -> int:
        """Photos that the champion had right and the challenger has not."""
        return int((self.champion & ~self.challenger).sum())

    @property
    def won(self) -> int:
        """Photos that the challenger has right and the champion had not."""
        return int((~self.champion & self.challenger).sum())

    @property
    def difference(self) -> float:
        """Share right by the challenger - share right by the champion; 0 without photos."""
        return (self.won - self.lost) / len(self) if len(self) else 0.0

    def by_group(self) -> tuple[int, int, int]:
        """(groups, groups lost, groups won): a group is lost where more of its photos are lost than won."""
        _, number = np.unique(self.group, return_inverse=True)
        net = np.bincount(number, self.challenger.astype(float) - self.champion) if len(self) else np.zeros(0)
        return len(net), int((net < 0).sum()), int((net > 0).sum())


def loss_p(lost: int, won: int) -> float:
    """Exact one-sided McNemar test of a loss (McNemar, Psychometrika 1947): P(X >= lost), X ~ Binomial(lost + won, 1/2).

    Small where so many more would hardly be lost than won if both recognizers were equally good.

    >>> loss_p(5, 0), loss_p(1, 0), loss_p(0, 0), loss_p(3, 3)
    (0.03125, 0.5, 1.0, 0.65625)
    """
    return float(binom.sf(lost - 1, lost + won, 0.5)) if lost + won else 1.0


def score(won: int, lost: int, pairs: int, difference: float) -> float:
    """Tango's score statistic for a difference of paired proportions (Tango, Statistics in Medicine 1998, 17:891-908).

    Standard normal where the true difference of shares (won - lost) is `difference`; what is not known besides, the chance of
    losing a photo, is estimated under that hypothesis. It holds where no photo differs too, unlike tests given those that do.

    >>> round(score(0, 1, 44, -0.1), 3)  # the paper's soft contact lenses: 1.709
    1.709
    """
    a = 2.0 * pairs
    b = -won - lost + (2 * pairs - won + lost) * difference
    c = -lost * difference * (1 - difference)
    loss = (np.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)
    variance = pairs * (2 * loss + difference * (1 - difference))
    distance = won - lost - pairs * difference
    return float(distance / np.sqrt(variance)) if variance > 0 else float(np.sign(distance) * np.inf)


def margin_p(lost: int, won: int, pairs: int, margin: float) -> float:
    """One-sided test that the net share lost is less than `margin`: small where a loss of the margin would hardly look so.

    >>> round(margin_p(1, 0, 44, 0.1), 3), round(margin_p(0, 0, 299, 0.01), 3)
    (0.044, 0.041)
    """
    return float(norm.sf(score(won, lost, pairs, -margin)))


def score_interval(lost: int, won: int, pairs: int, alpha: float) -> tuple[float, float]:
    """Interval of the difference of shares: all differences that `score` does not exclude, each end by itself at `alpha`.

    >>> low, high = score_interval(1, 0, 44, 0.05)
    >>> round(score(0, 1, 44, low), 3), round(score(0, 1, 44, high), 3)
    (1.645, -1.645)
    """
    if not pairs:
        return 0.0, 0.0
    far, near = norm.isf(alpha), 1 - 1e-9

    def end(aim: float) -> float:
        return float(brentq(lambda difference: score(won, lost, pairs, difference) - aim, -near, near, xtol=1e-12))

    low = -1.0 if lost == pairs else end(far)
    high = 1.0 if won == pairs else end(-far)
    return low, high


def resampled(pairs: Paired, resamples: int, seed: int) -> NDArray[np.float64]:
    """Differences of shares [resamples] where whole groups are drawn with replacement (cluster bootstrap)."""
    _, number = np.unique(pairs.group, return_inverse=True)
    net = np.bincount(number, pairs.challenger.astype(float) - pairs.champion)
    size = np.bincount(number).astype(float)
    random = np.random.default_rng(seed)
    found = np.empty(resamples)
    step = max(1, BLOCK // len(net))
    for start in range(0, resamples, step):
        drawn = random.integers(0, len(net), (min(step, resamples - start), len(net)))
        found[start : start + step] = net[drawn].sum(1) / size[drawn].sum(1)
    return found


def bootstrap_interval(pairs: Paired, alpha: float, resamples: int, seed: int) -> tuple[float, float]:
    """Percentile interval of the difference, each end by itself at level `alpha`; `score_interval` where no photo differs."""
    if not (pairs.lost or pairs.won):  # each resample would say 0, however few photos there are
        return score_interval(0, 0, pairs.by_group()[0], alpha)
    low, high = np.quantile(resampled(pairs, resamples, seed), [alpha, 1 - alpha])
    return float(low), float(high)


def holm(p: ArrayLike) -> NDArray[np.float64]:
    """p-values corrected for their number (Holm, Scand. J. Stat. 1979).

    >>> holm([0.01, 0.04, 0.03]).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p, np.float64)
    order = np.argsort(values, kind="stable")
    raised = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    found = np.empty(len(values))
    found[order] = np.minimum(raised, 1.0)
    return found
