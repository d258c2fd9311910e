"""Divide and conquer the embedding space (Sanakoyeu et al., CVPR 2019).

The photos are divided by k-means on their embeddings, and the dimensions of the embedding into as many parts; each batch comes
from one cluster and trains one part. Clusters are made anew every few epochs; in the end the whole embedding is trained.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from sklearn.cluster import KMeans
from threadpoolctl import threadpool_limits
from torch import Tensor
from torch.nn import functional as F

from landmark.methods import Sampler
from landmark.network.objectives.base import Embed, Objective
from landmark.network.objectives.margin import Margin

DIVIDED = 0.75
"""Share of a stage's epochs in which the space is divided (ours; the authors' code fine-tunes from an epoch of choice)."""


class DivideAndConquer(Objective):
    """One learner a cluster, each with the margin loss (as in the paper) on its own part of the dimensions.

    Args:
        margin: of the margin loss [Euclidean distance].
        learners: clusters and parts.
        every: epochs between clusterings.
    """

    def __init__(self, margin: float, learners: int, every: int, sampler: Sampler) -> None:
        super().__init__(sampler)
        self.rule = Margin(margin, sampler)
        self.learners, self.every = learners, every
        self.dividing = False
        self.learner_of: NDArray[np.int64] = np.zeros(0, np.int64)

    @property
    def clusters(self) -> NDArray[np.int64] | None:
        """Learner of each photo [n] while the space is divided."""
        return self.learner_of if self.dividing else None

    def begin_epoch(self, epoch: int, epochs: int, embed: Embed) -> None:
        """Cluster the photos anew where it is time; a cluster keeps the learner that most of its photos had."""
        self.dividing = epoch < max(1, int(DIVIDED * epochs))
        if self.dividing and (epoch % self.every == 0 or len(self.learner_of) == 0):
            embeddings = embed()
            found = cluster(embeddings, min(self.learners, len(embeddings)), seed=epoch)
            known = len(self.learner_of) == len(found)
            self.learner_of = renumber(found, self.learner_of, self.learners) if known else found

    def forward(self, embeddings: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
        """The loss of the batch's learner on its part of the dimensions, or of the whole embedding."""
        if not self.dividing:
            whole: Tensor = self.rule(embeddings, targets, rows)
            return whole
        learner = self.learner_of[rows.cpu().numpy()]
        loss = embeddings.new_zeros(())
        for number in np.unique(learner).tolist():  # one, where the batch was drawn from one cluster
            mine = torch.from_numpy(learner == number).to(embeddings.device)
            part = F.normalize(embeddings[mine].tensor_split(self.learners, dim=1)[number])
            loss = loss + mine.float().mean() * self.rule(part, targets[mine], rows[mine])
        return loss

    def get_extra_state(self) -> Tensor:
        """The clusters, for the checkpoint."""
        return torch.from_numpy(self.learner_of)

    def set_extra_state(self, state: Tensor) -> None:
        """The clusters of a checkpoint."""
        self.learner_of = state.numpy()


def cluster(embeddings: NDArray[np.float32], clusters: int, seed: int) -> NDArray[np.int64]:
    """Cluster of each row [n] by k-means; the same for the same seed."""
    with threadpool_limits(1):  # over several threads, sums depend on which is done first
        labels = KMeans(clusters, n_init=1, random_state=seed).fit(embeddings).labels_
    return np.asarray(labels, np.int64)


def renumber(found: NDArray[np.int64], before: NDArray[np.int64], clusters: int) -> NDArray[np.int64]:
    """Give new clusters the numbers of old ones, so that as many photos as can be keep theirs (linear assignment).

    >>> renumber(np.array([0, 0, 1, 1, 2]), np.array([2, 2, 0, 1, 1]), 3).tolist()
    [2, 2, 0, 0, 1]

    Args:
        found: cluster of each photo [n], below `clusters`.
        before: the same of the clustering before.
        clusters: how many there may be.
    """
    shared = np.zeros((clusters, clusters), np.int64)
    np.add.at(shared, (found, before), 1)
    number: NDArray[np.int64] = linear_sum_assignment(shared, maximize=True)[1]
    return number[found]
