"""Divide and conquer: clusters that last, a learner for each, and the whole embedding in the end."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from landmark.network.objectives import make_objective
from landmark.network.objectives.divide_and_conquer import DivideAndConquer, cluster, renumber
from landmark.network.sampler import epoch_batches
from tests.network.objectives.samples import numbers, random_units, training

SETTINGS = training(loss="divide_and_conquer", learners=2, batch_size=8)


def blobs(count: int = 20) -> np.ndarray:
    """Two groups of unit vectors at right angles, [2 * count, 6]."""
    noise = np.random.default_rng(0).normal(0, 0.05, (2 * count, 6))
    rows = np.repeat(np.eye(6)[:2], count, axis=0) + noise
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def objective() -> DivideAndConquer:
    made = make_objective(SETTINGS, np.array([10, 10, 10, 10]), 6)
    assert isinstance(made, DivideAndConquer)
    return made


def test_batches_come_from_one_cluster_and_train_its_part_of_the_dimensions() -> None:
    divided, rows = objective(), blobs()
    divided.begin_epoch(0, 8, lambda: rows)
    clusters = divided.clusters
    assert clusters is not None
    assert len(set(clusters[:20])) == len(set(clusters[20:])) == 1
    targets = np.random.default_rng(1).integers(0, 4, 40)
    for batch in epoch_batches(targets, settings=SETTINGS, sampler="per_class", clusters=clusters, seed=(0,)):
        assert len(set(clusters[batch])) == 1
        number = int(clusters[batch[0]])
        photos = torch.from_numpy(rows[batch]).requires_grad_()
        loss = divided(photos, torch.from_numpy(targets[batch]), torch.from_numpy(batch))
        loss.backward()
        assert photos.grad is not None
        touched = photos.grad.abs().sum(0) > 0
        other = slice(3, 6) if number == 0 else slice(0, 3)
        assert not touched[other].any()
        torch.manual_seed(0)
        part = torch.nn.functional.normalize(torch.from_numpy(rows[batch])[:, slice(0, 3) if number == 0 else slice(3, 6)])
        expected = divided.rule(part, torch.from_numpy(targets[batch]), torch.from_numpy(batch))
        torch.manual_seed(0)
        assert divided(photos, torch.from_numpy(targets[batch]), torch.from_numpy(batch)).item() == expected.item()


def test_when_it_clusters_and_when_it_conquers() -> None:
    asked: list[int] = []

    def embed(epoch: int) -> np.ndarray:
        asked.append(epoch)
        return blobs()

    divided = objective()
    conquered = []
    for epoch in range(8):
        divided.begin_epoch(epoch, 8, lambda epoch=epoch: embed(epoch))  # type: ignore[misc]
        conquered.append(divided.clusters is None)
    assert asked == [0, 2, 4]
    assert conquered == [False] * 6 + [True] * 2
    photos, targets, rows = random_units(6, 6), numbers([1, 1, 2, 2, 3, 0]), torch.arange(6)
    torch.manual_seed(0)
    whole = divided.rule(photos, targets, rows)
    torch.manual_seed(0)
    assert divided(photos, targets, rows).item() == whole.item()


def test_one_epoch_is_divided() -> None:
    divided = objective()
    divided.begin_epoch(0, 1, blobs)
    assert divided.clusters is not None


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=30))
def test_as_many_photos_as_can_be_keep_their_learner(pairs: list[tuple[int, int]]) -> None:
    found, before = (np.array(column) for column in zip(*pairs, strict=True))
    kept = (renumber(found, before, 3) == before).sum()
    best = max((np.array(order)[found] == before).sum() for order in permutations(range(3)))
    assert kept == best


def test_clusters_are_the_same_again_and_go_into_the_checkpoint() -> None:
    rows = np.random.default_rng(0).normal(size=(500, 8)).astype(np.float32)
    first = cluster(rows, 4, seed=3)
    assert np.array_equal(first, cluster(rows, 4, seed=3))
    divided, resumed = objective(), objective()
    divided.begin_epoch(0, 8, blobs)
    resumed.load_state_dict(divided.state_dict())
    resumed.begin_epoch(1, 8, lambda: pytest.fail("there was no need to embed the photos"))
    assert np.array_equal(resumed.clusters, divided.clusters)  # type: ignore[arg-type]


def test_fewer_photos_than_learners() -> None:
    divided = objective()
    divided.begin_epoch(0, 8, lambda: blobs()[:1])
    assert divided.clusters is not None
    assert divided.clusters.tolist() == [0]
