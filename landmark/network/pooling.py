"""Pooling: from a map of features to one vector a photo."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

EPS = 1e-6


def gem(features: Tensor, power: Tensor | float, eps: float = EPS) -> Tensor:
    """Generalised-mean pooling (GeM; Radenovic, Tolias and Chum, TPAMI 2019, arXiv 1711.02512, equation 3).

    `(mean over positions of max(x, eps) ** p) ** (1 / p)`: p = 1 is the mean, p to infinity the maximum.
    Computed in float32 whatever the input, since x ** p leaves float16's range.

    Args:
        features: activations `[n, c, h, w]`; what lies below `eps` counts as `eps`.
        power: exponent p, above 0.
        eps: lower bound of an activation, so that the gradient of the root stays finite.

    Returns:
        Pooled vectors `[n, c]`, float32.

    >>> gem(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 1.0).item()
    2.5
    >>> round(gem(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), 3.0).item(), 4)  # (100 / 4) ** (1 / 3)
    2.924
    """
    return features.float().clamp(min=eps).pow(power).mean(dim=(-2, -1)).pow(1.0 / power)


def unit(vectors: Tensor, eps: float = 1e-12) -> Tensor:
    """Scale rows to unit length in float32; a row shorter than `eps` stays (almost) zero instead of becoming NaN.

    Args:
        vectors: `[n, d]`.
        eps: smallest length that is divided by.

    Returns:
        Unit vectors `[n, d]`, float32.
    """
    return F.normalize(vectors.float(), dim=1, eps=eps)


class GeM(nn.Module):
    """GeM pooling with a learned exponent.

    Args:
        power: initial exponent p.
    """

    def __init__(self, power: float = 3.0) -> None:
        super().__init__()
        self.power = nn.Parameter(torch.tensor([power], dtype=torch.float32))

    def forward(self, features: Tensor) -> Tensor:
        """Pool `[n, c, h, w]` to `[n, c]`, float32."""
        return gem(features, self.power.float())

    def extra_repr(self) -> str:
        """The exponent as it stands now."""
        return f"power={self.power.item():.3f}"
