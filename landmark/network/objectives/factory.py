"""An objective by its name in the settings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from landmark.network.objectives.base import Objective
from landmark.network.objectives.class_head import ClassHead, Classification
from landmark.network.objectives.divide_and_conquer import DivideAndConquer
from landmark.network.objectives.margin import Margin
from landmark.network.objectives.open_arcface import OpenArcFace
from landmark.network.objectives.pairs import Contrastive, NPair, NTXent, PairSoftmax
from landmark.network.objectives.triplets import CentroidTriplet, Triplet, TripletRatio, TripletSoftmax
from landmark.training_config import TrainingConfig


def make_objective(settings: TrainingConfig, counts: NDArray[np.int64], dim: int) -> Objective:
    """The objective that `settings.loss` names; random starts are drawn from torch's generator.

    Args:
        settings: loss and what belongs to it.
        counts: photos of each class [classes]; class 0 is non-landmark.
        dim: length of an embedding.
    """
    method = settings.method
    name, sampler = settings.loss, method.sampler
    scale, margin, miner = method.scale or 1.0, method.margin or 0.0, method.miner or "batch_all"
    if name == "open_arcface":
        return Classification(
            OpenArcFace(len(counts), dim, scale=scale, margin=margin, subcenters=settings.subcenters), sampler
        )
    if method.classification:
        head = ClassHead(name, counts, dim, scale=scale, margin=margin, subcenters=settings.subcenters)
        return Classification(head, sampler)
    if name == "triplet_softmax":
        head = ClassHead("softmax", counts, dim, scale=scale)
        return TripletSoftmax(margin, miner, head, settings.classification_weight, sampler)
    if name == "contrastive":
        return Contrastive(margin, sampler)
    if name == "pair_softmax":
        return PairSoftmax(scale, margin, sampler)
    if name == "triplet":
        return Triplet(margin, miner, sampler)
    if name == "triplet_ratio":
        return TripletRatio(scale, miner, sampler)
    if name == "centroid_triplet":
        return CentroidTriplet(margin, sampler)
    if name == "npair":
        return NPair(scale, sampler)
    if name == "ntxent":
        return NTXent(scale, sampler)
    if name == "margin":
        return Margin(margin, sampler)
    return DivideAndConquer(margin, settings.learners, settings.recluster_every, sampler)
