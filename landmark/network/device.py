"""Devices: where a network runs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from landmark.errors import UsageError


def pick_device(wanted: str = "auto") -> torch.device:
    """Choose the device to run on.

    Args:
        wanted: 'auto' (the first GPU where there is one, else the CPU), 'cpu', 'gpu', or torch's name such as 'cuda:1'.

    Raises:
        UsageError: unknown name, or no such device here.
    """
    if wanted == "auto":
        return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device("cuda" if wanted == "gpu" else wanted)
    except RuntimeError as error:
        raise UsageError(f"device: '{wanted}' is none; give auto, cpu, gpu or cuda:N") from error
    if device.type == "cpu":
        return device
    if device.type != "cuda":
        raise UsageError(f"device: '{wanted}' is not supported; give auto, cpu, gpu or cuda:N")
    if not torch.cuda.is_available() or (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(f"device: no '{wanted}' here (GPUs found: {torch.cuda.device_count()}); give auto or cpu")
    return torch.device("cuda", device.index or 0)


@contextlib.contextmanager
def deterministic() -> Iterator[None]:
    """Meanwhile GPUs compute the same each time, as the CPU does anyway: a training that goes on ends as if never broken off.

    An operation that has no such way is done all the same, and PyTorch warns of it.
    """
    if not torch.cuda.is_available():
        yield
        return
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    cudnn = torch.backends.cudnn.deterministic
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.backends.cudnn.deterministic = cudnn
