"""What the trained part of a network is fed: the outputs of its frozen part, computed once for all rows."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.comparison.settings import LossesConfig, TierConfig
from landmark.cache import locked
from landmark.config import TrainingConfig
from landmark.errors import LandmarkError
from landmark.network.augment import Pixels, augmentation
from landmark.network.backbone import feature_map
from landmark.network.network import Network
from landmark.photos.catalog import Catalog
from landmark.storage import atomic_file, sha256_file

_BATCH = 64
Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Inputs:
    """The photos of a catalog as the trained part of the network sees them.

    Attributes:
        table: the catalog's table, in the order of the photos' sha256 [n].
        landmarks: the catalog's table of landmarks.
        clean: of each photo as it is, float16 [n, ...].
        views: of augmented views of the training photos, float16 [t, views, ...].
        view_row: row of each training photo in `views`; -1 for photos of other splits [n].
        pretrained: the frozen network's own embedding, unit vectors [n, channels].
    """

    table: pd.DataFrame
    landmarks: pd.DataFrame
    clean: NDArray[np.float16]
    views: NDArray[np.float16]
    view_row: NDArray[np.int64]
    pretrained: Array


class Tail(nn.Module):
    """The part of a network that is trained, with the names that `make_optimizer` and `Learner` know a network's parts by."""

    def __init__(self, network: Network, frozen_stages: int | None) -> None:
        super().__init__()
        self.is_neck = frozen_stages is None
        self.backbone: nn.Module = nn.Identity()
        self.pool: nn.Module = nn.Identity()
        if frozen_stages is not None:
            self.backbone = network.backbone
            _cut(self.backbone, network.stages()[:frozen_stages])
            self.pool = network.pool
        self.neck, self.dim = network.neck, network.dim
        self._still = False

    def freeze(self, still: bool) -> None:
        """Keep the backbone's part as it is (a warm-up of the neck), or let it train."""
        self._still = still
        self.backbone.requires_grad_(not still)
        self.train(self.training)

    def train(self, mode: bool = True) -> Tail:
        """Set training mode; batch norms of a still backbone do not move."""
        super().train(mode)
        if self._still:
            self.backbone.eval()
        return self

    def tuned(self, inputs: Tensor) -> Tensor:
        """Unit vectors [n, dim] of inputs [n, ...]."""
        features = inputs if self.is_neck else self.pool(feature_map(self.backbone, inputs))
        return nn.functional.normalize(self.neck(features).float())


def make_inputs(config: LossesConfig, tier: TierConfig, catalog: Catalog, folder: Path) -> Inputs:
    """Run the frozen part over all photos and over the views of the training photos, or take what an earlier run kept."""
    table = catalog.table.sort_values("sha256", ignore_index=True)
    training = np.flatnonzero(table["split"] == "train")
    settings = (
        config.network.model_dump_json(exclude={"keep_pretrained"})
        + f"{tier.frozen_stages} {tier.views} {config.training.get('crop_scale')}"
    )
    digest = hashlib.sha256("".join([settings, weights_digest(config), *table["sha256"], *table["split"]]).encode()).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    files = {name: folder / f"{name}-{digest[:16]}.npy" for name in ("clean", "views", "pretrained")}
    with locked(folder / "inputs.lock", wait=f"{folder}: another process computes the inputs; waiting for it"):
        if not all(file.exists() for file in files.values()):
            _compute(config, tier, table["photo"].tolist(), digest, training, files, folder)
    arrays = {name: np.load(file, mmap_mode="r") for name, file in files.items()}
    view_row = np.full(len(table), -1, np.int64)
    view_row[training] = np.arange(len(training))
    return Inputs(table, catalog.landmarks, arrays["clean"], arrays["views"], view_row, np.array(arrays["pretrained"]))


def weights_digest(config: LossesConfig) -> str:
    """What is in the file of pretrained weights, where that is one: its name does not say."""
    source = config.network.pretrained
    return "" if source in ("package", "hub", "none") else sha256_file(source)


