"""Batches: shares, coverage, groups, clusters, repeatability."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.methods import Sampler
from landmark.network.sampler import class_shares, epoch_batches
from landmark.training_config import TrainingConfig

counts_of_classes = st.lists(st.integers(0, 60), min_size=2, max_size=8).filter(lambda counts: sum(counts[1:]) > 0)


def test_shares_of_a_hand_calculated_case() -> None:
    # sqrt(100) : sqrt(25) : sqrt(4) = 10 : 5 : 2 of the 0.66 that non-landmarks leave
    shares = class_shares(np.array([7, 100, 25, 4]), 0.5, 0.34)
    np.testing.assert_allclose(shares, [0.34, 0.66 * 10 / 17, 0.66 * 5 / 17, 0.66 * 2 / 17])


def settings_of(**changes: object) -> TrainingConfig:
    return TrainingConfig.model_validate({"stages": [{"name": "all"}], **changes})


@settings(max_examples=60, deadline=None)
@given(counts_of_classes, st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.0, 0.25]), st.integers(1, 32))
def test_balanced_batches(counts: list[int], power: float, share: float, batch_size: int) -> None:
    targets = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    chosen = settings_of(batch_size=batch_size, landmark_power=power, non_landmark_share=share)
    batches = epoch_batches(targets, settings=chosen, sampler="balanced", seed=(1, 2, 3))
    assert batches.shape == (max(1, len(targets) // batch_size), batch_size)
    assert np.array_equal(batches, epoch_batches(targets, settings=chosen, sampler="balanced", seed=(1, 2, 3)))
    drawn = np.bincount(targets[batches.ravel()], minlength=len(counts))
    expected = class_shares(np.bincount(targets, minlength=len(counts)), power, share) * batches.size
    assert np.all(np.abs(drawn - expected) <= 1)
    for index in range(len(counts)):  # each photo is drawn as often as any other of its class, or once more
        times = np.bincount(batches.ravel(), minlength=len(targets))[targets == index]
        assert len(times) == 0 or times.max() - times.min() <= 1


def test_epochs_differ_and_a_class_of_five_photos_is_in_every_epoch() -> None:
    targets = np.repeat(np.arange(3), [500, 495, 5])
    chosen = settings_of(batch_size=50)
    first = epoch_batches(targets, settings=chosen, sampler="balanced", seed=(0, 0, 0))
    second = epoch_batches(targets, settings=chosen, sampler="balanced", seed=(0, 0, 1))
    assert not np.array_equal(first, second)
    assert set(first.ravel()) >= set(range(995, 1000))
    assert (targets[first.ravel()] == 2).mean() == pytest.approx(0.75 * 5**0.5 / (5**0.5 + 495**0.5), abs=0.001)


@settings(max_examples=60, deadline=None)
@given(counts_of_classes, st.integers(2, 5), st.sampled_from([0.0, 0.25, 0.9]), st.integers(5, 40))
def test_batches_of_some_photos_each_of_some_landmarks(counts: list[int], together: int, share: float, size: int) -> None:
    targets = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    chosen = settings_of(batch_size=size, photos_per_class=together, sampler="per_class", non_landmark_share=share)
    batches = epoch_batches(targets, settings=chosen, sampler="per_class", seed=(1, 2))
    assert batches.shape == (max(1, len(targets) // size), size)
    assert np.array_equal(batches, epoch_batches(targets, settings=chosen, sampler="per_class", seed=(1, 2)))
    landmarks = sum(count > 0 for count in counts[1:])
    for batch in batches:
        of_landmarks = batch[targets[batch] > 0]
        assert size - len(of_landmarks) == (round(share * size) if counts[0] else 0)
        groups = [of_landmarks[start : start + together] for start in range(0, len(of_landmarks), together)]
        shown = [int(targets[group[0]]) for group in groups]
        for group, landmark in zip(groups, shown, strict=True):
            assert (targets[group] == landmark).all()
            if counts[landmark] >= together:
                assert len(set(group)) == len(group), "a photo beside itself is no pair"
        if landmarks >= len(batches) * len(groups):
            assert len(set(shown)) == len(shown)


def test_landmarks_of_a_batch_differ_and_each_half_of_it_holds_both_kinds() -> None:
    targets = np.repeat(np.arange(9), [100, *[25] * 8])
    chosen = settings_of(batch_size=32, photos_per_class=4, sampler="per_class")
    drawn = np.zeros(len(targets), int)
    for batch in epoch_batches(targets, settings=chosen, sampler="per_class", seed=(0,)):
        drawn[batch] += 1
        assert np.bincount(targets[batch], minlength=9).tolist().count(4) == 6
        for half in np.split(targets[batch], 2):
            assert (half == 0).sum() == 4
            assert np.bincount(half[half > 0]).max() == 4, "and whole groups"
    assert drawn[targets > 0].max() <= 2
    assert (np.bincount(targets, weights=drawn)[1:] >= 12).all(), "no landmark is left out"


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 100), st.integers(1, 16))
def test_photos_as_they_come(count: int, batch_size: int) -> None:
    targets = np.arange(count) % 3
    batches = epoch_batches(targets, settings=settings_of(batch_size=batch_size), sampler="shuffled", seed=(0,))
    assert batches.shape == (max(1, count // batch_size), batch_size)
    if count >= batch_size:
        assert len(set(batches.ravel())) == batches.size


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=80), st.integers(2, 12))
@pytest.mark.parametrize("sampler", ["balanced", "per_class", "shuffled"])
def test_batches_of_one_cluster_each(sampler: Sampler, photos: list[tuple[int, int]], batch_size: int) -> None:
    targets, clusters = (np.array(column) for column in zip(*photos, strict=True))
    chosen = settings_of(batch_size=batch_size)
    batches = epoch_batches(targets, settings=chosen, sampler=sampler, clusters=clusters, seed=(0,))
    assert batches.shape == (max(1, len(targets) // batch_size), batch_size)
    assert all(len(set(clusters[batch])) == 1 for batch in batches)
    of_cluster = np.bincount(clusters[batches[:, 0]], minlength=3)
    assert np.all(np.abs(of_cluster - np.bincount(clusters, minlength=3) / len(clusters) * len(batches)) < 1)
