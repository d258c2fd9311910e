"""Which photos make up each batch of an epoch: drawn evenly enough that a class with five photos learns."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from landmark.methods import Sampler
from landmark.network.objectives import NON_LANDMARK
from landmark.training_config import TrainingConfig

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
    targets: Indices,
    *,
    settings: TrainingConfig,
    sampler: Sampler,
    clusters: Indices | None = None,
    seed: tuple[int, ...],
) -> Indices:
    """The batches of one epoch, the same for the same seed wherever they are computed.

    An epoch draws as many photos as there are. Within a class, all its photos are drawn once before any is drawn again.

    Args:
        targets: class index of each photo [n].
        settings: batch_size (fewer photos than that are drawn again within the batch), landmark_power, non_landmark_share
            and photos_per_class.
        sampler: 'balanced', 'per_class' or 'shuffled', as of `TrainingConfig.sampler`.
        clusters: cluster of each photo [n], where each batch is to come from one cluster; a cluster gets batches in
            proportion to its photos.
        seed: e.g. (run seed, stage, epoch).

    Returns:
        positions in `targets` [batches, batch_size].
    """
    random = np.random.default_rng(seed)
    batches = max(1, len(targets) // settings.batch_size)
    draw = {"balanced": _balanced, "per_class": _per_class, "shuffled": _shuffled}[sampler]
    if clusters is None:
        return draw(targets, batches, settings, random)
    groups = [np.flatnonzero(clusters == number) for number in np.unique(clusters)]
    shares = np.array([len(group) for group in groups]) / len(targets)
    numbers = _largest_remainder(shares, batches)
    parts = [
        group[draw(targets[group], int(number), settings, random)]
        for group, number in zip(groups, numbers, strict=True)
        if number
    ]
    return random.permutation(np.concatenate(parts))


def _balanced(targets: Indices, batches: int, settings: TrainingConfig, random: np.random.Generator) -> Indices:
    counts = np.bincount(targets, minlength=1).astype(np.int64)
    shares = class_shares(counts, settings.landmark_power, settings.non_landmark_share)
    draws = _largest_remainder(shares, batches * settings.batch_size)
    drawn = [_draw(np.flatnonzero(targets == index), int(number), random) for index, number in enumerate(draws) if number]
    return random.permutation(np.concatenate(drawn)).reshape(batches, settings.batch_size)


def _shuffled(targets: Indices, batches: int, settings: TrainingConfig, random: np.random.Generator) -> Indices:
    return _draw(np.arange(len(targets)), batches * settings.batch_size, random).reshape(batches, settings.batch_size)


def _per_class(targets: Indices, batches: int, settings: TrainingConfig, random: np.random.Generator) -> Indices:
    """Each batch: landmarks with `photos_per_class` photos each, one after the other, and non-landmarks among them.

    The landmarks of a batch differ, unless there are too few of them. The last one can have fewer photos.
    """
    size, together = settings.batch_size, settings.method.photos_per_class
    counts = np.bincount(targets, minlength=1).astype(np.int64)
    shares = class_shares(counts, settings.landmark_power, settings.non_landmark_share)
    others = round(shares[NON_LANDMARK] * size)
    slots = -(-(size - others) // together)
    # Dealt out class by class, like cards: the picks of one class go to different batches.
    landmarks = shares[1:] / (shares[1:].sum() or 1.0)
    picks = _largest_remainder(landmarks, batches * slots)
    order = random.permutation(len(picks))
    dealt = np.repeat(order + 1, picks[order]).reshape(slots, batches) if slots else np.zeros((0, batches), np.int64)
    rows = np.empty((batches, slots, together), np.int64)
    for index in np.flatnonzero(picks) + 1:
        where = np.equal(dealt.T, index)
        drawn = _in_groups(np.flatnonzero(targets == index), int(where.sum()), together, random)
        rows[where] = random.permutation(drawn)
    filled = rows.reshape(batches, -1)[:, : size - others]
    non_landmarks = _draw(np.flatnonzero(targets == NON_LANDMARK), batches * others, random).reshape(batches, others)
    # Non-landmarks evenly among the landmarks: processes that take a stretch of a batch each get their share of both.
    place = np.concatenate([(np.arange(part.shape[1]) + 0.5) / max(1, part.shape[1]) for part in (filled, non_landmarks)])
    return random.permutation(np.concatenate([filled, non_landmarks], axis=1)[:, np.argsort(place, kind="stable")])


def _in_groups(members: Indices, groups: int, together: int, random: np.random.Generator) -> Indices:
    """Photos of one class [groups, together]: all before any again, and different ones in a group where there are enough."""
    drawn = np.zeros(0, np.int64)
    while len(drawn) < groups * together:
        fresh = random.permutation(members)
        begun = np.isin(fresh, drawn[len(drawn) - len(drawn) % together :])
        drawn = np.concatenate([drawn, fresh[~begun], fresh[begun]])
    return drawn[: groups * together].reshape(groups, together)


def _draw(members: Indices, number: int, random: np.random.Generator) -> Indices:
    rounds = -(-number // max(1, len(members)))
    return np.concatenate([random.permutation(members) for _ in range(rounds)] or [members])[:number]


def _largest_remainder(shares: NDArray[np.float64], total: int) -> Indices:
    """Whole numbers in proportion to shares that add up to `total` exactly."""
    exact = shares * total
    whole = np.floor(exact).astype(np.int64)
    order = np.argsort(-(exact - whole), kind="stable")
    whole[order[: total - whole.sum()]] += 1
    return whole
