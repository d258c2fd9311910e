"""The commands `models`: which versions there are, which is the champion, why, and how to change that."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from landmark.console import print_table, set_up_logging, show, stdout_for_results
from landmark.options import Debug, Home, Json, Name, use_home

models = typer.Typer(
    help="Versions in the registry: list, show, promote, rollback, history.", no_args_is_help=True, rich_markup_mode=None
)
Wanted = Annotated[str, typer.Argument(help="Version, or an alias such as 'challenger'.")]
Why = Annotated[str, typer.Option(help="Reason, kept in the history.")]


@models.command("list")
def models_list(home: Home = ".landmark", name: Name = "landmark", json: Json = False, debug: Debug = False) -> None:
    """List the versions of a model: aliases, since when, figures, the gate's verdict, size."""
    set_up_logging(debug)
    use_home(home)
    with stdout_for_results():
        from landmark.registry.connection import asking
        from landmark.registry.models import listing

        with asking(Path(home)) as client:
            rows = listing(client, name)
    columns = ["version", "aliases", "since", "sensitivity", "specificity", "gate", "megabytes", "run"]
    show(
        {"model": name, "versions": rows}, json, lambda made: print_table(f"model '{name}'", columns, _cells(made["versions"]))
    )


@models.command("show")
def models_show(
    version: Wanted = "champion",
    home: Home = ".landmark",
    name: Name = "landmark",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show a version: data, settings and code that it was made from, figures, verdicts, and what became of it."""
    set_up_logging(debug)
    use_home(home)
    with stdout_for_results():
        from landmark.registry.connection import asking
        from landmark.registry.models import details

        with asking(Path(home)) as client:
            found = details(client, name, version)
    show(found, json, _print_details)


@models.command("promote")
def models_promote(
    version: Wanted = "challenger",
    home: Home = ".landmark",
    name: Name = "landmark",
    force: Annotated[bool, typer.Option("--force", help="Though the gate has not passed it; say --why.")] = False,
    why: Why = "",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a version the champion, if the gate has passed it against the champion that there is."""
    set_up_logging(debug)
    use_home(home)
    with stdout_for_results():
        from landmark.registry.connection import asking
        from landmark.registry.models import promote

        with asking(Path(home)) as client:
            champion = promote(client, name, version, home=Path(home), force=force, why=why)
    show({"model": name, "champion": champion}, json, _print_champion)


@models.command("rollback")
def models_rollback(
    to: Annotated[str | None, typer.Option(help="Version or alias; without it: the champion before this one.")] = None,
    why: Why = "",
    home: Home = ".landmark",
    name: Name = "landmark",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make the champion before this one the champion again; the gate will not bring back what is rolled back."""
    set_up_logging(debug)
    use_home(home)
    with stdout_for_results():
        from landmark.registry.connection import asking
        from landmark.registry.models import rollback

        with asking(Path(home)) as client:
            champion = rollback(client, name, home=Path(home), to=to, why=why)
    show({"model": name, "champion": champion}, json, _print_champion)


@models.command("history")
def models_history(home: Home = ".landmark", name: Name = "landmark", json: Json = False, debug: Debug = False) -> None:
    """Show who made which version the champion, when and why, oldest first."""
    set_up_logging(debug)
    use_home(home)
    with stdout_for_results():
        from landmark.registry.connection import asking
        from landmark.registry.models import history

        with asking(Path(home)) as client:
            rows = history(client, name, home=Path(home))
    show({"model": name, "events": rows}, json, lambda made: _print_events(f"model '{name}'", made["events"]))


def _cells(rows: list[dict[str, Any]]) -> list[list[str]]:
    return [
        [
            row["version"],
            ", ".join(row["aliases"]),
            row["since"] or "?",
            *("" if row[figure] is None else f"{row[figure]:.4f}" for figure in ("sensitivity", "specificity")),
            "" if row["gate"] is None else f"{row['gate']} ({'no champion' if row['against'] == 'none' else row['against']})",
            "" if row["bytes"] is None else f"{row['bytes'] / 1e6:.1f}",
            row["run"] or "",
        ]
        for row in rows
    ]


def _print_details(found: dict[str, Any]) -> None:
    title = f"models:/{found['model']}/{found['version']}"
    rows = [["aliases", ", ".join(found["aliases"])], ["registered", found["registered"]], ["run", found["run"] or ""]]
    rows += [[name, "" if value is None else str(value)] for name, value in found["from"].items()]
    rows += [[name, f"{value:.6g}"] for name, value in found["figures"].items()]
    print_table(title, ["", "value"], rows)
    verdicts = [
        [
            "passed" if row["passed"] else "refused",
            row["against"],
            row["when"],
            ", ".join(row["reasons"]),
            row["artefact"] or "",
        ]
        for row in found["verdicts"]
    ]
    print_table("verdicts of the gate", ["verdict", "against", "when", "because of", "in the run's artefacts"], verdicts)
    _print_events("what became of it", found["trace"])


def _print_events(title: str, events: list[dict[str, Any]]) -> None:
    columns = ["time", "who", "action", "from", "to", "why", "outcome"]
    cells = [
        [
            *(row[key] for key in columns[:2]),
            f"{row['action']}{', forced' if row['forced'] else ''}",
            row["from"] or "none",
            row["to"],
            row["why"],
            row["outcome"] or "open",
        ]
        for row in events
    ]
    print_table(title, columns, cells)


def _print_champion(made: dict[str, Any]) -> None:
    print(f"models:/{made['model']}@champion is version {made['champion']}")
