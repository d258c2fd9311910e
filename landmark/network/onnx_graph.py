"""The network as an ONNX graph.

Exporting takes seconds and depends on the architecture alone. So a graph is exported once without its weights, as a template
kept in a cache folder, and filled with the weights of the network at hand. Weights that the pretrained and the tuned backbone
still share (stages frozen in training) are filled in once, and what follows from equal inputs and equal weights is computed
once: the fewer stages training changed, the faster the graph.
"""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import logging
import os
import threading
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import timm
import torch
from torch import Tensor, nn

from landmark.errors import LandmarkError
from landmark.network.network import Network
from landmark.storage import write_bytes

log = logging.getLogger(__name__)

INPUT, OUTPUT = "photos", "embedding"
_PREFIX = "network."
MOST = 4
"""Finished graphs that a process keeps: a retraining embeds, evaluates, registers and judges by the same few networks."""
_templates: dict[str, bytes] = {}
_built: OrderedDict[tuple[str, str], bytes] = OrderedDict()
_lock = threading.Lock()


class _FromPixels(nn.Module):
    """Pixels to embeddings: normalisation belongs to the graph, so that the bytes decoded are the bytes passed in."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, photos: Tensor) -> Tensor:
        embedding: Tensor = self.network(self.network.normalise(photos))
        return embedding


def cache_folder() -> Path:
    """Where templates are kept: `LANDMARK_CACHE`, else `landmark` in the user's cache folder (XDG)."""
    if own := os.environ.get("LANDMARK_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "landmark"


def build_graph(network: Network, cache: str | Path | None = None) -> bytes:
    """Turn a network into an optimised ONNX model: uint8 `photos` `[n, s, s, 3]` to float32 `embedding` `[n, embedding_dim]`.

    Args:
        network: any network on any device; left as it is.
        cache: folder for templates; None: `cache_folder()`.

    Raises:
        ImportError: onnx or onnxscript is not installed.
        Exception: whatever the exporter raises for a model that it can't take.
    """
    key = (network.fingerprint, _architecture(network))
    with _lock:
        if key in _built:
            _built.move_to_end(key)
            return _built[key]
    data = _build(network, cache)
    with _lock:
        _built[key] = data
        while len(_built) > MOST:
            _built.popitem(last=False)
    return data


def _build(network: Network, cache: str | Path | None) -> bytes:
    import onnx_ir
    from onnx_ir.passes.common import CommonSubexpressionEliminationPass, DeduplicateHashedInitializersPass
    from onnxscript import optimizer

    model = onnx_ir.from_proto(_parse(_template(network, Path(cache) if cache else cache_folder())))
    state = network.state_dict()
    for value in list(model.graph.inputs):
        if value.name and value.name.startswith(_PREFIX):
            weight = state[value.name.removeprefix(_PREFIX)].detach().cpu().contiguous()
            value.const_value = onnx_ir.tensor(weight.numpy(), name=value.name)
            model.graph.inputs.remove(value)
            model.graph.register_initializer(value)
    with _quiet():
        DeduplicateHashedInitializersPass()(model)
        CommonSubexpressionEliminationPass()(model)
        optimizer.optimize_ir(model)
    return bytes(onnx_ir.to_proto(model).SerializeToString())


def _parse(data: bytes) -> Any:
    import onnx

    return onnx.load_model_from_string(data)


def _template(network: Network, cache: Path) -> bytes:
    key = _architecture(network)
    with _lock:
        if key in _templates:
            return _templates[key]
        file = cache / "onnx" / f"{key}.onnx"
        with contextlib.suppress(Exception):  # absent or damaged: made again below
            data = file.read_bytes()
            _parse(data)
            _templates[key] = data
            return data
        data = _export(network)
        _templates[key] = data
        try:
            write_bytes(file, data)
        except LandmarkError as error:
            log.info("ONNX template not cached: %s", error)
        return data


def _architecture(network: Network) -> str:
    """Digest of all that the graph depends on except weights."""
    import onnx_ir
    import onnxscript

    versions = [torch.__version__, timm.__version__, onnxscript.__version__, onnx_ir.__version__]
    settings = [network.config.model_dump(exclude={"pretrained"}), network.is_tuned, network.preprocessing, versions, 1]
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()


def _export(network: Network) -> bytes:
    """Export without weights: each weight becomes an input of the graph under its own name."""
    import onnx_ir
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    plain = copy.deepcopy(_FromPixels(network)).cpu().eval().requires_grad_(False)
    for module in plain.modules():
        if "inplace" in vars(module):
            vars(module)["inplace"] = False  # functionalising in-place activations takes up half of the export
    size = network.config.image_size
    # Two photos: the exporter takes a size of one for a constant.
    example = (torch.zeros(2, size, size, 3, dtype=torch.uint8),)
    with torch.no_grad(), _quiet():
        program = torch.onnx.export(
            plain,
            example,
            dynamo=True,
            optimize=False,
            verbose=False,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes=({0: torch.export.Dim("n", min=1)},),
        )
    if program is None:
        raise LandmarkError("torch.onnx.export gave no program")
    model = program.model
    ClearMetadataAndDocStringPass()(model)
    weights = plain.state_dict()
    for name in [name for name in model.graph.initializers if name in weights]:
        value = model.graph.initializers.pop(name)
        value.const_value = None
        model.graph.inputs.append(value)
    return bytes(onnx_ir.to_proto(model).SerializeToString())


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's own warnings and notes off the terminal: none of them is about anything a user can mend."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
