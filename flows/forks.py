"""Children that are forked from a flow's process, such as torch's that load photos: what Prefect leaves in them is taken out.

Prefect's services have Python call them when a process ends. In a forked child they look for threads that only the parent has,
and fail; the child then ends with status 1 though its work is done, and torch takes that for the loss of a child, at random.
"""

from __future__ import annotations

import os
import threading


def forget() -> None:
    """Take Prefect's functions off the list of what is called when this process ends."""
    hooks = getattr(threading, "_threading_atexits", None)
    if isinstance(hooks, list):
        hooks[:] = [hook for hook in hooks if not _of_prefect(hook)]


def _of_prefect(hook: object) -> bool:
    function = getattr(hook, "func", hook)  # Python keeps them as functools.partial
    return str(getattr(function, "__module__", "")).startswith("prefect.")


def mend() -> None:
    """Have every child that is forked from now on forget them."""
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)
