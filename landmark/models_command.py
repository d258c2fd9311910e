"""The commands `models`: which versions there are, which is the champion, why, and how to change that."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from landmark.console import print_table, set_up_logging, show, stdout_for_results
from landmark.options import Debug, Home, Json, Name, use_home

models = typer.Typer(
    help="Versions in the registry: list, show, promote, rollback, resume, history, prune.",
    no_args_is_help=True,
    rich_markup_mode=None,
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
        from landmark.registry.promotion import held

        with asking(Path(home)) as client:
            rows, hold = listing(client, name), held(client, name)
    show(
        {"model": name, "versions": rows, "hold": hold},
        json,
        _print_list,
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
    config: Annotated[
        Path | None, typer.Option(help="The retraining's config: the gate must have passed it by the rule in there.")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make a version the champion, if the gate has passed it against the champion that there is.

    The gate goes on, if it was on hold after a rollback. Best run where the worker runs, with its home folder: its lock keeps
    two changes apart.
    """
    set_up_logging(debug)
    use_home(home)
    with stdout_for_results():
        from landmark.registry.by_hand import last_basis, promote
        from landmark.registry.connection import asking

        rule = None if config is None else _rule_of(config)
        with asking(Path(home)) as client:
            champion = promote(client, name, version, home=Path(home), force=force, why=why, rule=rule)
            verdict = last_basis(client, name, champion)
    show({"model": name, "champion": champion, "verdict": verdict}, json, _print_champion)


@models.command("rollback")
def models_rollback(
    to: Annotated[str | None, typer.Option(help="Version or alias; without it: the champion before this one.")] = None,
    why: Why = "",
    hold: Annotated[
        bool, typer.Option("--hold/--no-hold", help="The gate promotes no other version either, until `resume` or `promote`.")
    ] = True,
    home: Home = ".landmark",
    name: Name = "landmark",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make the champion before this one the champion again; the gate will not bring back what is rolled back.

    Best run where the worker runs, with its home folder: its lock keeps two changes apart.
    """
    set_up_logging(debug)
    use_home(home)
    with stdout_for_results():
        from landmark.registry.by_hand import rollback
        from landmark.registry.connection import asking
        from landmark.registry.promotion import held

        with asking(Path(home)) as client:
            champion = rollback(client, name, home=Path(home), to=to, why=why, hold=hold)
            about = held(client, name)
    show({"model": name, "champion": champion, "hold": about}, json, _print_champion)


@models.command("resume")
def models_resume(
    why: Why = "", home: Home = ".landmark", name: Name = "landmark", json: Json = False, debug: Debug = False
) -> None:
    """Let the gate promote again after a rollback; what was rolled back itself stays out."""
    set_up_logging(debug)
    use_home(home)
    with stdout_for_results():
        from landmark.registry.by_hand import resume
        from landmark.registry.connection import asking

        with asking(Path(home)) as client:
            lifted = resume(client, name, home=Path(home), why=why)
    show({"model": name, "lifted": lifted}, json, _print_lifted)


@models.command("prune")
def models_prune(
    keep: Annotated[int, typer.Option(min=1, help="How many of the latest versions, and of the latest champions.")] = 10,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Delete nothing, show what would be.")] = False,
    home: Home = ".landmark",
    name: Name = "landmark",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Delete old versions with their files; whatever has an alias is kept, as are the runs that made them and the history."""
    set_up_logging(debug)
    use_home(home)
    with stdout_for_results():
        from landmark.registry.connection import asking
        from landmark.registry.retention import prune_versions

        with asking(Path(home)) as client:
            rows = [one.to_json() for one in prune_versions(client, name, Path(home), keep, dry_run)]
    show({"model": name, "dry_run": dry_run, "deleted": rows}, json, _print_pruned)


@models.command("history")
def models_history(home: Home = ".landmark", name: Name = "landmark", json: Json = False, debug: Debug = False) -> None:
    """Show who made which version the champion, when and why, oldest first."""
    set_up_logging(debug)
    use_home(home)
    with stdout_for_results():
        from landmark.registry.by_hand import history
        from landmark.registry.connection import asking

        with asking(Path(home)) as client:
            rows = history(client, name, home=Path(home))
    show({"model": name, "events": rows}, json, lambda made: _print_events(f"model '{name}'", made["events"]))


def _print_list(made: dict[str, Any]) -> None:
    columns = ["version", "aliases", "since", "sensitivity", "specificity", "gate", "megabytes", "run"]
    print_table(f"model '{made['model']}'", columns, _cells(made["versions"]))
    _print_hold(made["hold"])


def _cells(rows: list[dict[str, Any]]) -> list[list[str]]:
    return [
        [
            row["version"],
            ", ".join([*row["aliases"], *(["damaged"] if row["damaged"] else [])]),
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
    _print_hold(found["hold"])


def _print_events(title: str, events: list[dict[str, Any]]) -> None:
    columns = ["time", "who", "action", "from", "to", "why", "outcome"]
    cells = [
        [
            *(row[key] for key in ("time", "who")),
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
    if made.get("verdict"):
        from landmark.registry.verdicts import basis

        print(f"the gate's verdict: {'passed' if made['verdict']['passed'] else 'refused'} ({basis(made['verdict'])})")
    _print_hold(made.get("hold"))


def _print_hold(hold: dict[str, str] | None) -> None:
    if hold is not None:
        from landmark.registry.by_hand import hold_words

        print(hold_words(hold))


def _print_lifted(made: dict[str, Any]) -> None:
    if made["lifted"] is None:
        print(f"model '{made['model']}': promotion by the gate was not on hold")
    else:
        print(f"model '{made['model']}': the gate promotes again (on hold since {made['lifted']['when']})")


def _print_pruned(made: dict[str, Any]) -> None:
    cells = [
        [row["version"], "" if row["bytes"] is None else f"{row['bytes'] / 1e6:.1f}", row["run"]] for row in made["deleted"]
    ]
    print_table("would be deleted" if made["dry_run"] else "deleted", ["version", "megabytes", "run"], cells)


def _rule_of(file: Path) -> str:
    from landmark.config_file import load_config
    from landmark.registry.judge import rule_digest

    return rule_digest(load_config(file).registry.gate)
