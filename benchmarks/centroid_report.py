"""The figures of `benchmarks.centroids` as tables."""

from __future__ import annotations

from typing import Any

Section = tuple[str, list[str], list[list[str]]]


def sections(result: dict[str, Any]) -> list[Section]:
    """Title, columns and rows of each table."""
    return [_speed(result), _memory(result), _again(result), *_recognition(result), _delf(result)]


def text_of(result: dict[str, Any], about: str) -> str:
    """All tables in Markdown, with what was measured before them."""
    machine = result["machine"]
    head = f"# Centroids of {result['landmarks']:,} landmarks, {result['photos']:,} photos of {result['dim']} numbers\n\n"
    head += f"`landmark bench centroids`, {machine['date']}: {machine['cpu']}, {machine['cores']} cores, "
    head += ", ".join(f"{name} {number}" for name, number in result["versions"].items())
    head += f", {result['seconds'] / 60:.0f} minutes for all of it\n\n{about.strip()}\n"
    return "\n".join([head, *map(_markdown, sections(result))])


def _markdown(section: Section) -> str:
    title, columns, rows = section
    lines = [f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *rows)]
    return "\n".join([f"## {title}\n", *lines, ""])


def _speed(result: dict[str, Any]) -> Section:
    rows = [
        [
            job,
            f"{row['sample']:,}",
            f"{row['extrapolated_seconds']:,.1f}" + ("" if row["sample"] == result["landmarks"] else " (extrapolated)"),
            f"{row['refresh_seconds']:,.1f}",
            f"{row['ratio']:.1f}",
        ]
        for job, row in result["loops"].items()
    ]
    columns = ["scikit-learn's job", "landmarks it did", "scikit-learn [s]", "refresh [s]", "times faster"]
    return f"A refresh beside scikit-learn ({_same(result)})", columns, rows


def _same(result: dict[str, Any]) -> str:
    return f"at one height the same centroids for {result['loops']['one height']['same_means']:.2%} of the landmarks"


def _memory(result: dict[str, Any]) -> Section:
    rows = [[name, f"{peak:,.0f}"] for name, peak in result["peak_memory_mib"].items()]
    title = (
        f"Peak memory beyond the mapped embeddings ({result['kept_bytes'] / 1e6:,.0f} MB are kept on disk for the next refresh)"
    )
    return title, ["refresh", "peak [MiB]"], rows


def _again(result: dict[str, Any]) -> Section:
    unchanged, changed, resumed = (result[name] for name in ("unchanged", "changed", "resumed"))
    rows = [
        ["nothing changed", f"{unchanged['seconds']:.1f}", f"{unchanged['clustered']:,}"],
        [f"the photos of {changed['landmarks']:,} landmarks changed", f"{changed['seconds']:.1f}", f"{changed['clustered']:,}"],
        [
            f"after SIGKILL half way ({'the same result' if resumed['same_result'] else 'another result'})",
            f"{resumed['seconds_after']:.1f}",
            f"{result['landmarks'] - resumed['landmarks_done_before']:,}",
        ],
    ]
    return "Refreshed again (earned)", ["", "seconds", "landmarks clustered"], rows


def _recognition(result: dict[str, Any]) -> list[Section]:
    columns = ["compared with", "vectors", "bytes", "sensitivity at 99 %", "ms a query", "times less memory", "times faster"]
    titles = {
        "recognition": f"Recognition on the made landmarks ({result['queries']:,} queries)",
        "recognition_real": "Recognition on the real embeddings",
    }
    return [(title, columns, [_gallery(row) for row in result[name]]) for name, title in titles.items()]


def _gallery(row: dict[str, Any]) -> list[str]:
    return [
        row["gallery"],
        f"{row['vectors']:,}",
        f"{row['bytes']:,}",
        f"{row['sensitivity_at_99']:.3f}",
        f"{row['milliseconds_a_query']:.4f}",
        f"{row['times_less_memory']:,.1f}",
        f"{row['times_faster']:,.1f}",
    ]


def _delf(result: dict[str, Any]) -> Section:
    values = result["delf"]
    rows = [
        ["local features of one photo [bytes]", f"{values['bytes_a_photo']:,}"],
        ["of all photos [bytes]", f"{values['bytes_all_photos']:,}"],
        ["of one photo a landmark [bytes]", f"{values['bytes_one_photo_a_landmark']:,}"],
        ["all photos: times the earned centroids", f"{values['times_centroids_all_photos']:,.0f}"],
        ["one photo a landmark: times the earned centroids", f"{values['times_centroids_one_photo_a_landmark']:,.0f}"],
    ]
    return "DELF, by arithmetic: 1,000 features of 40 float32 a photo (Noh et al., ICCV 2017); not measured", ["", ""], rows
