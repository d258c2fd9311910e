"""Who is told when a flow fails: a hook that sends one message through a Prefect block.

The block is named by the flow's parameter `notify`, else by the environment's LANDMARK_NOTIFY, as `TYPE/NAME`: any of
Prefect's notification blocks (Slack, Teams, e-mail by SendGrid, PagerDuty, a custom webhook, ...) or its plain `webhook`.
Their addresses and keys lie in Prefect's store, encrypted, and nowhere in this project.
"""

from __future__ import annotations

import inspect
import logging
import os
from typing import Any

from prefect.blocks.abstract import NotificationBlock
from prefect.blocks.core import Block
from prefect.blocks.webhook import Webhook
from prefect.settings import PREFECT_UI_URL

from landmark.errors import LandmarkError
from landmark.secrets import scrub

log = logging.getLogger("landmark.flow")


def tell(flow: Any, flow_run: Any, state: Any) -> None:
    """Hook for `on_failure` and `on_crashed`: say what happened; a message that cannot be sent is logged."""
    wanted = ((flow_run.parameters or {}).get("parameters") or {}).get("notify") or os.environ.get("LANDMARK_NOTIFY")
    if not wanted:
        return
    try:
        send(wanted, subject(flow.name, flow_run.name, state.name), message(flow_run, state))
    except Exception as error:
        log.error("notify %s: the message could not be sent (%s)", wanted, scrub(" ".join(str(error).split()))[:300])


def subject(flow: str, run: str, state: str) -> str:
    """One line that says what failed.

    >>> subject("retrain", "photos", "Crashed")
    "landmark: retrain 'photos': crashed"
    """
    return f"landmark: {flow} '{run}': {state.lower()}"


def message(flow_run: Any, state: Any) -> str:
    """What a failed run is about: why, since when, where to look."""
    lines = [scrub(" ".join(str(state.message or "no reason was given").split()))[:1000]]
    if flow_run.start_time is not None:
        lines.append(f"started {flow_run.start_time:%Y-%m-%d %H:%M:%S} UTC")
    page = PREFECT_UI_URL.value()
    lines.append(f"{page.rstrip('/')}/runs/flow-run/{flow_run.id}" if page else f"flow run {flow_run.id}")
    lines.append("`landmark status` says what is champion; the same command goes on from where this one ended")
    return "\n".join(lines)


def send(block: str, title: str, text: str) -> None:
    """Send a message through a block.

    Args:
        block: `TYPE/NAME` of a block document on Prefect's server.
        title: one line.
        text: the message.

    Raises:
        LandmarkError: the block is of a type that sends nothing.
        ValueError: there is no such block.
    """
    loaded: Any = Block.load(block)
    if isinstance(loaded, NotificationBlock):
        _wait(loaded.notify(text, title))
    elif isinstance(loaded, Webhook):
        _wait(loaded.call({"subject": title, "body": text}))
    else:
        raise LandmarkError(f"block {block}: neither a notification nor a webhook; name another one by `notify`")


def _wait(answer: Any) -> None:
    """Prefect's blocks answer at once or by a coroutine, by where they are called from."""
    if inspect.isawaitable(answer):
        import asyncio

        async def finish() -> None:
            await answer

        asyncio.run(finish())
