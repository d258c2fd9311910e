"""Sub-centre ArcFace in which non-landmark is no class but a threshold (ours)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from landmark.network.objectives.base import NON_LANDMARK
from landmark.network.objectives.dynamic_arcface import cosine_with_margin

FIRST_THRESHOLD = 0.3
"""Where the learned threshold starts [cosine]."""


class OpenArcFace(nn.Module):
    """Cross-entropy over the landmarks and "none of them", whose logit is a learned threshold and not a learned vector.

    With x of unit length and w_jk the k-th sub-centre of landmark j, the logits are s * t for "none" and
    s * max_k cos(x, w_jk) for landmark j, with an angle larger by the margin for the photo's own landmark (Deng et al., ECCV
    2020). A photo without a landmark is pushed away from every landmark and drawn to nothing: a class row of its own would
    gather there what has nothing in common, and with it the landmarks that training has not seen. It is also what
    recognition asks of the embedding: one threshold on the similarity to the nearest centroid.

    Args:
        classes: the landmarks and non-landmark.
        dim: length of an embedding.
        scale: s.
        margin: m [radians].
        subcenters: k a landmark.
    """

    def __init__(self, classes: int, dim: int, *, scale: float, margin: float, subcenters: int) -> None:
        super().__init__()
        self.classes, self.rows, self.scale, self.margin = classes, subcenters, scale, margin
        self.weight = nn.Parameter(nn.init.xavier_normal_(torch.empty(dim, (classes - 1) * subcenters)))
        self.threshold = nn.Parameter(torch.tensor(FIRST_THRESHOLD))

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Similarity to the nearest sub-centre of each landmark [n, classes - 1]."""
        cosine = embeddings @ F.normalize(self.weight.to(embeddings), dim=0)
        return cosine.reshape(len(cosine), self.classes - 1, self.rows).amax(2)

    def forward(self, embeddings: Tensor, targets: Tensor) -> Tensor:
        """Mean loss of unit embeddings [n, dim] with class indices [n]."""
        cosine = self.cosines(embeddings)
        margin = torch.full_like(targets, self.margin, dtype=cosine.dtype)
        own = F.one_hot(targets, self.classes)[:, 1:].bool()
        shifted = torch.where(own, cosine_with_margin(cosine, margin[:, None]), cosine)
        none = self.threshold.to(cosine).expand(len(cosine), 1)
        return F.cross_entropy(self.scale * torch.cat([none, shifted], dim=1), targets)

    @torch.no_grad()
    def predict(self, embeddings: Tensor) -> Tensor:
        """The class of each embedding [n, dim], int64 [n]: non-landmark where no similarity exceeds the threshold."""
        best, landmark = self.cosines(F.normalize(embeddings.float())).max(1)
        return torch.where(best > self.threshold, landmark + 1, torch.full_like(landmark, NON_LANDMARK))

    @torch.no_grad()
    def fill(self, previous: OpenArcFace | None, first_rows: dict[int, Tensor]) -> None:
        """Take over what an earlier, smaller head learned; sub-centres of new landmarks start at given vectors.

        Args:
            previous: the head before classes entered; its classes keep their indices.
            first_rows: class index -> unit vectors [v, dim] that its sub-centres start at (repeated in turn).
        """
        known = 1 if previous is None else previous.classes
        if previous is not None:
            self.weight[:, : previous.weight.shape[1]] = previous.weight
            self.threshold.copy_(previous.threshold)
        for index, vectors in first_rows.items():
            if index >= known and len(vectors):
                columns = slice((index - 1) * self.rows, index * self.rows)
                chosen = vectors[torch.arange(self.rows) % len(vectors)].to(self.weight)
                # Equal sub-centres would stay equal for ever: each gets a little of the random start.
                start = self.weight[:, columns]
                self.weight[:, columns] = chosen.T * start.norm(dim=0).mean() + 0.1 * start
