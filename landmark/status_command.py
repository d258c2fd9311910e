"""The commands `status` (champion, what runs, what failed last and why) and `prune` (what a home folder need not keep)."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from landmark.console import print_table, set_up_logging, show, stdout_for_results
from landmark.errors import LandmarkError
from landmark.options import Debug, Home, Json, Name, use_home

LATEST = 5
FIGURES = ("sensitivity", "specificity", "sensitivity_at_99")


def status(home: Home = ".landmark", name: Name = "landmark", json: Json = False, debug: Debug = False) -> None:
    """What is champion, since when, its figures; what runs, what comes next, what failed last and why."""
    set_up_logging(debug)
    use_home(home)
    with stdout_for_results():
        found = gather(Path(home), name)
    show(found, json, _print)


def prune(
    days: Annotated[float, typer.Option(help="Delete what was not used for so long [days].", min=0)] = 60,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be deleted.")] = False,
    home: Home = ".landmark",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Delete outputs of steps, embeddings and downloads that no run stands on; what is asked for later is made again."""
    set_up_logging(debug)
    from landmark.prune import prune as delete

    gone = [one.to_json() for one in delete(Path(home), days, dry_run)]
    result = {"home": str(Path(home).resolve()), "dry_run": dry_run, "bytes": sum(one["bytes"] for one in gone), "pruned": gone}

    def render(made: dict[str, Any]) -> None:
        rows = [[one["path"], f"{one['bytes'] / 1e6:.1f}", f"{one['days']:.0f}"] for one in made["pruned"]]
        print_table("would be deleted" if dry_run else "deleted", ["what", "MB", "days unused"], rows)
        print(f"{made['bytes'] / 1e6:.1f} MB in all")

    show(result, json, render)


def gather(home: Path, model: str) -> dict[str, Any]:
    """All that is known of a home folder and of the servers it works with; what cannot be asked is said under `unknown`."""
    from landmark.journal import Journal

    attempts = Journal(home).attempts()
    bad = [attempt for attempt in attempts if attempt.outcome in ("failed", "killed", "interrupted", "refused")]
    finished = [attempt for attempt in attempts if attempt.outcome in ("done", "unchanged")]
    latest: dict[str, Any] = {}
    for attempt in attempts:
        latest[f"{attempt.flow} {attempt.run}"] = asdict(attempt)
    found: dict[str, Any] = {
        "home": str(home.resolve()),
        "model": model,
        "champion": None,
        "challenger": None,
        "hold": None,
        "running": [asdict(attempt) for attempt in attempts if attempt.outcome == "running"],
        "failed": [asdict(attempt) for attempt in bad[-LATEST:][::-1]],
        "succeeded": [asdict(attempt) for attempt in finished[-LATEST:][::-1]],
        "latest": latest,
        "servers": None,
        "scheduled": None,
        "unknown": [],
    }
    _ask_servers(found, home)
    _ask_registry(found, home, model)
    return found


def _ask_servers(found: dict[str, Any], home: Path) -> None:
    from landmark import schedule
    from landmark.stack.found import running

    servers = running(home)
    found["servers"] = None if servers is None else {**servers.urls, "state": servers.state}
    url = os.environ.get("PREFECT_API_URL")
    if not url:
        return
    try:
        found["scheduled"] = {
            "running": [asdict(run) for run in schedule.running(url)],
            "coming": [asdict(run) for run in schedule.coming(url)],
            "failed": [asdict(run) for run in schedule.failed(url)[:LATEST]],
        }
    except LandmarkError as error:
        found["unknown"].append(str(error))


def _ask_registry(found: dict[str, Any], home: Path, model: str) -> None:
    from landmark.home import SQLITE, store_uri

    uri = store_uri(home)
    if uri.startswith(SQLITE) and not Path(uri.removeprefix(SQLITE)).exists():
        return  # nothing was ever registered here: no store is made for asking
    try:
        from landmark.registry.by_hand import hold_words
        from landmark.registry.connection import asking
        from landmark.registry.models import champion
        from landmark.registry.promotion import held

        with asking(home) as client:
            found["champion"] = champion(client, model)
            found["challenger"] = champion(client, model, alias="challenger")
            about = held(client, model)
            found["hold"] = hold_words(about) if about is not None else None
    except LandmarkError as error:
        found["unknown"].append(str(error))


def _print(found: dict[str, Any]) -> None:
    if found["champion"] is None:
        print(f"model '{found['model']}': no champion yet; `landmark retrain CONFIG` makes one")
    else:
        print(_version(found["model"], "champion", found["champion"]))
    challenger = found["challenger"]
    if challenger is not None and (found["champion"] or {}).get("version") != challenger["version"]:
        print(_version(found["model"], "challenger", challenger))
    if found["hold"]:
        print(found["hold"])
    if found["running"]:
        rows = [[row["flow"], row["run"], row["begun"][:19], str(row["facts"].get("pid", ""))] for row in found["running"]]
        print_table("runs now", ["flow", "run", "since (UTC)", "process"], rows)
    else:
        print("nothing runs under this home folder")
    if found["failed"]:
        rows = [[row["begun"][:19], row["flow"], row["run"], row["outcome"], _why(row)] for row in found["failed"]]
        print_table("failed last", ["begun (UTC)", "flow", "run", "outcome", "why"], rows)
    if found["succeeded"]:
        rows = [
            [row["begun"][:19], row["flow"], row["run"], row["outcome"], f"{row['seconds']:.0f}"] for row in found["succeeded"]
        ]
        print_table("went well last", ["begun (UTC)", "flow", "run", "outcome", "seconds"], rows)
    if found["scheduled"]:
        for title, key in (("on the server now", "running"), ("coming", "coming"), ("failed on the server", "failed")):
            cells = [[row["time"][:19], row["flow"], row["name"], row["state"], row["why"]] for row in found["scheduled"][key]]
            if cells:
                print_table(title, ["time (UTC)", "flow", "run", "state", "why"], cells)
    if found["servers"]:
        print("servers " + ", ".join(f"{name} {address}" for name, address in found["servers"].items()))
    for line in found["unknown"]:
        print(f"unknown: {line}")


def _why(row: dict[str, Any]) -> str:
    gate = row["facts"].get("gate") or {}
    return row["why"] or "; ".join(gate.get("reasons", []))


def _version(model: str, alias: str, version: dict[str, Any]) -> str:
    figures = ", ".join(
        f"{name} {float(version['figures'][name]):.4g}" for name in FIGURES if name in version.get("figures", {})
    )
    since = version.get("since") or "?"
    return f"{alias} of '{model}': version {version['version']} since {since}" + (f"; {figures}" if figures else "")
