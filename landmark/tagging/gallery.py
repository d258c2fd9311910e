"""The gallery: one page in DIR/gallery that shows a tagged collection, opened from the disk or served for review.

`index.html` is the page, `data/head.js` says what there is and which files of rows belong to it; those are named by their
content. Pictures come first, then rows, then the page and its head are swapped together: a job that is killed leaves the
page that was there, whole.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from landmark.cache import locked
from landmark.names import shown
from landmark.storage import atomic_file, atomic_files, sha256_file
from landmark.tagging import gallery_data as data
from landmark.tagging.gallery_rows import Chosen, choose, fetch, opened
from landmark.tagging.thumbnails import is_whole, make_thumbnails, remove_others
from landmark.tagging.why import Wanted, Why, draw_missing, nearest_of

if TYPE_CHECKING:
    from landmark.recognition.recognizer import Recognizer

log = logging.getLogger(__name__)

GALLERY, STATE = "gallery", ".state"
TAGS_FILE, LANDMARKS_FILE, SUMMARY_FILE = "tags.parquet", "landmarks.parquet", "tagging.json"
SHOWN_FILE = "gallery.parquet"
"""In `.state`: the photos that the page shows, with where they lie; the review server reads it."""
MEDOIDS = 12
"""Centroids of a landmark whose medoids are shown, beside those that a photo was found nearest to [count]."""
SHOWN_SCHEMA = pa.schema(
    [
        *(pa.field(name, pa.string(), nullable=False) for name in ("sha256", "photo", "landmark", "subject", "decided_by")),
        pa.field("model", pa.string(), nullable=False),
        pa.field("width", pa.int32(), nullable=False),
        pa.field("height", pa.int32(), nullable=False),
    ]
)


@dataclass(frozen=True)
class GalleryResult:
    """What a gallery shows.

    Attributes:
        page: its path.
        shown: photos in it, of which `near_misses` without a landmark and `rejected` by a person.
        left_out: photos with a landmark that are not in it.
        thumbnails: made now.
        explained: activation maps drawn now.
        without: photos in it that have no thumbnail, as they can't be read now.
        removed: pictures of photos that are not in it any more.
        seconds: it took [s].
    """

    page: str
    shown: int
    near_misses: int
    rejected: int
    left_out: int
    thumbnails: int
    explained: int
    without: int
    removed: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def write_gallery(
    out: Path,
    recognizer: Path | None,
    *,
    near_misses: int = 500,
    limit: int = 20000,
    why: int = 24,
    progress: bool = True,
    loaded: Recognizer | None = None,
) -> GalleryResult:
    """Write the gallery of a tagged collection, or bring it up to date: pictures that are there are not made again.

    Args:
        out: folder that `landmark tag` wrote.
        recognizer: folder of the recognizer that the tags are by; None: no activation map is drawn.
        near_misses: most photos without a landmark that are shown, the most likely ones [count].
        limit: most photos with a landmark that are shown; landmarks share it evenly [count].
        why: photos that get an activation map: the least sure tagged ones, then near misses [count].
        progress: say on stderr how far it is.
        loaded: that recognizer, where it is in memory already.

    Raises:
        LandmarkError: no tags there, no space or no permission. The page that was there is whole,
            and what was made stays for the next call.
    """
    begin = time.monotonic()
    out, gallery = Path(out), Path(os.path.abspath(Path(out) / GALLERY))  # noqa: PTH100  # a page's links know no symlinks
    with locked(out / STATE / "gallery.lock", wait=f"{shown(gallery)}: another process is writing it; waiting for it"):
        with opened(out / TAGS_FILE) as table:
            chosen = choose(table, limit, near_misses)
            rows = list(fetch(table, np.sort(np.concatenate([chosen.tagged, chosen.near, chosen.rejected]))))
        entries = data.entries_of(rows, out / LANDMARKS_FILE)
        rows = data.in_order(rows, entries)
        summary = _summary(out)
        digest = sha256_file(recognizer / "recognizer.json") if recognizer is not None else str(summary.get("digest", ""))
        by_sha256 = _photos(rows)
        thumbs = {_thumb(gallery, sha256): photos for sha256, photos in by_sha256.items()}
        there, made = make_thumbnails(thumbs, "thumbnails", progress, named_by_content=True)
        explained = 0
        if recognizer is not None and why:
            maps = [
                Wanted(_map(gallery, row["sha256"]), row["sha256"], by_sha256[row["sha256"]], data.subject(row))
                for row in _unsure(rows, why)
            ]
            explained = draw_missing(Why(lambda: loaded or _load(recognizer)), maps, digest, progress)
        nearest = {}
        for row in rows:
            centroid = nearest_of(_map(gallery, row["sha256"]), data.subject(row), digest)
            if centroid is not None:
                nearest[row["sha256"]] = centroid
        medoids = _medoids(gallery, rows, entries, nearest, progress)
        pictures = data.Pictures(
            thumbs={file.stem for file in there},
            nearest=nearest,
            medoids={photo: file.relative_to(gallery).as_posix() for photo, file in medoids.items()},
        )
        _write(out, gallery, rows, entries, chosen, summary, pictures)
        kept = [*thumbs, *(_map(gallery, sha256) for sha256 in nearest), *medoids.values()]
        removed = sum(remove_others(gallery / folder, kept) for folder in ("thumbs", "why", "medoids"))
    seconds = round(time.monotonic() - begin, 3)
    without = len(thumbs) - len(there)
    result = GalleryResult(
        page=str(gallery / "index.html"), shown=len(rows), near_misses=len(chosen.near), rejected=len(chosen.rejected),
        left_out=sum(chosen.counts.values()) - len(chosen.tagged), thumbnails=made, explained=explained, without=without,
        removed=removed, seconds=seconds,
    )  # fmt: skip
    log.info("%s: %d photos, %d thumbnails and %d activation maps made, %d photos without a thumbnail, in %.1f s",
             shown(gallery), len(rows), made, explained, without, seconds)  # fmt: skip
    return result


def _write(
    out: Path,
    gallery: Path,
    rows: list[dict[str, Any]],
    entries: dict[str, data.Entry],
    chosen: Chosen,
    summary: dict[str, Any],
    pictures: data.Pictures,
) -> None:
    from landmark.tagging.gallery_page import gallery_page

    folder, head_file = gallery / "data", gallery / "data" / "head.js"
    before = _chunks_named(head_file)
    chunks: list[dict[str, Any]] = []
    for number, start in enumerate(range(0, len(rows), data.CHUNK)):
        part = [data.row_json(row, gallery, pictures) for row in rows[start : start + data.CHUNK]]
        content = data.script("landmarkRows", number, part).encode()
        file = folder / f"rows-{hashlib.sha256(content).hexdigest()[:16]}.js"
        _write_if_new(file, content)
        chunks.append({"file": f"data/{file.name}", "count": len(part)})
    tagged = sum(chosen.counts.values())
    head = {
        "version": data.VERSION,
        "made": str(summary.get("time", "")),
        "model": data.label(str(summary.get("model", rows[0]["model"] if rows else ""))),
        "source": str(summary.get("source", "")),
        "language": str(summary.get("language") or "en"),
        "photos": chosen.photos,
        "tagged": tagged,
        "shown": len(rows),
        "left_out": tagged - len(chosen.tagged),
        "unreadable": int(summary.get("unreadable", 0)),
        "near_misses": len(chosen.near),
        "near_total": chosen.near_total,
        "rejected": len(chosen.rejected),
        "near_histogram": data.histogram(row for row in rows if not row["landmark"] and row["decided_by"] != "person"),
        "chunks": chunks,
        "landmarks": data.landmarks_json(rows, entries, chosen.counts, pictures),
    }
    _write_shown(out / STATE / SHOWN_FILE, rows)
    contents = {gallery / "index.html": gallery_page().encode(), head_file: data.script("landmarkHead", head).encode()}
    changed = [file for file, content in contents.items() if not _is(file, content)]
    if changed:
        with atomic_files(*changed) as temporaries:
            for file, temporary in zip(changed, temporaries, strict=True):
                temporary.write_bytes(contents[file])
    # Rows of the page before stay for one that is open in a browser.
    kept = before | {chunk["file"].removeprefix("data/") for chunk in chunks} | {"head.js"}
    for file in folder.iterdir():
        if file.name not in kept and re.fullmatch(r"rows-[0-9a-f]{16}\.js|\.[0-9a-f]{16}\.tmp\.js", file.name):
            file.unlink(missing_ok=True)
    for file in gallery.glob(".*.tmp.html"):
        file.unlink(missing_ok=True)


def _write_shown(file: Path, rows: Sequence[dict[str, Any]]) -> None:
    table = pa.Table.from_pylist([{**row, "subject": data.subject(row)} for row in rows], SHOWN_SCHEMA)
    with atomic_file(file) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _medoids(
    gallery: Path, rows: list[dict[str, Any]], entries: dict[str, data.Entry], nearest: dict[str, int], progress: bool
) -> dict[str, Path]:
    """Pictures of the photos that stand for the centroids of landmarks in the rows, by URI: those that can be read here."""
    wanted: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        if landmark := data.subject(row):
            wanted[landmark] |= {*range(MEDOIDS), nearest.get(row["sha256"], 0)}
    photos = [
        medoid
        for landmark, numbers in wanted.items()
        for number, medoid in enumerate(entries[landmark].medoids)
        if number in numbers
    ]
    files = {gallery / "medoids" / f"{hashlib.sha1(photo.encode()).hexdigest()}.webp": photo for photo in photos}
    there, _ = make_thumbnails({file: [photo] for file, photo in files.items()}, "medoids", progress)
    return {files[file]: file for file in there}


def _unsure(rows: Sequence[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """The rows that want an explanation most: tagged ones, the least sure first, then near misses, the surest first."""
    open_ = [row for row in rows if row["decided_by"] != "person" and data.subject(row)]
    tagged = sorted((row for row in open_ if row["landmark"]), key=lambda row: row["confidence"])
    return [*tagged, *(row for row in open_ if not row["landmark"])][:count]


def _photos(rows: Sequence[dict[str, Any]]) -> dict[str, list[str]]:
    """Where each content lies, by sha256."""
    found: dict[str, list[str]] = {}
    for row in rows:
        found.setdefault(row["sha256"], []).append(row["photo"])
    return found


def _thumb(gallery: Path, sha256: str) -> Path:
    return gallery / "thumbs" / sha256[:2] / f"{sha256}.webp"


def _map(gallery: Path, sha256: str) -> Path:
    return gallery / "why" / f"{sha256}.webp"


def _load(recognizer: Path) -> Recognizer:
    from landmark.recognition.recognizer import Recognizer

    return Recognizer.load(recognizer)


def _summary(out: Path) -> dict[str, Any]:
    """What the tag job says of itself, if it does."""
    try:
        summary = json.loads((out / SUMMARY_FILE).read_bytes())
    except (OSError, ValueError):
        return {}
    return summary if isinstance(summary, dict) else {}


def _chunks_named(head: Path) -> set[str]:
    """Files of rows that a head names."""
    try:
        return set(re.findall(r"rows-[0-9a-f]{16}\.js", head.read_text("ascii")))
    except (OSError, UnicodeDecodeError):
        return set()


def _write_if_new(file: Path, content: bytes) -> None:
    if not is_whole(file):
        with atomic_file(file) as temporary:
            temporary.write_bytes(content)


def _is(file: Path, content: bytes) -> bool:
    try:
        return file.read_bytes() == content
    except OSError:
        return False
