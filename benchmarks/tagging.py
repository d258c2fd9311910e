"""The tag job: how near it comes to what decoding and the network allow, its memory, a second run, and kills.

    landmark bench tagging [twelve] [many] [--photos DIR] [--seed 0] [--out benchmarks/results]

`twelve`: JPEGs of 12 megapixels in one folder, the whole job beside its parts, in turns. `many`: small JPEGs, 100,000 of them.
A part that isn't run keeps its figures in the result files. Photos are made under --scratch and removed at the end.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.machine import machine

RESULTS = Path(__file__).parent / "results"
PARTS = ("twelve", "many")


def do_job(photos: str, model: str, out: str, home: str) -> None:
    """The job in this process; prints its counts, seconds since the process began, and peak memory."""
    from landmark.tagging.job import tag

    result = tag(photos, model, out, home, progress=False).to_json()
    # VmHWM rather than ru_maxrss: that one starts from the peak of the process that started this one.
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    started = int(Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19]) / 100
    spent = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0]) - started
    print(json.dumps(result | {"peak_mib": round(int(peak[1]) / 1024, 1) if peak else 0, "process_seconds": round(spent, 2)}))


def markdown(found: dict[str, Any]) -> str:
    """The results as a page."""
    lines = ["# The tag job", ""]
    if (part := found.get("twelve")) is not None:
        lines += _twelve(part)
    if (part := found.get("many")) is not None:
        lines += _many(part)
    return "\n".join(lines)


def _twelve(found: dict[str, Any]) -> list[str]:
    overhead, decode = found["overhead"], found["decode"]
    rows = (
        ("decoding alone", "decode_per_second"),
        ("the network alone", "network_per_second"),
        ("limit: 1 / (1/decode + 1/network)", "limit_per_second"),
        ("the whole job: tables", "job_per_second"),
        ("**of the limit**", "of_limit"),
        ("of the limit, by processor time, which other work disturbs less", "of_limit_cpu"),
        ("of the limit, without the job's start", "of_limit_after_start"),
        ("the whole job: tables, albums, gallery", "everything_per_second"),
        ("that start (recognizer, network) [s]", "start_seconds"),
    )
    return [
        f"## 12-megapixel JPEGs: {found['photos']} files, {found['megabytes']} MB",
        "",
        f"{found['command']}; {_where(found['machine'])}",
        "",
        f"{found['distinct']} distinct pictures ({found['source']}, enlarged to {found['pixels']}, quality 90), made distinct "
        f"files; input {found['image_size']} pixels, {found['engine']}; {100 * found['share_tagged']:.1f} % get a landmark.",
        "",
        f"| | median of {found['rounds']} rounds [photos/s] | lowest to highest |",
        "|---|---|---|",
        *(f"| {name} | {_number(found[key]['median'])} | {_span(found[key])} |" for name, key in rows),
        "",
        "| decoding, one thread | photos/s | |",
        "|---|---|---|",
        f"| at the scale that is needed (in the DCT) | {_number(decode['scaled_per_second']['median'])} | |",
        f"| whole | {_number(decode['whole_per_second']['median'])} | |",
        f"| **ratio** | **{decode['ratio']['median']:.2f}** | {_span(decode['ratio'])} |",
        "",
        f"Neither decoding nor the network, in one more job of {overhead['seconds']:.1f} s (hashing: of the time of all cores; "
        "the rest: by the clock, though photos are read meanwhile):",
        "",
        "| part | seconds | share |",
        "|---|---|---|",
        *(f"| {name} | {part['seconds']:.3f} | {100 * part['share']:.2f} % |" for name, part in overhead["parts"].items()),
        f"| **together** | | **{100 * overhead['share']:.2f} %** |",
        "",
    ]


def _many(found: dict[str, Any]) -> list[str]:
    killed, again = found["killed"], 100 * found["second_run_share"]
    peaks = ", ".join(f"{value:.0f} MiB at {int(count):,}" for count, value in found["peak_mib"].items())
    return [
        f"## {found['photos']:,} small JPEGs",
        "",
        f"{found['command']}; {_where(found['machine'])}",
        "",
        f"{found['distinct_pictures']:,} distinct pictures of 160 pixels, {found['bytes_a_photo']:,} bytes on average; input "
        f"{found['image_size']} pixels; each run a process of its own, its start included.",
        "",
        "| | |",
        "|---|---|",
        f"| peak memory | {peaks} photos: x {found['peak_growth']:.3f} |",
        f"| first run | {found['first_run_seconds']:.1f} s, {found['first_run_per_second']:.0f} photos/s |",
        f"| second run, nothing new | {found['second_run_seconds']:.1f} s: {again:.2f} % of the first |",
        f"| killed (SIGKILL) at random moments | {killed['kills']} times, {killed['seconds']:.0f} s in all |",
        f"| photos lost, twice, foreign | {killed['lost']}, {killed['twice']}, {killed['foreign']} |",
        f"| photos in two shards | {killed['in_shards_twice']} |",
        f"| table equal to that of a job that was not killed (but for times) | {'yes' if killed['same_table'] else '**no**'} |",
        "",
    ]


def _where(found: dict[str, Any]) -> str:
    return f"{found['cpu']}, {found['cores']} cores, load {found['load_average']}, {found['date']}"


def _number(value: float) -> str:
    return f"{value:.3f}" if value < 2 else f"{value:.1f}"


def _span(values: dict[str, float]) -> str:
    return f"{_number(values['lowest'])} to {_number(values['highest'])}"


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, prog="landmark bench tagging"
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{' or '.join(PARTS)} (none: both)")
    parser.add_argument("--photos", type=Path, help="folder of photos to make all from (else a generated world)")
    parser.add_argument("--large", type=int, default=1500, help="twelve: files [count]")
    parser.add_argument("--distinct", type=int, default=300, help="twelve: pictures that differ [count]")
    parser.add_argument("--rounds", type=int, default=3, help="twelve: rounds, after one that doesn't count")
    parser.add_argument("--many", type=int, default=100_000, help="many: files [count]")
    parser.add_argument("--few", type=int, default=10_000, help="many: files of the smaller job [count]")
    parser.add_argument("--kills", type=int, default=20, help="many: kills [count]")
    parser.add_argument("--size", type=int, default=128, help="side of the network's input [pixels]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--scratch", type=Path, help="where photos are made (else the system's temporary folder)")
    parser.add_argument("--out", type=Path, default=RESULTS)
    parser.add_argument("--job", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        do_job(*options.job)
        return
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part '{sorted(unknown)[0]}'; there are {', '.join(PARTS)}")
    from benchmarks.tags import many, twelve

    file = options.out / "tagging.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    common = (options.size, options.seed)
    for part in options.parts or PARTS:
        scratch = Path(tempfile.mkdtemp(prefix="landmark-tagging-", dir=options.scratch))
        begin = time.perf_counter()
        info = machine()
        try:
            if part == "twelve":
                counts = (options.large, options.distinct, options.rounds)
                said = f"--large {options.large} --distinct {options.distinct} --rounds {options.rounds}"
                result = twelve.measure(scratch, options.photos, *counts, *common)
            else:
                counts = (options.few, options.many, options.kills)
                said = f"--few {options.few} --many {options.many} --kills {options.kills}"
                result = many.measure(scratch, options.photos, *counts, *common)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        given = " --photos DIR" if options.photos else ""
        said = f"landmark bench tagging {part} {said} --seed {options.seed}{given}"
        minutes = round((time.perf_counter() - begin) / 60, 1)
        found[part] = result | {"command": f"`{said}`", "machine": info, "minutes": minutes, "seed": options.seed}
        options.out.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (options.out / "tagging.md").write_text(markdown(found), encoding="utf-8")
    print(markdown(found))


if __name__ == "__main__":
    main()
