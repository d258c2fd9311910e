"""The command `landmark`. What a command needs is imported when it runs, so that the help is there at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from landmark.console import guard, print_table, set_up_logging, show, stdout_for_results
from landmark.gldv2_command import gldv2
from landmark.index_command import index
from landmark.models_command import models
from landmark.options import Debug, Home, Json, Model
from landmark.options import use_home as _use
from landmark.retrain_command import refresh, retrain
from landmark.review_command import review
from landmark.status_command import prune, status
from landmark.tag_command import drift, tag
from landmark.up_command import down, up

app = typer.Typer(
    name="landmark",
    help="Recognises landmarks in photo collections.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.add_typer(models, name="models")
app.add_typer(gldv2, name="gldv2")
app.add_typer(index, name="index")
for command in (retrain, refresh, tag, drift, review, status, prune, up, down):
    app.command()(command)


@app.command()
def world(
    out: Annotated[Path, typer.Argument(help="Folder to write: landmarks/ID/*.jpg, others/, unknown/, landmarks.csv.")],
    seed: Annotated[int, typer.Option(help="Seed of the generator.")] = 0,
    landmarks: Annotated[int, typer.Option(help="Landmarks.", min=1)] = 12,
    photos: Annotated[int, typer.Option(help="Photos of the most photographed landmark.", min=1)] = 40,
    others: Annotated[int, typer.Option(help="Photos of other things.", min=1)] = 400,
    size: Annotated[int, typer.Option(help="Side of a photo [pixels].", min=32, max=1024)] = 128,
    holiday: Annotated[
        int,
        typer.Option(help="Write a collection of so many photos from this world instead: days, bursts, positions.", min=0),
    ] = 0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the generated sample: a small world of landmarks and of other things."""
    set_up_logging(debug)
    from landmark.config import WorldConfig

    settings = WorldConfig(seed=seed, landmarks=landmarks, photos=photos, others=others, size=size)
    with stdout_for_results():
        from landmark.photos.world import write_holiday, write_world

        if holiday:
            shown = write_holiday(out, settings, holiday)
            collection = {"folder": str(out), "photos": holiday, "with_landmark": shown}
            show(collection, json, lambda made: print(f"{made['folder']}: {holiday} photos, {shown} of a landmark"))
            return
        write_world(out, settings)
    written = {name: sum(1 for _ in (out / name).rglob("*.jpg")) for name in ("landmarks", "others", "unknown")}
    result = {"folder": str(out), "landmarks": landmarks, "photos": written}
    show(result, json, lambda made: print(f"{made['folder']}: {landmarks} landmarks; photos: {made['photos']}"))


