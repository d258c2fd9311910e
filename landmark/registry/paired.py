"""Two recognizers on the same photos: what the second lost and won, and how sure that is. NumPy and SciPy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import beta, binom

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


def margin_p(lost: int, won: int, pairs: int, margin: float) -> float:
    """Exact test that the net loss is less than `margin`, given how many photos differ.

    With m = lost + won photos that differ, the net share lost, m/n (1 - 2p), reaches the margin where the chance p of
    winning such a photo is (1 - margin n/m) / 2. Returned is P(X >= won), X ~ Binomial(m, p): small where a net loss of
    `margin` would hardly let so many be won. With margin 0 this is the exact McNemar test of a gain.

    Returns:
        The p-value; 0 where no more photos differ than the margin lets be lost.

    >>> round(margin_p(8, 8, 1000, 0.01), 4)  # p = (1 - 10/16) / 2 = 0.1875
    0.0046
    """
    differ = lost + won
    if differ <= margin * pairs + 1e-9:
        return 0.0
    return float(binom.sf(won - 1, differ, (1 - margin * pairs / differ) / 2))


def exact_interval(lost: int, won: int, pairs: int, alpha: float) -> tuple[float, float]:
    """Interval of the difference of shares, given how many photos differ: Clopper-Pearson for the share won among these.

    Each end by itself is passed with a probability of at most `alpha`.

    >>> low, high = exact_interval(0, 5, 100, 0.05)
    >>> round(low, 4), high  # 0.05 ** (1 / 5) = 0.5493 of five photos
    (0.0049, 0.05)
    """
    differ = lost + won
    if not differ:
        return 0.0, 0.0
    low = float(beta.ppf(alpha, won, lost + 1)) if won else 0.0
    high = float(beta.ppf(1 - alpha, won + 1, lost)) if lost else 1.0
    return (2 * low - 1) * differ / pairs, (2 * high - 1) * differ / pairs


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
    """Percentile interval of the difference, each end by itself at level `alpha`."""
    if not len(pairs) or not (pairs.lost or pairs.won):
        return 0.0, 0.0
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
