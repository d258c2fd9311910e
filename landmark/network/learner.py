"""What is trained, and how its parameters are stepped."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from landmark.config import TrainingConfig
from landmark.network.network import Network
from landmark.network.objectives import Centres, Objective


class Learner(nn.Module):
    """What is trained: the tuned part of the network, the objective with what it learns (a classifier, e.g.), the centres."""

    def __init__(self, network: Network, head: Objective, centres: Centres) -> None:
        super().__init__()
        self.network, self.head, self.centres = network, head, centres

    def forward(self, images: Tensor, targets: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Embeddings [n, dim], the objective's loss and the centre loss of a batch.

        Args:
            images: uint8 [n, h, w, 3].
            targets: class indices [n].
            rows: position of each photo among the stage's photos [n].
        """
        embeddings = self.network.tuned(self.network.normalise(images))
        # Angles and logarithms of half-precision numbers lose what the margin needs.
        with torch.autocast(images.device.type, enabled=False):
            embeddings = embeddings.float()
            return embeddings, self.head(embeddings, targets, rows), self.centres(embeddings, targets)

    def changing_state(self) -> dict[str, Tensor]:
        """Parameters, buffers and the objective's own state, without the frozen pretrained copy, which never changes."""
        return {name: value for name, value in self.state_dict().items() if not name.startswith("network.anchor.")}


def make_optimizer(learner: Learner, learning_rate: float, settings: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW over what is not frozen; each group keeps its peak rate under `peak`.

    Neck, pooling, objective and centres are new and take `head_rate` times the backbone's rate; biases and norms are not
    decayed.

    Args:
        learner: its parameters that require a gradient are stepped.
        learning_rate: peak rate of the backbone.
        settings: head_rate, weight_decay.
    """
    backbone = {id(parameter) for parameter in learner.network.backbone.parameters()}
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for parameter in learner.parameters():
        if parameter.requires_grad:
            groups.setdefault((id(parameter) in backbone, parameter.dim() > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "peak": learning_rate * (1.0 if in_backbone else settings.head_rate),
                "weight_decay": settings.weight_decay if matrix else 0.0,
            }
            for (in_backbone, matrix), parameters in sorted(groups.items(), reverse=True)
        ],
        lr=learning_rate,
    )


def rate_factor(step: int, steps: int, epochs: int, warmup: float, schedule: str) -> float:
    """Share of the peak learning rate at a step of a stage.

    'steps' divides by 10 at 40 % and again at 80 % of the epochs (Boiarov and Tyantov 2019); 'cosine' falls to zero (Loshchilov
    and Hutter 2017). Both rise linearly over the first `warmup` of the steps.

    >>> [rate_factor(step, 10, 10, 0.0, "steps") for step in (0, 3, 4, 8)]
    [1.0, 1.0, 0.1, 0.01]
    """
    rising = warmup * steps
    if step < rising:
        return (step + 1) / (rising + 1)
    if schedule == "steps":
        epoch = step * epochs // steps
        return 10.0 ** -((epoch >= 0.4 * epochs) + (epoch >= 0.8 * epochs))
    return 0.5 * (1 + math.cos(math.pi * (step - rising) / max(1.0, steps - rising)))
