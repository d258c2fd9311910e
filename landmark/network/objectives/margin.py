"""Margin loss with distance-weighted sampling (Wu et al., ICCV 2017)."""

from __future__ import annotations

from pytorch_metric_learning import losses as metric_losses
from pytorch_metric_learning import miners
from torch import Tensor

from landmark.methods import Sampler
from landmark.network.objectives.base import PairObjective

BETA = 1.2
"""Where the boundary between near and far starts, as in the paper [Euclidean distance]."""


class Margin(PairObjective):
    """max(0, m + d - beta) of positive pairs, max(0, m - d + beta) of negative ones, beta learned (one for all classes).

    Negatives are drawn with a weight inverse to how often their distance occurs on a sphere of this dimension.

    Args:
        margin: m [Euclidean distance].
    """

    def __init__(self, margin: float, sampler: Sampler) -> None:
        super().__init__(sampler)
        self.miner = miners.DistanceWeightedMiner()
        self.rule = metric_losses.MarginLoss(margin=margin, beta=BETA, learn_beta=True)

    def compare(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Sum over the pairs divided by the number of those that have a loss."""
        loss: Tensor = self.rule(embeddings, labels, self.miner(embeddings.detach(), labels))
        return loss
