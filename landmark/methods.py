"""The training losses by name: where each is from, its standard values, and which settings it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

LossName = Literal[
    "softmax",
    "sphereface",
    "cosface",
    "arcface",
    "subcenter_arcface",
    "dynamic_arcface",
    "open_arcface",
    "proxy_nca",
    "soft_triple",
    "contrastive",
    "pair_softmax",
    "triplet",
    "triplet_ratio",
    "triplet_softmax",
    "centroid_triplet",
    "npair",
    "ntxent",
    "margin",
    "divide_and_conquer",
]
Sampler = Literal["balanced", "per_class", "shuffled"]
Miner = Literal["random", "semihard", "batch_hard", "batch_all"]


@dataclass(frozen=True)
class Method:
    """A loss and its standard values; None means that the loss has no such setting.

    Attributes:
        paper: where the loss is from.
        classification: whether it compares a photo with learned vectors of the classes alone, and not with other photos.
        sampler: what `sampler: auto` means.
        scale: inverse temperature.
        margin: in the loss's own unit.
        largest_margin: what a margin may be at most; where the loss has one.
        miner: which triplets of a batch are taken.
        photos_per_class: of the sampler `per_class` [count].
    """

    paper: str
    classification: bool = False
    sampler: Sampler = "per_class"
    scale: float | None = None
    margin: float | None = None
    largest_margin: float = 2.0
    miner: Miner | None = None
    photos_per_class: int = 4


def _classifier(paper: str, scale: float, margin: float | None = None, largest_margin: float = 2.0) -> Method:
    return Method(paper, True, "balanced", scale, margin, largest_margin)


# Scale 24 and margin 0.2 of the classification losses are ours: chosen on unit vectors and some ten to some hundred classes.
# Other values are the papers' own, or the authors' code's; where a paper's vectors have no fixed length, the scale is ours.
METHODS: dict[LossName, Method] = {
    "softmax": _classifier("Zhai and Wu, BMVC 2019 (normalised softmax)", 24.0),
    "sphereface": _classifier("Liu et al., CVPR 2017 (A-Softmax)", 24.0, 4.0, 8.0),
    "cosface": _classifier("Wang et al., CVPR 2018", 24.0, 0.2, 1.6),
    "arcface": _classifier("Deng et al., CVPR 2019", 24.0, 0.2, 1.6),
    "subcenter_arcface": _classifier("Deng et al., ECCV 2020", 24.0, 0.2, 1.6),
    "dynamic_arcface": _classifier("Ha et al. 2020, arXiv 2010.05350", 24.0),
    "open_arcface": _classifier(
        "ours, on Deng et al., ECCV 2020: a learned threshold in place of a non-landmark class", 24.0, 0.2, 1.6
    ),
    "proxy_nca": _classifier("Movshovitz-Attias et al., ICCV 2017; scale of Teh et al., ECCV 2020", 9.0),
    "soft_triple": _classifier("Qian et al., ICCV 2019", 20.0, 0.01),
    "contrastive": Method("Hadsell et al., CVPR 2006; margin ours: unit vectors at random are 1.41 apart", margin=1.4),
    "pair_softmax": Method("Taigman et al., CVPR 2014 (siamese); scale and margin are learned", scale=10.0, margin=0.5),
    "triplet": Method("Schroff et al., CVPR 2015 (FaceNet)", margin=0.2, largest_margin=4.0, miner="semihard"),
    "triplet_ratio": Method("Hoffer and Ailon 2015, arXiv 1412.6622", scale=5.0, miner="random"),
    "triplet_softmax": Method(
        "Zhang et al., CVPR 2016 (triplet and softmax together)",
        scale=24.0,
        margin=0.2,
        largest_margin=4.0,
        miner="semihard",
    ),
    "centroid_triplet": Method("Wieczorek et al., ICONIP 2021, arXiv 2104.13643", margin=0.5, largest_margin=4.0),
    "npair": Method("Sohn, NIPS 2016", scale=24.0, photos_per_class=2),
    "ntxent": Method("Chen et al., ICML 2020 (SimCLR)", sampler="balanced", scale=10.0),
    "margin": Method("Wu et al., ICCV 2017", margin=0.2),
    "divide_and_conquer": Method("Sanakoyeu et al., CVPR 2019", margin=0.2),
}
