"""The commands `landmark tag` and `landmark drift`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from landmark.console import print_table, set_up_logging, show, stdout_for_results
from landmark.errors import UsageError
from landmark.options import Debug, Home, Json, use_home

Albums = Literal["links", "lists", "none"]


def tag(
    photos: Annotated[str, typer.Argument(help="Folder, list of paths (.txt, .csv) or s3:// prefix.")],
    out: Annotated[str, typer.Option(help="Folder for tags.parquet, tags.jsonl, unreadable.csv, albums/, gallery/.")],
    model: Annotated[
        str, typer.Option(help="Recognizer: folder, s3://..., or models:/NAME@ALIAS.")
    ] = "models:/landmark@champion",
    shard: Annotated[int, typer.Option(help="Photos a shard: what a kill can cost [count].", min=1)] = 512,
    device: Annotated[str, typer.Option(help="auto, cpu or gpu.")] = "auto",
    workers: Annotated[int, typer.Option(help="Threads that read photos (0: one a CPU; 16 for s3://).", min=0)] = 0,
    engine: Annotated[Literal["local", "ray"], typer.Option(help="This machine, or a Ray cluster (extra `ray`).")] = "local",
    copy_to: Annotated[str | None, typer.Option(help="s3:// prefix that gets a copy.")] = None,
    xmp: Annotated[bool, typer.Option("--xmp", help="Write XMP sidecars beside the photos.")] = False,
    withdraw_xmp: Annotated[bool, typer.Option("--withdraw-xmp", help="Take all of ours out of XMP sidecars.")] = False,
    albums: Annotated[Albums, typer.Option(help="Albums of links to the photos, or lists.")] = "links",
    gallery: Annotated[bool, typer.Option(help="Write gallery/index.html.")] = True,
    shown: Annotated[int, typer.Option(help="Most tagged photos in it [count].", min=1)] = 20_000,
    near_misses: Annotated[int, typer.Option(help="Most photos without a landmark in it [count].", min=0)] = 500,
    why: Annotated[int, typer.Option(help="Activation maps in it [count].", min=0)] = 24,
    csv: Annotated[bool, typer.Option("--csv", help="Write tags.csv too.")] = False,
    language: Annotated[str | None, typer.Option(help="Language of names: fr, pt-BR, ...; auto: yours.")] = None,
    names: Annotated[str | None, typer.Option(help="CSV of your own names: landmark,name[,city,country].")] = None,
    min_confidence: Annotated[float, typer.Option(help="Smallest confidence of a tag [probability].", min=0, max=1)] = 0.0,
    context: Annotated[
        bool | None,
        typer.Option(help="Let GPS and photos taken near one another support a tag."),
    ] = None,
    home: Home = ".landmark",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Tag a collection, or bring its tags up to date: only new and changed photos are read. Killed, it goes on where it was."""
    set_up_logging(debug)
    use_home(home)
    with stdout_for_results():
        from landmark.tagging.job import tag as run
        from landmark.tagging.source import check_source

        # Before the registry is asked, which takes seconds.
        check_source(photos)
        if xmp and withdraw_xmp:
            raise UsageError("--xmp and --withdraw-xmp: give one of them")
        outputs = _outputs(
            context,
            xmp="write" if xmp else "withdraw" if withdraw_xmp else "keep",
            **{"albums": albums, "gallery": gallery, "shown": shown, "near_misses": near_misses, "why": why, "csv": csv},
            **{"language": language, "names": names, "min_confidence": min_confidence, "copy_to": copy_to},
        )
        uri, label = pinned(model, Path(home))
        result = run(
            photos, uri, out, home, shard=shard, label=label, device=device, workers=workers, engine=engine, outputs=outputs
        ).to_json()  # fmt: skip
    show(result, json, _print_tags)


def drift(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="Folder that `landmark tag` wrote.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Bounds and actions, e.g. minimum=200 on_tagged=refresh."),
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Compare with the tags in this folder (else with DIR as it was before).")
    ] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say whether what is tagged now is like what was tagged before, and what to do: none, refresh or retrain."""
    set_up_logging(debug)
    with stdout_for_results():
        from landmark.tagging.drift import check

        result = check(folder, reference, drift_settings(overrides or [])).to_json()
    show(result, json, _print_drift)


def pinned(model: str, home: Path) -> tuple[str, str | None]:
    """A registered model by its version, so that a promotion in between changes nothing, and what the column `model` says.

    Returns:
        ("models:/landmark/3", "landmark/3"); (`model`, None) for a recognizer that isn't from the registry.

    Raises:
        UsageError: no such model, version or alias.
        LandmarkError: the registry can't be reached.
    """
    found = re.fullmatch(r"models:/(?P<name>[^/@]+)[@/](?P<wanted>[^/@]+)", model)
    if found is None:
        return model, None
    import landmark.registry  # noqa: F401  # knows where models:/ is
    from landmark.registry.connection import asking
    from landmark.registry.versions import find

    with asking(home) as client:
        version = f"{found['name']}/{find(client, found['name'], found['wanted']).version}"
    return f"models:/{version}", version


def _outputs(context: bool | None, **values: Any) -> Any:
    """Settings of what is made beside the tables."""
    from landmark.tagging.context_config import ContextConfig
    from landmark.tagging.output_config import OutputConfig

    if context is not None:
        values["context"] = ContextConfig() if context else ContextConfig(gps=False, neighbours=False, against=0.0)
    return OutputConfig.model_validate(values)


def drift_settings(overrides: list[str]) -> Any:
    """Settings of the drift check from KEY=VALUE.

    Raises:
        UsageError: no such key, or a value that is not allowed.
    """
    from pydantic import ValidationError

    from landmark.tagging.drift_config import DriftConfig

    pairs = [text.partition("=") for text in overrides]
    wrong = [text for text, (_, equals, _) in zip(overrides, pairs, strict=True) if not equals]
    if wrong:
        raise UsageError(f"drift: '{wrong[0]}' is not KEY=VALUE")
    try:
        return DriftConfig.model_validate({key: value for key, _, value in pairs})
    except ValidationError as error:
        problems = "; ".join(f"{item['loc'][0]}: {item['msg']}" for item in error.errors())
        raise UsageError(f"drift: {problems}; there are {', '.join(DriftConfig.model_fields)}") from error


def _print_tags(result: dict[str, Any]) -> None:
    names = ("photos", "tagged", "unreadable", "read", "embedded", "rescored", "model", "seconds")
    print_table(result["out"], ["", ""], [[name, str(result[name])] for name in names])
    for output, counts in result["outputs"].items():
        told = [f"{value} {name.replace('_', ' ')}" for name, value in counts.items() if value and type(value) is int]
        print(f"{output}: " + ", ".join([*told, *([counts["page"]] if "page" in counts else [])]))
    if result["outputs"].get("xmp", {}).get("failed"):
        print(f"sidecars that could not be written: {result['out']}/sidecars.csv")
    if not result["changed"] and not result["outputs"]:
        print("nothing to do: no photo is new, changed or gone, and the model is the same")


def _print_drift(result: dict[str, Any]) -> None:
    if result["rows"]:
        columns = ("what", "reference", "now", "difference", "bound", "exceeded")
        cells = [["–" if row[c] is None else f"{row[c]:.4g}" if isinstance(row[c], float) else str(row[c]) for c in columns]
                 for row in result["rows"]]  # fmt: skip
        print_table(f"{result['photos']} photos against {result['reference_photos']}", list(columns), cells)
    if result["note"]:
        print(result["note"])
    print(f"action  {result['action']}{' because of ' + ', '.join(result['because']) if result['because'] else ''}")
