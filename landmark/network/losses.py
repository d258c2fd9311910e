"""What training minimises: a classification loss over all classes, and a pull to the nearest centroid of the class.

The total is that of Boiarov and Tyantov (2019): L = L_class + (lambda / 2) * mean of ||x - c||^2, where the sum runs over the
landmark photos alone. The non-landmark class has a row in the classifier but no centre: nothing should gather there.
Unlike theirs a class has several centres, and a photo is pulled to the nearest.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from pytorch_metric_learning import losses as metric_losses
from torch import Tensor, nn

from landmark.config import TrainingConfig

NON_LANDMARK = 0
"""Row of the non-landmark class: always there, so that rows keep their place when landmarks enter."""


class ClassHead(nn.Module):
    """The classifier over non-landmark (row 0) and the landmarks, on unit embeddings; it grows when classes enter.

    The losses are those of pytorch-metric-learning: `softmax` is the normalised softmax (Zhai and Wu, 2019),
    `cosface` Wang et al. (CVPR 2018), `arcface` Deng et al. (CVPR 2019), `subcenter_arcface` Deng et al. (ECCV 2020).
    """

    def __init__(self, classes: int, dim: int, settings: TrainingConfig) -> None:
        super().__init__()
        self.classes = classes
        self.rows = settings.subcenters if settings.loss == "subcenter_arcface" else 1
        options: dict[str, Any] = {"num_classes": classes, "embedding_size": dim}
        if settings.loss == "softmax":
            self.loss: nn.Module = metric_losses.NormalizedSoftmaxLoss(temperature=1 / settings.scale, **options)
        elif settings.loss == "cosface":
            self.loss = metric_losses.CosFaceLoss(margin=settings.margin, scale=settings.scale, **options)
        elif settings.loss == "arcface":
            self.loss = metric_losses.ArcFaceLoss(margin=math.degrees(settings.margin), scale=settings.scale, **options)
        else:
            self.loss = metric_losses.SubCenterArcFaceLoss(
                margin=math.degrees(settings.margin), scale=settings.scale, sub_centers=self.rows, **options
            )

    @property
    def weight(self) -> Tensor:
        """The classifier's vectors [dim, classes * rows], the rows of a class side by side."""
        weight = self.loss.W
        assert isinstance(weight, Tensor)
        return weight

    def forward(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of unit embeddings [n, dim] with class indices [n]."""
        loss: Tensor = self.loss(embeddings, targets)
        return loss

    @torch.no_grad()
    def predict(self, embeddings: Tensor) -> Tensor:
        """The class of each embedding [n, dim]: the one with the nearest row, int64 [n]."""
        cosine = nn.functional.normalize(embeddings.float()) @ nn.functional.normalize(self.weight.float(), dim=0)
        return cosine.reshape(len(cosine), self.classes, self.rows).amax(2).argmax(1)

    @torch.no_grad()
    def fill(self, previous: ClassHead | None, first_rows: dict[int, Tensor]) -> None:
        """Take over what an earlier, smaller head learned; new classes start at given vectors.

        Starting at the class's own mean embeddings is weight imprinting (Qi et al., CVPR 2018).

        Args:
            previous: the head before classes entered; its classes keep their indices.
            first_rows: class index -> unit vectors [v, dim] that its rows start at (repeated in turn).
        """
        known = 0 if previous is None else previous.classes
        if previous is not None:
            self.weight[:, : known * self.rows] = previous.weight
        for index, vectors in first_rows.items():
            if index >= known and len(vectors):
                scale = self.weight[:, : self.rows].norm(dim=0).mean()
                chosen = vectors[torch.arange(self.rows) % len(vectors)].to(self.weight)
                # Equal rows would stay equal for ever: each gets a little of the random start.
                noise = self.weight[:, index * self.rows : (index + 1) * self.rows]
                rows = chosen.T * scale + 0.1 * noise
                self.weight[:, index * self.rows : (index + 1) * self.rows] = rows


class Centres(nn.Module):
    """The centroids that training knows: several a landmark, none for the non-landmark class.

    They are no parameters: the optimiser never steps them. Between refreshes they move by the rule of Wen et al. (ECCV 2016).

    Attributes:
        vectors: unit vectors [c, dim].
        classes: class index of each [c].
    """

    vectors: Tensor
    classes: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(0, dim))
        self.register_buffer("classes", torch.zeros(0, dtype=torch.int64))

    def place(self, vectors: Tensor, classes: Tensor) -> None:
        """Put the centres at given unit vectors [c, dim] of given classes [c] (a refresh)."""
        if (classes == NON_LANDMARK).any():
            raise ValueError("the non-landmark class has no centre")
        self.vectors = vectors.to(self.vectors)
        self.classes = classes.to(self.classes)

    def nearest(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Index of the nearest centre of each photo's own class, int64 [n]; -1 where the class has none."""
        if len(self.vectors) == 0:
            return torch.full_like(targets, -1)
        similarity = embeddings.detach().float() @ self.vectors.T
        own = targets[:, None] == self.classes[None, :]
        best = similarity.masked_fill(~own, -math.inf).argmax(1)
        return torch.where(own.any(1), best, -torch.ones_like(best))

    def forward(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """(1/2n) * sum of ||x - nearest centre||^2 over the photos whose class has centres; n counts the whole batch."""
        nearest = self.nearest(embeddings, targets)
        pulled = nearest >= 0
        if not pulled.any():
            return embeddings.sum() * 0.0
        distance = (embeddings.float()[pulled] - self.vectors[nearest[pulled]]).square().sum(1)
        return 0.5 * distance.sum() / len(targets)

    @torch.no_grad()
    def move(self, embeddings: Tensor, targets: Tensor, rate: float) -> None:
        """Wen's rule: c_j -= rate * sum_i [i nearest to j](c_j - x_i) / (1 + count_j), then back to unit length (ours).

        Args:
            embeddings: unit vectors [n, dim] of the whole batch, over all processes.
            targets: class indices [n].
            rate: alpha.
        """
        nearest = self.nearest(embeddings, targets)
        pulled = nearest >= 0
        if not pulled.any():
            return
        count = torch.zeros(len(self.vectors), device=self.vectors.device)
        count.index_add_(0, nearest[pulled], torch.ones(int(pulled.sum()), device=count.device))
        total = torch.zeros_like(self.vectors)
        total.index_add_(0, nearest[pulled], embeddings.detach()[pulled].to(total))
        delta = (count[:, None] * self.vectors - total) / (1 + count[:, None])
        self.vectors = nn.functional.normalize(self.vectors - rate * delta)
