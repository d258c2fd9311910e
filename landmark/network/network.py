"""The network: from photos to embeddings of unit length, with the preprocessing that it was made for."""

from __future__ import annotations

import copy
import hashlib
import json
from pathlib import Path
from typing import Any, Self

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from landmark.config import NetworkConfig
from landmark.errors import LandmarkError
from landmark.network.backbone import create_backbone, feature_map, feature_shape, module_stages, parameter_stages
from landmark.network.pooling import GeM, gem, unit
from landmark.network.weights import load_pretrained

FORMAT = 1
WEIGHTS = "network.safetensors"
SETTINGS = "network.json"
INTERPOLATION = "bicubic"
PRETRAINED_POWER = 3.0  # GeM exponent of the pretrained embedding: fixed, as nothing trains it


class Network(nn.Module):
    """Backbone, GeM pooling and neck; beside them, unless its weight is 0, the pretrained backbone as it was.

    The final embedding is `unit(concat(keep_pretrained * pretrained, tuned))`. The pretrained half is what keeps the network
    general: landmarks that it never saw in training are told apart by it.

    Make one with `build`, `frozen_baseline` or `load`.

    Attributes:
        config: the settings it was built with.
        is_tuned: False for a frozen baseline, whose embedding is the pretrained one alone.
        backbone, pool, neck: what training trains (a baseline has only the backbone).
        anchor: frozen copy of the pretrained backbone, never trained and always in eval mode; None where not kept.
        mean, std: what `normalise` subtracts and divides by, a number a channel, for values from 0 to 1.
        dim: length of the tuned embedding.
        embedding_dim: length of the final embedding.
    """

    def __init__(self, config: NetworkConfig, tuned: bool, backbone: nn.Module) -> None:
        super().__init__()
        self.config = config
        self.is_tuned = tuned
        settings: dict[str, Any] = getattr(backbone, "pretrained_cfg", {})
        self.mean: tuple[float, ...] = tuple(settings["mean"])
        self.std: tuple[float, ...] = tuple(settings["std"])
        self.channels, is_map = feature_shape(backbone, config.backbone, config.image_size)
        self.backbone = backbone
        self.anchor: nn.Module | None = None
        self._frozen: list[nn.Module] = []
        self.dim = config.dim if tuned else self.channels
        self.embedding_dim = self.dim
        if tuned:
            if config.keep_pretrained > 0:
                self.anchor = copy.deepcopy(backbone).requires_grad_(False)
                self.embedding_dim += self.channels
            self.pool = GeM(config.gem_power) if is_map else nn.Identity()
            self.neck = nn.Sequential(nn.Linear(self.channels, config.dim, bias=False), nn.BatchNorm1d(config.dim))
        else:
            backbone.requires_grad_(False)
        self.to(memory_format=torch.channels_last)
        self.eval()

    @classmethod
    def build(cls, config: NetworkConfig, seed: int = 0) -> Self:
        """Make a network with its pretrained weights; what has none is random by `seed`.

        Raises:
            UsageError: unknown backbone, or weights that are not there or do not fit.
            LandmarkError: the hub could not be reached.
        """
        return cls._make(config, tuned=True, seed=seed)

    @classmethod
    def frozen_baseline(cls, config: NetworkConfig, seed: int = 0) -> Self:
        """Make the untrained network to compare with: its embedding is the pretrained, GeM-pooled vector alone.

        Raises:
            UsageError, LandmarkError: as `build`.
        """
        return cls._make(config, tuned=False, seed=seed)

    @classmethod
    def _make(cls, config: NetworkConfig, tuned: bool, seed: int, load: bool = True) -> Self:
        # A network made inside inference_mode() could never be trained, so it isn't made there.
        with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            backbone = create_backbone(config.backbone, config.image_size)
            if load:
                load_pretrained(backbone, config.backbone, config.pretrained, config.image_size)
            return cls(config, tuned, backbone)

    def train(self, mode: bool = True) -> Self:
        """Set training mode, except for what is frozen: its batch norms must not move."""
        super().train(mode)
        for module in (self.anchor, *self._frozen, *(() if self.is_tuned else (self.backbone,))):
            if module is not None:
                module.eval()
        return self

    def normalise(self, photos: Tensor) -> Tensor:
        """Bring pixels to the range that the backbone was trained on.

        Args:
            photos: uint8 `[n, h, w, 3]`, RGB.

        Returns:
            float32 `[n, 3, h, w]`, channels last in memory, on the device of `photos`.
        """
        images = photos.permute(0, 3, 1, 2).float()
        mean = torch.tensor(self.mean, device=photos.device).mul(255.0).view(1, 3, 1, 1)
        std = torch.tensor(self.std, device=photos.device).mul(255.0).view(1, 3, 1, 1)
        return (images - mean) / std

    def tuned(self, images: Tensor) -> Tensor:
        """Embed with what training trains.

        Args:
            images: `[n, 3, h, w]`, normalised.

        Returns:
            Unit vectors `[n, dim]`, float32.
        """
        if not self.is_tuned:
            raise LandmarkError("a frozen baseline has no tuned embedding; make the network with Network.build")
        return unit(self.neck(self.pool(feature_map(self.backbone, images)).to(self.neck[0].weight.dtype)))

    def pretrained_embedding(self, images: Tensor) -> Tensor:
        """Embed with the pretrained backbone as it came: GeM with p = 3, without gradient.

        Args:
            images: `[n, 3, h, w]`, normalised.

        Returns:
            Unit vectors `[n, channels]`, float32.
        """
        backbone = self.anchor if self.is_tuned else self.backbone
        if backbone is None:
            raise LandmarkError("this network keeps no pretrained embedding; build it with network.keep_pretrained above 0")
        with torch.no_grad():
            features = feature_map(backbone, images)
            return unit(gem(features, PRETRAINED_POWER) if features.ndim == 4 else features)

    def forward(self, images: Tensor) -> Tensor:
        """Embed: `unit(concat(keep_pretrained * pretrained, tuned))`.

        Args:
            images: `[n, 3, h, w]`, normalised.

        Returns:
            Unit vectors `[n, embedding_dim]`, float32.
        """
        if not self.is_tuned:
            return self.pretrained_embedding(images)
        tuned = self.tuned(images)
        if self.anchor is None:
            return tuned
        return unit(torch.cat([self.config.keep_pretrained * self.pretrained_embedding(images), tuned], dim=1))

    def stages(self) -> list[list[nn.Module]]:
        """The backbone's modules by stage, from the input (the stem is stage 0); see `backbone.parameter_stages`."""
        return module_stages(self.backbone)

    def freeze(self, stages: int) -> None:
        """Keep the first stages of the backbone as they are, batch norms included, and let the rest train.

        Takes in parameters that are in no module of `stages()` too (a class token, a position embedding).
        `freeze(0)` undoes it.

        Raises:
            LandmarkError: the backbone has fewer stages, or is a frozen baseline.
        """
        numbers = parameter_stages(self.backbone)
        count = max(numbers.values()) + 1
        if not self.is_tuned or stages > count:
            raise LandmarkError(
                f"freeze: '{self.config.backbone}' has {count if self.is_tuned else 0} stages to train, not {stages}"
            )
        if not hasattr(self, "_trainable"):
            self._trainable = {name for name, parameter in self.backbone.named_parameters() if parameter.requires_grad}
        for name, parameter in self.backbone.named_parameters():
            parameter.requires_grad_(name in self._trainable and numbers[name] >= stages)
        self._frozen = [module for stage in self.stages()[:stages] for module in stage]
        self.train(self.training)

    @property
    def preprocessing(self) -> dict[str, Any]:
        """How a photo is brought to the network's input: size [pixels], resize, interpolation, mean, std."""
        return {
            "size": self.config.image_size,
            "resize": self.config.resize,
            "interpolation": INTERPOLATION,
            "mean": list(self.mean),
            "std": list(self.std),
        }

    @property
    def fingerprint(self) -> str:
        """sha256 over weights and settings: networks with the same one give the same embeddings."""
        digest = hashlib.sha256(json.dumps(self._settings(), sort_keys=True).encode())
        for name, tensor in sorted(self.state_dict().items()):
            values = tensor.detach().cpu().contiguous()
            digest.update(f"{name} {values.dtype} {tuple(values.shape)}".encode())
            digest.update(values.reshape(-1).view(torch.uint8).numpy())
        return digest.hexdigest()

    def _settings(self) -> dict[str, Any]:
        # Where the first weights came from is history (often a path): it changes no embedding.
        config = self.config.model_dump(exclude={"pretrained"})
        return {"config": config, "tuned": self.is_tuned, "preprocessing": self.preprocessing}

    def save(self, folder: str | Path) -> None:
        """Write `network.safetensors` and `network.json`; the folder is replaced as a whole, or stays as it was.

        Raises:
            LandmarkError: the folder holds something else too, or cannot be written.
        """
        from landmark.storage import atomic_folder, sha256_file, write_json

        target = Path(folder)
        strange = sorted({path.name for path in target.iterdir()} - {WEIGHTS, SETTINGS}) if target.is_dir() else []
        if strange:
            raise LandmarkError(f"network {target}: the folder also holds {strange[0]}; give a network a folder of its own")
        state = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        with atomic_folder(target) as temporary:
            save_file(state, temporary / WEIGHTS)
            write_json(
                str(temporary / SETTINGS),
                {"format": FORMAT, "sha256": sha256_file(temporary / WEIGHTS), **self._settings()},
            )

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read what `save` wrote; gives the same outputs bit for bit on the same machine.

        Raises:
            LandmarkError: not there, damaged, or written by a newer version.
        """
        from landmark.storage import sha256_file

        source = Path(folder)
        for file in (source / SETTINGS, source / WEIGHTS):
            if not file.is_file():
                raise LandmarkError(f"network {source}: no file {file.name}; is this the folder of a network?")
        try:
            settings = json.loads((source / SETTINGS).read_text(encoding="utf-8"))
            if settings["format"] > FORMAT:
                raise LandmarkError(
                    f"network {source}: {SETTINGS} has format {settings['format']}, this version reads up to {FORMAT}; "
                    "update the package"
                )
            config = NetworkConfig(**settings["config"], pretrained="none")
            preprocessing, tuned, sha256 = settings["preprocessing"], bool(settings["tuned"]), str(settings["sha256"])
        except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
            reason = " ".join(str(error).split())[:200]
            raise LandmarkError(
                f"network {source}: {SETTINGS} is damaged ({reason}); copy or train the network again"
            ) from error
        if sha256_file(source / WEIGHTS) != sha256:
            raise LandmarkError(f"network {source}: {WEIGHTS} is damaged (sha256 differs); copy or train the network again")
        network = cls._make(config, tuned=tuned, seed=0, load=False)
        network.mean, network.std = tuple(preprocessing["mean"]), tuple(preprocessing["std"])
        if preprocessing != network.preprocessing:
            raise LandmarkError(
                f"network {source}: preprocessing {preprocessing} is not what this version does; update the package"
            )
        try:
            network.load_state_dict(load_file(source / WEIGHTS), strict=True)
        except (SafetensorError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise LandmarkError(f"network {source}: {WEIGHTS} does not fit '{config.backbone}' ({reason})") from error
        return network
