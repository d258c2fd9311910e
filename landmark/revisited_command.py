"""What `landmark revisited` does: scores of a recognizer's network, or of rankings made elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from landmark.console import print_table
from landmark.errors import UsageError
from landmark.evaluation.revisited.arrays import open_array, vector_blocks
from landmark.evaluation.revisited.ground_truth import GroundTruth
from landmark.evaluation.revisited.protocols import (
    OUR_CLASSES,
    PROTOCOLS,
    REVISED_JUNK,
    Changes,
    read_classes,
    read_left_out,
    read_moved,
    score_protocols,
)
from landmark.evaluation.revisited.ranking import Standing, rank_database, read_ranking
from landmark.evaluation.revisited.scores import DIFFICULTIES, MEANS
from landmark.evaluation.revisited.whitening import Whitening
from landmark.names import shown
from landmark.storage import is_s3, join, write_bytes, write_json

if TYPE_CHECKING:  # torch takes seconds to load, and rankings made elsewhere do without
    from landmark.recognition.recognizer import Recognizer
    from landmark.steps.revisited import MultiScale

log = logging.getLogger(__name__)

Vectors = NDArray[np.float32]
NOT_CROPPED = "WHOLE QUERIES: not cropped to their boxes, as the protocol asks; no score here compares with published ones"


@dataclass(frozen=True)
class Options:
    """The options of the command, checked against one another.

    Raises:
        UsageError: options that do not go together, or one that is missing.
    """

    gnd: str
    model: str | None = None
    ranks: str | None = None
    images: str | None = None
    distractors: tuple[str, ...] = ()
    protocols: tuple[str, ...] = ()
    classes: str | None = None
    moved: str | None = None
    leave_out: str | None = None
    whole_query: bool = False
    scales: tuple[float, ...] = (1.0,)
    whiten: str | None = None

    def __post_init__(self) -> None:
        if (self.model is None) == (self.ranks is None):
            raise UsageError("revisited: give a model with --images, or --ranks, and not both")
        if self.model is not None and self.images is None:
            raise UsageError("revisited: --images DIR is missing, the photos of the ground truth")
        embeds = {
            "--images": self.images,
            "--distractors": self.distractors,
            "--whole-query": self.whole_query,
            "--scales": self.scales != (1.0,),
            "--whiten": self.whiten,
        }
        idle = [name for name, value in embeds.items() if value]
        if self.ranks is not None and idle:
            raise UsageError(f"revisited: {idle[0]} says how photos are embedded; --ranks are scored as they are: leave it out")
        strange = [name for name in self.protocols if name not in PROTOCOLS]
        if strange:
            raise UsageError(f"--protocol: no protocol '{shown(strange[0])}'; there are {', '.join(PROTOCOLS)}")
        if OUR_CLASSES in self.protocols and self.classes is None:
            raise UsageError(f"--protocol {OUR_CLASSES}: --classes FILE is missing, a CSV query,landmark")
        if (REVISED_JUNK in self.protocols) != (self.moved is not None):
            raise UsageError(f"revisited: --protocol {REVISED_JUNK} and --moved FILE (a CSV query,photo) go together")


def parse_scales(text: str) -> tuple[float, ...]:
    """Factors from a list with commas.

    Raises:
        UsageError: not numbers.

    >>> parse_scales("1,0.5")
    (1.0, 0.5)
    """
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"--scales: '{shown(text)}' is no list of numbers such as 1,0.7071") from error


def revisited(options: Options, home: Path, out: str | None = None, per_query: str | None = None) -> dict[str, Any]:
    """Score, and write what was asked for.

    Args:
        options: what is scored, and how.
        home: where embeddings are kept.
        out: folder for revisited.json, per_query.csv and, where it was learned, whitening.npz.
        per_query: file for the scores of each query (CSV).

    Returns:
        The scores of `score_protocols`, in percent, and `settings`: all that they depend on.
    """
    truth = GroundTruth.load(options.gnd)
    classes = {} if options.classes is None else read_classes(options.classes, truth)
    moved = None if options.moved is None else read_moved(options.moved, truth)
    overlap = None if options.leave_out is None else read_left_out(options.leave_out, truth, classes)
    ours = classes  # of rankings made elsewhere, what is listed is all that is known of the model
    recognizer: Recognizer | None = None
    photos: list[str] = []
    if options.model is not None:
        photos, recognizer = _open(options, truth)
        known = {str(landmark) for landmark in recognizer.centroids.landmark}
        ours = {name: landmark for name, landmark in classes.items() if landmark in known}
    changes = Changes(set(ours) if OUR_CLASSES in options.protocols else None, moved, overlap)
    changes.check(truth)
    standings, used = _look_up(options, truth) if recognizer is None else _rank(options, truth, recognizer, photos, home, out)
    scores, table = score_protocols(standings, truth, changes)
    if options.whole_query:
        _mark(scores)
    sizes = {"queries": len(truth.queries), "database": len(truth.database)}
    lists = {"classes": options.classes, "moved": options.moved, "leave_out": options.leave_out}
    given = {name: file for name, file in lists.items() if file is not None}
    result = {**scores, "settings": {"ground_truth": options.gnd, **sizes, **used, **given}}
    csv = table.to_csv(index=False).encode()
    if per_query is not None:
        write_bytes(per_query, csv)
    if out is not None:
        write_bytes(join(out, "per_query.csv"), csv)
        write_json(join(out, "revisited.json"), _without_nan(result))
    return result


def print_scores(result: dict[str, Any]) -> None:
    """Print the scores of each protocol, what it changes, and the settings."""
    settings = result["settings"]
    blocks = {"standard": result, **_beside(result)}
    marked = " (WHOLE QUERIES)" if settings.get("query") == "whole" else ""
    rows = [
        [name + marked, difficulty, str(block["queries"][difficulty]), *(_percent(block[difficulty][key]) for key in MEANS)]
        for name, block in blocks.items()
        for difficulty in DIFFICULTIES
    ]
    print_table("revisited [percent]", ["protocol", "", "queries", *MEANS], rows)
    for name, block in blocks.items():
        if " + " in name:  # its lists are those of the two above
            continue
        if "left_out" in block:
            print(f"{name}: {len(block['left_out'])} queries left out: {', '.join(block['left_out']) or 'none'}")
        if "moved" in block:
            moved = [f"{query}: {', '.join(photos)}" for query, photos in block["moved"].items()]
            print(f"{name}: {sum(map(len, block['moved'].values()))} photos moved to junk: {'; '.join(moved)}")
    print("settings: " + ", ".join(f"{key} {value}" for key, value in settings.items()))


def _look_up(options: Options, truth: GroundTruth) -> tuple[list[Standing], dict[str, Any]]:
    """Read rankings made elsewhere."""
    name = str(options.ranks)
    ranks = open_array(name)
    size, results = len(truth.database), ranks.shape[0] if ranks.ndim else 0
    standings = read_ranking(ranks, truth)
    if results > size:
        log.warning("%s: %d results for a database of %d: ids from %d on are distractors", shown(name), results, size, size)
    return standings, {"ranks": name, "results": results}


def _open(options: Options, truth: GroundTruth) -> tuple[list[str], Recognizer]:
    """The photos and the model; what is missing is known before anything is embedded."""
    from landmark.commands import load_recognizer
    from landmark.steps.revisited import find_photos

    names = [*truth.database, *(query.name for query in truth.queries)]
    photos = find_photos(str(options.images), names)
    for option, source in [("--distractors", source) for source in options.distractors] + [("--whiten", options.whiten)]:
        if source is None or source.endswith(".npz"):
            continue
        if source.endswith(".npy"):
            open_array(source)
        elif not is_s3(source) and not Path(source).is_dir():
            raise UsageError(f"{option}: no such folder: {shown(source)}; give a folder of photos, or embeddings as .npy")
    return photos, load_recognizer(str(options.model))


def _rank(
    options: Options, truth: GroundTruth, recognizer: Recognizer, photos: list[str], home: Path, out: str | None
) -> tuple[list[Standing], dict[str, Any]]:
    """Embed and rank; also all settings that the embeddings depend on."""
    from landmark.steps.revisited import MultiScale, query_images

    if options.whole_query:
        log.warning(NOT_CROPPED)
    network = recognizer.network
    scaled = MultiScale(network, options.scales, home / "embeddings")
    whitening = _whitening(options.whiten, scaled, out)
    images = query_images(photos[len(truth.database) :], truth, options.whole_query)
    queries = scaled.images(images)
    if whitening:
        queries = whitening(queries)  # before the database is embedded: it says whether it fits the network
    database = scaled.photos(photos[: len(truth.database)])
    counts: list[dict[str, Any]] = []

    def distractors() -> Iterator[Vectors]:
        for source in options.distractors:
            unreadable: list[str] = []
            counts.append({"source": source, "photos": 0})
            for block in _blocks(source, scaled, unreadable):
                counts[-1]["photos"] += len(block)
                yield whitening(block) if whitening else block
            if unreadable:
                counts[-1]["unreadable"] = len(unreadable)

    standings = rank_database(queries, whitening(database) if whitening else database, truth, distractors())
    config = network.config
    return standings, {
        "model": options.model,
        "network": network.fingerprint[:16],
        "backbone": config.backbone,
        "resize": config.resize,
        "query": "whole" if options.whole_query else "cropped",
        "scales": list(options.scales),
        "input_sizes": scaled.sizes,
        "dimensions": queries.shape[1],
        "whitening": whitening.source if whitening else "none",
        "distractors": counts,
    }


def _whitening(source: str | None, scaled: MultiScale, out: str | None) -> Whitening | None:
    if source is None:
        return None
    if source.endswith(".npz"):
        return Whitening.load(source)
    unreadable: list[str] = []
    blocks = _blocks(source, scaled, unreadable)
    made = Whitening.learn(blocks, f"PCA of {source}, input {', '.join(map(str, scaled.sizes))} pixels")
    if out is not None:
        made.save(join(out, "whitening.npz"))
    return made


def _blocks(source: str, scaled: MultiScale, unreadable: list[str]) -> Iterator[Vectors]:
    """Embeddings from a .npy file, or of the photos in a folder."""
    return vector_blocks(source, scaled.dim) if source.endswith(".npy") else scaled.folder(source, unreadable)


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.2f}"


def _beside(result: dict[str, Any]) -> dict[str, Any]:
    """Scores of the protocols beside the standard one, by name."""
    return {key: value for key, value in result.items() if isinstance(value, dict) and isinstance(value.get("E"), dict)}


def _mark(scores: dict[str, Any]) -> None:
    for block in (scores, *_beside(scores).values()):
        for difficulty in DIFFICULTIES:
            block[difficulty]["whole_query"] = True


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and np.isnan(value) else value
