"""The commands `landmark up` and `landmark down`: supervised local servers of a home folder."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from landmark.console import print_table, set_up_logging, show
from landmark.options import Debug, Home, Json

if TYPE_CHECKING:
    from rich.table import Table

    from landmark.stack.found import Servers
    from landmark.stack.keeper import Keeper

START_SECONDS = 600.0


def up(
    full: Annotated[bool, typer.Option("--full", help="With Postgres, S3 and log-ins (needs 'landmark[stack]').")] = False,
    background: Annotated[
        bool, typer.Option("--background", help="Return when all are ready; `landmark down` stops them.")
    ] = False,
    config: Annotated[str | None, typer.Option(help="YAML file of a run: put on the schedules of infra/prefect.yaml.")] = None,
    deployments: Annotated[str | None, typer.Option(help="Prefect deployments to apply instead of infra/prefect.yaml.")] = None,
    home: Home = ".landmark",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Start supervised local servers: Prefect with a worker and MLflow; runs use them while they are up."""
    set_up_logging(debug)
    from landmark.errors import LandmarkError
    from landmark.stack import found, keeper, keys, profiles
    from landmark.stack.supervisor import running_already

    place, profile = Path(home), profiles.FULL if full else profiles.LIGHT
    if found.running(place) is not None:
        raise LandmarkError(running_already(place))
    profiles.check(profile)
    profiles.use_deployments(deployments, config)
    keys.private_folder(found.folder_of(place), 0o711)
    keys.private_folder(found.folder_of(place) / "logs")
    if background:
        servers = keeper.start_in_background(place, profile, START_SECONDS)
        show(_said(servers), json, _print)
        return
    one = keeper.Keeper(place, profile)
    one.start()
    try:
        _watch(one, place, json)
    finally:
        one.stop()


def down(home: Home = ".landmark", json: Json = False, debug: Debug = False) -> None:
    """Stop the servers that `landmark up` started for a home folder."""
    set_up_logging(debug)
    from landmark.stack.keeper import stop

    stopped = stop(Path(home))
    words = "stopped" if stopped else "none were running"
    show(
        {"home": str(Path(home).resolve()), "stopped": stopped}, json, lambda made: print(f"servers of {made['home']}: {words}")
    )


def _watch(keeper: Keeper, home: Path, json: bool) -> None:
    """Show a table of the services until Ctrl-C, or until the supervisor ends."""
    import signal

    from landmark.errors import LandmarkError
    from landmark.stack import found
    from landmark.stack.logs import last_line

    def interrupted(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)
    signal.signal(signal.SIGHUP, interrupted)
    told = False
    try:
        with _live() as live:
            while keeper.alive():
                servers = found.running(home)
                if servers is not None and live is not None:
                    live.update(_table(servers), refresh=True)
                elif servers is not None and servers.state == found.READY and not told:
                    show(_said(servers), json, _print)
                    sys.stdout.flush()
                    told = True
                time.sleep(0.5)
    except KeyboardInterrupt:
        print("stopping the servers ...", file=sys.stderr, flush=True)
        return
    raise LandmarkError(f"up: {last_line(keeper.log).removeprefix('landmark: ')}; see {keeper.log}")


def _live() -> Any:
    """A table that is drawn again and again, on a terminal; None elsewhere."""
    import contextlib

    if not sys.stdout.isatty():
        return contextlib.nullcontext()
    from rich.live import Live

    return Live(auto_refresh=False)


def _said(servers: Servers) -> dict[str, Any]:
    return {"profile": servers.profile, "state": servers.state, "pid": servers.pid, "env": str(servers.env), **servers.urls}


def _print(result: dict[str, Any]) -> None:
    rows = [[name, str(value)] for name, value in result.items() if name not in ("profile", "state", "pid")]
    print_table(f"servers ({result['profile']}): {result['state']}", ["what", "where"], rows)
    print(f"log-ins stand in {result['env']}; `. {result['env']}` sets a shell up for them; `landmark down` stops them")


def _table(servers: Servers) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"servers ({servers.profile}): {servers.state}; Ctrl-C stops them",
        caption=f"log-ins stand in {servers.env}",
        title_justify="left",
        caption_justify="left",
    )
    for column in ("service", "state", "address", "restarts", "message"):
        table.add_column(column)
    colours = {
        "ready": "green",
        "done": "green",
        "gave up": "red",
        "paused": "yellow",
        "waiting after too many deaths": "yellow",
    }
    for name, one in servers.services.items():
        state = Text(str(one["state"]), style=colours.get(str(one["state"]), ""))
        table.add_row(name, state, str(one["url"] or ""), str(one["restarts"]), Text(str(one["message"])[:80]))
    return table
