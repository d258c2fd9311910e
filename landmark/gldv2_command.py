"""The commands `landmark gldv2 score` and `landmark gldv2 submit`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from landmark.console import print_table, set_up_logging, show, stdout_for_results
from landmark.errors import UsageError
from landmark.options import Debug, Home, Json, Model, use_home

gldv2 = typer.Typer(
    help="The tasks of Google Landmarks v2: score a submission, or make one.", no_args_is_help=True, rich_markup_mode=None
)


class Task(StrEnum):
    """Which of the two."""

    recognition = "recognition"
    retrieval = "retrieval"


Which = Annotated[Task, typer.Argument(help="recognition (GAP) or retrieval (mAP@100).")]


@gldv2.command()
def score(
    task: Which,
    solution: Annotated[str, typer.Argument(help="CSV id,landmarks,Usage or id,images,Usage; s3:// allowed.")],
    submission: Annotated[str, typer.Argument(help='CSV id,landmarks with "landmark score", or id,images; s3:// allowed.')],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Score a submission as the official code does, public and private photos apart."""
    set_up_logging(debug)
    with stdout_for_results():
        from landmark.evaluation.gldv2.score import score_files

        result = score_files(task.value, solution, submission)

    def render(found: dict[str, Any]) -> None:
        figure, title = ("gap", "GAP [%]") if task == Task.recognition else ("map_at_100", "mAP@100 [%]")
        rows = [
            [part, f"{100 * found[part][figure]:.3f}", str(found[part]["photos"]), str(found[part]["predicted"])]
            for part in ("public", "private")
            if part in found
        ]
        print_table(submission, ["", title, "photos", "predicted"], rows)

    show(result, json, render)


@gldv2.command()
def submit(
    task: Which,
    model: Model,
    images: Annotated[str, typer.Argument(help="Folder of the test photos, a/b/c/ID.jpg or ID.jpg; s3:// allowed.")],
    out: Annotated[str, typer.Option(help="CSV to write; s3:// allowed.")],
    ids: Annotated[str | None, typer.Option(help="CSV with a column id: which photos (else all).")] = None,
    index: Annotated[str | None, typer.Option(help="retrieval: folder of the index photos.")] = None,
    home: Home = ".landmark",
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write a recognizer's answers to a task as Kaggle takes them."""
    set_up_logging(debug)
    if (index is not None) != (task == Task.retrieval):
        raise UsageError("gldv2 submit: --index DIR is of the retrieval task, which needs it; the recognition task has none")
    use_home(home)
    with stdout_for_results():
        from landmark.commands import load_recognizer
        from landmark.steps.gldv2 import submit_recognition, submit_retrieval

        recognizer = load_recognizer(model)
        if index is not None:
            result = submit_retrieval(recognizer, images, index, out, Path(home), ids)
        else:
            result = submit_recognition(recognizer, images, out, Path(home), ids)
    show(result, json, lambda made: print(f"{made['submission']}: {made['photos']} photos, {made['predicted']} predicted"))