@app.command()
def catalog(
    source: Annotated[str, typer.Argument(help="Folder with one folder a landmark; GLDv2: the CSV of photos.")],
    out: Annotated[str, typer.Option(help="Catalog to write (.parquet); s3:// allowed.")],
    others: Annotated[str | None, typer.Option(help="Folder of photos that show no landmark.")] = None,
    format: Annotated[str, typer.Option(help="folder, gldv2 or world.")] = "folder",
    landmarks: Annotated[str | None, typer.Option(help="CSV: landmark,name,city,country,region,lat,lon.")] = None,
    splits: Annotated[str | None, typer.Option(help="CSV: photo,split.")] = None,
    images: Annotated[str | None, typer.Option(help="gldv2: folder with a/b/c/ID.jpg.")] = None,
    unknown: Annotated[str | None, typer.Option(help="Folder of photos of landmarks that the model shall not know.")] = None,
    seed: Annotated[int, typer.Option(help="Seed of the splits.")] = 0,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Read photos into a catalog: sizes, EXIF, copies and near-duplicates, splits."""
    set_up_logging(debug)
    from landmark.commands import data_settings

    settings = data_settings(
        source=source, others=others, format=format, landmarks=landmarks, splits=splits, images=images, unknown=unknown
    )
    with stdout_for_results():
        from landmark.photos.build import build_catalog
        from landmark.steps.photos import counts

        made = build_catalog(settings, seed)
        made.save(out)
        result = {"catalog": str(out), "digest": made.digest, **counts(made)}
    show(result, json, lambda result: print_table(str(out), ["", "photos"], [[k, str(v)] for k, v in result["photos"].items()]))


@app.command()
def evaluate(
    model: Model,
    catalog: Annotated[str, typer.Argument(help="Catalog with a test split (.parquet); s3:// allowed.")],
    out: Annotated[Path, typer.Option(help="Folder for metrics.json and report.html.")],
    distractors: Annotated[
        str | None, typer.Option(help="Embeddings (.npy), or a folder of such or of photos: identification among them too.")
    ] = None,
    home: Home = ".landmark",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure a recognizer on a catalog's test split."""
    set_up_logging(debug)
    _use(home)
    with stdout_for_results():
        from landmark.commands import evaluate_model

        metrics = evaluate_model(model, catalog, out, Path(home), distractors)
    show(metrics, json, lambda found: print_table(str(out), ["figure", "value"], [[k, f"{v:.4g}"] for k, v in found.items()]))


@app.command()
def revisited(
    model: Annotated[str | None, typer.Argument(help="Recognizer: folder, s3://..., or models:/NAME@ALIAS.")] = None,
    *,
    gnd: Annotated[str, typer.Option(help="Ground truth: the published .pkl, or JSON with the same keys.")],
    images: Annotated[str | None, typer.Option(help="Folder with NAME.jpg (or jpg/NAME.jpg) of database and queries.")] = None,
    ranks: Annotated[str | None, typer.Option(help="Rankings made elsewhere: .npy, int [results, queries].")] = None,
    distractors: Annotated[list[str] | None, typer.Option(help="Folder of photos, or embeddings (.npy); repeatable.")] = None,
    protocol: Annotated[list[str] | None, typer.Option(help="standard, our-classes, revised-junk; repeatable.")] = None,
    classes: Annotated[str | None, typer.Option(help="our-classes: CSV query,landmark (the model's landmark ids).")] = None,
    moved: Annotated[str | None, typer.Option(help="revised-junk: CSV query,photo of what becomes junk.")] = None,
    leave_out: Annotated[str | None, typer.Option(help="Text, a query or landmark a line: score also without them.")] = None,
    whole_query: Annotated[bool, typer.Option("--whole-query", help="Do not crop the queries: not the protocol.")] = False,
    scales: Annotated[str, typer.Option(help="Factors of the input size to average over, e.g. 1,0.7071,1.4142.")] = "1",
    whiten: Annotated[
        str | None, typer.Option(help="Whitening (.npz), or what to learn it from: embeddings (.npy) or folder.")
    ] = None,
    per_query: Annotated[str | None, typer.Option(help="CSV to write: the scores of each query.")] = None,
    out: Annotated[str | None, typer.Option(help="Folder for revisited.json, per_query.csv, whitening.npz.")] = None,
    home: Home = ".landmark",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Measure on Revisited Oxford or Paris: mAP, mP@1, 5, 10 at Easy, Medium and Hard."""
    set_up_logging(debug)
    _use(home)
    with stdout_for_results():
        from landmark import revisited_command as command

        options = command.Options(
            gnd=gnd,
            model=model,
            ranks=ranks,
            images=images,
            distractors=tuple(distractors or ()),
            protocols=tuple(protocol or ()),
            classes=classes,
            moved=moved,
            leave_out=leave_out,
            whole_query=whole_query,
            scales=command.parse_scales(scales),
            whiten=whiten,
        )
        result = command.revisited(options, Path(home), out, per_query)
    show(result, json, command.print_scores)


@app.command()
def recognize(
    model: Model,
    photos: Annotated[list[str], typer.Argument(help="Photos, or folders of photos.")],
    home: Home = ".landmark",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Say which landmark each photo shows, if any."""
    set_up_logging(debug)
    _use(home)
    with stdout_for_results():
        from landmark.commands import recognize_photos

        rows = recognize_photos(model, photos)
    columns = ["photo", "landmark", "name", "confidence", "similarity", "reason"]

    def render(result: dict[str, Any]) -> None:
        cells = [[f"{row[c]:.3f}" if isinstance(row[c], float) else str(row[c]) for c in columns] for row in result["photos"]]
        print_table(model, columns, cells)

    show({"model": model, "photos": rows}, json, render)


@app.command()
def explain(
    model: Model,
    photos: Annotated[list[str], typer.Argument(help="Photos, or folders of photos.")],
    out: Annotated[str, typer.Option(help="Folder for the pictures; s3:// allowed.")],
    catalog: Annotated[
        str | None, typer.Option(help="Catalog (.parquet) to look for the nearest photos in; its map is drawn too.")
    ] = None,
    format: Annotated[str, typer.Option(help="Of the pictures: png or svg.")] = "png",
    neighbours: Annotated[int, typer.Option(help="Nearest photos a picture.", min=0, max=12)] = 6,
    map: Annotated[str | None, typer.Option(help="Method of the catalog's map: tsne (default), umap or pca.")] = None,
    home: Home = ".landmark",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a picture for each photo: where the recognizer looks, the nearest centroid, the nearest photos."""
    set_up_logging(debug)
    _use(home)
    with stdout_for_results():
        from landmark.commands import load_recognizer
        from landmark.photos.catalog import Catalog
        from landmark.steps.explain import explain_files, explain_options

        options = explain_options(format, neighbours, map, catalog)
        photos_known = None if catalog is None else Catalog.load(catalog)
        result = explain_files(load_recognizer(model), photos, out, Path(home), photos_known, options)
    columns = ["photo", "picture", "landmark", "confidence", "similarity", "reason"]

    def render(made: dict[str, Any]) -> None:
        rows = [*made["explained"], *({"photo": bad["photo"], "reason": bad["reason"]} for bad in made["unreadable"])]
        cells = [[f"{v:.3f}" if isinstance(v := row.get(c, ""), float) else str(v) for c in columns] for row in rows]
        print_table(out, columns, cells)

    show(result, json, render)


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []})
def bench(context: typer.Context, name: Annotated[str, typer.Argument(help="A file of benchmarks/, e.g. throughput.")]) -> None:
    """Run a benchmark of the repository; what follows its name goes to it."""
    from landmark.commands import run_benchmark

    run_benchmark(name, context.args)


def main() -> None:
    """Entry point of the command `landmark`."""
    sys.exit(guard(lambda: app(standalone_mode=False), "--debug" in sys.argv))


if __name__ == "__main__":
    main()
