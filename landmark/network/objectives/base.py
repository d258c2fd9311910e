"""What every objective can do, and what those have in common that compare the photos of a batch with each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from landmark.methods import Sampler

NON_LANDMARK = 0
"""Class index of the photos without a landmark: always there, so that classes keep their index when landmarks enter."""

Embed = Callable[[], NDArray[np.float32]]


class Objective(nn.Module):
    """What training minimises, as a function of a batch of unit embeddings.

    Attributes:
        views: augmented views of each photo in a batch; with 2 the batch is [first view of all; second view of all].
        sampler: what `sampler: auto` means for it.
    """

    views = 1

    def __init__(self, sampler: Sampler) -> None:
        super().__init__()
        self.sampler = sampler

    @property
    def clusters(self) -> NDArray[np.int64] | None:
        """Cluster of each of the stage's photos [n] where a batch must come from one cluster, else None."""
        return None

    def forward(self, embeddings: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
        """The loss of a batch, a scalar with a gradient.

        Args:
            embeddings: unit vectors [n, dim], float32 or float64.
            targets: class indices, int64 [n]; 0 is non-landmark.
            rows: position of each photo among the stage's photos, int64 [n].
        """
        raise NotImplementedError

    @torch.no_grad()
    def correct(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Share of the batch whose nearest neighbour in it is of the same class, a scalar."""
        if len(embeddings) < 2:
            return embeddings.new_zeros(())
        similarity = embeddings.float() @ embeddings.float().T
        similarity.fill_diagonal_(-torch.inf)
        return (targets[similarity.argmax(1)] == targets).float().mean()

    @torch.no_grad()
    def fill(self, previous: Objective | None, first_rows: dict[int, Tensor]) -> None:
        """Take over what an earlier stage learned; here all that does not depend on the classes.

        Args:
            previous: the objective of the stage before; its classes keep their indices.
            first_rows: class index -> unit vectors [v, dim] that a classifier's rows for a new class start at.
        """
        if previous is not None:
            for mine, before in zip(self.parameters(), previous.parameters(), strict=True):
                mine.copy_(before)

    def begin_epoch(self, epoch: int, epochs: int, embed: Embed) -> None:
        """Called before each epoch of a stage, and again when training goes on at it after it was interrupted.

        Args:
            epoch: from 0.
            epochs: of the stage.
            embed: gives the embeddings of the stage's photos as they are, float32 [n, dim].
        """


class PairObjective(Objective):
    """An objective over pairs or triplets of a batch; over several processes, each compares its own photos.

    A non-landmark photo is a negative to every landmark and has no positive: nothing should gather there.
    """

    def compare(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """The loss of unit embeddings [n, dim] whose photos belong together where the labels [n] are equal."""
        raise NotImplementedError

    def forward(self, embeddings: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
        """The loss of a batch; zero where it holds nothing to compare."""
        if not torch.isfinite(embeddings).all():
            return embeddings.sum()  # what has exploded is for the trainer to report: miners fail on it in their own words
        return connected(self.compare(embeddings, own_classes(targets)), embeddings, self)


def own_classes(targets: Tensor) -> Tensor:
    """Labels for pairs: landmarks keep their class index, each non-landmark photo is a class of its own (negative).

    >>> own_classes(torch.tensor([2, 0, 1, 0])).tolist()
    [2, -2, 1, -4]
    """
    alone = -1 - torch.arange(len(targets), device=targets.device)
    return torch.where(targets == NON_LANDMARK, alone, targets)


def connected(loss: Tensor, embeddings: Tensor, module: nn.Module) -> Tensor:
    """The same loss with a gradient, if only zero, for all that is trained: data-parallel training waits for every one."""
    return loss + 0.0 * sum((parameter.sum() for parameter in module.parameters()), embeddings.sum())
