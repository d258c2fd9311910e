"""A cluster of Ray to work on: the one that RAY_ADDRESS names, the one this process is in, or one of this machine's cores."""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
from collections.abc import Iterator
from typing import Any

from landmark.errors import LandmarkError, UsageError

_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_LOG_LEVEL": "ERROR"}
"""No statistics are sent, and Ray's own words go to its log files unless somebody wants more."""
_CONTEXT: dict[str, Any] = {"enable_progress_bars": False, "print_on_execution_start": False, "target_max_block_size": None}
"""We have a bar of our own; and a block's photos stay together, however many bytes they are."""


@contextlib.contextmanager
def cluster() -> Iterator[Any]:
    """Be in a cluster; one that was started here ends at the end.

    Yields:
        The module `ray`, with `ray.data` imported.

    Raises:
        UsageError: Ray is not installed.
        LandmarkError: the cluster that RAY_ADDRESS names can't be reached.
    """
    address = os.environ.get("RAY_ADDRESS")
    # Ray reads it when it is imported; a cluster of this machine alone is then on loopback.
    own = {} if address else {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    for name, value in (_SETTINGS | own).items():
        os.environ.setdefault(name, value)
    try:
        ray = importlib.import_module("ray")
        data = importlib.import_module("ray.data")
    except ImportError as error:
        raise UsageError("--engine ray: Ray is not installed; pip install 'landmark[ray]', or use --engine local") from error
    mine = not ray.is_initialized()
    if mine:
        cores = None if address else len(os.sched_getaffinity(0))
        try:
            ray.init(
                num_cpus=cores,
                include_dashboard=None if address else False,
                log_to_driver=False,
                logging_level=logging.ERROR,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            said = " ".join(str(error).split())[:200]
            raise LandmarkError(f"--engine ray: no cluster at RAY_ADDRESS={address} ({said})") from error
    context = data.DataContext.get_current()
    before = {name: getattr(context, name) for name in _CONTEXT}
    try:
        for name, value in _CONTEXT.items():
            setattr(context, name, value)
        yield ray
    finally:
        for name, value in before.items():
            setattr(context, name, value)
        if mine:
            ray.shutdown()


def gpus(ray: Any, device: str) -> int:
    """GPUs of the cluster that networks are to run on; 0: on CPUs.

    Raises:
        UsageError: GPUs are asked for, and there are none.
    """
    found = int(ray.cluster_resources().get("GPU", 0))
    if device == "cpu":
        return 0
    if device != "auto" and not found:
        raise UsageError(f"device: no '{device}' in the cluster (GPUs found: 0); give auto or cpu")
    return found
