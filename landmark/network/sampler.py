"""Which photos make up each batch of an epoch: drawn evenly enough that a class with five photos learns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from landmark.network.losses import NON_LANDMARK

Indices = NDArray[np.int64]


def class_shares(counts: Indices, power: float, non_landmark_share: float) -> NDArray[np.float64]:
    """Share of an epoch's draws that each class gets.

    A landmark gets a share in proportion to its photos to `power`; the non-landmark class a fixed share, if it has photos.

    >>> class_shares(np.array([50, 100, 25]), power=0.5, non_landmark_share=0.25).tolist()
    [0.25, 0.5, 0.25]

    Args:
        counts: photos of each class [classes]; class 0 is non-landmark.
        power: 1 draws photos as they come, 0 all classes alike.
        non_landmark_share: of the draws, 0..1.
    """
    weight = np.where(counts > 0, counts.astype(np.float64) ** power, 0.0)
    weight[NON_LANDMARK] = 0.0
    share = non_landmark_share if counts[NON_LANDMARK] else 0.0
    total = weight.sum()
    weight = weight / total * (1 - share) if total else weight
    weight[NON_LANDMARK] = share if total else float(counts[NON_LANDMARK] > 0)
    return weight


def epoch_batches(
    targets: Indices, *, batch_size: int, power: float, non_landmark_share: float, seed: tuple[int, ...]
) -> Indices:
    """The batches of one epoch, the same for the same seed wherever they are computed.

    An epoch draws as many photos as there are. Within a class, all its photos are drawn once before any is drawn again.

    Args:
        targets: class index of each photo [n].
        batch_size: photos a batch, over all processes; fewer photos than that are drawn again within the batch.
        power: see `class_shares`.
        non_landmark_share: see `class_shares`.
        seed: e.g. (run seed, stage, epoch).

    Returns:
        positions in `targets` [batches, batch_size].
    """
    random = np.random.default_rng(seed)
    counts = np.bincount(targets, minlength=1).astype(np.int64)
    batches = max(1, len(targets) // batch_size)
    draws = _largest_remainder(class_shares(counts, power, non_landmark_share), batches * batch_size)
    drawn = [_draw(np.flatnonzero(targets == index), int(number), random) for index, number in enumerate(draws) if number]
    return random.permutation(np.concatenate(drawn)).reshape(batches, batch_size)


def _draw(members: Indices, number: int, random: np.random.Generator) -> Indices:
    rounds = -(-number // len(members))
    return np.concatenate([random.permutation(members) for _ in range(rounds)])[:number]


def _largest_remainder(shares: NDArray[np.float64], total: int) -> Indices:
    """Whole numbers in proportion to shares that add up to `total` exactly."""
    exact = shares * total
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: total - whole.sum()]] += 1
    return whole
