"""Class-balanced batches: shares, coverage, repeatability."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.network.sampler import class_shares, epoch_batches

counts_of_classes = st.lists(st.integers(0, 60), min_size=2, max_size=8).filter(lambda counts: sum(counts[1:]) > 0)


def test_shares_of_a_hand_calculated_case() -> None:
    # sqrt(100) : sqrt(25) : sqrt(4) = 10 : 5 : 2 of the 0.66 that non-landmarks leave
    shares = class_shares(np.array([7, 100, 25, 4]), 0.5, 0.34)
    np.testing.assert_allclose(shares, [0.34, 0.66 * 10 / 17, 0.66 * 5 / 17, 0.66 * 2 / 17])


@settings(max_examples=60, deadline=None)
@given(counts_of_classes, st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.25]), st.integers(1, 32))
def test_batches(counts: list[int], power: float, share: float, batch_size: int) -> None:
    targets = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    draw: Any = {"batch_size": batch_size, "power": power, "non_landmark_share": share, "seed": (1, 2, 3)}
    batches = epoch_batches(targets, **draw)
    assert batches.shape == (max(1, len(targets) // batch_size), batch_size)
    assert np.array_equal(batches, epoch_batches(targets, **draw))
    drawn = np.bincount(targets[batches.ravel()], minlength=len(counts))
    expected = class_shares(np.bincount(targets, minlength=len(counts)), power, share) * batches.size
    assert np.all(np.abs(drawn - expected) <= 1)
    for index in range(len(counts)):  # each photo is drawn as often as any other of its class, or once more
        times = np.bincount(batches.ravel(), minlength=len(targets))[targets == index]
        assert len(times) == 0 or times.max() - times.min() <= 1


def test_epochs_differ_and_a_class_of_five_photos_is_in_every_epoch() -> None:
    targets = np.repeat(np.arange(3), [500, 495, 5])
    first = epoch_batches(targets, batch_size=50, power=0.5, non_landmark_share=0.25, seed=(0, 0, 0))
    second = epoch_batches(targets, batch_size=50, power=0.5, non_landmark_share=0.25, seed=(0, 0, 1))
    assert not np.array_equal(first, second)
    assert set(first.ravel()) >= set(range(995, 1000))
    assert (targets[first.ravel()] == 2).mean() == pytest.approx(0.75 * 5**0.5 / (5**0.5 + 495**0.5), abs=0.001)
