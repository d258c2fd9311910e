"""What sidecars and albums cost: first run, and a run in which nothing is new, beside plain writes of as many bytes.

    landmark bench sidecars [--photos 50000] [--out FILE]

Every photo is made (an empty file, for originals are not opened) and has a landmark, ten times as many as collections have.
The plain writes put the same bytes into as many files: once as `open` and `write`, once as the sidecars are written, each
synced to the disk and then renamed. A year's worth of other work on the machine is not in it: compare the ratios.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from landmark.storage import write_json
from landmark.tagging.albums import write_albums
from landmark.tagging.schema import TAGS
from landmark.tagging.sidecars import remove_sidecars, write_sidecars

RESULTS = Path(__file__).parent / "results"
FOLDER = 500
"""Photos a folder [count]."""
LANDMARKS = 200


def write_collection(root: Path, photos: int, moved: int = 0) -> tuple[Path, list[str]]:
    """Photos in folders, and their `tags.parquet`.

    Args:
        root: where to.
        photos: how many.
        moved: so many of them have another landmark than they would have otherwise.

    Returns:
        Folder of the tags, and the photos.
    """
    out, names = root / "out", []
    out.mkdir(exist_ok=True)
    for number in range(photos):
        folder = root / "photos" / f"{number // FOLDER:04}"
        if number % FOLDER == 0:
            folder.mkdir(parents=True, exist_ok=True)
        file = folder / f"IMG_{number:06}.jpg"
        file.touch()
        names.append(str(file))
    ids = [(number + (number < moved)) % LANDMARKS for number in range(photos)]
    count, time_ = photos, pa.scalar(datetime(2026, 1, 1, tzinfo=UTC), pa.timestamp("ms", tz="UTC"))
    values: dict[str, Any] = {
        "photo": names,
        "landmark": [f"landmark_{number}" for number in ids],
        "name": [f"Landmark {number}" for number in ids],
        "city": [f"City {number // 4}" for number in ids],
        "country": [f"Country {number // 20}" for number in ids],
        "confidence": [0.9] * count,
        "decided_by": ["model"] * count,
        "model": ["landmark/1"] * count,
        "added": [time_.as_py()] * count,
        "time": [time_.as_py()] * count,
        "runners_up": [[]] * count,
    }
    columns = [
        pa.array(values[field.name], field.type)
        if field.name in values
        else pa.array([None if field.nullable else "" if field.type == pa.string() else 0] * count, field.type)
        for field in TAGS
    ]
    pq.write_table(pa.table(columns, schema=TAGS), out / "tags.parquet")
    places = {
        "landmark": [f"landmark_{number}" for number in range(LANDMARKS)],
        "lat": [number / 4 for number in range(LANDMARKS)],
        "lon": [number / 2 for number in range(LANDMARKS)],
    }
    pq.write_table(pa.table(places), out / "landmarks.parquet")
    return out, names


def plain(folder: Path, contents: Sequence[bytes], synced: bool) -> None:
    """Write as many bytes into as many files."""
    for number, data in enumerate(contents):
        if number % FOLDER == 0:
            at = folder / f"{number // FOLDER:04}"
            at.mkdir(parents=True)
        file = at / f"{number:06}.xmp"
        if not synced:
            file.write_bytes(data)
            continue
        temporary = file.with_suffix(".tmp")
        with temporary.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(file)


def timed(work: Callable[[], Any]) -> tuple[float, float]:
    """Seconds by the clock, and of processor time."""
    begin, busy = time.perf_counter(), time.process_time()
    work()
    return round(time.perf_counter() - begin, 3), round(time.process_time() - busy, 3)


def measure(root: Path, photos: int) -> dict[str, Any]:
    """Run everything once.

    Returns:
        Seconds by the clock and of processor time by name.
    """
    out, names = write_collection(root, photos)
    seconds: dict[str, tuple[float, float]] = {}
    seconds["sidecars, first run"] = timed(lambda: write_sidecars(out, progress=False))
    contents = [Path(f"{name}.xmp").read_bytes() for name in names]
    seconds["plain writes"] = timed(lambda: plain(root / "plain", contents, synced=False))
    seconds["plain writes, each synced and renamed"] = timed(lambda: plain(root / "synced", contents, synced=True))
    seconds["sidecars, nothing new"] = timed(lambda: write_sidecars(out, progress=False))
    (out / ".state" / "sidecars.sqlite").unlink()
    seconds["sidecars, all right but the state lost"] = timed(lambda: write_sidecars(out, progress=False))
    write_collection(root, photos, photos // 100)
    seconds["sidecars, another landmark for 1 %"] = timed(lambda: write_sidecars(out, progress=False))
    seconds["albums of links, first run"] = timed(lambda: write_albums(out, "links", progress=False))
    seconds["albums of links, nothing new"] = timed(lambda: write_albums(out, "links", progress=False))
    seconds["sidecars, all withdrawn"] = timed(lambda: remove_sidecars(out, progress=False))
    left = sum(1 for name in names if Path(f"{name}.xmp").exists())
    return {"seconds": seconds, "bytes": sum(map(len, contents)), "left": left}


def main(arguments: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, print, and write the result.

    Returns:
        What was written.
    """
    parser = argparse.ArgumentParser(description="cost of sidecars and albums", prog="landmark bench sidecars")
    parser.add_argument("--photos", type=int, default=50_000, help="photos, each with a landmark [count]")
    parser.add_argument("--rounds", type=int, default=1, help="how often everything is done [count]")
    parser.add_argument("--out", type=Path, default=RESULTS / "sidecars.json", help="result file; the table lies beside it")
    options = parser.parse_args(arguments)
    rounds = []
    for _ in range(options.rounds):
        with tempfile.TemporaryDirectory(prefix="landmark-bench-") as folder:
            rounds.append(measure(Path(folder), options.photos))
    result = {"machine": machine(), "photos": options.photos, "rounds": rounds}
    write_json(options.out, result)
    text = report(result)
    options.out.with_suffix(".md").write_text(text)
    table = Table("", "seconds", "cpu", "to plain writes", "to synced ones")
    for row in rows(result):
        table.add_row(*row)
    Console().print(table)
    return result


