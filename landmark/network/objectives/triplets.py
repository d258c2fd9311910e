"""Objectives over the triplets of a batch: an anchor, a photo of its landmark, and one that is not."""

from __future__ import annotations

from typing import Any

import torch
from pytorch_metric_learning import losses as metric_losses
from pytorch_metric_learning import miners
from pytorch_metric_learning.distances import LpDistance
from pytorch_metric_learning.utils import loss_and_miner_utils as pml
from torch import Tensor
from torch.nn import functional as F

from landmark.methods import Miner, Sampler
from landmark.network.objectives.base import Objective, PairObjective
from landmark.network.objectives.class_head import ClassHead

FACENET_MARGIN = 0.2
Triplets = tuple[Tensor, Tensor, Tensor]


class TripletMiner:
    """Chooses triplets of a batch, as positions (anchors, positives, negatives).

    'random': for each anchor as many as its class has photos, drawn with replacement; 'semihard': all whose negative is
    farther than the positive, by less than the margin (Schroff et al., CVPR 2015); 'batch_hard': for each anchor the farthest
    positive and the nearest negative; 'batch_all': all (both Hermans et al. 2017, arXiv 1703.07737).

    Args:
        name: one of these.
        margin: of 'semihard' [squared Euclidean distance].
    """

    def __init__(self, name: Miner, margin: float) -> None:
        distance = LpDistance(power=2)
        self.name = name
        self.mine: Any = None
        if name == "semihard":
            self.mine = miners.TripletMarginMiner(margin=margin, type_of_triplets="semihard", distance=distance)
        elif name == "batch_hard":
            self.mine = miners.BatchHardMiner(distance=distance)

    def __call__(self, embeddings: Tensor, labels: Tensor) -> Triplets:
        """Triplets of unit embeddings [n, dim] with labels [n], each int64 [t]."""
        if self.mine is not None:
            found: Triplets = self.mine(embeddings.detach(), labels)
        elif self.name == "random":
            found = pml.get_random_triplet_indices(labels)
        else:
            found = pml.get_all_triplets_indices(labels)
        return found


class Triplet(PairObjective):
    """max(0, |a - p|^2 - |a - n|^2 + m), averaged over the triplets with a loss (FaceNet, Schroff et al., CVPR 2015).

    Args:
        margin: m [squared Euclidean distance].
        miner: which triplets.
    """

    def __init__(self, margin: float, miner: Miner, sampler: Sampler) -> None:
        super().__init__(sampler)
        self.miner = TripletMiner(miner, margin)
        self.rule = metric_losses.TripletMarginLoss(margin=margin, distance=LpDistance(power=2))

    def compare(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean over the triplets that have a loss."""
        loss: Tensor = self.rule(embeddings, labels, self.miner(embeddings, labels))
        return loss


class TripletRatio(PairObjective):
    """Triplet network with the ratio loss (Hoffer and Ailon 2015, arXiv 1412.6622).

    The softmax of the distances to positive and negative is to be (0, 1); its mean squared error is d_+^2 with
    d_+ = exp(s |a - p|) / (exp(s |a - p|) + exp(s |a - n|)).

    Args:
        scale: s; the paper's vectors have no fixed length, unit vectors need it in its place (ours).
        miner: which triplets; 'semihard' as with FaceNet's margin, as the ratio has none.
    """

    def __init__(self, scale: float, miner: Miner, sampler: Sampler) -> None:
        super().__init__(sampler)
        self.scale = scale
        self.miner = TripletMiner(miner, margin=FACENET_MARGIN)

    def compare(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean over the triplets."""
        anchors, positives, negatives = self.miner(embeddings, labels)
        if len(anchors) == 0:
            return embeddings.new_zeros(())
        near = F.pairwise_distance(embeddings[anchors], embeddings[positives])
        far = F.pairwise_distance(embeddings[anchors], embeddings[negatives])
        return torch.sigmoid(self.scale * (near - far)).square().mean()


class TripletSoftmax(Triplet):
    """Triplet loss and classification together, l_R + alpha * l_C (Zhang et al., CVPR 2016); l_C is the normalised softmax.

    Args:
        margin: of the triplets [squared Euclidean distance].
        miner: which triplets.
        head: the classifier; non-landmark has its row in it.
        weight: alpha.
    """

    def __init__(self, margin: float, miner: Miner, head: ClassHead, weight: float, sampler: Sampler) -> None:
        super().__init__(margin, miner, sampler)
        self.head, self.weight = head, weight

    def forward(self, embeddings: Tensor, targets: Tensor, rows: Tensor) -> Tensor:
        """Ranking loss plus alpha times the classification loss."""
        classification: Tensor = self.head(embeddings, targets)
        return super().forward(embeddings, targets, rows) + self.weight * classification

    @torch.no_grad()
    def correct(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Share of the batch whose class is predicted right, a scalar."""
        return (self.head.predict(embeddings) == targets).float().mean()

    @torch.no_grad()
    def fill(self, previous: Objective | None, first_rows: dict[int, Tensor]) -> None:
        """As of `ClassHead`."""
        self.head.fill(previous.head if isinstance(previous, TripletSoftmax) else None, first_rows)


class CentroidTriplet(PairObjective):
    """max(0, |a - c_p|^2 - |a - c_n|^2 + m) (Wieczorek et al., ICONIP 2021, arXiv 2104.13643, equation 2).

    c_p is the mean of the other photos of the anchor's landmark in the batch, c_n the nearest mean of another class. A
    non-landmark photo is a class, and so a mean, of its own.

    Args:
        margin: m [squared Euclidean distance].
    """

    def __init__(self, margin: float, sampler: Sampler) -> None:
        super().__init__(sampler)
        self.margin = margin

    def compare(self, embeddings: Tensor, labels: Tensor) -> Tensor:
        """Mean over the anchors that have a partner."""
        _, group = torch.unique(labels, return_inverse=True)
        members = F.one_hot(group).to(embeddings)
        count = members.sum(0)
        anchors = count[group] >= 2
        if not anchors.any() or len(count) < 2:
            return embeddings.new_zeros(())
        total = members.T @ embeddings
        others = (total[group] - embeddings)[anchors] / (count[group][anchors] - 1)[:, None]
        near = (embeddings[anchors] - others).square().sum(1)
        means = total / count[:, None]
        far = (embeddings[anchors].square().sum(1)[:, None] - 2 * embeddings[anchors] @ means.T) + means.square().sum(1)
        nearest = far.masked_fill(members[anchors].bool(), torch.inf).amin(1)
        return F.relu(near - nearest + self.margin).mean()