def make_tail(config: LossesConfig, tier: TierConfig, seed: int) -> Tail:
    """The trained part as training starts from it."""
    return Tail(_network(config, seed), tier.frozen_stages)


def _network(config: LossesConfig, seed: int) -> Network:
    return Network.build(config.network.model_copy(update={"keep_pretrained": 0.0}), seed)


@torch.inference_mode()
def _compute(
    config: LossesConfig, tier: TierConfig, photos: list[str], digest: str, training: NDArray[np.int64],
    files: dict[str, Path], folder: Path,
) -> None:  # fmt: skip
    size, mode = config.network.image_size, config.network.resize
    pixels = Pixels(photos, digest, size, mode, folder, limit=1 << 40)
    pixels.prepare()
    network = _network(config, 0)
    head = _Front(network, tier.frozen_stages)
    anchor = Network.frozen_baseline(config.network)
    shape = head(network.normalise(torch.from_numpy(pixels[0])[None])).shape[1:]
    values = {key: config.training[key] for key in ("crop_scale",) if key in config.training}
    transform = augmentation(size, TrainingConfig.model_validate({**values, "stages": [{"name": "views"}]}))
    with (
        atomic_file(files["clean"]) as clean_file,
        atomic_file(files["views"]) as views_file,
        atomic_file(files["pretrained"]) as pretrained_file,
    ):
        clean = np.lib.format.open_memmap(clean_file, "w+", np.float16, (len(photos), *shape))
        views = np.lib.format.open_memmap(views_file, "w+", np.float16, (len(training), tier.views, *shape))
        pretrained = np.lib.format.open_memmap(pretrained_file, "w+", np.float32, (len(photos), anchor.embedding_dim))
        for start in range(0, len(photos), _BATCH):
            batch = torch.from_numpy(np.stack([pixels[row] for row in range(start, min(start + _BATCH, len(photos)))]))
            images = network.normalise(batch)
            clean[start : start + _BATCH] = _half(head(images))
            pretrained[start : start + _BATCH] = anchor(images).numpy()
        for view in range(tier.views):
            for start in range(0, len(training), _BATCH):
                chosen = training[start : start + _BATCH]
                torch.manual_seed(view * 1_000_003 + start)
                batch = torch.stack([transform(torch.from_numpy(pixels[int(row)]).permute(2, 0, 1)) for row in chosen])
                views[start : start + _BATCH, view] = _half(head(network.normalise(batch.permute(0, 2, 3, 1))))
        for array in (clean, views, pretrained):
            array.flush()
    pixels.remove()


def _half(values: Tensor) -> NDArray[np.float16]:
    """As float16; activations beyond its range would become infinite."""
    found: NDArray[np.float16] = values.numpy().astype(np.float16)
    if not np.isfinite(found).all():
        raise LandmarkError("comparison: activations of the frozen part do not fit float16; freeze another number of stages")
    return found


class _Front(nn.Module):
    """The frozen part: the first stages, or (None) the whole backbone with its pooling."""

    def __init__(self, network: Network, frozen_stages: int | None) -> None:
        super().__init__()
        self.network, self.frozen_stages = network, frozen_stages
        self.caught: list[Tensor] = []
        if frozen_stages is not None:
            last = network.stages()[frozen_stages - 1][-1]
            last.register_forward_hook(lambda _module, _inputs, output: self.caught.append(output))

    def forward(self, images: Tensor) -> Tensor:
        features = feature_map(self.network.backbone, images)
        return self.network.pool(features) if self.frozen_stages is None else self.caught.pop()


def _cut(backbone: nn.Module, stages: list[list[nn.Module]]) -> None:
    """Let the first stages hand on what they are given: their outputs are the inputs now (stages that follow one another)."""
    paths = {id(module): path for path, module in backbone.named_modules()}
    for module in (module for stage in stages for module in stage):
        parent, _, name = paths[id(module)].rpartition(".")
        setattr(backbone.get_submodule(parent), name, nn.Identity())
