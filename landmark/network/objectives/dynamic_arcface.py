"""Sub-centre ArcFace with a margin for each class: the fewer its photos, the larger (Ha et al. 2020, arXiv 2010.05350)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_metric_learning import losses as metric_losses
from torch import Tensor

from landmark.network.objectives.base import NON_LANDMARK

SMALLEST, LARGEST = 0.05, 0.50
"""Margins of the largest and of the smallest class [radians]."""


def class_margins(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Margin of each class, n^(-1/4) of its photos brought to 0.05..0.50, as the authors' code has it.

    The non-landmark class has the smallest margin, whatever its size: nothing should gather there (ours). Landmarks that
    are all of one size get the middle.

    >>> class_margins(np.array([9999, 1, 16, 256])).round(4).tolist()
    [0.05, 0.5, 0.2, 0.05]

    Args:
        counts: photos of each class [classes]; class 0 is non-landmark.

    Returns:
        [classes], radians.
    """
    shrunk = np.maximum(counts, 1) ** -0.25
    least, most = shrunk[1:].min(), shrunk[1:].max()
    share = (shrunk - least) / (most - least) if most > least else np.full(len(counts), 0.5)
    margins = SMALLEST + (LARGEST - SMALLEST) * share
    margins[NON_LANDMARK] = SMALLEST
    return np.asarray(margins, np.float64)


class DynamicArcFace(metric_losses.SubCenterArcFaceLoss):  # type: ignore[misc]
    """Sub-centre ArcFace of pytorch-metric-learning with a margin of its own for each class.

    Args:
        counts: photos of each class [classes].
        options: as of `SubCenterArcFaceLoss`.
    """

    margins: Tensor

    def __init__(self, counts: NDArray[np.int64], **options: Any) -> None:
        super().__init__(num_classes=len(counts), **options)
        self.register_buffer("margins", torch.from_numpy(class_margins(counts)), persistent=False)

    def compute_loss(self, embeddings: Tensor, labels: Tensor, *rest: Any) -> Any:
        """As of pytorch-metric-learning, with the margins of this batch's classes."""
        self.margin = self.margins[labels].to(embeddings)
        return super().compute_loss(embeddings, labels, *rest)

    def modify_cosine_of_target_classes(self, cosine: Tensor) -> Tensor:
        """`cosine_with_margin` of each photo's own class [n]."""
        return cosine_with_margin(cosine, self.margin)


def cosine_with_margin(cosine: Tensor, margin: Tensor) -> Tensor:
    """cos(theta + m) of cos(theta); past the angle where that would rise again, a line that falls on (Deng et al., 2019).

    >>> [round(value, 4) for value in cosine_with_margin(torch.tensor([0.5, -0.9]), torch.tensor([0.2, 0.5])).tolist()]
    [0.318, -1.1397]
    """
    angle = torch.acos(cosine.clamp(-1 + 1e-7, 1 - 1e-7))  # within: the slope of acos is infinite at its ends
    return torch.where(angle <= math.pi - margin, torch.cos(angle + margin), cosine - margin * torch.sin(margin))
