"""A made gallery folder, as the page expects it: rows, landmarks, small pictures; nothing of it was recognised."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from landmark.tagging.gallery_page import gallery_page

LANDMARKS = [  # in the order of the rows: country, city, name
    ("berlin_zoo", "Berlin Zoo", "Berlin", "Germany", 52.5079, 13.3377),
    ("checkpoint_charlie", "Checkpoint Charlie", "Berlin", "Germany", 52.5075, 13.3904),
    ("colosseum", "Colosseum", "Rome", "Italy", 41.8902, 12.4922),
    ("eiffel_tower", "Eiffel Tower", "Paris", "Österreich & co", 48.8584, 2.2945),
    ("casa_da_musica", "Casa da Música", "Porto", "Portugal", 41.1589, -8.6307),
    ("hagia_sophia", "Hagia Sophia", "", "Türkiye", 41.0086, 28.9802),
    ("nowhere", "Old Mill", "", "", None, None),
]


@dataclass
class Sample:
    """What is in a made gallery: `rows` in their order, `landmarks` as in head.js."""

    folder: Path
    rows: list[dict[str, Any]]
    landmarks: list[dict[str, Any]]

    @property
    def tagged(self) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["l"]]

    def rows_of(self, landmark: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["l"] == landmark]


def javascript(value: object) -> str:
    """JSON that can stand in a script: ASCII, and no `<` that could end it."""
    return json.dumps(value).replace("<", "\\u003c")


def page_row(n: int, landmark: str, best: str, confidence: float, candidates: Iterable[str], **more: object) -> dict[str, Any]:
    others = [[other, round(0.8 - 0.1 * k, 3)] for k, other in enumerate(candidates)]
    if not landmark and best:
        others.insert(0, [best, 0.55])
    return {
        **{
            "s": hashlib.sha256(f"photo {n}".encode()).hexdigest(),
            "p": f"2026/IMG_{n:05d}.jpg",
            "h": f"originals/IMG_{n:05d}.jpg",
        },
        **{"l": landmark, "b": best, "c": round(confidence, 4), "w": 4032, "g": 3024, "y": None, "x": None},
        **{"t": f"2026-05-{1 + n % 28:02d}T{n % 24:02d}:15:00" if n % 5 else None, "d": "context" if n % 7 == 3 else "model"},
        **{
            "r": "above the threshold" if landmark else "below the threshold",
            "o": others,
            "m": 1,
            "e": n % 2,
            "n": n % 2 - 1,
            "i": 0.71,
        },
        **more,
    }


def write_gallery(
    folder: Path,
    photos: int = 40,
    near: int = 9,
    *,
    pictures: bool = True,
    landmarks: list[dict[str, Any]] | None = None,
    change: Mapping[int, dict[str, object]] | None = None,
    near_total: int | None = None,
) -> Sample:
    """Write `photos` tagged rows and `near` near misses.

    Args:
        change: values to put into rows, by row number.
        near_total: photos without a landmark in the collection; None: as many as `near`.
        pictures: also make thumbs, medoids, activation maps and originals; False: rows say that there are none.
    """
    rng = random.Random(3)
    keys = ("id", "name", "city", "country", "lat", "lon")
    given = landmarks or [dict(zip(keys, each, strict=True)) for each in LANDMARKS]
    ids = [landmark["id"] for landmark in given]
    rows: list[dict[str, Any]] = []
    for k, landmark in enumerate(given):
        count = photos // len(given) + (k < photos % len(given))
        landmark.update(
            photos=count, medoids=[f"medoids/{hashlib.sha1(f'{k}/{n}.jpg'.encode()).hexdigest()}.webp" for n in range(2)]
        )
        others = [other for other in ids if other != landmark["id"]]
        for confidence in sorted((rng.betavariate(6, 1.2) for _ in range(count)), reverse=True):
            at = {} if landmark["lat"] is None or rng.random() < 0.5 else {"y": landmark["lat"] + 0.001, "x": landmark["lon"]}
            rows.append(page_row(len(rows), landmark["id"], landmark["id"], confidence, rng.sample(others, 3), **at))
    for confidence in sorted((rng.betavariate(1.2, 3) for _ in range(near)), reverse=True):
        best, *others = rng.sample(ids, 3)
        rows.append(page_row(len(rows), "", best, confidence, others))
    for n, values in (change or {}).items():
        rows[n].update(values)
    if not pictures:
        for row in rows:
            row.update(m=0, e=0, h="")
    bins = {landmark["id"]: [0] * 20 for landmark in [*given, {"id": ""}]}
    for row in rows:
        bins.get(row["l"], [0] * 20)[min(19, int(row["c"] * 20))] += 1
    for landmark in given:
        landmark["histogram"] = bins[landmark["id"]]

    chunks = [rows[start : start + 500] for start in range(0, len(rows), 500)]
    names = [f"data/rows-{hashlib.sha256(javascript(chunk).encode()).hexdigest()[:16]}.js" for chunk in chunks]
    head = {
        **{"version": 1, "made": "2026-11-20T10:00:00", "model": "landmark/3", "photos": len(rows) + 5, "tagged": photos},
        **{
            "shown": len(rows),
            "unreadable": 2,
            "language": "en",
            "near_misses": near,
            "left_out": 0,
            "source": "/photos",
            "near_total": near_total or near,
        },
        **{"landmarks": given, "near_histogram": bins[""]},
        "chunks": [{"file": name, "count": len(chunk)} for name, chunk in zip(names, chunks, strict=True)],
    }
    (folder / "data").mkdir(parents=True, exist_ok=True)
    (folder / "data/head.js").write_text(f"landmarkHead({javascript(head)});\n")
    for k, (name, chunk) in enumerate(zip(names, chunks, strict=True)):
        (folder / name).write_text(f"landmarkRows({k}, {javascript(chunk)});\n")
    (folder / "index.html").write_text(gallery_page(), encoding="utf-8")
    if pictures:
        _draw(folder, rows, given)
    return Sample(folder, rows, given)


def _draw(folder: Path, rows: list[dict[str, Any]], landmarks: list[dict[str, Any]]) -> None:
    ids = [landmark["id"] for landmark in landmarks]
    for row in rows:
        colour = 40 + 25 * (ids.index(row["b"]) % 8)
        image = Image.new("RGB", (64, 48), (colour, 120, 240 - colour))
        ImageDraw.Draw(image).ellipse((20, 8, 44, 40), fill=(250, 240, 220))
        if row["m"]:
            _save(image, folder / f"thumbs/{row['s'][:2]}/{row['s']}.webp")
        if row["e"]:
            _save(image.convert("L").convert("RGB"), folder / f"why/{row['s']}.webp")
        if row["h"].startswith("originals/"):
            _save(image.resize((128, 96)), folder / row["h"])
    for landmark in landmarks:
        for path in landmark["medoids"]:
            _save(Image.new("RGB", (48, 48), (90, 140, 90)), folder / path)


def _save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
