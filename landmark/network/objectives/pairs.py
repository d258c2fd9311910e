"""Objectives over the pairs of a batch."""

from __future__ import annotations

import math

import torch
from pytorch_metric_learning import losses as metric_losses
from pytorch_metric_learning.utils import loss_and_miner_utils as pml
from torch import Tensor, nn
from torch.nn import functional as F

from landmark.methods import Sampler
from landmark.network.objectives.base import PairObjective, connected


class _SquaredHinge(metric_losses.ContrastiveLoss):  # type: ignore[misc]
    """That of pytorch-metric-learning with the squares, and the halves, of the paper."""

    def get_per_pair_loss(self, distances: Tensor, kind: str) -> Tensor:
        hinge: Tensor = super().get_per_pair_loss(distances, kind)
        return 0.5 * hinge.square()


class Contrastive(PairObjective):
    """Siamese contrastive loss (Hadsell et al., CVPR 2006, equation 4), on unit vectors.

    (1/2) d^2 of two photos of a landmark, (1/2) max(0, m - d)^2 of two that do not belong together; each kind is averaged
    over its pairs with a loss, so that the many pairs of the second kind do not drown the first.

    Args:
        margin: m [Euclidean distance].
    """

    def __init__(self, margin: float, sampler: Sampler) -> None:
        super().__init__(sampler)
        self.rule = _SquaredHinge(neg_margin=margin)

    def compare(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean over positive pairs plus mean over negative pairs."""
        first, second, left, right = pml.get_all_pairs_indices(labels)
        kept = (labels[left] > 0) | (labels[right] > 0)
        loss: Tensor = self.rule(embeddings, labels, (first, second, left[kept], right[kept]))
        return loss


class PairSoftmax(PairObjective):
    """Siamese network with a softmax over 'same' and 'different' of a pair's similarity (Taigman et al., CVPR 2014).

    The logit of 'same' is s * (cosine - m), that of 'different' is 0; s and m are learned. Both kinds weigh alike.

    Args:
        scale: s at the start.
        margin: m at the start: the similarity at which both are equally likely [cosine].
    """

    def __init__(self, scale: float, margin: float, sampler: Sampler) -> None:
        super().__init__(sampler)
        self.log_scale = nn.Parameter(torch.tensor(math.log(scale)))
        self.cut = nn.Parameter(torch.tensor(margin))

    def compare(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy of the positive and of the negative pairs, averaged."""
        left, right = torch.triu_indices(len(labels), len(labels), 1, device=labels.device)
        kept = (labels[left] > 0) | (labels[right] > 0)
        left, right = left[kept], right[kept]
        logit = self.log_scale.exp() * ((embeddings @ embeddings.T)[left, right] - self.cut)
        same = labels[left] == labels[right]
        parts = [F.softplus(-logit[same]), F.softplus(logit[~same])]
        return 0.5 * sum((part.mean() for part in parts if len(part)), logit.new_zeros(()))


class NPair(PairObjective):
    """Multi-class N-pair loss (Sohn, NIPS 2016): one positive pair a landmark, the other landmarks' positives are negatives.

    As in pytorch-metric-learning, with unit vectors and a scale in place of the paper's penalty on their length, and with the
    photos that have no partner in the batch (non-landmarks among them) as further negatives.

    Args:
        scale: inverse temperature.
    """

    def __init__(self, scale: float, sampler: Sampler) -> None:
        super().__init__(sampler)
        self.scale = scale

    def compare(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean cross-entropy over the pairs."""
        anchors, positives = pml.convert_to_pos_pairs_with_unique_labels(None, labels)
        if len(anchors) == 0:
            return embeddings.new_zeros(())
        alone = ~torch.isin(labels, labels[anchors])
        candidates = torch.cat([embeddings[positives], embeddings[alone]])
        logits = self.scale * embeddings[anchors] @ candidates.T
        return F.cross_entropy(logits, torch.arange(len(anchors), device=logits.device))


class NTXent(PairObjective):
    """NT-Xent over two views of each photo (SimCLR, Chen et al., ICML 2020): no label is used but which photo it is.

    With one positive a view, SupConLoss of pytorch-metric-learning is the same formula, in memory that grows with the square
    of the batch and not with its cube, as that of its NTXentLoss.

    Args:
        scale: inverse temperature.
    """

    views = 2

    def __init__(self, scale: float, sampler: Sampler) -> None:
        super().__init__(sampler)
        self.rule = metric_losses.SupConLoss(temperature=1 / scale)

    def forward(self, embeddings: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
        """Mean over the views; a photo that was drawn twice is one photo in four views."""
        loss: Tensor = self.rule(embeddings, rows)
        return connected(loss, embeddings, self)
