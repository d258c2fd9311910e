"""The protocols beside the standard one, which change the test, and are never told without the standard one.

`our-classes` and `revised-junk` are those of Boiarov and Tyantov (CIKM 2019, arXiv 1908.10192); leaving out the queries whose
landmarks occur in GLDv2-clean is the check for a training set that shares landmarks with the test.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from landmark.errors import LandmarkError, UsageError
from landmark.evaluation.revisited.ground_truth import GroundTruth
from landmark.evaluation.revisited.ranking import Standing
from landmark.evaluation.revisited.scores import COLUMNS, DIFFICULTIES, mean_scores, score_queries
from landmark.names import shown
from landmark.photos.csv_table import read_csv, where
from landmark.storage import read_bytes

OUR_CLASSES, REVISED_JUNK = "our-classes", "revised-junk"
PROTOCOLS = ("standard", OUR_CLASSES, REVISED_JUNK)
LEFT_OUT = "without-overlap"
Scores = dict[str, Any]


@dataclass(frozen=True)
class Changes:
    """How the test is changed, beside the standard one.

    Attributes:
        ours: names of the queries whose landmark is a class of the model (None: protocol `our-classes` is not asked for).
        moved: names of the photos moved to junk, by query (None: protocol `revised-junk` is not asked for).
        overlap: names of the queries left out in a further score (None: none is asked for).
    """

    ours: Collection[str] | None = None
    moved: Mapping[str, Sequence[str]] | None = None
    overlap: Collection[str] | None = None

    def check(self, truth: GroundTruth) -> None:
        """Refuse changes that leave nothing to score, before any photo is embedded.

        Raises:
            UsageError: no query is of a class of the model, or all are left out.
        """
        if self.ours is not None and not self.ours:
            raise UsageError("--classes: no listed landmark is a class of the model; list the model's landmark ids")
        if self.overlap is not None and len(self.overlap) == len(truth.queries):
            raise UsageError("--leave-out: it leaves out all queries; leave some to be scored")


def read_classes(uri: str, truth: GroundTruth) -> dict[str, str]:
    """Landmark of each query, from a CSV `query,landmark`.

    A query is given by its name, or with others by what their names have before the last `_` (`paris_eiffel`); a whole name
    counts more. Queries that are not listed are of no class.

    Raises:
        UsageError: not readable, a query that is not there, or one with two landmarks.
    """
    table = read_csv(uri, ["query", "landmark"])
    found: dict[str, tuple[bool, str]] = {}
    for row, (entry, landmark) in enumerate(zip(table["query"], table["landmark"], strict=True)):
        names = _named(entry, truth)
        if not names:
            raise UsageError(f"{where(uri, row)}: no query '{shown(entry)}' in the ground truth; correct the name")
        for name in names:
            whole, before = found.get(name, (False, landmark))
            if whole == (name == entry) and before != landmark:
                raise UsageError(f"{where(uri, row)}: query '{shown(name)}' has two landmarks; keep one of them")
            if name == entry or not whole:
                found[name] = (name == entry, landmark)
    return {name: landmark for name, (_, landmark) in found.items()}


def read_moved(uri: str, truth: GroundTruth) -> dict[str, list[str]]:
    """Photos to be moved to junk, by query, from a CSV `query,photo` (names as in the ground truth).

    Raises:
        UsageError: not readable; a query or photo that is not there; a photo that is neither easy nor hard; an empty list.
    """
    table = read_csv(uri, ["query", "photo"])
    ids = {name: number for number, name in enumerate(truth.database)}
    moved: dict[str, list[str]] = {}
    for row, (name, photo) in enumerate(zip(table["query"], table["photo"], strict=True)):
        if name not in truth.rows or photo not in ids:
            kind, value = ("query", name) if name not in truth.rows else ("photo", photo)
            raise UsageError(f"{where(uri, row)}: no {kind} '{shown(value)}' in the ground truth; correct the name")
        query = truth.queries[truth.rows[name]]
        if ids[photo] not in query.easy and ids[photo] not in query.hard:
            raise UsageError(
                f"{where(uri, row)}: photo '{shown(photo)}' is neither easy nor hard for '{shown(name)}'; remove it"
            )
        if photo in moved.setdefault(name, []):
            raise UsageError(f"{where(uri, row)}: photo '{shown(photo)}' is there twice for '{shown(name)}'; keep one")
        moved[name].append(photo)
    if not moved:
        raise UsageError(f"{shown(uri)}: no photos to move to junk; list them as query,photo")
    return moved


def read_left_out(uri: str, truth: GroundTruth, classes: Mapping[str, str]) -> list[str]:
    """Queries to be left out, from a text file: a line is a query's name, the part before its last `_`, or a landmark.

    Args:
        uri: the file; empty lines and those that start with # do not count.
        truth: the ground truth.
        classes: landmark by query, of `read_classes`; may be empty.

    Raises:
        UsageError: not UTF-8, a line that means no query, or an empty list.
    """
    try:
        lines = read_bytes(uri).decode("utf-8-sig").splitlines()
    except (LandmarkError, UnicodeDecodeError) as error:
        raise UsageError(f"{shown(uri)}: not a readable text in UTF-8 ({shown(str(error))[:200]})") from error
    left_out: set[str] = set()
    for number, line in enumerate(map(str.strip, lines), start=1):
        if not line or line.startswith("#"):
            continue
        names = _named(line, truth) or [name for name, landmark in classes.items() if landmark == line]
        if not names:
            raise UsageError(f"{shown(uri)}, row {number}: no query and no landmark '{shown(line)[:80]}'; correct the name")
        left_out.update(names)
    if not left_out:
        raise UsageError(f"{shown(uri)}: no queries to leave out; name one a line")
    return [query.name for query in truth.queries if query.name in left_out]


def score_protocols(standings: Sequence[Standing], truth: GroundTruth, changes: Changes) -> tuple[Scores, pd.DataFrame]:
    """Score by the standard protocol, and beside it by those that were asked for.

    Args:
        standings: where the photos that count stand, one a query.
        truth: the ground truth.
        changes: the other protocols.

    Returns:
        The scores in percent: E, M, H of the standard protocol and `queries` (how many count at each difficulty); under its
        name the same of each other protocol, with the queries that it leaves out and the photos that it moved. And a row a
        query, difficulty and protocol (standard, revised-junk): the same, in percent.
    """
    standard = score_queries(standings, truth)
    tables = {PROTOCOLS[0]: standard}
    result = _block(standard)
    names = [query.name for query in truth.queries]
    absent = None if changes.ours is None else [name for name in names if name not in changes.ours]
    if absent is not None:
        result[OUR_CLASSES] = _block(standard, absent)
    if changes.moved is not None:
        tables[REVISED_JUNK] = score_queries(standings, _with_junk(truth, changes.moved))
        moved = {name: list(photos) for name, photos in changes.moved.items()}
        result[REVISED_JUNK] = {**_block(tables[REVISED_JUNK]), "moved": moved}
        if absent is not None:
            both = _block(tables[REVISED_JUNK], absent)
            result[f"{OUR_CLASSES} + {REVISED_JUNK}"] = {**both, "moved": moved}
    if changes.overlap is not None:
        result[LEFT_OUT] = _block(standard, [name for name in names if name in changes.overlap])
    per_query = pd.concat([table.assign(protocol=name) for name, table in tables.items()], ignore_index=True)
    per_query[list(COLUMNS)] *= 100
    return result, per_query[["query", "protocol", "difficulty", "positives", *COLUMNS]]


def _block(table: pd.DataFrame, left_out: Sequence[str] | None = None) -> Scores:
    kept = table if left_out is None else table[~table["query"].isin(left_out)]
    scored = kept[kept["positives"] > 0]["difficulty"]
    block: Scores = {**mean_scores(kept), "queries": {key: int((scored == key).sum()) for key in DIFFICULTIES}}
    return block if left_out is None else {**block, "left_out": list(left_out)}


def _with_junk(truth: GroundTruth, moved: Mapping[str, Sequence[str]]) -> GroundTruth:
    ids = {name: number for number, name in enumerate(truth.database)}
    queries = [query.with_junk(ids[photo] for photo in moved.get(query.name, ())) for query in truth.queries]
    return replace(truth, queries=tuple(queries))


def _named(entry: str, truth: GroundTruth) -> list[str]:
    """Names of the queries that an entry means."""
    if entry in truth.rows:
        return [entry]
    return [query.name for query in truth.queries if query.name.rpartition("_")[0] == entry and entry]
