"""What the commands do, once their arguments are read."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

import landmark
from landmark.config import DataConfig
from landmark.errors import LandmarkError, UsageError

if TYPE_CHECKING:
    from landmark.recognition.recognizer import Recognizer


def data_settings(**options: Any) -> DataConfig:
    """Settings of a catalog from the command line; paths become absolute.

    Raises:
        UsageError: an option is missing or has a value that is not allowed.
    """
    paths = ("source", "others", "unknown", "images", "landmarks", "splits")
    absolute = {
        name: str(Path(value).absolute()) if name in paths and value is not None and "://" not in value else value
        for name, value in options.items()
    }
    try:
        return DataConfig.model_validate(absolute)
    except ValidationError as error:
        problems = [
            f"{'--' + str(item['loc'][0]) + ': ' if item['loc'] else ''}{item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()
        ]
        raise UsageError(f"catalog: {'; '.join(problems)}") from error


def evaluate_model(model: str, catalog: str, out: Path, home: Path, distractors: str | None = None) -> dict[str, float]:
    """Measure a recognizer on a catalog's test split."""
    recognizer = load_recognizer(model)
    from landmark.photos.catalog import Catalog
    from landmark.steps.evaluation import evaluate_on

    title = f"{model} on {catalog.rsplit('/', 1)[-1]}"
    return evaluate_on(recognizer, Catalog.load(catalog), out, home, title, distractors)


def recognize_photos(model: str, photos: list[str]) -> list[dict[str, Any]]:
    """A row a photo: what it shows. Folders stand for the photos in them."""
    recognizer = load_recognizer(model)
    from landmark.steps.explain import photo_files

    files = list(photo_files(photos))
    if not files:
        raise UsageError(f"recognize: no photos in {', '.join(photos)}")
    return [{str(key): value for key, value in row.items()} for row in recognizer.recognize(files).to_dict("records")]


def load_recognizer(model: str) -> Recognizer:
    """A recognizer from a folder, s3://, or the registry."""
    from landmark.recognition.recognizer import Recognizer

    if model.startswith("models:"):
        import landmark.registry  # noqa: F401  # knows where models:/ is
    return Recognizer.load(model)


def run_benchmark(name: str, arguments: list[str]) -> None:
    """Run a file of the repository's benchmarks/ as a program.

    Raises:
        UsageError: no such benchmark, or the package does not lie in its repository.
    """
    root = Path(landmark.__file__).resolve().parents[1]
    folder = root / "benchmarks"
    names = sorted(file.stem for file in folder.glob("*.py") if "__main__" in file.read_text(encoding="utf-8"))
    if name not in names:
        known = f"there are {', '.join(names)}" if names else f"none lies in {folder}; benchmarks come with the repository"
        raise UsageError(f"bench: no benchmark '{name}': {known}")
    before = sys.argv
    sys.argv = [str(folder / f"{name}.py"), *arguments]
    try:
        sys.path.insert(0, str(root))  # where the benchmarks' own imports start
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
    except SystemExit as end:
        if end.code == UsageError.exit_status:
            raise UsageError(f"bench {name}: wrong arguments; see landmark bench {name} --help") from end
        if end.code not in (None, 0):
            raise LandmarkError(f"bench {name}: ended with {end.code}") from end
    finally:
        sys.argv = before
