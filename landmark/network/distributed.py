"""One training over several processes: who am I, share an object, batch statistics over all of them."""

from __future__ import annotations

import ctypes
import inspect
import os
import signal
import sys
from collections.abc import Callable
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


def world_size() -> int:
    """Processes in this training: torchrun's WORLD_SIZE, or 1."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def rank() -> int:
    """This process's number, 0 being the one that writes."""
    return int(os.environ.get("RANK", "0"))


def broadcast(value: Any) -> Any:
    """Give every process what rank 0 holds (JSON-like objects and arrays); call it in all of them."""
    if not (dist.is_available() and dist.is_initialized()):
        return value
    box = [value]
    dist.broadcast_object_list(box, src=0)
    return box[0]


def barrier() -> None:
    """Wait until every process has come here."""
    if dist.is_available() and dist.is_initialized():
        dist.barrier()


def end_with_parent() -> None:
    """Let the kernel end this process (SIGTERM) when the one that started it ends, even by SIGKILL; Linux only."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1  # the kernel's own name, prctl(2)
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)


def synchronise_batch_norm(module: M) -> M:
    """Let batch normalisation take its statistics over all processes, so that N processes train like one.

    On GPUs this is PyTorch's own (through timm, which has norm and activation in one layer); PyTorch has none for the CPU,
    so there each layer computes the same with a differentiable all-reduce.
    """
    if world_size() == 1:
        return module
    if torch.cuda.is_available():
        from timm.layers.norm_act import convert_sync_batchnorm

        converted: M = convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        return converted
    for layer in module.modules():
        if isinstance(layer, nn.modules.batchnorm._BatchNorm):
            layer.forward = _synchronised(layer)  # type: ignore[method-assign,assignment]
    return module


def unsynchronised() -> dict[str, Any]:
    """What tells data-parallel training to leave buffers alone: its name changed in PyTorch 2.13."""
    known = inspect.signature(nn.parallel.DistributedDataParallel).parameters
    return {"forward_sync_buffers" if "forward_sync_buffers" in known else "broadcast_buffers": False}


def _synchronised(layer: nn.modules.batchnorm._BatchNorm) -> Callable[[Tensor], Tensor]:
    # timm's BatchNormAct2d applies dropout and an activation after the normalisation.
    after = [step for name in ("drop", "act") if isinstance(step := getattr(layer, name, None), nn.Module)]
    plain = layer.forward

    def forward(x: Tensor) -> Tensor:
        if not layer.training:
            return plain(x)
        x = _normalise_over_all(layer, x)
        for step in after:
            x = step(x)
        return x

    return forward


class _SumOverAll(torch.autograd.Function):
    """All-reduce whose gradient is the all-reduced gradient."""

    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.clone()
        dist.all_reduce(gradient)
        return gradient


def _normalise_over_all(layer: nn.modules.batchnorm._BatchNorm, x: Tensor) -> Tensor:
    axes = [axis for axis in range(x.dim()) if axis != 1]
    count = x.numel() // x.shape[1] * world_size()  # batches are cut into equal parts
    sums = _SumOverAll.apply(torch.stack([x.sum(axes), x.square().sum(axes)]))
    mean = sums[0] / count
    variance = (sums[1] / count - mean.square()).clamp(min=0)  # rounding can leave it below
    if layer.track_running_stats and layer.running_mean is not None and layer.running_var is not None:
        with torch.no_grad():
            layer.num_batches_tracked.add_(1)  # type: ignore[union-attr]
            momentum = layer.momentum if layer.momentum is not None else 1.0 / float(layer.num_batches_tracked)  # type: ignore[arg-type]
            layer.running_mean.lerp_(mean.detach(), momentum)
            layer.running_var.lerp_(variance.detach() * count / max(count - 1, 1), momentum)
    shape = [1, -1] + [1] * (x.dim() - 2)
    x = (x - mean.view(shape)) * torch.rsqrt(variance.view(shape) + layer.eps)
    if layer.affine:
        x = x * layer.weight.view(shape) + layer.bias.view(shape)
    return x
