"""Options that several commands share."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks and every log line.")]
Home = Annotated[str, typer.Option(envvar="LANDMARK_HOME", help="Folder of runs, caches and registry.")]
Model = Annotated[str, typer.Argument(help="Recognizer: folder, s3://..., or models:/NAME@ALIAS.")]
Name = Annotated[str, typer.Option("--name", help="Name of the registered model.")]


def use_home(home: str) -> None:
    """Make a folder the home of this process and of those it starts; servers that run for it are used."""
    os.environ["LANDMARK_HOME"] = home
    os.environ.setdefault("LANDMARK_CACHE", str(Path(home).resolve() / "embeddings"))
    from landmark.stack.found import apply, running

    servers = running(Path(home))
    if servers is not None:
        apply(servers)