def rows(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """Name, seconds, processor seconds, ratios to both kinds of plain writes; medians [lowest, highest] of several rounds."""
    found = []
    all_seconds = [each["seconds"] for each in result["rounds"]]
    for name in all_seconds[0]:
        clock = [seconds[name][0] for seconds in all_seconds]
        to = [[seconds[name][0] / seconds[base][0] for seconds in all_seconds] for base in _BASES]
        busy = [seconds[name][1] for seconds in all_seconds]
        found.append((name, _spread(clock, 1), _spread(busy, 1), *(_spread(ratios, 2) for ratios in to)))
    return found


_BASES = ("plain writes", "plain writes, each synced and renamed")


def _spread(values: Sequence[float], digits: int) -> str:
    ordered = sorted(values)
    middle = f"{ordered[len(ordered) // 2]:.{digits}f}"
    return middle if len(values) == 1 else f"{middle} [{ordered[0]:.{digits}f}, {ordered[-1]:.{digits}f}]"


def report(result: dict[str, Any]) -> str:
    """The result as a page."""
    info = result["machine"]
    size = result["rounds"][0]["bytes"] / result["photos"]
    lines = [
        "# What sidecars and albums cost",
        "",
        f"`landmark bench sidecars --photos {result['photos']} --rounds {len(result['rounds'])}`; {info['cpu']},"
        f" {info['cores']} cores; {result['photos']} photos, all with a landmark; sidecars of {size:.0f} bytes on average.",
        "",
        "| | seconds | processor seconds | times plain writes | times synced and renamed ones |",
        "|---|---|---|---|---|",
        *("| " + " | ".join(row) + " |" for row in rows(result)),
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
