"""The commands `landmark index build|search|add|remove|info`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from landmark.console import print_table, set_up_logging, show, stdout_for_results
from landmark.errors import UsageError
from landmark.options import Debug, Home, Json

if TYPE_CHECKING:
    from landmark.steps.index_shards import Job

index = typer.Typer(
    help="An index over any vectors: build, search, add, remove, info.", no_args_is_help=True, rich_markup_mode=None
)

Folder = Annotated[str, typer.Argument(metavar="DIR", help="Folder of an index.")]
Vectors = Annotated[
    str, typer.Argument(help="Unit vectors [n, d]: .npy, .npz, .parquet, or a folder of such shards (and folders in it).")
]
Ids = Annotated[
    str | None,
    typer.Option(help="Ids: .npy, .txt, or .csv/.parquet with a column id or photo (and landmark, region, lat, lon)."),
]
Device = Annotated[str, typer.Option(help="auto, cpu or gpu.")]


@index.command()
def build(
    vectors: Vectors,
    out: Annotated[str, typer.Option(help="Folder to write; an index there is replaced when the new one is whole.")],
    recall: Annotated[float, typer.Option(help="recall@k to promise, against exact search.")] = 0.95,
    k: Annotated[int, typer.Option("-k", "--k", help="Results a query.")] = 10,
    max_bytes: Annotated[int | None, typer.Option(help="Largest size of the codes and copies [bytes].")] = None,
    milliseconds: Annotated[
        float | None, typer.Option(help="Longest time for a query asked alone [ms, 95th percentile, on this machine].")
    ] = None,
    device: Device = "auto",
    ids: Ids = None,
    queries: Annotated[
        str | None, typer.Option(help="Vectors to tune on, none of them stored (else some are held out).")
    ] = None,
    training: Annotated[int | None, typer.Option(help="Vectors to train on (else 64 a list).")] = None,
    seed: Annotated[int, typer.Option(help="Of samples and k-means.")] = 0,
    shards: Annotated[
        int, typer.Option(help="Add the vectors in so many parts, each on its own; what is done survives a kill.")
    ] = 1,
    engine: Annotated[str, typer.Option(help="Who adds the parts: local, processes, prefect or ray.")] = "local",
    workers: Annotated[int | None, typer.Option(help="Parts at once (else one a core; local and prefect: one).")] = None,
    home: Home = ".landmark",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Build an index that keeps a promise of recall, or say which promise can be kept."""
    set_up_logging(debug)
    with stdout_for_results():
        from landmark.recognition.index.goal import Goal
        from landmark.steps.index_shards import Job

        goal = Goal(recall, k, max_bytes, device, training, milliseconds)
        job = Job(vectors, out, shards, goal, ids, queries, seed)
        result = _in_shards(job, engine, workers, Path(home), debug)
    show({"index": out, **result}, json, _print)


@index.command()
def search(
    folder: Folder,
    queries: Annotated[str, typer.Argument(help="Unit vectors [q, d]: .npy, .npz or .parquet.")],
    out: Annotated[
        str,
        typer.Option(help="File to write (.npz): ids [q, k], similarities [q, k]; -1 or '' and -inf where there are fewer."),
    ],
    k: Annotated[
        int | None,
        typer.Option("-k", "--k", help="Results a query (else as many as it was built for: for more, no recall is promised)."),
    ] = None,
    landmark: Annotated[list[str] | None, typer.Option(help="Only photos of this landmark; repeatable.")] = None,
    region: Annotated[list[str] | None, typer.Option(help="Only photos of this region; repeatable.")] = None,
    near: Annotated[str | None, typer.Option(help="Only photos in a circle: LAT,LON,KM.")] = None,
    device: Device = "cpu",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Find the most similar vectors of each query."""
    set_up_logging(debug)
    circle = _circle(near)
    with stdout_for_results():
        from landmark.recognition.index.filter import Filter
        from landmark.steps.index import search_index

        only = Filter(frozenset(landmark) if landmark else None, frozenset(region) if region else None, circle)
        result = search_index(folder, queries, out, k, only, device)
    show(result, json, lambda made: print(f"{made['out']}: {made['queries']} queries, {made['found']} results"))


@index.command()
def add(folder: Folder, vectors: Vectors, ids: Ids = None, json: Json = False, debug: Debug = False) -> None:
    """Add vectors to an index without building it again; without --ids, ids go on from its largest number."""
    set_up_logging(debug)
    with stdout_for_results():
        from landmark.steps.index import add_to_index

        result = add_to_index(folder, vectors, ids)
    show({"index": folder, **result}, json, _print)


@index.command()
def remove(
    folder: Folder,
    photos: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids to remove.")] = None,
    ids: Annotated[str | None, typer.Option(help="File of ids to remove: .npy, .txt, .csv or .parquet.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Remove vectors by id without building the index again."""
    set_up_logging(debug)
    with stdout_for_results():
        from landmark.steps.index import remove_from_index

        result = remove_from_index(folder, photos or [], ids)
    show({"index": folder, **result}, json, _print)


@index.command()
def info(folder: Folder, json: Json = False, debug: Debug = False) -> None:
    """Say what is in an index, what it promises, and whether to build it again. Checks every file's checksum."""
    set_up_logging(debug)
    with stdout_for_results():
        from landmark.recognition.index.search import SearchIndex

        result = SearchIndex.load(folder).info()
    show({"index": folder, **result}, json, _print)


def _in_shards(job: Job, engine: str, workers: int | None, home: Path, debug: bool) -> dict[str, Any]:
    from landmark.steps import index_engines
    from landmark.steps.index_shards import build_in_shards

    if engine not in index_engines.ENGINES:
        raise UsageError(f"--engine {engine}: give {', '.join(index_engines.ENGINES[:-1])} or {index_engines.ENGINES[-1]}")
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: must be at least 1")
    if engine == "ray":
        index_engines.import_ray()  # before any work is done
    if engine == "local":
        return build_in_shards(job, index_engines.local)
    if engine != "prefect":
        run = {"processes": index_engines.processes, "ray": index_engines.ray}[engine]
        return build_in_shards(job, partial(run, workers=workers))
    from flows.environment import prepare
    from flows.server import Server

    prepare(home, verbose=debug)
    server = Server(home).start()
    from flows.index import build

    server.wait()
    return build(job, workers)


def _circle(text: str | None) -> tuple[float, float, float] | None:
    if text is None:
        return None
    try:
        lat, lon, radius = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--near {text}: give LAT,LON,KM, such as 48.858,2.294,1.5") from None
    return lat, lon, radius


def _print(result: dict[str, Any]) -> None:
    word = "promised" if result["promised"] else "NOT promised"
    print(
        f"recall@{result['k']} of {result['recall']:g} is {word}: {result['recall_confirmed']:.4f} was measured on queries "
        f"that are not stored, {result['recall_low']:.4f} at least; {result['milliseconds'] or 0:.2g} ms a query, "
        f"{result['bytes_per_vector']:.0f} bytes a vector"
    )
    if result["rebuild"]:
        print(f"build it again: {result['rebuild']}")
    cells = [
        [key, f"{value:.6g}" if isinstance(value, float) else str(value)]
        for key, value in result.items()
        if value != "" and value is not None
    ]
    print_table(str(result["index"]), ["of the index", "value"], cells)
