"""Where centres go at a refresh: the photos are embedded as they are, each landmark's are clustered."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from landmark.config import CentroidsConfig, TrainingConfig
from landmark.network.aspects import find_aspects, means_of
from landmark.network.augment import Pixels
from landmark.network.distributed import rank, world_size
from landmark.network.network import Network
from landmark.network.objectives import Centres


@torch.no_grad()
def embed_photos(
    network: Network, pixels: Pixels, rows: NDArray[np.int64], batch_size: int, device: torch.device
) -> NDArray[np.float32]:
    """Tuned embeddings of photos that are not augmented; each process embeds its share, all get all.

    Args:
        network: in eval mode.
        pixels: the decoded photos.
        rows: of `pixels` [n].
        batch_size: photos at a time.
        device: where the network is.

    Returns:
        unit vectors, float32 [n, dim].
    """
    embeddings = np.zeros((len(rows), network.dim), np.float32)
    mine = np.arange(len(rows))[rank() :: world_size()]
    parts = []
    for start in range(0, len(mine), batch_size):
        batch = np.stack([pixels[int(rows[i])] for i in mine[start : start + batch_size]])
        images = torch.from_numpy(batch).to(device)
        parts.append(network.tuned(network.normalise(images)).cpu().numpy())
    for positions, vectors in _gather((mine, np.concatenate(parts) if parts else embeddings[:0])):
        embeddings[positions] = vectors
    return embeddings


def place_centres(
    centres: Centres,
    embeddings: NDArray[np.float32],
    targets: NDArray[np.int64],
    settings: TrainingConfig,
    centroids: CentroidsConfig,
) -> None:
    """Put the centres at the means of each landmark's clusters or, with `centres: one`, of all its photos.

    Args:
        centres: placed here.
        embeddings: unit vectors of landmark photos [n, dim].
        targets: class index of each, from 1 [n].
        settings: centres.
        centroids: how photos are clustered.
    """
    means: list[NDArray[np.float32]] = []
    classes: list[int] = []
    for index in np.unique(targets).tolist():
        own = embeddings[targets == index]
        one = settings.centres == "one"
        found = means_of(own, np.zeros(len(own), np.int64) if one else find_aspects(own, centroids))
        means.append(found)
        classes += [index] * len(found)
    centres.place(torch.from_numpy(np.concatenate(means)), torch.tensor(classes))


def _gather(mine: tuple[NDArray[np.int64], NDArray[np.float32]]) -> list[tuple[NDArray[np.int64], NDArray[np.float32]]]:
    if world_size() == 1:
        return [mine]
    everyone: list[Any] = [None] * world_size()
    torch.distributed.all_gather_object(everyone, mine)
    return everyone
