"""Classification losses: a photo is compared with learned vectors of the classes, over non-landmark and the landmarks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_metric_learning import losses as metric_losses
from pytorch_metric_learning.regularizers import SparseCentersRegularizer
from torch import Tensor, nn

from landmark.methods import Sampler
from landmark.network.objectives.base import Objective
from landmark.network.objectives.dynamic_arcface import DynamicArcFace
from landmark.network.objectives.open_arcface import OpenArcFace

SOFT_TRIPLE_GAMMA, SOFT_TRIPLE_TAU = 0.1, 0.2
"""Of Qian et al.: softness of the choice among a class's centres, weight of drawing them together."""


class ClassHead(nn.Module):
    """The classifier over non-landmark (row 0) and the landmarks, on unit embeddings; it grows when classes enter.

    The losses are those of pytorch-metric-learning: `softmax` is the normalised softmax (Zhai and Wu, 2019), `sphereface` the
    A-Softmax of Liu et al. (CVPR 2017), `cosface` Wang et al. (CVPR 2018), `arcface` Deng et al. (CVPR 2019),
    `subcenter_arcface` Deng et al. (ECCV 2020), `proxy_nca` Movshovitz-Attias et al. (ICCV 2017; the class itself stays in
    the denominator, as in Teh et al., ECCV 2020), `soft_triple` Qian et al. (ICCV 2019). `dynamic_arcface` is ours on top.

    Args:
        loss: one of these names.
        counts: photos of each class [classes].
        dim: length of an embedding.
        scale: inverse temperature.
        margin: in the loss's own unit, see `TrainingConfig`.
        subcenters: rows a class, where the loss has several.
    """

    def __init__(
        self, loss: str, counts: NDArray[np.int64], dim: int, *, scale: float, margin: float = 0.0, subcenters: int = 1
    ) -> None:
        super().__init__()
        self.classes = len(counts)
        self.rows = subcenters if loss in ("subcenter_arcface", "dynamic_arcface", "soft_triple") else 1
        options: dict[str, Any] = {"num_classes": self.classes, "embedding_size": dim}
        degrees = math.degrees(margin)
        if loss == "softmax":
            self.loss: nn.Module = metric_losses.NormalizedSoftmaxLoss(temperature=1 / scale, **options)
        elif loss == "sphereface":
            self.loss = metric_losses.SphereFaceLoss(margin=int(margin), scale=scale, **options)
        elif loss == "cosface":
            self.loss = metric_losses.CosFaceLoss(margin=margin, scale=scale, **options)
        elif loss == "arcface":
            self.loss = metric_losses.ArcFaceLoss(margin=degrees, scale=scale, **options)
        elif loss == "subcenter_arcface":
            self.loss = metric_losses.SubCenterArcFaceLoss(margin=degrees, scale=scale, sub_centers=self.rows, **options)
        elif loss == "dynamic_arcface":
            self.loss = DynamicArcFace(counts, embedding_size=dim, scale=scale, sub_centers=self.rows)
        elif loss == "proxy_nca":
            self.loss = metric_losses.ProxyNCALoss(softmax_scale=scale, **options)
        elif loss == "soft_triple":
            if self.rows > 1:
                options["weight_regularizer"] = SparseCentersRegularizer(self.classes, self.rows)
                options["weight_reg_weight"] = SOFT_TRIPLE_TAU
            self.loss = metric_losses.SoftTripleLoss(
                centers_per_class=self.rows, la=scale, gamma=SOFT_TRIPLE_GAMMA, margin=margin, **options
            )
        else:
            raise ValueError(f"no classification loss '{loss}'")

    @property
    def weight(self) -> Tensor:
        """The classifier's vectors [dim, classes * rows], the rows of a class side by side."""
        (weight,) = self.loss.parameters()
        return weight.T if isinstance(self.loss, metric_losses.ProxyNCALoss) else weight

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


class Classification(Objective):
    """A classification loss alone."""

    def __init__(self, head: ClassHead | OpenArcFace, sampler: Sampler) -> None:
        super().__init__(sampler)
        self.head = head

    def forward(self, embeddings: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
        """Mean loss of the batch."""
        loss: Tensor = self.head(embeddings, targets)
        return loss

    @torch.no_grad()
    def correct(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Share of the batch whose class is predicted right, a scalar."""
        return (self.head.predict(embeddings) == targets).float().mean()

    @torch.no_grad()
    def fill(self, previous: Objective | None, first_rows: dict[int, Tensor]) -> None:
        """As of `ClassHead`."""
        before: Any = previous.head if isinstance(previous, Classification) else None
        self.head.fill(before, first_rows)
