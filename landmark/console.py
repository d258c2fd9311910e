"""How a command talks: results on stdout, everything else on stderr, an error in one line, an exit status."""

from __future__ import annotations

import contextlib
import json
import logging
import math
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from typing import Any

from landmark.errors import LandmarkError, UsageError
from landmark.secrets import ScrubbingFormatter, scrub

INTERRUPTED = 130


def guard(command: Callable[[], Any], debug: bool) -> int:
    """Run a command; what goes wrong becomes one line on stderr and an exit status.

    Args:
        command: what to run; may return an exit status.
        debug: show the traceback.

    Returns:
        0 done, 1 the work failed, 2 the command or config is wrong, 3 the gate refused, 130 interrupted.
    """
    try:
        status = command()
        sys.stdout.flush()
        if status == INTERRUPTED:  # the command line's parser has caught Ctrl-C
            raise KeyboardInterrupt
        return status if isinstance(status, int) else 0
    except LandmarkError as error:
        return _fail(str(error), error.exit_status, debug)
    except KeyboardInterrupt:
        return _fail("interrupted; the same command goes on from there", INTERRUPTED, debug)
    except BrokenPipeError:
        # Whoever read the output has seen enough; Python would complain once more when it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        say = getattr(error, "format_message", None)  # the command line's own errors
        if say is not None:
            return _fail(f"{say().rstrip('.')}; see `landmark --help`", UsageError.exit_status, debug)
        detail = f"{type(error).__name__}: {error}"
        return _fail(f"{detail} (not foreseen; --debug shows where)", LandmarkError.exit_status, debug)


def _fail(message: str, status: int, debug: bool) -> int:
    if debug:
        print(scrub(traceback.format_exc()), file=sys.stderr)
    print(f"landmark: {scrub(' '.join(message.split()))}", file=sys.stderr)
    return status


def set_up_logging(debug: bool) -> None:
    """Send the project's log lines to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(ScrubbingFormatter("%(asctime)s %(message)s", "%H:%M:%S"))
    logger = logging.getLogger("landmark")
    logger.handlers = [handler]
    logger.setLevel(logging.DEBUG if debug else logging.INFO)
    # The root logger's console belongs to Prefect and would show each line twice.
    logger.propagate = False


@contextlib.contextmanager
def stdout_for_results() -> Iterator[None]:
    """While the work is done, whatever any library or child process prints goes to stderr."""
    sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # stdout is closed
        yield
        return
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def show(result: dict[str, Any], as_json: bool, render: Callable[[dict[str, Any]], None]) -> None:
    """Print a result: as one JSON object, or for people."""
    if as_json:
        print(json.dumps(_plain(result), allow_nan=False))
    else:
        render(result)


def _plain(value: Any) -> Any:
    """JSON has no NaN and no infinity: null stands for them."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


def print_table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """Print a table to stdout."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    # A pipe has no width: cells must not be cut there.
    Console(width=None if sys.stdout.isatty() else 200).print(table)
