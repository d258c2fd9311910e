"""What every flow does first, whichever process it runs in."""

from __future__ import annotations

import logging

from landmark.options import use_home
from landmark.secrets import guard_handlers


def begin(home: str) -> None:
    """Use a home folder, let the project's log lines through to Prefect, and nothing secret with them."""
    use_home(home)
    logging.getLogger("landmark").setLevel(logging.INFO)
    guard_handlers("landmark", "prefect", "prefect.flow_runs", "prefect.task_runs")
