"""The pull to the nearest centroid of the class, beside whatever else training minimises.

The total is that of Boiarov and Tyantov (2019): L = L_class + (lambda / 2) * mean of ||x - c||^2, where the sum runs over the
landmark photos alone. The non-landmark class may have a row in a classifier but has no centre: nothing should gather there.
Unlike theirs a class can have several centres, and a photo is pulled to the nearest.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from landmark.network.objectives.base import NON_LANDMARK
from landmark.training_config import TrainingConfig


class Centres(nn.Module):
    """The centroids that training knows: one or several a landmark, none for the non-landmark class.

    'refreshed' centres are no parameters: the optimiser never steps them. Between refreshes they move by the rule of Wen et
    al. (ECCV 2016). 'learned' ones are parameters, and stay on the unit sphere by being normalised where they are used.

    Args:
        dim: length of an embedding.
        settings: centre_update.

    Attributes:
        vectors: unit vectors [c, dim] (learned ones: of any length).
        classes: class index of each [c].
    """

    vectors: Tensor
    classes: Tensor

    def __init__(self, dim: int, settings: TrainingConfig) -> None:
        super().__init__()
        self.learned = settings.centre_update == "learned"
        if self.learned:
            self.vectors = nn.Parameter(torch.zeros(0, dim))
        else:
            self.register_buffer("vectors", torch.zeros(0, dim))
        self.register_buffer("classes", torch.zeros(0, dtype=torch.int64))

    def place(self, vectors: Tensor, classes: Tensor) -> None:
        """Put the centres at given vectors [c, dim] of given classes [c]; learned ones before the optimiser is made."""
        if (classes == NON_LANDMARK).any():
            raise ValueError("the non-landmark class has no centre")
        placed = vectors.detach().to(self.vectors.device, self.vectors.dtype)
        self.vectors = nn.Parameter(placed.clone()) if self.learned else placed
        self.classes = classes.to(self.classes)

    def units(self) -> Tensor:
        """The centres as unit vectors [c, dim]; with a gradient where they are learned."""
        return nn.functional.normalize(self.vectors) if self.learned else self.vectors

    def nearest(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Index of the nearest centre of each photo's own class, int64 [n]; -1 where the class has none."""
        if len(self.vectors) == 0:
            return torch.full_like(targets, -1)
        similarity = embeddings.detach().float() @ self.units().detach().T
        own = targets[:, None] == self.classes[None, :]
        best = similarity.masked_fill(~own, -math.inf).argmax(1)
        return torch.where(own.any(1), best, -torch.ones_like(best))

    def forward(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """(1/2n) * sum of ||x - nearest centre||^2 over the photos whose class has centres; n counts the whole batch."""
        nearest = self.nearest(embeddings, targets)
        pulled = nearest >= 0
        if not pulled.any():
            return embeddings.sum() * 0.0 + (self.vectors.sum() * 0.0 if self.learned else 0.0)
        distance = (embeddings.float()[pulled] - self.units()[nearest[pulled]]).square().sum(1)
        return 0.5 * distance.sum() / len(targets)

    @torch.no_grad()
    def move(self, embeddings: Tensor, targets: Tensor, rate: float) -> None:
        """Wen's rule: c_j -= rate * sum_i [i nearest to j](c_j - x_i) / (1 + count_j), then back to unit length (ours).

        Learned centres are left to the optimiser.

        Args:
            embeddings: unit vectors [n, dim] of the whole batch, over all processes.
            targets: class indices [n].
            rate: alpha.
        """
        nearest = self.nearest(embeddings, targets)
        pulled = nearest >= 0
        if self.learned or not pulled.any():
            return
        count = torch.zeros(len(self.vectors), device=self.vectors.device)
        count.index_add_(0, nearest[pulled], torch.ones(int(pulled.sum()), device=count.device))
        total = torch.zeros_like(self.vectors)
        total.index_add_(0, nearest[pulled], embeddings.detach()[pulled].to(total))
        delta = (count[:, None] * self.vectors - total) / (1 + count[:, None])
        self.vectors = nn.functional.normalize(self.vectors - rate * delta)
