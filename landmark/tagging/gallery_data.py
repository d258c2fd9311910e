"""What the gallery page shows, as scripts that call it with data: pages opened from a disk can't fetch anything else."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import pyarrow as pa
import pyarrow.parquet as pq

from landmark.errors import LandmarkError
from landmark.names import shown
from landmark.storage import is_s3

VERSION = 1
"""Of what head and rows hold; the page refuses another."""
CHUNK = 500
"""Rows a file [count]."""
BINS = 20
_JOINERS = "\u200c\u200d"
_UNSAFE = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}


@dataclass(frozen=True)
class Entry:
    """A landmark as the page shows it; `medoids`: URIs of the photos in the middle of its centroids."""

    landmark: str
    name: str
    city: str = ""
    country: str = ""
    lat: float | None = None
    lon: float | None = None
    medoids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Pictures:
    """Which pictures there are: `thumbs` by sha256, `nearest` centroid by sha256, `medoids` by URI, as the page names them."""

    thumbs: set[str]
    nearest: Mapping[str, int]
    medoids: Mapping[str, str]


def read_landmarks(file: Path, wanted: set[str]) -> dict[str, Entry]:
    """The landmarks of these ids in `landmarks.parquet`, by id; none where there is no such file.

    Raises:
        LandmarkError: it can't be read.
    """
    columns = ["landmark", "name", "city", "country", "lat", "lon", "medoids"]
    found = {}
    try:
        with pq.ParquetFile(file) as table:
            for batch in table.iter_batches(4096, columns=columns, use_threads=False):
                for row in batch.to_pylist():
                    if row["landmark"] in wanted:
                        place = {"lat": _finite(row.pop("lat")), "lon": _finite(row.pop("lon"))}
                        found[row["landmark"]] = Entry(**row | place | {"medoids": tuple(row["medoids"] or ())})
    except FileNotFoundError:
        return {}
    except (OSError, pa.ArrowException, KeyError) as error:
        why = shown(" ".join(str(error).split()))[:200]
        raise LandmarkError(f"{shown(file)}: not readable ({why}); remove it and run `landmark tag` again") from error
    return found


def entries_of(rows: Sequence[Mapping[str, Any]], file: Path) -> dict[str, Entry]:
    """All landmarks that rows name: as given, as best candidate, as runner-up; those not in `file` as the rows have them."""
    named: dict[str, Entry] = {}
    for row in rows:
        for other in row["runners_up"]:
            named.setdefault(other["landmark"], Entry(other["landmark"], other["name"]))
    for row in rows:
        if row["landmark"]:
            named[row["landmark"]] = Entry(row["landmark"], row["name"], row["city"], row["country"])
    return named | read_landmarks(file, set(named))


def in_order(rows: Iterable[dict[str, Any]], entries: Mapping[str, Entry]) -> list[dict[str, Any]]:
    """Tagged photos by country, city and landmark, the surest first; then near misses, likewise; then rejected ones."""

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        kind = 0 if row["landmark"] else 2 if row["decided_by"] == "person" else 1
        place = _place(entries[row["landmark"]]) if kind == 0 else ()
        return (kind, place, 0.0 if kind == 2 else -(_finite(row["confidence"]) or 0.0), row["photo"])

    return sorted(rows, key=key)


def subject(row: Mapping[str, Any]) -> str:
    """What a photo is compared with: its landmark, without one its best candidate; "": nothing is near."""
    others = row["runners_up"]
    return str(row["landmark"] or (others[0]["landmark"] if others else ""))


def row_json(row: Mapping[str, Any], folder: Path, pictures: Pictures) -> dict[str, Any]:
    """A row as the page takes it.

    Args:
        row: with the columns of `gallery_rows.COLUMNS`.
        folder: where the page lies, absolute.
        pictures: which there are.
    """
    sha256 = row["sha256"]
    return {
        "s": sha256,
        "p": shown(row["photo"]),
        "h": href(row["photo"], folder),
        "l": row["landmark"],
        "b": "" if row["landmark"] else subject(row),
        "c": round(_finite(row["confidence"]) or 0.0, 4),
        "i": round(_finite(row["similarity"]) or 0.0, 4),
        "w": row["width"],
        "g": row["height"],
        "t": row["taken_at"].isoformat(timespec="seconds") if row["taken_at"] is not None else None,
        "y": _finite(row["lat"]),
        "x": _finite(row["lon"]),
        "d": row["decided_by"],
        "r": label(row["reason"]),
        "o": [[other["landmark"], round(_finite(other["similarity"]) or 0.0, 4)] for other in row["runners_up"]],
        "m": int(sha256 in pictures.thumbs),
        "e": int(sha256 in pictures.nearest),
        "n": pictures.nearest.get(sha256, -1),
    }


def landmarks_json(
    rows: Sequence[Mapping[str, Any]], entries: Mapping[str, Entry], counts: Mapping[str, int], pictures: Pictures
) -> list[dict[str, Any]]:
    """The landmarks, those with rows first and in the order of these.

    Args:
        rows: in order.
        entries: of all landmarks that they name.
        counts: photos of the whole collection by landmark.
        pictures: which there are.
    """
    shown_rows = Counter(row["landmark"] for row in rows if row["landmark"])
    others = sorted((entry for entry in entries.values() if entry.landmark not in shown_rows), key=_place)
    bins: dict[str, list[int]] = {landmark: [0] * BINS for landmark in shown_rows}
    for row in rows:
        if row["landmark"]:
            bins[row["landmark"]][_bin(row)] += 1
    listed = []
    for entry in [*(entries[landmark] for landmark in shown_rows), *others]:
        medoids = [pictures.medoids.get(photo, "") for photo in entry.medoids]
        while medoids and not medoids[-1]:
            medoids.pop()
        one: dict[str, Any] = {
            "id": entry.landmark,
            "name": label(entry.name or entry.landmark),
            "city": label(entry.city),
            "country": label(entry.country),
            "lat": entry.lat,
            "lon": entry.lon,
            "photos": shown_rows[entry.landmark],
            "all": counts.get(entry.landmark, 0),
            "medoids": medoids,
        }
        if entry.landmark in bins:
            one["histogram"] = bins[entry.landmark]
        listed.append(one)
    return listed


def histogram(rows: Iterable[Mapping[str, Any]]) -> list[int]:
    """Rows by confidence, in 20 bins of [0, 0.05), ..., [0.95, 1]."""
    bins = [0] * BINS
    for row in rows:
        bins[_bin(row)] += 1
    return bins


def script(function: str, *values: Any) -> str:
    r"""A call with data, in ASCII; nothing in it can end the script element that it stands in.

    >>> script("landmarkRows", 0, ["</script>\u2028"])
    'landmarkRows(0,["\\u003c/script\\u003e\\u2028"]);\n'
    """
    parts = (json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":")) for value in values)
    return f"{function}({','.join(parts).translate(_UNSAFE)});\n"


def label(text: str) -> str:
    r"""A name fit for a line of the page: as `names.shown`, with the joiners that some scripts need.

    >>> label("a\nb"), label("\u0645\u06cc\u200c\u062e") == "\u0645\u06cc\u200c\u062e"
    ('a\\nb', True)
    """
    if text.isprintable():
        return text
    return "".join(character if character in _JOINERS else shown(character) for character in text)


def href(photo: str, folder: Path) -> str:
    """The link from a page to a photo: relative and percent-encoded; "" for one in S3.

    Args:
        photo: path or URI.
        folder: where the page lies, absolute.

    >>> href("/photos/a b/#1?.jpg", Path("/out/gallery")), href("s3://bucket/a.jpg", Path("/out"))
    ('../../photos/a%20b/%231%3F.jpg', '')
    """
    if is_s3(photo) or not os.path.isabs(photo):  # noqa: PTH117  # text, which need not name a file of this machine
        return ""
    return quote_from_bytes(os.fsencode(os.path.relpath(photo, folder)), safe="/")


def _place(entry: Entry) -> tuple[Any, ...]:
    """Sorts by country, city, name; what has none comes last."""
    parts = (entry.country, entry.city, entry.name)
    return (*((not part, part.casefold(), part) for part in parts), entry.landmark)


def _bin(row: Mapping[str, Any]) -> int:
    # As the page sees it: rounded to the digits that it gets.
    return min(BINS - 1, int(round(_finite(row["confidence"]) or 0.0, 4) * BINS))


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
